package catalogue_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/zoo/catalogue"
	"github.com/reprise-ml/reprise/zoo/directory"
)

// tenThousand is a store of as many synthetic closures, on disk.
func tenThousand(b *testing.B) *apitest.Zoo {
	b.Helper()
	s, err := directory.Create(b.TempDir())
	check(b, err)
	z, err := apitest.New(context.Background(), s)
	check(b, err)
	check(b, z.Fill(context.Background(), 10_000))
	return z
}

// spread reports the median and the 99th percentile of times, in ms.
func spread(b *testing.B, times []time.Duration) {
	b.Helper()
	slices.Sort(times)
	for name, i := range map[string]int{"p50-ms": len(times) / 2, "p99-ms": len(times) * 99 / 100} {
		b.ReportMetric(float64(times[i].Microseconds())/1000, name)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkTenThousand makes the index of 10,000 synthetic closures in a directory, and searches it: the time of making it, and how
// the times of each kind of search are spread. No search is answered from what an earlier one has found, as if each were the first
// with its words.
func BenchmarkTenThousand(b *testing.B) {
	z := tenThousand(b)
	path := filepath.Join(b.TempDir(), "index.sqlite")
	index := open(b, z.Store, path, nil)
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			anew := open(b, z.Store, "", nil)
			refresh(b, anew, true)
		}
	})
	refresh(b, index, true)
	b.Run("refresh", func(b *testing.B) {
		for b.Loop() {
			refresh(b, index, false)
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			find(b, open(b, z.Store, path, nil), catalogue.Query{Limit: 24})
		}
	})
	for _, c := range []struct {
		name string
		q    catalogue.Query
	}{
		{"everything", catalogue.Query{}},
		{"deep page", catalogue.Query{Offset: 9_900}},
		{"largest page", catalogue.Query{Limit: 100}},
		{"sorted by accuracy", catalogue.Query{Sort: catalogue.SortAccuracy}},
		{"runnable", catalogue.Query{Runnable: true}},
		{"one facet", catalogue.Query{Filters: map[string]string{"license": "MIT"}}},
		{"three facets", catalogue.Query{Filters: map[string]string{"license": "MIT", "architecture": "dense", "dataset": "glyphs"}}},
		{"rare word", catalogue.Query{Text: "4711"}},
		{"rare word in a name", catalogue.Query{Text: "ada series-47"}},
		{"no such word", catalogue.Query{Text: "zebrafish"}},
		{"word of a tenth", catalogue.Query{Text: "letters"}},
		{"word of all", catalogue.Query{Text: "model"}},
		{"letter", catalogue.Query{Text: "s"}},
		{"digit", catalogue.Query{Text: "1"}},
		{"two letters", catalogue.Query{Text: "se"}},
		{"two words", catalogue.Query{Text: "small letters"}},
		{"sentence", catalogue.Query{Text: "a series on how little is enough"}},
		{"eight letters", catalogue.Query{Text: "a s m d e t o i"}},
		{"within words", catalogue.Query{Text: "etter"}},
		{"within words of all", catalogue.Query{Text: "odel"}},
		{"words, facets, order", catalogue.Query{Text: "crystals", Filters: map[string]string{"license": "MIT", "architecture": "dense"}, Sort: catalogue.SortAccuracy, Limit: 100}},
		{"deep page of a word of all", catalogue.Query{Text: "model", Offset: 9_900}},
	} {
		if c.q.Limit == 0 {
			c.q.Limit = 24
		}
		b.Run("search/"+c.name, func(b *testing.B) {
			find(b, index, c.q)
			var times []time.Duration
			for b.Loop() {
				index.Forget()
				began := time.Now()
				find(b, index, c.q)
				times = append(times, time.Since(began))
			}
			spread(b, times)
		})
	}
	b.Run("a new closure", func(b *testing.B) {
		var refreshed, searched []time.Duration
		n := 0
		for b.Loop() {
			n++
			_, err := z.Publish(context.Background(), fmt.Sprintf("new/closure-%d", n), "1.0.0", apitest.Sample{})
			check(b, err)
			began := time.Now()
			refresh(b, index, true)
			refreshed, began = append(refreshed, time.Since(began)), time.Now()
			find(b, index, catalogue.Query{Text: "small letters", Limit: 24})
			searched = append(searched, time.Since(began))
		}
		slices.Sort(refreshed)
		b.ReportMetric(float64(refreshed[len(refreshed)/2].Milliseconds()), "refresh-ms")
		spread(b, searched)
	})
}
