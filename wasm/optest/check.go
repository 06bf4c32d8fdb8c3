package optest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// Check is CheckBits, and measures the oracle's gradients.
func Check(t *testing.T, m Model) {
	t.Helper()
	CheckBits(t, m)
	numeric(t, m.Resolve(t))
}

// CheckBits trains the model for three steps, on every runtime and in the oracle, and requires the same bits of everything:
// the choice of examples, accumulators, parameters and state, predictions and metrics, for full and for smaller batches.
func CheckBits(t *testing.T, m Model) {
	t.Helper()
	CheckResolved(t, m.Resolve(t), Runtimes()...)
}

// CheckResolved is CheckBits of a resolved specification on some runtimes.
func CheckResolved(t *testing.T, r schema.Resolved, runtimes ...Runtime) {
	t.Helper()
	code := Compile(t, r)
	for _, runtime := range runtimes {
		newPair(t, runtime, r, code).run()
	}
	showResolved(t, r, ShownForward, ShownBackward)
}

// pair is an engine and its oracle, side by side.
type pair struct {
	t       *testing.T
	name    string
	r       schema.Resolved
	engine  *Instance
	oracle  *ref.Training
	records Records
}

// Oracle makes the oracle of a resolved specification.
func Oracle(t testing.TB, r schema.Resolved) *ref.Training {
	t.Helper()
	g, err := wasm.Graph(r)
	if err != nil {
		t.Fatal(err)
	}
	return ref.NewTraining(r, g)
}

func newPair(t *testing.T, runtime Runtime, r schema.Resolved, code []byte) *pair {
	t.Helper()
	return &pair{
		t: t, name: runtime.Name, r: r, engine: runtime.Open(t, code), oracle: Oracle(t, r), records: Random(r, 7),
	}
}

func (p *pair) run() {
	p.t.Helper()
	p.engine.Init(p.r.Algorithm.Seed)
	p.oracle.Init(p.r.Algorithm.Seed)
	p.compareTensors("init")
	p.shiftBiases()
	capacity := p.r.Algorithm.MicrobatchSize
	for step := range int64(3) {
		clear(p.engine.Region(schema.RegionAccumulators))
		p.oracle.Clear()
		for u := range int64(p.r.Algorithm.Microbatches()) {
			p.accumulate(step, u)
		}
		p.t.Helper()
		if err, status := p.oracle.Apply(step), p.engine.Apply(step); err != nil || status != "" {
			p.t.Fatalf("%s, apply(%d): engine %q, oracle %v", p.name, step, status, err)
		}
		p.compareTensors(fmt.Sprintf("apply(%d)", step))
	}
	for _, n := range []int{capacity, 1, capacity / 2, capacity - 1} {
		if n > 0 {
			p.predict(n)
			p.evaluate(n)
		}
	}
	// ABI: every 1 ≤ n ≤ capacity is legal everywhere.
	clear(p.engine.Region(schema.RegionAccumulators))
	p.oracle.Clear()
	p.microbatch(3, 0, First(max(1, capacity-1)))
	p.microbatch(3, 1, First(1))
}

// shiftBiases gives biases values, which they do not have at first, so that they show in everything.
func (p *pair) shiftBiases() {
	draw := rand.New(rand.NewPCG(3, 1))
	for k, q := range p.oracle.Network.Parameters {
		if !q.Bias {
			continue
		}
		for i := range q.Value {
			q.Value[i] = float32(draw.NormFloat64() / 4)
		}
		copy(p.oracle.Tensors[k].Average, q.Value)
		copy(p.engine.Tensor(q.Name), Floats(q.Value))
	}
	p.engine.call("restore")
}

func (p *pair) accumulate(step, u int64) {
	p.t.Helper()
	examples := p.r.Datasets[0].Examples
	indices := p.oracle.Select(step, u, examples)
	p.equal(fmt.Sprintf("select(%d, %d)", step, u), words(p.engine.Select(step, u, examples)), words(indices))
	p.microbatch(step, u, indices)
}

