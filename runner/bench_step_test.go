package runner_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/module"
)

// yardsticks are the networks whose speed is watched.
var yardsticks = []string{"w1", "w2", "w3", "w4", "dense512", "resnet18-cifar", "char-lstm", "char-transformer"}

// BenchmarkStep measures whole steps of one worker beside what this runtime can do at most, measured in turns with them.
// All times are those of the thread, so that other work of the machine counts little, and the best of all repetitions.
func BenchmarkStep(b *testing.B) {
	for _, name := range yardsticks {
		b.Run(name, func(b *testing.B) {
			c := compile(b, name, wasm.Options{}, nil)
			s := newStepper(b.Context(), b, c)
			best := map[string]time.Duration{}
			run := func(phase string, body func()) {
				began := cpuTime()
				body()
				shortest(best, phase, cpuTime()-began)
			}
			peak := newPeak(b)
			for b.Loop() {
				peak.measure()
				s.step(run)
			}
			microbatches := c.resolved.Algorithm.Microbatches()
			total := best["apply"]
			for _, phase := range []string{"select", "copy", "accumulate"} {
				total += time.Duration(microbatches) * best[phase]
			}
			rate := float64(c.resolved.Algorithm.BatchSize) / total.Seconds()
			speed := rate * flops(b, c) / 1e9
			b.ReportMetric(rate, "examples/s")
			b.ReportMetric(speed, "GFLOP/s")
			b.ReportMetric(100*speed/peak.best, "%-of-peak")
			for phase, d := range best {
				b.ReportMetric(float64(d.Microseconds()), phase+"-µs")
			}
		})
	}
}

// BenchmarkPredict measures predictions for whole microbatches.
func BenchmarkPredict(b *testing.B) {
	for _, name := range yardsticks {
		b.Run(name, func(b *testing.B) {
			c := compile(b, name, wasm.Options{}, nil)
			s := newStepper(b.Context(), b, c)
			size := c.resolved.Algorithm.MicrobatchSize
			best := map[string]time.Duration{}
			for b.Loop() {
				began := cpuTime()
				if err := s.instance.Predict(s.ctx, size); err != nil {
					b.Fatal(err)
				}
				shortest(best, "predict", cpuTime()-began)
			}
			b.ReportMetric(float64(size)/best["predict"].Seconds(), "examples/s")
		})
	}
}

// BenchmarkBreakdown measures where the time of a step goes: the functions of an engine, and their sum by kind.
func BenchmarkBreakdown(b *testing.B) {
	for _, name := range yardsticks {
		b.Run(name, func(b *testing.B) {
			c := compile(b, name, wasm.Options{}, nil)
			g, err := wasm.Graph(c.resolved)
			if err != nil {
				b.Fatal(err)
			}
			w := &watch{sum: map[string]time.Duration{}, best: map[string]time.Duration{}}
			s := newStepper(experimental.WithFunctionListenerFactory(b.Context(), w), b, c)
			peak := newPeak(b)
			clear(w.sum)
			for b.Loop() {
				peak.measure()
				s.step(func(_ string, body func()) { body() })
				w.lap()
			}
			var total time.Duration
			kinds := map[string]time.Duration{}
			for function, d := range w.best {
				total += d
				kinds[kindOf(g, function)] += d
			}
			share := func(d time.Duration) float64 { return 100 * d.Seconds() / total.Seconds() }
			for kind, d := range kinds {
				b.ReportMetric(share(d), "%-"+kind)
			}
			fmt.Printf("%s: %.1f ms a step, peak %.1f GFLOP/s\n", name, total.Seconds()*1e3, peak.best)
			for _, function := range longestFirst(w.best) {
				if d := w.best[function]; share(d) >= 0.5 {
					fmt.Printf("%8.2f ms %5.1f %%  %s\n", d.Seconds()*1e3, share(d), function)
				}
			}
		})
	}
}

func longestFirst(m map[string]time.Duration) []string {
	return slices.SortedFunc(maps.Keys(m), func(x, y string) int { return cmp.Compare(m[y], m[x]) })
}

// kindOf sorts an engine's functions: what they do, and for which kind of layer.
func kindOf(g *graph.Graph, function string) string {
	dot := strings.LastIndexByte(function, '.')
	if dot < 0 {
		return function
	}
	for _, n := range g.Nodes {
		if n.Name == function[:dot] {
			return n.Kind + "-" + function[dot+1:]
		}
	}
	return function[:dot]
}

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

// stepper trains on one instance.
type stepper struct {
	ctx          context.Context
	b            *testing.B
	instance     *runner.Instance
	data         runner.Data
	microbatches int64
	indices      []uint32
	next         int64
}

