package api

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/reprise-ml/reprise/schema"
)

// Search is simple on purpose: a closure is found if every word of the query begins a word of it, or lies inside one. Words
// in names and titles weigh more than those in descriptions.

// fieldWords are the words of a field, in lower case.
type fieldWords struct {
	weight int
	words  []string
}

// Weights of fields.
const (
	weightName        = 16
	weightTitle       = 12
	weightKeyword     = 8
	weightTask        = 6
	weightDataset     = 4
	weightDescription = 1
)

// Bounds of what is searched for and in.
const (
	maxQueryWords = 8
	maxFieldWords = 200
)

func wordsOf(s Summary) []fieldWords {
	var datasets []string
	for _, d := range s.Datasets {
		datasets = append(datasets, d.Name)
	}
	return []fieldWords{
		{weightName, words(s.Name)},
		{weightTitle, words(s.Title)},
		{weightKeyword, words(strings.Join(s.Keywords, " "))},
		{weightTask, words(s.Task)},
		{weightDataset, words(strings.Join(datasets, " "))},
		{weightDescription, words(s.Description)},
	}
}

func wordsOfDataset(d *schema.Dataset) []fieldWords {
	return []fieldWords{
		{weightName, words(d.Name)},
		{weightTitle, words(d.Title)},
		{weightKeyword, words(strings.Join(d.Classes, " "))},
		{weightDescription, words(d.Description)},
	}
}

// words splits a text at everything that is neither letter nor digit.
func words(text string) []string {
	list := strings.FieldsFunc(strings.ToLower(shorten(text, 10000)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
	return list[:min(len(list), maxFieldWords)]
}

// score says how well a query fits; 0 is not at all.
func score(query []string, fields []fieldWords) int {
	sum := 0
	for _, q := range query {
		best := 0
		for _, f := range fields {
			for _, w := range f.words {
				switch {
				case w == q:
					best = max(best, 4*f.weight)
				case strings.HasPrefix(w, q):
					best = max(best, 2*f.weight)
				case len(q) > 2 && strings.Contains(w, q):
					best = max(best, f.weight)
				}
			}
		}
		if best == 0 {
			return 0
		}
		sum += best
	}
	return sum
}

// Orders of a list.
const (
	sortRelevance = "relevance" // if words are searched for and nothing else is asked
	sortNewest    = "newest"
	sortName      = "name"
	sortAccuracy  = "accuracy"
	sortSize      = "size"
)

// Facets of closures.
const (
	facetTask     = "task"
	facetDataset  = "dataset"
	facetLicense  = "license"
	facetVerified = "verified"
)

var facets = [...]string{facetTask, facetDataset, facetLicense, facetVerified}

// none is the value of the facet verified for closures without a record.
const none = "none"

// query is what closures are searched for.
type query struct {
	words    []string
	filters  map[string]string // by facet
	runnable bool
	sort     string
}

// hit is a closure that was found.
type hit struct {
	*Object
	score int
}

// search returns the closures that fit, in order, and the facets: each counts what the other filters leave.
func (s *Snapshot) search(q query) ([]*Object, map[string][]FacetValue) {
	counts := map[string]map[string]int{}
	for _, f := range facets {
		counts[f] = map[string]int{}
	}
	var hits []hit
	for _, o := range s.Closures {
		n := 1
		if len(q.words) > 0 {
			n = score(q.words, o.words)
		}
		if n == 0 || q.runnable && !s.runnable(o) {
			continue
		}
		misses := ""
		missed := 0
		for _, f := range facets {
			if want := q.filters[f]; want != "" && !slices.Contains(o.values(f), want) {
				misses = f
				missed++
			}
		}
		for _, f := range facets {
			if missed == 0 || missed == 1 && misses == f {
				for _, v := range o.values(f) {
					counts[f][v]++
				}
			}
		}
		if missed == 0 {
			hits = append(hits, hit{o, n})
		}
	}
	slices.SortStableFunc(hits, q.compare)
	found := make([]*Object, len(hits))
	for i, h := range hits {
		found[i] = h.Object
	}
	return found, facetValues(counts)
}

// values are those of a facet.
func (o *Object) values(facet string) []string {
	switch facet {
	case facetTask:
		return one(o.Closure.Task)
	case facetLicense:
		return one(o.Closure.License)
	case facetDataset:
		var names []string
		for _, d := range o.Closure.Datasets {
			if !slices.Contains(names, d.Name) {
				names = append(names, d.Name)
			}
		}
		return names
	case facetVerified:
		var kinds []string
		if o.Records.Signed > 0 {
			kinds = append(kinds, Signed)
		}
		if o.Records.Unsigned > 0 {
			kinds = append(kinds, Unsigned)
		}
		if len(kinds) == 0 {
			kinds = append(kinds, none)
		}
		return kinds
	}
	return nil
}

func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// runnable reports whether a visitor can recompute the closure here: the site runs its engine, and its data are in the store.
func (s *Snapshot) runnable(o *Object) bool {
	if o.Closure.Engine.ABI != schema.ABI {
		return false
	}
	for _, d := range o.Closure.Datasets {
		if data := s.byDigest[d.Digest]; data == nil || data.Dataset == nil {
			return false
		}
	}
	return true
}

// compare orders hits; equal ones stay in the order of names.
func (q query) compare(a, b hit) int {
	switch q.sort {
	case sortRelevance:
		return cmp.Compare(b.score, a.score)
	case sortNewest:
		return b.created.Compare(a.created)
	case sortAccuracy:
		return compareAccuracy(b.summary.Accuracy, a.summary.Accuracy)
	case sortSize:
		return cmp.Compare(a.summary.Size, b.summary.Size)
	}
	return 0
}

// compareAccuracy compares fractions without dividing. Counts are below 2⁵³, so the products are made in 128 bits.
func compareAccuracy(a, b *Accuracy) int {
	if a == nil || b == nil {
		return cmp.Compare(rank(a), rank(b))
	}
	high1, low1 := bits.Mul64(uint64(a.Correct), uint64(b.Total))
	high2, low2 := bits.Mul64(uint64(b.Correct), uint64(a.Total))
	return cmp.Or(cmp.Compare(high1, high2), cmp.Compare(low1, low2))
}

func rank(a *Accuracy) int {
	if a == nil {
		return 0
	}
	return 1
}

// facetValues lists values, the most frequent first.
func facetValues(counts map[string]map[string]int) map[string][]FacetValue {
	const most = 50
	out := map[string][]FacetValue{}
	for facet, values := range counts {
		list := make([]FacetValue, 0, len(values))
		for v, n := range values {
			list = append(list, FacetValue{v, n})
		}
		slices.SortFunc(list, func(a, b FacetValue) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
		out[facet] = list[:min(len(list), most)]
	}
	return out
}