func (p *pair) microbatch(step, u int64, indices []uint32) {
	p.t.Helper()
	input, target := p.records.At(indices)
	p.engine.Write(input, target)
	err := p.oracle.Accumulate(step, u, input, target, len(indices))
	if status := p.engine.Accumulate(step, u, len(indices)); err != nil || status != "" {
		p.t.Fatalf("%s, accumulate(%d, %d): engine %q, oracle %v", p.name, step, u, status, err)
	}
	p.compareAccumulators(fmt.Sprintf("accumulate(%d, %d, %d)", step, u, len(indices)))
}

func (p *pair) compareAccumulators(when string) {
	p.t.Helper()
	for i, q := range p.oracle.Network.Parameters {
		o := p.oracle.Tensors[i]
		p.equal(when+": peak of "+q.Name, p.engine.Segment(q.Name+".peak"), ints([]int32{o.Peak}))
		p.equal(when+": gradient of "+q.Name, p.engine.Segment(q.Name), ints(o.Sum))
	}
	for _, a := range p.oracle.Network.Averages {
		p.equal(when+": statistics of "+a.Name, p.engine.Segment(a.Name+".statistics"), longs(a.Sum))
	}
	for name, want := range map[string]int64{
		schema.SegmentLoss: p.oracle.Loss, schema.SegmentExamples: p.oracle.Examples,
		schema.SegmentCorrect: p.oracle.Correct, schema.SegmentClipped: p.oracle.Clipped,
		schema.SegmentMicrobatches: p.oracle.Microbatches,
	} {
		if name == schema.SegmentMicrobatches && p.r.Algorithm.Aggregation.Mode == schema.AggregateGradient {
			continue // it has no such segment
		}
		p.equal(when+": "+name, p.engine.Segment(name), long(want))
	}
}

func (p *pair) compareTensors(when string) {
	p.t.Helper()
	outer, slots := "", []string{"velocity"}
	if p.r.Algorithm.Aggregation.Mode == schema.AggregateLocalSteps {
		outer = "outer."
	} else {
		slots = slotNames(p.r.Algorithm.Optimizer)
	}
	for i, q := range p.oracle.Network.Parameters {
		o := p.oracle.Tensors[i]
		if o.Average == nil {
			p.equal(when+": "+q.Name, p.engine.Tensor(q.Name), Floats(o.Value))
		} else {
			p.equal(when+": "+q.Name, p.engine.Tensor(q.Name), Floats(o.Average))
			p.equal(when+": trained "+q.Name, p.engine.Tensor(q.Name+".trained"), Floats(o.Value))
		}
		p.equal(when+": exponent of "+q.Name, p.engine.Tensor(q.Name+"."+outer+"exponent"), ints([]int32{o.Exponent}))
		for k, slot := range o.Slots {
			p.equal(when+": "+slots[k]+" of "+q.Name, p.engine.Tensor(q.Name+"."+outer+slots[k]), Floats(slot))
		}
	}
	for _, a := range p.oracle.Network.Averages {
		p.equal(when+": mean of "+a.Name, p.engine.Tensor(a.Name+".mean"), Floats(a.Mean))
		p.equal(when+": variance of "+a.Name, p.engine.Tensor(a.Name+".variance"), Floats(a.Variance))
	}
	for name, x := range p.shared() {
		p.equal(when+": "+name, p.engine.Tensor(name), Floats([]float32{x}))
	}
	if p.r.Algorithm.Averaging.Kind != "" {
		p.equal(when+": averaging.count", p.engine.Tensor("averaging.count"), long(p.oracle.Averaged))
	}
	if want := p.stateCount(); len(p.engine.Section.State) != want {
		p.t.Fatalf("%s, %s: %d tensors of state, want %d", p.name, when, len(p.engine.Section.State), want)
	}
	p.equal(when+": seed", p.engine.Tensor("seed"), long(p.oracle.Seed))
}