func newStepper(ctx context.Context, b *testing.B, c compiled) *stepper {
	b.Helper()
	runtime.LockOSThread() // for cpuTime
	b.Cleanup(runtime.UnlockOSThread)
	s := &stepper{
		ctx: ctx, b: b, instance: load(ctx, b, c.wasm), data: c.data,
		microbatches: int64(c.resolved.Algorithm.Microbatches()), indices: make([]uint32, 0, c.resolved.Algorithm.MicrobatchSize),
	}
	s.step(func(_ string, body func()) { body() }) // step 0 changes no parameters
	return s
}

// step runs each phase by run.
func (s *stepper) step(run func(phase string, body func())) {
	check := func(err error) {
		if err != nil {
			s.b.Fatal(err)
		}
	}
	i := s.instance
	clear(i.Region(schema.RegionAccumulators))
	for m := range s.microbatches {
		run("select", func() {
			var err error
			s.indices, err = i.Select(s.ctx, s.next, m, s.data.Train.Len(), s.indices)
			check(err)
		})
		run("copy", func() {
			check(s.data.Train.Read(s.ctx, s.indices, i.Region(schema.RegionInput), i.Region(schema.RegionTarget)))
		})
		run("accumulate", func() { check(i.Accumulate(s.ctx, s.next, m, len(s.indices))) })
	}
	run("apply", func() { check(i.Apply(s.ctx, s.next)) })
	s.next++
}

func shortest(best map[string]time.Duration, name string, d time.Duration) {
	if old, ok := best[name]; !ok || d < old {
		best[name] = d
	}
}

// watch takes the time that each function of an engine spends in itself.
type watch struct {
	since     time.Duration
	stack     []string
	sum, best map[string]time.Duration // of this step, and of all
}

func (w *watch) NewFunctionListener(d api.FunctionDefinition) experimental.FunctionListener {
	if len(d.ExportNames()) == 0 && len(d.ParamTypes()) == 0 || slices.Contains(d.ExportNames(), "accumulate") || slices.Contains(d.ExportNames(), "apply") {
		return w
	}
	return nil
}

// charge gives the time since the last change of function to the one that ran.
func (w *watch) charge() {
	now := cpuTime()
	if n := len(w.stack); n > 0 {
		w.sum[w.stack[n-1]] += now - w.since
	}
	w.since = now
}

func (w *watch) Before(_ context.Context, _ api.Module, d api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	w.charge()
	name := d.Name()
	if len(d.ExportNames()) > 0 {
		name = d.ExportNames()[0]
	}
	w.stack = append(w.stack, name)
}

func (w *watch) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {
	w.charge()
	w.stack = w.stack[:len(w.stack)-1]
}

func (w *watch) Abort(ctx context.Context, m api.Module, d api.FunctionDefinition, _ error) {
	w.After(ctx, m, d, nil)
}

// lap ends a step.
func (w *watch) lap() {
	for name, d := range w.sum {
		shortest(w.best, name, d)
	}
	clear(w.sum)
}

// load makes an initialised instance.
func load(ctx context.Context, b *testing.B, engine []byte) *runner.Instance {
	b.Helper()
	r := runner.Open(ctx, runner.Options{})
	b.Cleanup(func() { r.Close(context.Background()) })
	e, err := r.Load(ctx, engine)
	if err != nil {
		b.Fatal(err)
	}
	i, err := e.Instantiate(ctx)
	if err == nil {
		err = i.Init(ctx, 1)
	}
	if err != nil {
		b.Fatal(err)
	}
	return i
}

// peak is what this runtime can do at most: multiplications and additions of f32x4 with no dependence between them but
// through twelve accumulators.
type peak struct {
	b    *testing.B
	run  api.Function
	best float64 // GFLOP/s
}

const peakAccumulators, peakPasses = 12, 300_000

func newPeak(b *testing.B) *peak {
	b.Helper()
	c := module.NewCode()
	sums := c.Locals(module.V128, peakAccumulators)
	factor, term, k := c.Local(module.V128), c.Local(module.V128), c.Local(module.I32)
	c.F32x4(0.999)
	c.Set(factor)
	c.F32x4(0.001)
	c.Set(term)
	c.For(k, 0, peakPasses, 1, func() {
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
	b.Cleanup(func() { _ = r.Close(ctx) })
	instance, err := r.Instantiate(ctx, m.Encode())
	if err != nil {
		b.Fatal(err)
	}
	return &peak{b: b, run: instance.ExportedFunction("peak")}
}

// measure keeps the best of some tries: on a busy machine few of them have a core to themselves.
func (p *peak) measure() {
	const tries = 20
	for range tries {
		began := cpuTime()
		if _, err := p.run.Call(context.Background()); err != nil {
			p.b.Fatal(err)
		}
		flop := float64(peakPasses * peakAccumulators * 8)
		p.best = max(p.best, flop/1e9/(cpuTime()-began).Seconds())
	}
}
