package wasm_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/optest"
)

var widths = []int{8, 12, 16, 24}

// Local steps agree with the oracle bit for bit, at every width, whatever the optimizers inside and outside.
func TestLocalSteps(t *testing.T) {
	const sgd = "{sgd: {learningRate: 0.1}}"
	for k, c := range []struct{ name, optimizer, local, algorithm string }{
		{"defaults but for their number", sgd, "steps: 4", ""},
		{"one step", sgd, "steps: 1", ""},
		{"a step for every example", sgd, "steps: 8", ""},
		{"momentum inside", "{sgd: {learningRate: 0.1, momentum: 0.9}}", "steps: 4", ""},
		{"nesterov inside", "{sgd: {learningRate: 0.1, momentum: 0.9, nesterov: true}}", "steps: 4", ""},
		{"an outer rate", sgd, "steps: 4, outer: {learningRate: 0.3}", ""},
		{"an outer momentum", sgd, "steps: 4, outer: {momentum: 0.5}", ""},
		{"no outer momentum", sgd, "steps: 4, outer: {learningRate: 1, momentum: 0}", ""},
		{"regularised", "{sgd: {learningRate: 0.1, momentum: 0.9}}", "steps: 4", "regularization: {l1: 0.001, l2: 0.01}"},
		{"step schedule", sgd, "steps: 4", "schedule: {step: {every: 3, factor: 0.7}}"},
		{"exponential schedule", sgd, "steps: 4", "schedule: {exponential: {every: 7, factor: 0.1}}"},
		{"blocks", sgd, "steps: 4", "block: 16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			some := widths
			if k > 0 {
				some = widths[k%len(widths):][:1]
			}
			for _, bits := range some {
				optest.CheckBits(t, optest.Model{
					Input: "6", Classes: 3, Layers: "- dense: {units: 37, activation: relu}\n- dropout: {rate: 0.2}\n- dense: {units: 3}",
					Microbatch: 8, Microbatches: 3, Examples: 70,
					Optimizer: c.optimizer, Algorithm: c.algorithm, Bits: bits, Local: c.local,
				})
			}
		})
	}
	for _, optimizer := range []string{"adagrad", "adam"} {
		t.Run(optimizer+" inside", func(t *testing.T) {
			optest.CheckBits(t, optest.Model{
				Input: "6", Classes: 3, Layers: "- dense: {units: 9, activation: relu}\n- dense: {units: 3}",
				Microbatch: 128, Optimizer: fmt.Sprintf("{%s: {learningRate: 0.01}}", optimizer), Bits: 8, Local: "steps: 64",
			})
		})
	}
	t.Run("a frozen layer, a slow one", func(t *testing.T) {
		optest.CheckBits(t, optest.Model{
			Input: "6", Classes: 3, Microbatch: 8, Bits: 12, Local: "steps: 4",
			Layers: "- dense: {units: 9, activation: relu}\n  rate: 0\n- dense: {units: 5, activation: tanh}\n  rate: 0.5\n- dense: {units: 3}",
		})
	})
}

// The same for parts of every size: smaller than a vector, of several tiles, with and without padding; and for every layer.
func TestLocalStepsOfAnySize(t *testing.T) {
	for _, size := range []struct{ microbatch, steps int }{
		{1, 1}, {2, 2}, {3, 1}, {6, 2}, {10, 2}, {12, 3}, {32, 2}, {34, 2}, {40, 2}, {66, 2}, {64, 16},
	} {
		t.Run(fmt.Sprintf("%d in %d", size.microbatch, size.steps), func(t *testing.T) {
			for _, layers := range []string{
				"- flatten\n- dense: {units: 7, activation: tanh}\n- dropout: {rate: 0.5}\n- dense: {units: 3}",
				"- conv2d: {filters: 5, kernel: 3, padding: same, activation: relu}\n- maxpool2d\n- dropout: {rate: 0.3}\n- flatten\n- dense: {units: 3}",
			} {
				optest.CheckBits(t, optest.Model{
					Input: "5, 5, 3", DType: "u8", Normalize: "{mean: 100, deviation: 70}", Classes: 3, Layers: layers,
					Microbatch: size.microbatch, Optimizer: "{sgd: {learningRate: 0.01, momentum: 0.5}}", Bits: 16,
					Local: fmt.Sprintf("steps: %d", size.steps),
				})
			}
		})
	}
}

