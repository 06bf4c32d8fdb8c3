package wasm_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// fullModels have every operation, in several tiles of which the last is not full.
var fullModels = []struct {
	name string
	m    optest.Model
}{
	{"dense", optest.Model{
		Input: "7", Classes: 3, Microbatch: 5,
		Layers: "- dense: {units: 37, activation: tanh}\n- dropout: {rate: 0.3}\n- dense: {units: 3}",
	}},
	{"images", optest.Model{
		Input: "9, 7, 3", DType: "u8", Normalize: "{mean: [1, 2, 3], deviation: [70, 80, 90]}", Classes: 5, Microbatch: 20,
		Layers: `- conv2d: {filters: 5, kernel: 3, padding: same, activation: relu}
- maxpool2d: {size: 3, stride: 2, padding: same}
- conv2d: {filters: 3, kernel: [2, 3], stride: 2, padding: same, activation: sigmoid}
- dropout: {rate: 0.2}
- avgpool2d: {size: 2, stride: 1, padding: same}
- activation: {function: leaky-relu}
- conv2d: {filters: 6, kernel: 2, padding: 1}
- maxpool2d: {size: 2}
- activation: {function: tanh}
- flatten
- dense: {units: 33, activation: relu}
- dense: {units: 5}`,
		Optimizer: "{adam: {learningRate: 0.01}}", Algorithm: "regularization: {l1: 0.001, l2: 0.01}",
	}},
	{"local steps", optest.Model{
		Input: "6, 5, 2", DType: "u8", Normalize: "{scale: 0.01, offset: -1}", Classes: 5, Microbatch: 60,
		Layers: `- conv2d: {filters: 5, kernel: 3, padding: same, activation: relu}
- maxpool2d: {size: 2}
- dropout: {rate: 0.2}
- flatten
- dense: {units: 13, activation: relu}
- dense: {units: 5}`,
		Optimizer: "{sgd: {learningRate: 0.05, momentum: 0.9}}", Algorithm: "regularization: {l1: 0.001, l2: 0.01}",
		Bits: 8, Local: "steps: 3",
	}},
	{"graph", optest.Model{
		Input: "6, 5, 2", DType: "u8", Normalize: "{scale: 0.01, offset: -1}", Classes: 4, Microbatch: 18,
		Layers: `- {conv2d: {filters: 4, kernel: 3, padding: same, activation: relu}, name: stem}
- {conv2d: {filters: 4, kernel: 3, padding: same}, name: inner}
- {add: {}, inputs: [inner, stem], name: sum}
- {activation: {function: relu}, name: block}
- {maxpool2d: {size: 3, stride: 1, padding: same}, inputs: [block]}
- {concat: {}, inputs: [maxpool1, block, input]}
- {multiply: {}, inputs: [concat1, concat1]}
- {average: {}, inputs: [concat1, multiply1]}
- {maximum: {}, inputs: [average1, concat1]}
- conv2d: {filters: 5, kernel: 2}
- batch-norm: {activation: relu}
- global-average-pool
- dense: {units: 6}
- batch-norm
- dense: {units: 4}`,
	}},
	{"regression", optest.Model{
		Input: "6, 2", Normalize: "{scale: 0.5}", Outputs: 2, Loss: "mean-squared-error", Microbatch: 17,
		Layers: "- activation: {function: tanh}\n- flatten\n- dense: {units: 9, bias: false, activation: leaky-relu}\n- dense: {units: 2}",
	}},
}

func TestFullModels(t *testing.T) {
	for _, c := range fullModels {
		t.Run(c.name, func(t *testing.T) { optest.Check(t, c.m) })
	}
}

