package api

import (
	"context"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/zoo/catalogue"
)

// Lengths of lists.
const (
	pageDefault = 24
	pageMost    = 100
	offsetMost  = 1 << 24
)

func (s *Service) closures(c *gin.Context) error {
	q, err := closureQuery(c)
	if err != nil {
		return err
	}
	list, err := s.find(c.Request.Context(), q)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, list)
}

// find lists the closures that a query asks for.
func (s *Service) find(ctx context.Context, q catalogue.Query) (ClosureList, error) {
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return ClosureList{}, err
	}
	found, err := index.Search(ctx, q)
	if err != nil {
		return ClosureList{}, err
	}
	items, err := s.summaries(ctx, index, found.Items)
	return ClosureList{Total: found.Total, Items: items, Facets: found.Facets, Unread: index.Unread()}, err
}

func closureQuery(c *gin.Context) (q catalogue.Query, err error) {
	q = catalogue.Query{Text: c.Query("q"), Filters: map[string]string{}}
	for _, f := range catalogue.Facets {
		q.Filters[f] = c.Query(f)
	}
	q.Sort, err = choice(c, "sort", "", catalogue.SortNewest, catalogue.SortName, catalogue.SortAccuracy, catalogue.SortSize, catalogue.SortRelevance)
	if err != nil {
		return q, err
	}
	runnable, err := choice(c, "runnable", "false", "true", "false", "1", "0")
	if err != nil {
		return q, err
	}
	q.Runnable = runnable == "true" || runnable == "1"
	q.Offset, q.Limit, err = part(c)
	return q, err
}

// part is which part of a list is asked for.
func part(c *gin.Context) (offset, limit int, err error) {
	if offset, err = integer(c, "offset", 0, 0, offsetMost); err != nil {
		return 0, 0, err
	}
	limit, err = integer(c, "limit", pageDefault, 0, pageMost)
	return offset, limit, err
}

// loaders read journals at the same time: enough to hide a disk, or a network.
const loaders = 8

// summaries adds to each closure what changes, and its curve.
func (s *Service) summaries(ctx context.Context, index Catalogue, items []catalogue.Item) ([]Summary, error) {
	list := make([]Summary, len(items))
	var wait sync.WaitGroup
	defer wait.Wait()
	slots := make(chan struct{}, loaders)
	for i, item := range items {
		o := s.listed(item)
		list[i] = o.summary
		list[i].Withdrawn = withdrawalOf(item)
		list[i].Verified = Verified{Signed: int(item.Signed), Unsigned: int(item.Records), Derivation: s.derivations.known(item.Entry.Digest, o.closure)}
		var err error
		if list[i].Parents, err = relatives(ctx, index, o.closure.Parents); err != nil {
			return nil, err
		}
		if o.problem != "" {
			continue
		}
		if list[i].Verified.Derivation == Unchecked {
			s.derivations.later(item.Entry.Digest, o.closure)
		}
		if curve, ok := s.previews.get(item.Entry.Digest); ok {
			list[i].Curve = curve
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			list[i].Curve = s.preview(ctx, o)
		})
	}
	return list, nil
}
