package catalogue

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
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
	Unsigned   = "unsigned" // there are records about it, which anybody may have written
	Unverified = "none"
)

// sizes are the values of FacetSize, by the number of bytes below which they are.
var sizes = []struct {
	below int64
	value string
}{{1 << 20, "below 1 MB"}, {10 << 20, "1 to 10 MB"}, {100 << 20, "10 to 100 MB"}, {1 << 62, "above 100 MB"}}

// Bounds of what is searched for.
const (
	maxWords = 8
	maxText  = 1000
	// maxValues is how many values of a facet are told.
	maxValues = 50
)

// Query is what objects are searched for.
type Query struct {
	Kind    string            // closure or dataset; empty is closure
	Text    string            // each word begins one of the object, or if none does so, lies in its texts
	Filters map[string]string // values that facets must have, by facet
	// Runnable asks for closures whose engines are of this release's ABI and whose datasets are in the store.
	Runnable bool
	Sort     string // empty is SortRelevance with words, and SortNewest without
	Offset   int
	Limit    int
}

// Result is a part of what was found, and how many of all have which values: each facet counts what the other filters leave.
type Result struct {
	Total  int
	Items  []Item
	Facets map[string][]Value
}

// Value is one of a facet.
type Value struct {
	Value string
	Count int
}

// columns are what orders and facets need of each object, in memory.
type columns struct {
	generation int64
	known      map[zoo.NamedVersion]knownVersion
	rows       map[string][]row // the latest of each name, by kind, in the order of names
}

type knownVersion struct {
	id      int64
	problem bool
}

type row struct {
	id                            int64
	name                          string
	created, correct, total, size int64
	runnable                      bool
	values                        [6][]string // of Facets
}