// Bound and maxMicrobatches of the section hold: no value of a microbatch is larger, in either mode, and as many
// microbatches as a step may have do not overflow.
func TestBoundsOfSums(t *testing.T) {
	for _, local := range []string{"", "steps: 2"} {
		for _, bits := range widths {
			t.Run(fmt.Sprintf("%d bits, %q", bits, local), func(t *testing.T) {
				r := optest.Model{Input: "6", Classes: 3, Layers: "- dense: {units: 3}", Bits: bits, Local: local}.Resolve(t)
				i, records := warm(t, r)
				s := i.Section
				if s.Bound != 1<<(bits-1)-1 || s.Bound*s.MaxMicrobatches > math.MaxInt32 || s.Bound*(s.MaxMicrobatches+1) <= math.MaxInt32 {
					t.Errorf("bound %d, %d microbatches", s.Bound, s.MaxMicrobatches)
				}
				// Steps too large for the exponent clip.
				input, target := records.At(optest.First(s.Capacity))
				for k := range len(input) / 4 {
					x := math.Float32frombits(binary.LittleEndian.Uint32(input[4*k:]))
					binary.LittleEndian.PutUint32(input[4*k:], math.Float32bits(1000*x))
				}
				clear(i.Region(schema.RegionAccumulators))
				i.Write(input, target)
				if status := i.Accumulate(1, 0, s.Capacity); status != "" {
					t.Fatal(status)
				}
				largest := int64(0)
				for _, g := range s.Segments {
					if g.Type != "i32" || g.Combine != schema.CombineAdd {
						continue
					}
					for sum := i.Segment(g.Name); len(sum) > 0; sum = sum[4:] {
						x := int64(int32(binary.LittleEndian.Uint32(sum)))
						largest = max(largest, x, -x)
					}
				}
				if largest != s.Bound {
					t.Errorf("the largest value is %d, want the bound, %d", largest, s.Bound)
				}
				if binary.LittleEndian.Uint64(i.Segment(schema.SegmentClipped)) == 0 {
					t.Error("no value was counted as clipped")
				}
			})
		}
	}
}

// With one step of plain gradient descent and an outer rate of 1 without momentum, local steps are gradient descent, but for
// the quantisation.
func TestOneLocalStepIsGradientDescent(t *testing.T) {
	train := func(local string) []float32 {
		r := optest.Model{
			Input: "6", Classes: 3, Layers: "- dense: {units: 9, activation: tanh}\n- dense: {units: 3}", Local: local, Bits: 24, Microbatches: 1,
		}.Resolve(t)
		i := optest.Compiler().Open(t, optest.Compile(t, r))
		records := optest.Random(r, 3)
		i.Init(42)
		for step := range int64(2) {
			clear(i.Region(schema.RegionAccumulators))
			i.Write(records.At(i.Select(step, 0, r.Datasets[0].Examples)))
			if status := i.Accumulate(step, 0, i.Section.Capacity) + i.Apply(step); status != "" {
				t.Fatal(status)
			}
		}
		var values []float32
		for _, p := range i.Section.Parameters {
			for b := i.Tensor(p.Name); len(b) > 0; b = b[4:] {
				values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			}
		}
		return values
	}
	gradient, local := train(""), train("steps: 1, outer: {learningRate: 1, momentum: 0}")
	for k, x := range gradient {
		if d := math.Abs(float64(x - local[k])); d > 1e-5 {
			t.Errorf("value %d: %g by gradients, %g by a local step", k, x, local[k])
		}
	}
}

