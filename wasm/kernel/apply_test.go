package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// rules are the optimizers with attributes, and what the oracle has for them.
var rules = []struct {
	name       string
	optimizer  string
	attributes map[string]any
	oracle     func() ref.Rule
}{
	{"sgd", "sgd", map[string]any{"learningRate": 0.1, "momentum": 0.0, "nesterov": false}, func() ref.Rule { return ref.SGD{} }},
	{"nesterov without momentum", "sgd", map[string]any{"learningRate": 0.1, "momentum": 0.0, "nesterov": true}, func() ref.Rule { return ref.SGD{} }},
	{"momentum", "sgd", map[string]any{"learningRate": 0.05, "momentum": 0.9, "nesterov": false}, func() ref.Rule { return ref.Momentum{} }},
	{"nesterov", "sgd", map[string]any{"learningRate": 0.05, "momentum": 0.9, "nesterov": true}, func() ref.Rule { return ref.Momentum{Nesterov: true} }},
	{"adagrad", "adagrad", map[string]any{"learningRate": 0.3, "epsilon": 1e-10}, func() ref.Rule { return ref.AdaGrad{} }},
	{"adam", "adam", map[string]any{"learningRate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}, func() ref.Rule { return &ref.Adam{} }},
}

func ruleOf(t *testing.T, optimizer string, attributes map[string]any) kernel.Rule {
	t.Helper()
	for _, o := range kernel.Optimizers() {
		if o.Declaration().Name == optimizer {
			return o.Rule(attributes)
		}
	}
	t.Fatalf("there is no optimizer %s", optimizer)
	return kernel.Rule{}
}

// trainer is tensors with an apply.
type trainer struct {
	tensors
	bits  int
	rule  ref.Rule
	hyper ref.Hyper
	at    map[string]int // of hyper-parameters
}

func newTrainer(t *testing.T, shapes []tensorShape, bits int, rule kernel.Rule, oracle ref.Rule) trainer {
	tr := trainer{bits: bits, rule: oracle, hyper: ref.Hyper{}, at: map[string]int{}}
	next := hyperAt
	for _, h := range append(rule.Hyperparameters, kernel.Regularization(0, 0)...) {
		tr.at[h.Name], tr.hyper[h.Name] = next, float32(h.Default)
		next += 4
	}
	var shared []int
	for range rule.Shared {
		shared = append(shared, next)
		next += 4
	}
	tr.tensors = newTensors(t, shapes, len(rule.Slots), func(e *kernel.Emitter, ps []kernel.Parameter) map[string]kernel.Fn {
		return map[string]kernel.Fn{
			"quantise": e.Quantise(ps, bits, clippedAt, status),
			"apply": e.Apply(ps, kernel.Step{
				Bits: bits, Rule: rule, Shared: shared, Count: examplesAt, Status: status,
				Schedule: kernel.Multiplier(e, kernel.Schedules()[1], map[string]any{"every": 2.0, "factor": 0.9, "warmUp": 0.0, "floor": 0.0}),
				Hyper:    func(name string) int { return tr.at[name] },
			}),
		}
	})
	return tr
}

// writeHyper copies hyper-parameters to the machine.
func (tr trainer) writeHyper() {
	for name, a := range tr.at {
		tr.setFloats(a, []float32{tr.hyper[name]})
	}
}

// apply lets both sides apply a step and compares the statuses, then clears the accumulators as a host does.
func (tr trainer) apply(step, examples int64) {
	tr.t.Helper()
	tr.writeHyper()
	tr.setLong(examplesAt, examples)
	want := uint32(0)
	if bad := ref.Apply(tr.oracle, step, tr.bits, tr.rule, tr.hyper, ref.StepSchedule(max(step-1, 0), 2, 0.9), examples); bad != nil {
		for i, o := range tr.oracle {
			if o == bad {
				want = uint32(status(tr.params[i]))
			}
		}
	}
	if got := tr.call("apply", uint64(step))[0]; got != want {
		tr.t.Fatalf("step %d: status %d, want %d", step, got, want)
	}
}

func (tr trainer) clear() {
	for _, o := range tr.oracle {
		clear(o.Sum)
		o.Peak = 0
	}
	tr.write()
}

func TestApplyAgreesWithOracle(t *testing.T) {
	for _, rule := range rules {
		for _, bits := range []int{8, 16, 24} {
			t.Run(fmt.Sprintf("%s at %d bits", rule.name, bits), func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, uint64(bits)))
				tr := newTrainer(t, oddShapes, bits, ruleOf(t, rule.optimizer, rule.attributes), rule.oracle())
				for i, o := range tr.oracle {
					for j := range o.Value {
						o.Value[j] = float32(r.NormFloat64())
						if j%5 == 2 {
							o.Value[j] = []float32{0, float32(math.Copysign(0, -1)), 0x1p-99, -0x1p-101}[r.IntN(4)]
						}
					}
					o.Rate = []float32{1, 0.5, 0}[i%7%3]
				}
				for step := range int64(7) {
					switch step {
					case 3:
						tr.hyper["l2"] = 0.01
					case 4:
						tr.hyper["l1"] = 0.001
					case 5:
						tr.hyper["l2"], tr.hyper["learningRate"] = 0, 0.01
					}
					for range 2 {
						tr.fillGradients(r, int(step)-3)
						tr.write()
						if _, bad := ref.Quantise(tr.oracle, bits); bad != nil {
							t.Fatal("the oracle found a gradient that is not finite")
						}
						tr.call("quantise")
					}
					tr.apply(step, 7)
					tr.compare(fmt.Sprintf("step %d", step))
					tr.clear()
				}
			})
		}
	}
}

