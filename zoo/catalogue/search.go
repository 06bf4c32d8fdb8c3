package catalogue

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Kinds of objects.
const (
	KindClosure = "closure"
	KindDataset = "dataset"
)

// Orders of a list.
const (
	SortRelevance = "relevance" // of what words are searched for
	SortNewest    = "newest"
	SortName      = "name"
	SortAccuracy  = "accuracy"
	SortSize      = "size" // the smallest first
)

// Facets of closures.
const (
	FacetTask         = "task"
	FacetDataset      = "dataset"
	FacetArchitecture = "architecture"
	FacetLicense      = "license"
	FacetSize         = "size"
	FacetVerified     = "verified"
)

// Facets lists them.
var Facets = []string{FacetTask, FacetDataset, FacetArchitecture, FacetLicense, FacetSize, FacetVerified}

// Values of FacetVerified.
const (
	Signed     = "signed"   // a trusted key vouches for it
	Unsigned   = "unsigned" // there are records about it, which anybody may have written
	Unverified = "none"
)

// sizes are the values of FacetSize, by the number of bytes below which they are.
var sizes = []struct {
	below int64
	value string
}{{1 << 20, "below 1 MB"}, {10 << 20, "1 to 10 MB"}, {100 << 20, "10 to 100 MB"}, {1 << 62, "above 100 MB"}}

// maxValues is how many values of a facet are told.
const maxValues = 50

// Query is what objects are searched for.
type Query struct {
	Kind    string            // KindClosure or KindDataset; empty is KindClosure
	Text    string            // each word begins one of the object, or if none does so, lies in its texts
	Filters map[string]string // values that facets must have, by facet
	// Runnable asks for closures whose engines are of this release's ABI and whose datasets are in the store, with documents that
	// can be read.
	Runnable bool
	Sort     string // empty is SortRelevance with words, and SortNewest without
	Offset   int
	Limit    int
}

// Result is a part of what was found, and how many of all have which values: each facet counts what the other filters leave.
type Result struct {
	Total  int
	Items  []Item
	Facets map[string][]schema.FacetValue
}

// Counts is how much there is: names, by what their latest versions are, and verification records about these closures.
type Counts struct{ Closures, Datasets, Verifications int }

// Counts counts what the index has.
func (c *Catalogue) Counts(ctx context.Context) (Counts, error) {
	cols, err := c.loaded(ctx)
	if err != nil {
		return Counts{}, err
	}
	return Counts{len(cols.kinds[KindClosure].rows), len(cols.kinds[KindDataset].rows), int(cols.records)}, nil
}

// Search finds, of the latest version of each name, those that fit. It answers as of the last Refresh, and never waits for one.
func (c *Catalogue) Search(ctx context.Context, q Query) (Result, error) {
	cols, err := c.loaded(ctx)
	if err != nil {
		return Result{}, err
	}
	found, err := c.match(ctx, cols, words(q.Text), q.Sort == "" || q.Sort == SortRelevance)
	if err != nil {
		return Result{}, err
	}
	k := cols.kinds[cmp.Or(q.Kind, KindClosure)]
	if k == nil {
		return Result{}, nil
	}
	hits, facets := k.search(q, found)
	r := Result{Total: len(hits), Facets: facets}
	first := min(max(q.Offset, 0), len(hits))
	r.Items, err = c.at(ctx, k, hits[first:min(first+max(q.Limit, 0), len(hits))])
	return r, err
}

// search returns the rows that fit, in order, and what their facets count.
func (k *kind) search(q Query, found *match) ([]int32, map[string][]schema.FacetValue) {
	by := q.Sort
	if by == "" || by == SortRelevance {
		by = SortNewest // which is also the order of what is equally relevant
		if found != nil {
			by = SortRelevance
		}
	}
	order, ok := k.orders[by]
	if !ok {
		order = k.orders[SortNewest]
	}
	filters, impossible := k.filters(q.Filters)
	if found == nil && len(filters) == 0 && impossible == 0 && !q.Runnable {
		return order, k.all
	}
	counts := k.counts()
	var hits []int32
	for _, i := range order {
		r := &k.rows[i]
		if found != nil && !found.objects.has(r.id) || q.Runnable && !r.runnable {
			continue
		}
		missed, at := impossible, -1
		for _, f := range filters {
			if !slices.Contains(r.values[f.facet], f.value) {
				missed++
				at = f.facet
			}
		}
		switch missed {
		case 0:
			counts.add(r, -1)
			hits = append(hits, i)
		case 1:
			counts.add(r, at)
		}
	}
	if by == SortRelevance {
		hits = k.relevant(hits, found)
	}
	return hits, counts.values(k)
}

// filter is a value that a facet must have, by their numbers. A value of -1 is one that no object has.
type filter struct {
	facet int
	value int32
}

// filters finds the numbers of facets and values, and counts those facets that there are not.
func (k *kind) filters(wanted map[string]string) (list []filter, impossible int) {
	for name, value := range wanted {
		if value == "" {
			continue
		}
		i := slices.Index(Facets, name)
		if i < 0 {
			impossible += 2 // nothing fits, and no facet has anything to count
			continue
		}
		number, ok := k.facets[i].numbers[value]
		if !ok {
			number = -1
		}
		list = append(list, filter{i, number})
	}
	return list, impossible
}

// relevant puts the more relevant rows first; others stay in their order.
func (k *kind) relevant(hits []int32, m *match) []int32 {
	if m.ranks != nil {
		slices.SortStableFunc(hits, func(a, b int32) int { return cmp.Compare(m.ranks[k.rows[a].id], m.ranks[k.rows[b].id]) })
		return hits
	}
	if m.first == nil {
		return hits
	}
	ordered := make([]int32, 0, len(hits))
	for _, first := range []bool{true, false} {
		for _, i := range hits {
			if m.first.has(k.rows[i].id) == first {
				ordered = append(ordered, i)
			}
		}
	}
	return ordered
}

// at reads the items of rows.
func (c *Catalogue) at(ctx context.Context, k *kind, hits []int32) ([]Item, error) {
	if len(hits) == 0 {
		return nil, nil
	}
	place := map[int64]int{}
	marks := make([]string, len(hits))
	args := make([]any, len(hits))
	for n, i := range hits {
		place[k.rows[i].id] = n
		marks[n], args[n] = "?", k.rows[i].id
	}
	items, err := c.items(ctx, "WHERE id IN ("+strings.Join(marks, ", ")+")", args...) // fewer, if some were forgotten a moment ago
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(place[a.id], place[b.id]) })
	return items, err
}

func sortVersions(items []Item) {
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(schema.CompareVersions(b.Version, a.Version), cmp.Compare(a.Name, b.Name))
	})
}