// A microbatch of local steps changes nothing but the accumulators, whatever becomes of it, and a failed one not even these.
func TestLocalStepsPutParametersBack(t *testing.T) {
	const n, last = 24, 23 // the last example is in the last of the steps
	m := optest.Model{
		Input: "5, 5, 2", Classes: 3, Microbatch: n, Local: "steps: 4", Bits: 8, Optimizer: "{sgd: {learningRate: 0.1, momentum: 0.9}}",
		Layers: "- conv2d: {filters: 3, kernel: 2, activation: tanh}\n- flatten\n- dense: {units: 7, activation: relu}\n- dense: {units: 3}",
	}
	input := func(bits uint32) func(i *optest.Instance) {
		return func(i *optest.Instance) {
			binary.LittleEndian.PutUint32(i.Region(schema.RegionInput)[4*50*last:], bits)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(i *optest.Instance)
		want  string
	}{
		{"as it should be", func(*optest.Instance) {}, ""},
		{"a target that is no class", func(i *optest.Instance) { i.Region(schema.RegionTarget)[last] = 3 }, "a target is not a class of the model"},
		{"an input that is not a number", input(0x7fc00000), "non-finite value in conv1.weight after an update"},
		{"an infinite input", input(0x7f800000), "non-finite value in conv1.weight after an update"},
		{"a rate beyond all bounds", func(i *optest.Instance) {
			for _, h := range i.Section.Hyperparameters {
				if h.Name == kernel.LearningRate {
					binary.LittleEndian.PutUint32(i.Memory[h.Offset:], math.Float32bits(math.MaxFloat32))
				}
			}
		}, "non-finite value in conv1.weight after an update"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, _ := warm(t, m.Resolve(t))
			c.spoil(i)
			i.Apply(1)
			before, accumulators := i.Snapshot(), bytes.Clone(i.Region(schema.RegionAccumulators))
			inputs, targets := bytes.Clone(i.Region(schema.RegionInput)), bytes.Clone(i.Region(schema.RegionTarget))
			if got := i.Accumulate(2, 0, n); got != c.want {
				t.Errorf("status %q, want %q", got, c.want)
			}
			if !bytes.Equal(i.Snapshot(), before) {
				t.Error("parameters or state changed")
			}
			if !bytes.Equal(i.Region(schema.RegionInput), inputs) || !bytes.Equal(i.Region(schema.RegionTarget), targets) {
				t.Error("the records changed")
			}
			if same := bytes.Equal(i.Region(schema.RegionAccumulators), accumulators); same != (c.want != "") {
				t.Errorf("the accumulators are as they were: %v", same)
			}
		})
	}
}

// A part does not see the records behind it, although its last tile reaches them: not even infinite ones.
func TestPartsDoNotSeeLaterRecords(t *testing.T) {
	const n, part = 10, 5
	for _, layers := range []string{
		"- flatten\n- dense: {units: 7}\n- dense: {units: 3}",
		"- conv2d: {filters: 3, kernel: 2}\n- flatten\n- dense: {units: 3}",
	} {
		r := optest.Model{Input: "2, 3, 1", Classes: 3, Microbatch: n, Local: "steps: 2", Layers: layers}.Resolve(t)
		i, records := warm(t, r)
		input, target := records.At(optest.First(n))
		for k := part * 6; k < n*6; k++ {
			binary.LittleEndian.PutUint32(input[4*k:], math.Float32bits(float32(math.Inf(1))))
		}
		target[part] = 3
		i.Write(input, target)
		// The second part fails at its target, before it looks at anything else. The first part does not fail.
		if got, want := i.Accumulate(2, 0, n), "a target is not a class of the model"; got != want {
			t.Errorf("status %q, want %q", got, want)
		}
		if status := i.Accumulate(2, 0, part); status != "" {
			t.Errorf("the first part alone: %s", status)
		}
	}
}