// Nothing of an earlier call shows in a later one: microbatches in any order, on instances that were used for other things, on
// fresh ones, and with all memory spoilt that does not outlive a call, give the same accumulators and the same update.
func TestCallsLeaveNothingBehind(t *testing.T) {
	const u = 6
	for _, c := range fullModels {
		t.Run(c.name, func(t *testing.T) {
			c.m.Microbatches = u
			r := c.m.Resolve(t)
			code := optest.Compile(t, r)
			records := optest.Random(r, 3)
			examples := r.Datasets[0].Examples

			open := func() *optest.Instance { return optest.Compiler().Open(t, code) }
			microbatch := func(i *optest.Instance, step, microbatch int64, poison uint32) {
				indices := i.Select(step, microbatch, examples)
				i.Write(records.At(indices))
				n := len(indices)
				if microbatch == 4 { // a smaller one
					n--
				}
				if poison != 0 {
					i.Poison(poison, n)
				}
				if status := i.Accumulate(step, microbatch, n); status != "" {
					t.Fatal(status)
				}
			}
			step := func(i *optest.Instance, step int64, order []int, poison uint32) {
				clear(i.Region(schema.RegionAccumulators))
				for _, k := range order {
					microbatch(i, step, int64(k), poison)
				}
			}
			ascending := []int{0, 1, 2, 3, 4, 5}
			first := open()
			first.Init(42)
			step(first, 0, ascending, 0)
			first.Apply(0)
			start := first.Snapshot()
			step(first, 1, ascending, 0)
			sums := bytes.Clone(first.Region(schema.RegionAccumulators))
			first.Apply(1)
			end := first.Snapshot()

			same := func(name string, i *optest.Instance, poison uint32) {
				t.Helper()
				if !bytes.Equal(i.Region(schema.RegionAccumulators), sums) {
					t.Errorf("%s: other accumulators", name)
				}
				if poison != 0 {
					i.Poison(poison, 0)
				}
				i.Apply(1)
				if !bytes.Equal(i.Snapshot(), end) {
					t.Errorf("%s: another update", name)
				}
			}
			draw := rand.New(rand.NewPCG(1, 1))
			for _, poison := range []uint32{0, 0x7fc00000, 0xffffffff} {
				order := slices.Clone(ascending)
				draw.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
				first.Load(start)
				step(first, 1, order, poison)
				same(fmt.Sprintf("order %v, poison %x", order, poison), first, poison)
			}
			carried := make([]byte, len(sums)) // on from one fresh instance to the next
			var last *optest.Instance
			for _, k := range ascending {
				last = open()
				last.Load(start)
				copy(last.Region(schema.RegionAccumulators), carried)
				microbatch(last, 1, int64(k), 0)
				carried = bytes.Clone(last.Region(schema.RegionAccumulators))
			}
			same("fresh instances", last, 0)
		})
	}
}

// The same for evaluate and predict.
func TestPredictionsLeaveNothingBehind(t *testing.T) {
	for _, c := range fullModels {
		t.Run(c.name, func(t *testing.T) {
			r := c.m.Resolve(t)
			i := optest.Compiler().Open(t, optest.Compile(t, r))
			records := optest.Random(r, 3)
			i.Init(42)
			run := func(n int, poison uint32) (output, metrics []byte) {
				clear(i.Region(schema.RegionMetrics))
				i.Write(records.At(optest.First(n)))
				if poison != 0 {
					i.Poison(poison, n)
				}
				i.Evaluate(n)
				if poison != 0 {
					i.Poison(poison, n)
				}
				i.Predict(n)
				width := len(i.Region(schema.RegionOutput)) / i.Section.Capacity
				return bytes.Clone(i.Region(schema.RegionOutput)[:n*width]), bytes.Clone(i.Region(schema.RegionMetrics))
			}
			for _, n := range []int{1, 3, r.Algorithm.MicrobatchSize} {
				output, metrics := run(n, 0)
				for _, poison := range []uint32{0x7fc00000, 0xffffffff} {
					o, m := run(n, poison)
					if !bytes.Equal(o, output) || !bytes.Equal(m, metrics) {
						t.Errorf("%d records, poison %x: another result", n, poison)
					}
				}
			}
		})
	}
}