// load returns the columns of the present generation.
func (c *Catalogue) load(ctx context.Context) (*columns, error) {
	var generation int64
	if err := c.db.QueryRowContext(ctx, "SELECT number FROM generation").Scan(&generation); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.columns != nil && c.columns.generation == generation {
		return c.columns, nil
	}
	cols := &columns{generation: generation, known: map[zoo.NamedVersion]knownVersion{}, rows: map[string][]row{}}
	rows, err := c.db.QueryContext(ctx, `SELECT id, name, version, latest, kind, problem <> '', created, correct, total, size,
		task, license, architecture, datasets, records, abi = ? AND NOT EXISTS (
			SELECT 1 FROM link WHERE link.object = object.id AND link.kind = ? AND NOT EXISTS (
				SELECT 1 FROM object AS data WHERE data.digest = link.digest AND data.kind = 'dataset'))
		FROM object ORDER BY name`, schema.ABI, linkDataset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		var version, kind, task, license, architecture, datasets string
		var latest, problem bool
		var records int64
		if err := rows.Scan(&r.id, &r.name, &version, &latest, &kind, &problem, &r.created, &r.correct, &r.total, &r.size,
			&task, &license, &architecture, &datasets, &records, &r.runnable); err != nil {
			return nil, err
		}
		cols.known[zoo.NamedVersion{Name: r.name, Version: version}] = knownVersion{r.id, problem}
		if !latest {
			continue
		}
		verified := Unverified
		if records > 0 {
			verified = Unsigned
		}
		r.values = [6][]string{one(task), strings.Fields(datasets), one(architecture), one(license), nil, {verified}}
		if !problem {
			r.values[4] = []string{sizeValue(r.size)}
		}
		cols.rows[kind] = append(cols.rows[kind], r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	c.columns = cols
	return cols, nil
}

func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func sizeValue(size int64) string {
	for _, s := range sizes {
		if size < s.below {
			return s.value
		}
	}
	return ""
}

// Search finds, of the latest version of each name, those that fit.
func (c *Catalogue) Search(ctx context.Context, q Query) (Result, error) {
	cols, err := c.load(ctx)
	if err != nil {
		return Result{}, err
	}
	ranks, err := c.match(ctx, words(q.Text))
	if err != nil {
		return Result{}, err
	}
	q.Kind = cmp.Or(q.Kind, "closure")
	counts := make([]map[string]int, len(Facets))
	for i := range counts {
		counts[i] = map[string]int{}
	}
	var hits []row
	for _, r := range cols.rows[q.Kind] {
		if ranks != nil {
			if _, ok := ranks[r.id]; !ok {
				continue
			}
		}
		if q.Runnable && !r.runnable {
			continue
		}
		missed, at := 0, 0
		for i, facet := range Facets {
			if want := q.Filters[facet]; want != "" && !slices.Contains(r.values[i], want) {
				missed++
				at = i
			}
		}
		for i := range Facets {
			if missed == 0 || missed == 1 && at == i {
				for _, v := range r.values[i] {
					counts[i][v]++
				}
			}
		}
		if missed == 0 {
			hits = append(hits, r)
		}
	}
	if order := q.order(ranks); order != nil {
		slices.SortStableFunc(hits, order)
	}
	result := Result{Total: len(hits), Facets: map[string][]Value{}}
	for i, facet := range Facets {
		result.Facets[facet] = mostFrequent(counts[i])
	}
	first := min(max(q.Offset, 0), len(hits))
	for _, r := range hits[first:min(first+max(q.Limit, 0), len(hits))] {
		items, err := c.items(ctx, "WHERE id = ?", r.id)
		if err != nil {
			return Result{}, err
		}
		result.Items = append(result.Items, items...) // none, if it was forgotten a moment ago
	}
	return result, nil
}

// order compares hits; nil leaves them in the order of names, in which equal ones stay.
func (q Query) order(ranks map[int64]float64) func(a, b row) int {
	by := q.Sort
	if by == "" || by == SortRelevance && ranks == nil {
		by = SortNewest
		if ranks != nil {
			by = SortRelevance
		}
	}
	switch by {
	case SortRelevance:
		return func(a, b row) int { return cmp.Compare(ranks[a.id], ranks[b.id]) }
	case SortNewest:
		return func(a, b row) int { return cmp.Compare(b.created, a.created) }
	case SortAccuracy:
		return func(a, b row) int { return compareFractions(b, a) }
	case SortSize:
		return func(a, b row) int { return cmp.Compare(a.size, b.size) }
	}
	return nil
}

// compareFractions compares without dividing. Counts are below 2⁵³, so the products are made in 128 bits. What claims nothing
// is less than what does.
func compareFractions(a, b row) int {
	if a.total <= 0 || b.total <= 0 {
		return cmp.Compare(min(a.total, 1), min(b.total, 1))
	}
	high1, low1 := bits.Mul64(uint64(a.correct), uint64(b.total))
	high2, low2 := bits.Mul64(uint64(b.correct), uint64(a.total))
	return cmp.Or(cmp.Compare(high1, high2), cmp.Compare(low1, low2))
}

func mostFrequent(counts map[string]int) []Value {
	list := make([]Value, 0, len(counts))
	for v, n := range counts {
		list = append(list, Value{v, n})
	}
	slices.SortFunc(list, func(a, b Value) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	return list[:min(len(list), maxValues)]
}

// words splits a text at everything that is neither letter nor digit, as the index does.
func words(text string) []string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	list := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
	return list[:min(len(list), maxWords)]
}

// match finds the objects in which every word begins a word, with their ranks (the least is the best), or if there are none,
// those in whose texts every word lies. No words are nil, which is everything.
func (c *Catalogue) match(ctx context.Context, list []string) (map[int64]float64, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var begins, lies []string
	for _, w := range list {
		begins = append(begins, `"`+w+`"*`) // no quotation mark is a letter or a digit
		lies = append(lies, `"`+w+`"`)
	}
	ranks, err := c.ranks(ctx, fmt.Sprintf("SELECT rowid, bm25(words, %s) FROM words WHERE words MATCH ?", weights), strings.Join(begins, " "))
	if err != nil || len(ranks) > 0 || slices.ContainsFunc(list, func(w string) bool { return len([]rune(w)) < trigram }) {
		return ranks, err
	}
	return c.ranks(ctx, "SELECT rowid, 0.0 FROM parts WHERE parts MATCH ?", strings.Join(lies, " "))
}

// trigram is the least length of what is found inside words.
const trigram = 3

// weights of name, title, keywords, task, datasets and description.
const weights = "16, 12, 8, 6, 4, 1"

func (c *Catalogue) ranks(ctx context.Context, query, match string) (map[int64]float64, error) {
	rows, err := c.db.QueryContext(ctx, query, match)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ranks := map[int64]float64{}
	for rows.Next() {
		var id int64
		var rank float64
		if err := rows.Scan(&id, &rank); err != nil {
			return nil, err
		}
		ranks[id] = rank
	}
	return ranks, rows.Err()
}

func sortVersions(items []Item) {
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(schema.CompareVersions(b.Version, a.Version), cmp.Compare(a.Name, b.Name))
	})
}
