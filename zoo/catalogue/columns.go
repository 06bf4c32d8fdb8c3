package catalogue

import (
	"cmp"
	"context"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// columns are what orders, facets and words need of each object, in memory, for one generation of the index.
type columns struct {
	generation int64
	known      map[zoo.NamedVersion]knownVersion
	kinds      map[string]*kind
	records    int64 // verification records about the latest closures, and keys that vouch for them
	ids        int64 // greater than any of an object

	latest idSet // of their names

	mu    sync.Mutex
	found map[string]answer // by what was asked of the index
}

// answer is the objects with a word, of those below ids.
type answer struct {
	objects idSet
	ids     int64
}

type knownVersion struct {
	id      int64
	problem bool
	stamp   string
}

// kind is the closures, or the datasets, that are the latest of their names.
type kind struct {
	rows   []row              // in the order of names
	orders map[string][]int32 // of rows, by order
	facets [6]facet           // as in Facets
	all    map[string][]schema.FacetValue
}

type row struct {
	id                            int64
	created, correct, total, size int64
	runnable                      bool
	values                        [6][]int32 // of facets
}

// facet is the values that a facet has, numbered.
type facet struct {
	values  []string
	numbers map[string]int32
}

func (f *facet) number(value string) int32 {
	n, ok := f.numbers[value]
	if !ok {
		n = int32(len(f.values))
		f.values = append(f.values, value)
		f.numbers[value] = n
	}
	return n
}

// loaded returns the columns that were loaded last. Searches do not load them again: whoever refreshes does.
func (c *Catalogue) loaded(ctx context.Context) (*columns, error) {
	if cols := c.columns.Load(); cols != nil {
		return cols, ctx.Err()
	}
	return c.load(ctx)
}

// load returns the columns of the present generation, and leaves them to searches.
func (c *Catalogue) load(ctx context.Context) (*columns, error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	var generation int64
	if err := c.db.QueryRowContext(ctx, "SELECT number FROM generation").Scan(&generation); err != nil {
		return nil, err
	}
	before := c.columns.Load()
	if before != nil && before.generation == generation {
		return before, nil
	}
	cols, err := c.readColumns(ctx, generation)
	if err != nil {
		return nil, err
	}
	if before != nil {
		cols.take(before)
	}
	c.columns.Store(cols)
	return cols, nil
}

// take takes over the answers that columns of an earlier generation have kept. They lack newer objects, which with asks for, and
// have some that are no longer the latest of their names, or gone, which no kind has.
func (c *columns) take(before *columns) {
	c.ids = max(c.ids, before.ids)
	c.latest = c.latest.grown(c.ids)
	for _, k := range c.kinds {
		for i := range k.rows {
			if id := k.rows[i].id; id < before.ids && !before.latest.has(id) {
				return // its words are found again, since a later version has gone
			}
		}
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	maps.Copy(c.found, before.found)
}

func (c *Catalogue) readColumns(ctx context.Context, generation int64) (*columns, error) {
	cols := &columns{generation: generation, known: map[zoo.NamedVersion]knownVersion{}, kinds: map[string]*kind{}, found: map[string]answer{}}
	cols.kind(KindClosure)
	cols.kind(KindDataset)
	// Neither of the inner queries looks at the outer row, so that each is made once.
	rows, err := c.db.QueryContext(ctx, `SELECT id, name, version, stamp, latest, kind, problem <> '', created, correct, total, size,
		task, license, architecture, datasets, records, signed, abi = ? AND id NOT IN (
			SELECT object FROM link WHERE kind = ? AND digest NOT IN (SELECT digest FROM object WHERE kind = ? AND problem = ''))
		FROM object ORDER BY name`, schema.ABI, linkDataset, KindDataset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		var name, version, stamp, kindName, task, license, architecture, datasets string
		var latest, problem bool
		var records, signed int64
		if err := rows.Scan(&r.id, &name, &version, &stamp, &latest, &kindName, &problem, &r.created, &r.correct, &r.total, &r.size,
			&task, &license, &architecture, &datasets, &records, &signed, &r.runnable); err != nil {
			return nil, err
		}
		cols.known[zoo.NamedVersion{Name: name, Version: version}] = knownVersion{r.id, problem, stamp}
		cols.ids = max(cols.ids, r.id+1)
		if !latest {
			continue
		}
		cols.latest = cols.latest.grown(r.id + 1)
		cols.latest.add(r.id)
		verified, size := Unverified, ""
		switch {
		case signed > 0:
			verified = Signed
		case records > 0:
			verified = Unsigned
		}
		if !problem {
			size = sizeValue(r.size)
		}
		if kindName == KindClosure {
			cols.records += records + signed
		}
		cols.kind(kindName).add(r, [6][]string{one(task), strings.Fields(datasets), one(architecture), one(license), one(size), {verified}})
	}
	for _, k := range cols.kinds {
		k.sort()
	}
	cols.latest = cols.latest.grown(cols.ids)
	return cols, rows.Err()
}

// kind is for those who make the columns.
func (c *columns) kind(name string) *kind {
	k := c.kinds[name]
	if k == nil {
		k = &kind{orders: map[string][]int32{}}
		for i := range k.facets {
			k.facets[i].numbers = map[string]int32{}
		}
		c.kinds[name] = k
	}
	return k
}

func (k *kind) add(r row, values [6][]string) {
	for i, list := range values {
		for _, v := range list {
			r.values[i] = append(r.values[i], k.facets[i].number(v))
		}
	}
	k.rows = append(k.rows, r)
}

// sort makes the orders, in which equal objects stay in the order of names, and counts the facets of all objects.
func (k *kind) sort() {
	for by, compare := range map[string]func(a, b *row) int{
		SortName:     nil,
		SortNewest:   func(a, b *row) int { return cmp.Compare(b.created, a.created) },
		SortAccuracy: func(a, b *row) int { return compareFractions(b, a) },
		SortSize:     func(a, b *row) int { return cmp.Compare(a.size, b.size) },
	} {
		order := make([]int32, len(k.rows))
		for i := range order {
			order[i] = int32(i)
		}
		if compare != nil {
			slices.SortStableFunc(order, func(a, b int32) int { return compare(&k.rows[a], &k.rows[b]) })
		}
		k.orders[by] = order
	}
	counts := k.counts()
	for i := range k.rows {
		counts.add(&k.rows[i], -1)
	}
	k.all = counts.values(k)
}

// facetCounts are how many objects have the values of each facet, by number.
type facetCounts [6][]int64

func (k *kind) counts() *facetCounts {
	c := &facetCounts{}
	for i := range c {
		c[i] = make([]int64, len(k.facets[i].values))
	}
	return c
}

// add counts an object, in one facet only unless that is -1.
func (c *facetCounts) add(r *row, only int) {
	for i := range c {
		if only >= 0 && only != i {
			continue
		}
		for _, v := range r.values[i] {
			c[i][v]++
		}
	}
}

// values lists those that there are, the most frequent first.
func (c *facetCounts) values(k *kind) map[string][]schema.FacetValue {
	all := map[string][]schema.FacetValue{}
	for i, name := range Facets {
		list := []schema.FacetValue{}
		for number, n := range c[i] {
			if n > 0 {
				list = append(list, schema.FacetValue{Value: k.facets[i].values[number], Count: n})
			}
		}
		slices.SortFunc(list, func(a, b schema.FacetValue) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
		})
		all[name] = list[:min(len(list), maxValues)]
	}
	return all
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

// compareFractions compares without dividing. Counts are below 2⁵³, so the products are made in 128 bits. What claims nothing
// is less than what does.
func compareFractions(a, b *row) int {
	if a.total <= 0 || b.total <= 0 {
		return cmp.Compare(max(0, min(a.total, 1)), max(0, min(b.total, 1)))
	}
	high1, low1 := bits.Mul64(uint64(a.correct), uint64(b.total))
	high2, low2 := bits.Mul64(uint64(b.correct), uint64(a.total))
	return cmp.Or(cmp.Compare(high1, high2), cmp.Compare(low1, low2))
}

// idSet is a set of objects, a bit for each.
type idSet []uint64

// grown is the set with room for ids.
func (s idSet) grown(ids int64) idSet {
	if more := int((ids+63)/64) - len(s); more > 0 {
		return append(s, make(idSet, more)...)
	}
	return s
}

func (s idSet) add(id int64) {
	if i := id >> 6; i >= 0 && i < int64(len(s)) {
		s[i] |= 1 << (id & 63)
	}
}

func (s idSet) has(id int64) bool { return s[id>>6]>>(id&63)&1 == 1 }

// keep leaves what is in t, too.
func (s idSet) keep(t idSet) {
	for i := range s {
		s[i] &= t[i]
	}
}

func (s idSet) size() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}