// single is one tensor of one value. At 16 bits and E = 0, a gradient of 1 is 2^14.
func single(t *testing.T, optimizer string, attributes map[string]any, oracle ref.Rule) (trainer, *ref.Tensor) {
	tr := newTrainer(t, []tensorShape{{1, 1, 4}}, 16, ruleOf(t, optimizer, attributes), oracle)
	o := tr.oracle[0]
	o.Exponent, o.Decayed = 0, false
	return tr, o
}

func (tr trainer) value() float32 {
	return math.Float32frombits(tr.words(uint32(tr.params[0].Value), 1)[0])
}

func TestApplyByHand(t *testing.T) {
	const one = 1 << 14
	cases := []struct {
		name string
		rule int
		sum  int32
		want []float32 // after each step, from 1, with four examples
	}{
		{"sgd", 0, 2 * one, []float32{0.95, 0.9, 0.855}},
		{"momentum", 2, 4 * one, []float32{0.95, 0.855, 0.733}},
		{"nesterov", 3, 4 * one, []float32{0.905, 0.7695, 0.61474}},
		{"adagrad", 4, -4 * one, []float32{1.3, 1.5121, 1.668}},
		{"adam", 5, 4 * one, []float32{0.95, 0.9, 0.855}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tr, o := single(t, rules[c.rule].optimizer, rules[c.rule].attributes, rules[c.rule].oracle())
			o.Value[0] = 1
			for i, want := range c.want {
				o.Sum[0] = c.sum
				tr.write()
				tr.apply(int64(i+1), 4)
				if got := tr.value(); math.Abs(float64(got-want)) > 1e-4 {
					t.Errorf("step %d: got %g, want %g", i+1, got, want)
				}
			}
		})
	}
}

func TestStepZeroOnlyLearnsExponents(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			tr := newTrainer(t, oddShapes, 16, ruleOf(t, rule.optimizer, rule.attributes), rule.oracle())
			tr.hyper["l2"] = 1
			for i, o := range tr.oracle {
				for j := range o.Value {
					o.Value[j], o.Sum[j] = 0x1p-120, 12 // neither flushed nor added
				}
				o.Peak = int32(i * 20 % 255)
			}
			tr.write()
			tr.apply(0, 3)
			tr.compare("step 0")
			for i, o := range tr.oracle {
				want := o.Peak - 126
				if o.Peak == 0 {
					want = kernel.NoExponent
				}
				if got := int32(tr.words(uint32(tr.params[i].Exponent), 1)[0]); got != want {
					t.Errorf("%s: exponent %d after a peak of %d, want %d", tr.params[i].Name, got, o.Peak, want)
				}
			}
		})
	}
}

func TestApplyWithoutExamplesChangesNothing(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			tr := newTrainer(t, oddShapes, 16, ruleOf(t, rule.optimizer, rule.attributes), rule.oracle())
			tr.hyper["l2"] = 1
			for _, o := range tr.oracle {
				o.Value[0], o.Sum[0], o.Peak, o.Exponent = 0x1p-120, 5, 100, 1
			}
			tr.write()
			tr.writeHyper()
			before := tr.words(hyperAt, (tensorsAt-hyperAt)/4)
			tr.apply(4, 0)
			tr.compare("void step")
			tr.compareWords("shared state", hyperAt, before)
		})
	}
}