// peaks are the largest exponent fields among the changes of the parameters.
func peaks(i *optest.Instance) (largest uint32) {
	for _, g := range i.Section.Segments {
		if g.Combine == schema.CombineMax {
			largest = max(largest, binary.LittleEndian.Uint32(i.Segment(g.Name)))
		}
	}
	return largest
}

// The schedule counts local steps: with two in a microbatch, its fourth is the second of step 2. Step 0 is like step 1.
func TestScheduleCountsLocalSteps(t *testing.T) {
	r := optest.Model{
		Input: "6", Classes: 3, Layers: "- dense: {units: 3}", Local: "steps: 2", Algorithm: "schedule: {step: {every: 3, factor: 1e-30}}",
	}.Resolve(t)
	i := optest.Compiler().Open(t, optest.Compile(t, r))
	i.Init(42)
	records := optest.Random(r, 3)
	run := func(step int64, n int) []byte {
		clear(i.Region(schema.RegionAccumulators))
		i.Write(records.At(optest.First(n)))
		if status := i.Accumulate(step, 0, n); status != "" {
			t.Fatal(status)
		}
		return bytes.Clone(i.Region(schema.RegionAccumulators))
	}
	if !bytes.Equal(run(0, 4), run(1, 4)) {
		t.Error("step 0 is not like step 1")
	}
	for _, c := range []struct {
		step  int64
		moves bool
	}{{0, true}, {1, true}, {2, true}, {3, false}} {
		run(c.step, 4)
		if moves := peaks(i) > 0; moves != c.moves {
			t.Errorf("step %d: parameters change: %v, want %v", c.step, moves, c.moves)
		}
	}
	i.Apply(0)
	// Of step 2, the first local step is all that moves: the second, of another example, shows in the losses alone.
	half := run(2, 2)
	peak := peaks(i)
	whole := run(2, 4)
	if peaks(i) != peak || bytes.Equal(half, whole) {
		t.Error("in step 2, the second local step moves the parameters")
	}
	sums := func(accumulators []byte) []byte {
		g := i.Section.Segments[len(i.Section.Segments)-2] // the weights
		start := g.Offset - i.Section.Regions[schema.RegionAccumulators].Offset
		return accumulators[start:][:4*g.Count]
	}
	if !bytes.Equal(sums(half), sums(whole)) {
		t.Error("in step 2, the second local step moves the weights")
	}
}

// Rates inside and outside are hyper-parameters of different names.
func TestRatesOfLocalSteps(t *testing.T) {
	r := optest.Model{Input: "6", Classes: 3, Layers: "- dense: {units: 3}", Local: "steps: 2", Optimizer: "{sgd: {learningRate: 0.1, momentum: 0.5}}"}.Resolve(t)
	for _, c := range []struct {
		name  string
		moves bool // local steps move; else the parameters do
	}{{"learningRate", false}, {"outer.learningRate", true}} {
		t.Run(c.name, func(t *testing.T) {
			i, _ := warm(t, r)
			found := false
			for _, h := range i.Section.Hyperparameters {
				if h.Name == c.name {
					found = true
					binary.LittleEndian.PutUint32(i.Memory[h.Offset:], 0)
				}
			}
			before := map[string][]byte{}
			for _, p := range i.Section.Parameters {
				before[p.Name] = bytes.Clone(i.Tensor(p.Name))
			}
			clear(i.Region(schema.RegionAccumulators))
			if status := i.Accumulate(1, 0, 4); status != "" {
				t.Fatal(status)
			}
			if moves := peaks(i) > 0; !found || moves != c.moves {
				t.Errorf("there is such a hyper-parameter: %v; at 0, local steps move: %v, want %v", found, moves, c.moves)
			}
			if status := i.Apply(1); status != "" {
				t.Fatal(status)
			}
			for name, values := range before {
				if !bytes.Equal(i.Tensor(name), values) {
					t.Errorf("%s moved", name)
				}
			}
		})
	}
}
