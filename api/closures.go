package api

import (
	"context"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
)

// Lengths of lists.
const (
	pageDefault = 24
	pageMost    = 100
	offsetMost  = 1 << 24
)

func (s *Service) closures(c *gin.Context) error {
	q, offset, limit, err := closureQuery(c)
	if err != nil {
		return err
	}
	snapshot, err := s.catalogue.Snapshot(c.Request.Context())
	if err != nil {
		return err
	}
	found, facets := snapshot.search(q)
	return answer(c, http.StatusOK, ClosureList{
		Total: len(found), Items: s.summaries(c.Request.Context(), snapshot, cut(found, offset, limit)), Facets: facets,
	})
}

func closureQuery(c *gin.Context) (q query, offset, limit int, err error) {
	q = query{words: words(c.Query("q")), filters: map[string]string{}}
	q.words = q.words[:min(len(q.words), maxQueryWords)]
	for _, f := range facets {
		q.filters[f] = c.Query(f)
	}
	order := sortNewest
	if len(q.words) > 0 {
		order = sortRelevance
	}
	if q.sort, err = choice(c, "sort", order, sortNewest, sortName, sortAccuracy, sortSize, sortRelevance); err != nil {
		return q, 0, 0, err
	}
	runnable, err := choice(c, "runnable", "false", "true", "false", "1", "0")
	if err != nil {
		return q, 0, 0, err
	}
	q.runnable = runnable == "true" || runnable == "1"
	if offset, err = integer(c, "offset", 0, 0, offsetMost); err != nil {
		return q, 0, 0, err
	}
	limit, err = integer(c, "limit", pageDefault, 0, pageMost)
	return q, offset, limit, err
}

// cut takes a part of a list.
func cut[T any](list []T, offset, limit int) []T {
	offset = min(offset, len(list))
	return list[offset:min(offset+limit, len(list))]
}

// summaries adds to each closure what changes, and its curve.
func (s *Service) summaries(ctx context.Context, snapshot *Snapshot, objects []*Object) []Summary {
	list := make([]Summary, len(objects))
	var wait sync.WaitGroup
	slots := make(chan struct{}, loaders)
	for i, o := range objects {
		list[i] = o.summary
		list[i].Parents = snapshot.relatives(o.Closure.Parents)
		list[i].Verified = Verified{Signed: o.Records.Signed, Unsigned: o.Records.Unsigned, Derivation: s.derivations.known(o.Entry.Digest, o.Closure)}
		if o.summary.Problem != "" {
			continue
		}
		if list[i].Verified.Derivation == Unchecked {
			s.derivations.later(o.Entry.Digest, o.Closure)
		}
		if curve, ok := s.previews.get(o.Entry.Digest); ok {
			list[i].Curve = curve
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			list[i].Curve = s.preview(ctx, o)
		})
	}
	wait.Wait()
	return list
}