// slotNames are the optimizer's, as the compiler has them.
func slotNames(c schema.Component) []string {
	for _, o := range kernel.Optimizers() {
		if o.Declaration().Name == c.Kind {
			return o.Rule(c.Attributes).Slots
		}
	}
	return nil
}

// shared are the scalars of the oracle's rule.
func (p *pair) shared() map[string]float32 {
	rule := p.oracle.Rule
	if clipped, ok := rule.(ref.Clipped); ok {
		rule = clipped.Rule
	}
	adam := func(a ref.Adam) map[string]float32 {
		return map[string]float32{"adam.correction1": a.Correction1, "adam.correction2": a.Correction2}
	}
	switch r := rule.(type) {
	case *ref.Adam:
		return adam(*r)
	case *ref.AdamW:
		return adam(r.Adam)
	case *ref.LAMB:
		return adam(r.Adam)
	case *ref.NAdam:
		return map[string]float32{"adam.correction2": r.Correction2, "nadam.fade": r.Fade, "nadam.product": r.Product}
	case *ref.Adamax:
		return map[string]float32{"adam.correction1": r.Correction1}
	}
	return nil
}

// stateCount is the number of the oracle's tensors of state.
func (p *pair) stateCount() int {
	n := 1 + len(p.shared()) // the seed
	for _, o := range p.oracle.Tensors {
		n += 1 + len(o.Slots)
	}
	if p.r.Algorithm.Averaging.Kind != "" {
		n += 1 + len(p.oracle.Tensors) // how many, and the values that are trained
	}
	return n
}

func (p *pair) predict(n int) {
	p.t.Helper()
	input, _ := p.records.At(First(n))
	p.engine.Write(input, nil)
	if status := p.engine.Predict(n); status != "" {
		p.t.Fatalf("%s, predict(%d): %s", p.name, n, status)
	}
	var want []float32
	for _, row := range p.oracle.Predict(input, n) {
		want = append(want, row...)
	}
	p.equal(fmt.Sprintf("predict(%d)", n), p.engine.Region(schema.RegionOutput)[:4*len(want)], Floats(want))
}

func (p *pair) evaluate(n int) {
	p.t.Helper()
	input, target := p.records.At(First(n))
	p.engine.Write(input, target)
	clear(p.engine.Region(schema.RegionMetrics))
	correct, loss, err := p.oracle.Evaluate(input, target, n)
	if status := p.engine.Evaluate(n); status != "" || err != nil {
		p.t.Fatalf("%s, evaluate(%d): engine %q, oracle %v", p.name, n, status, err)
	}
	predictions := n
	if d := p.r.Datasets[0]; d.Classes > 0 {
		predictions *= schema.Elements(d.Record.Target.Shape)
	}
	want := append(append(long(int64(predictions)), long(correct)...), long(loss)...)
	p.equal(fmt.Sprintf("evaluate(%d)", n), p.engine.Region(schema.RegionMetrics), want)
}

// equal shows the first element, of four bytes, that differs.
func (p *pair) equal(what string, got, want []byte) {
	p.t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		p.t.Fatalf("%s, %s: %d bytes, want %d", p.name, what, len(got), len(want))
	}
	differ := 0
	first := -1
	for i := 0; i+4 <= len(got); i += 4 {
		if !bytes.Equal(got[i:i+4], want[i:i+4]) {
			differ++
			if first < 0 {
				first = i
			}
		}
	}
	a, b := binary.LittleEndian.Uint32(got[first:]), binary.LittleEndian.Uint32(want[first:])
	p.t.Fatalf("%s, %s: %d of %d elements differ, the first is %d: got %#x (%d, %g), want %#x (%d, %g)", p.name, what,
		differ, len(got)/4, first/4, a, int32(a), math.Float32frombits(a), b, int32(b), math.Float32frombits(b))
}

func words(xs []uint32) []byte {
	var b []byte
	for _, x := range xs {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}
