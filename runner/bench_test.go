package runner_test

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/module"
)

// flops of a trained example: two for each textbook multiply-add.
func flops(b *testing.B, c compiled) float64 {
	b.Helper()
	g, err := wasm.Graph(c.resolved)
	if err != nil {
		b.Fatal(err)
	}
	_, train := g.MultiplyAdds()
	return 2 * float64(train)
}

// BenchmarkStep measures whole steps of one microbatch of 64 on one worker, and where their time goes.
func BenchmarkStep(b *testing.B) {
	for _, name := range []string{"w1", "w2", "w3", "w4", "dense512"} {
		b.Run(name, func(b *testing.B) {
			c := compile(b, name, wasm.Options{}, nil)
			i := load(b, c.wasm)
			size := c.resolved.Algorithm.MicrobatchSize
			input, target := i.Region(schema.RegionInput), i.Region(schema.RegionTarget)
			accumulators := i.Region(schema.RegionAccumulators)
			indices := make([]uint32, 0, size)
			var spent [4]time.Duration // select, copy, accumulate, apply
			ctx := context.Background()
			step := int64(0)
			for b.Loop() {
				at := [5]time.Time{time.Now()}
				var err error
				if indices, err = i.Select(ctx, step, 0, c.data.Train.Len(), indices); err != nil {
					b.Fatal(err)
				}
				at[1] = time.Now()
				if err := c.data.Train.Read(ctx, indices, input, target); err != nil {
					b.Fatal(err)
				}
				clear(accumulators)
				at[2] = time.Now()
				if err := i.Accumulate(ctx, step, 0, len(indices)); err != nil {
					b.Fatal(err)
				}
				at[3] = time.Now()
				if err := i.Apply(ctx, step); err != nil {
					b.Fatal(err)
				}
				at[4] = time.Now()
				for k := range spent {
					spent[k] += at[k+1].Sub(at[k])
				}
				step++
			}
			rate := float64(b.N*size) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "examples/s")
			b.ReportMetric(rate*flops(b, c)/1e9, "GFLOP/s")
			for k, part := range []string{"select", "copy", "accumulate", "apply"} {
				b.ReportMetric(float64(spent[k].Microseconds())/float64(b.N), part+"-µs")
			}
		})
	}
}

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

// load makes an initialised instance.
func load(b *testing.B, engine []byte) *runner.Instance {
	b.Helper()
	r := runner.Open(b.Context(), runner.Options{})
	b.Cleanup(func() { r.Close(context.Background()) })
	e, err := r.Load(b.Context(), engine)
	if err != nil {
		b.Fatal(err)
	}
	i, err := e.Instantiate(b.Context())
	if err == nil {
		err = i.Init(b.Context(), 1)
	}
	if err != nil {
		b.Fatal(err)
	}
	return i
}

// BenchmarkPeak is what this runtime can do at most: multiplications and additions of f32x4 with no dependence between
// them but through twelve accumulators.
func BenchmarkPeak(b *testing.B) {
	const accumulators, passes = 12, 100_000
	c := module.NewCode()
	sums := c.Locals(module.V128, accumulators)
	factor, term, k := c.Local(module.V128), c.Local(module.V128), c.Local(module.I32)
	c.F32x4(0.999)
	c.Set(factor)
	c.F32x4(0.001)
	c.Set(term)
	c.For(k, 0, passes, 1, func() {
		for _, s := range sums {
			c.Get(s, factor)
			c.Op(module.F32x4Mul)
			c.Get(term)
			c.Op(module.F32x4Add)
			c.Set(s)
		}
	})
	for n, s := range sums {
		c.I32(16 * n)
		c.Get(s)
		c.Mem(module.V128Store, 0)
	}
	m := &module.Module{
		Memories: []module.Memory{{Min: 1, Max: 1, HasMax: true}},
		Exports:  []module.Export{{Name: "peak", Kind: module.KindFunc}},
	}
	m.Functions = []module.Function{c.Function(m, "peak")}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	instance, err := r.Instantiate(ctx, m.Encode())
	if err != nil {
		b.Fatal(err)
	}
	peak := instance.ExportedFunction("peak")
	for b.Loop() {
		if _, err := peak.Call(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*passes*accumulators*8/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
