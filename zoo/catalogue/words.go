package catalogue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Bounds of what is searched for.
const (
	maxWords = 8
	maxText  = 1000
	// trigram is the least length of what is found inside words.
	trigram = 3
	// maxRanked is the largest number of objects that bm25 puts in order, which takes some microseconds for each. Of more, those
	// come first that have all of the words in their names and titles.
	maxRanked = 500
	// maxFound is how many answers of the index are kept.
	maxFound = 256
)

// weights of name, title, keywords, task, datasets and description.
const weights = "16, 12, 8, 6, 4, 1"

// words splits a text at everything that is neither letter nor digit, as the index does.
func words(text string) []string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	list := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
	return list[:min(len(list), maxWords)]
}

// match is what was found of some words.
type match struct {
	objects idSet
	ranks   map[int64]float64 // the least is the best; nil if there are too many
	first   idSet             // those that come first if there are no ranks; may be nil
}

// match finds the objects in which every word begins a word, or if there are none, those in whose texts every word lies. No words
// are nil, which is everything. What is relevant is found out if it is wanted.
func (c *Catalogue) match(ctx context.Context, cols *columns, list []string, relevance bool) (*match, error) {
	if len(list) == 0 {
		return nil, nil
	}
	m := &match{}
	var begins []string
	for _, w := range list {
		begins = append(begins, `"`+w+`"*`) // no quotation mark is a letter or a digit
	}
	var err error
	if m.objects, err = c.withAll(ctx, cols, "words", begins); err != nil {
		return nil, err
	}
	switch n := m.objects.size(); {
	case n > 0 && !relevance:
	case n > maxRanked:
		for i, w := range begins {
			begins[i] = "{name title} : " + w
		}
		m.first, err = c.withAll(ctx, cols, "words", begins)
	case n > 0:
		m.ranks, err = c.ranks(ctx, strings.Join(begins, " "))
	case !slices.ContainsFunc(list, func(w string) bool { return len([]rune(w)) < trigram }):
		var lies []string
		for _, w := range list {
			lies = append(lies, `"`+w+`"`)
		}
		m.objects, err = c.withAll(ctx, cols, "parts", lies)
	}
	return m, err
}

// withAll finds the objects that a table of the index has for every query. Each query is asked by itself, and its answer kept: two
// common words have few objects in common, or the same ones again with the next letter that somebody types.
func (c *Catalogue) withAll(ctx context.Context, cols *columns, table string, queries []string) (idSet, error) {
	var all idSet
	for _, q := range queries {
		found, err := c.with(ctx, cols, table, q)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = slices.Clone(found)
		} else {
			all.keep(found)
		}
	}
	return all, nil
}

func (c *Catalogue) with(ctx context.Context, cols *columns, table, query string) (idSet, error) {
	key := table + " " + query
	cols.mu.Lock()
	known := cols.found[key]
	cols.mu.Unlock()
	if known.objects != nil && known.ids == cols.ids {
		return known.objects, nil
	}
	// One text for all of them is several times as fast as a row for each.
	var list string
	err := c.db.QueryRowContext(ctx, fmt.Sprintf("SELECT coalesce(group_concat(rowid), '') FROM %s WHERE %[1]s MATCH ? AND rowid >= ?", table), query, known.ids).Scan(&list)
	if err != nil {
		return nil, err
	}
	found := slices.Clone(known.objects).grown(cols.ids)
	for text := range strings.SplitSeq(list, ",") {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			found.add(id)
		}
	}
	cols.mu.Lock()
	defer cols.mu.Unlock()
	if len(cols.found) >= maxFound {
		clear(cols.found)
	}
	cols.found[key] = answer{found, cols.ids}
	return found, nil
}

func (c *Catalogue) ranks(ctx context.Context, query string) (map[int64]float64, error) {
	rows, err := c.db.QueryContext(ctx, fmt.Sprintf("SELECT rowid, bm25(words, %s) FROM words WHERE words MATCH ?", weights), query)
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