func TestFrozenTensorKeepsItsBits(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			tr := newTrainer(t, []tensorShape{{1, 17, 20}, {1, 17, 20}}, 16, ruleOf(t, rule.optimizer, rule.attributes), rule.oracle())
			tr.hyper["l1"], tr.hyper["l2"] = 1, 1
			frozen := tr.oracle[1]
			frozen.Rate, frozen.Peak = 0, 130
			for i := range frozen.Value {
				frozen.Value[i], frozen.Sum[i], frozen.Exponent = math.SmallestNonzeroFloat32, 99, 0
				for _, s := range frozen.Slots {
					s[i] = 0x1p-110
				}
			}
			tr.write()
			tr.apply(1, 2)
			tr.compareWords("value", tr.params[1].Value, repeat(math.Float32bits(math.SmallestNonzeroFloat32), 17))
			for _, a := range tr.params[1].Slots {
				tr.compareWords("slot", a, repeat(math.Float32bits(0x1p-110), 17))
			}
			tr.compareWords("exponent", tr.params[1].Exponent, []uint32{4})
		})
	}
}

func repeat(x uint32, n int) []uint32 {
	xs := make([]uint32, n)
	for i := range xs {
		xs[i] = x
	}
	return xs
}

func TestApplyFlushes(t *testing.T) {
	below := math.Nextafter32(0x1p-100, 0)
	cases := []struct {
		name     string
		in, want float32
	}{
		{"kept", 0x1p-100, 0x1p-100},
		{"kept, negative", -0x1p-100, -0x1p-100},
		{"flushed", below, 0},
		{"flushed, negative", -below, 0},
		{"negative zero", float32(math.Copysign(0, -1)), 0},
		{"subnormal", math.SmallestNonzeroFloat32, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tr := newTrainer(t, []tensorShape{{1, 17, 20}}, 16, ruleOf(t, "sgd", rules[2].attributes), ref.Momentum{})
			o := tr.oracle[0]
			for i := range o.Value {
				o.Value[i] = c.in
			}
			tr.hyper["momentum"] = 1 // keeps the velocity as it is
			tr.hyper["learningRate"] = 0
			copy(o.Slots[0], o.Value)
			tr.write()
			tr.apply(1, 1)
			want := repeat(math.Float32bits(c.want), 17)
			tr.compareWords("value", tr.params[0].Value, want)
			tr.compareWords("slot", tr.params[0].Slots[0], want)
		})
	}
}

func TestApplyNamesWhatIsNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	cases := []struct {
		name string
		rule int
		set  func(tr trainer, o *ref.Tensor)
	}{
		{"a value overflows", 0, func(tr trainer, o *ref.Tensor) {
			o.Value[16], o.Sum[16] = -math.MaxFloat32, math.MaxInt32
			o.Exponent = 128
		}},
		{"an infinite velocity", 2, func(tr trainer, o *ref.Tensor) { o.Slots[0][0] = -inf }},
		{"an infinite accumulator", 4, func(tr trainer, o *ref.Tensor) { o.Slots[0][16] = inf }},
		{"a NaN among values", 5, func(tr trainer, o *ref.Tensor) { o.Value[8] = nan }},
		{"a rate that is not a number", 0, func(tr trainer, o *ref.Tensor) { o.Rate = nan }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			shapes := []tensorShape{{1, 17, 20}, {1, 17, 20}, {1, 17, 20}}
			tr := newTrainer(t, shapes, 16, ruleOf(t, rules[c.rule].optimizer, rules[c.rule].attributes), rules[c.rule].oracle())
			for _, o := range tr.oracle {
				o.Exponent = 0
			}
			c.set(tr, tr.oracle[1])
			tr.write()
			tr.writeHyper()
			tr.setLong(examplesAt, 1)
			if got, want := tr.call("apply", 3)[0], uint32(status(tr.params[1])); got != want {
				t.Errorf("status: got %d, want %d", got, want)
			}
		})
	}
}

// Every optimizer finds the minimum of Σ aᵢ(wᵢ − bᵢ)²/2 from quantised gradients.
func TestQuadraticConverges(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			tr := newTrainer(t, []tensorShape{{2, 5, 8}}, 16, ruleOf(t, rule.optimizer, rule.attributes), rule.oracle())
			tr.hyper["learningRate"] *= 5
			o := tr.oracle[0]
			wanted := func(i int) float32 { return float32(i)/5 - 1 }
			loss := func() (sum float64) {
				for i, w := range o.Value {
					sum += math.Pow(float64(w-wanted(i)), 2)
				}
				return sum
			}
			start := loss()
			for step := range int64(60) {
				for i, w := range o.Value {
					o.Grad[i/5*8+i%5] = (1 + float32(i%3)/4) * (w - wanted(i))
				}
				tr.write()
				ref.Quantise(tr.oracle, 16)
				tr.call("quantise")
				tr.apply(step, 1)
				tr.compare(fmt.Sprintf("step %d", step))
				tr.clear()
			}
			if end := loss(); !(end < start/1000) {
				t.Errorf("the loss went from %g to %g only", start, end)
			}
		})
	}
}
