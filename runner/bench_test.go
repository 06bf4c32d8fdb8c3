package runner_test

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// BenchmarkWorkers measures eight microbatches of 16 a step on one and two workers.
func BenchmarkWorkers(b *testing.B) {
	for _, name := range []string{"w2", "w3", "w4"} {
		for workers, label := range map[int]string{1: "one", 2: "two"} {
			b.Run(name+"/"+label, func(b *testing.B) {
				c := compile(b, name, wasm.Options{}, func(s *schema.Specification) {
					s.Algorithm.MicrobatchSize, s.Algorithm.BatchSize = 16, 128
				})
				team := start(b, c.wasm, c.data, runner.TeamOptions{Workers: workers})
				if err := team.Init(b.Context(), 1); err != nil {
					b.Fatal(err)
				}
				step := int64(0)
				for b.Loop() {
					if _, err := team.Step(b.Context(), step, runner.First(8)); err != nil {
						b.Fatal(err)
					}
					step++
				}
				b.ReportMetric(float64(b.N*128)/b.Elapsed().Seconds(), "examples/s")
			})
		}
	}
}

// BenchmarkCompile measures the compiler on LeNet.
func BenchmarkCompile(b *testing.B) {
	c := compile(b, "lenet", wasm.Options{}, nil)
	for b.Loop() {
		if got, err := wasm.Compile(c.resolved, wasm.Options{}); err != nil || !bytes.Equal(got, c.wasm) {
			b.Fatal("another engine", err)
		}
	}
}

// BenchmarkAnswer measures how long a server waits at worst, collecting garbage while its child runs an endless engine.
func BenchmarkAnswer(b *testing.B) {
	team := start(b, fixtures.HostileNamed(fixtures.EndlessGreedy), glyphData(), runner.TeamOptions{
		Options: patient, Child: &runner.ChildOptions{Deadline: time.Hour, Grace: time.Millisecond},
	})
	if err := team.Init(b.Context(), 1); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := team.Step(ctx, 1, runner.First(2))
		ended <- err
	}()
	var waits []time.Duration
	for b.Loop() {
		began := time.Now()
		runtime.GC()
		waits = append(waits, time.Since(began))
	}
	cancel()
	<-ended
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
}
