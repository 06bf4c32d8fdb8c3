package catalogue_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/zoo/catalogue"
	"github.com/reprise-ml/reprise/zoo/directory"
)

// BenchmarkTenThousand makes the index of 10,000 synthetic closures in a directory, and searches it: the time of making it, and
// the 99th percentile of each search.
func BenchmarkTenThousand(b *testing.B) {
	s, err := directory.Create(b.TempDir())
	check(b, err)
	z, err := apitest.New(context.Background(), s)
	check(b, err)
	check(b, z.Fill(context.Background(), 10_000))
	index := open(b, s, "", nil)
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			anew := open(b, s, "", nil)
			refresh(b, anew, true)
		}
	})
	refresh(b, index, true)
	b.Run("refresh", func(b *testing.B) {
		for b.Loop() {
			refresh(b, index, false)
		}
	})
	for _, q := range []catalogue.Query{
		{Limit: 24},
		{Text: "small letters", Limit: 24},
		{Text: "s", Limit: 24},
		{Text: "a series on how little is enough", Limit: 24},
		{Text: "etter", Limit: 24},
		{Text: "crystals", Filters: map[string]string{"license": "MIT", "architecture": "dense"}, Sort: catalogue.SortAccuracy, Limit: 100},
	} {
		b.Run(fmt.Sprintf("search %q %v", q.Text, q.Filters), func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				began := time.Now()
				find(b, index, q)
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
