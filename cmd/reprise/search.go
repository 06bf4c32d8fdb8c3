package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
	"github.com/reprise-ml/reprise/zoo/catalogue"
)

func searchCommand(a *app) *cobra.Command {
	q := catalogue.Query{Filters: map[string]string{}}
	filters := map[string]*string{}
	c := &cobra.Command{
		Use:   "search [QUERY...]",
		Short: "Search the closures of the store by words and facets",
		Long: long(`
Finds closures, each at its highest release, in whose name, title, keywords, task, datasets or description every word of
the query begins a word. An index beside your other caches makes it fast; it is kept current, and may be deleted.`),
		Example: `  reprise search small letters --license MIT
  reprise search --dataset mnist --sort accuracy`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			q.Text = strings.Join(args, " ")
			for facet, value := range filters {
				q.Filters[facet] = *value
			}
			switch q.Sort {
			case "", catalogue.SortRelevance, catalogue.SortNewest, catalogue.SortName, catalogue.SortAccuracy, catalogue.SortSize:
			default:
				return usagef("use relevance, newest, name, accuracy or size", "--sort %q is no order", q.Sort)
			}
			if q.Limit < 1 {
				return usagef("", "--limit %d is no number of closures", q.Limit)
			}
			return a.search(c.Context(), q)
		},
	}
	for _, facet := range catalogue.Facets {
		filters[facet] = c.Flags().String(facet, "", "only closures of this "+facet)
	}
	c.Flags().StringVar(&q.Sort, "sort", "", "relevance, newest, name, accuracy or size")
	c.Flags().IntVar(&q.Limit, "limit", 20, "how many are shown")
	return c
}

func (a *app) search(ctx context.Context, q catalogue.Query) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	index, err := a.openIndex(ctx, s, nil, func(name, version string, err error) { a.detail("%s:%s cannot be read: %v", name, version, err) })
	if err != nil {
		return err
	}
	defer index.Close()
	if _, err := index.Refresh(ctx); err != nil {
		return err
	}
	found, err := index.Search(ctx, q)
	if err != nil {
		return err
	}
	report := schema.SearchReport{Total: int64(found.Total), Items: []schema.ListEntry{}, Facets: found.Facets}
	for _, i := range found.Items {
		report.Items = append(report.Items, schema.ListEntry{
			Name: i.Name, Version: i.Version, Digest: i.Entry.Digest, Kind: zoo.Kind(i.Entry.ArtifactType), Created: i.Entry.Created, Withdrawn: i.Withdrawn,
		})
	}
	return a.answer(report, func(w io.Writer) {
		a.printEntries(w, report.Items)
		fmt.Fprintf(w, "%d of %d\n", len(report.Items), report.Total)
		for _, facet := range catalogue.Facets {
			var values []string
			for _, v := range report.Facets[facet] {
				values = append(values, fmt.Sprintf("%s (%d)", oneLine(v.Value), v.Count))
			}
			if len(values) > 0 {
				fmt.Fprintf(w, "  %-13s %s\n", facet, strings.Join(values, ", "))
			}
		}
	})
}

// openIndex opens the index of a store: a file of the user's caches, named after the place of the store, or where there are no
// such caches a temporary one. It counts what trust, if there is one, has signed. unreadable is told of what is damaged.
func (a *app) openIndex(ctx context.Context, s zoo.Store, trust *attestation.Trust, unreadable func(name, version string, err error)) (*catalogue.Catalogue, error) {
	o := catalogue.Options{Store: s, Trust: trust, Unreadable: unreadable}
	if caches, err := os.UserCacheDir(); err == nil {
		place := a.storePlace()
		if kind, err := kindOfStore(place); err == nil && kind.name == "directory" {
			if absolute, err := filepath.Abs(place); err == nil {
				place = absolute
			}
		}
		if none := (*attestation.Trust)(nil); trust.Digest() != none.Digest() {
			place += " " + trust.Digest().String()
		}
		o.Path = filepath.Join(caches, "reprise", "index-"+schema.DigestOf([]byte(place)).Short()+".sqlite")
	}
	index, err := catalogue.Open(ctx, o)
	if err != nil && o.Path != "" && ctx.Err() == nil {
		a.detail("%v: using a temporary index", err)
		o.Path = ""
		return catalogue.Open(ctx, o)
	}
	return index, err
}
