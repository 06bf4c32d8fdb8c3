package kernel_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/module"
)

// defaults are the attributes that a specification gets which names an optimizer only.
func defaults(d schema.Declaration) map[string]any {
	attributes := map[string]any{}
	for _, a := range d.Attributes {
		attributes[a.Name] = a.Default
	}
	return attributes
}

func TestHyperparametersComeFromAttributes(t *testing.T) {
	for _, o := range kernel.Optimizers() {
		d := o.Declaration()
		t.Run(d.Name, func(t *testing.T) {
			attributes := defaults(d)
			if d.Name == "sgd" {
				attributes["momentum"] = 0.9
			}
			rule := o.Rule(attributes)
			var names []string
			for _, h := range rule.Hyperparameters {
				names = append(names, h.Name)
				if h.Default != attributes[h.Name] {
					t.Errorf("%s: default %g, the attribute is %v", h.Name, h.Default, attributes[h.Name])
				}
				if h.Type != "f32" || h.Default < h.Min || h.Default > h.Max {
					t.Errorf("%+v", h)
				}
			}
			if !slices.Contains(names, kernel.LearningRate) {
				t.Errorf("hyper-parameters %v without a learning rate", names)
			}
			attributes[kernel.LearningRate] = 0.25
			if got := o.Rule(attributes).Hyperparameters[0].Default; got != 0.25 {
				t.Errorf("learning rate %g, want 0.25", got)
			}
		})
	}
}

func TestSlots(t *testing.T) {
	cases := []struct {
		optimizer string
		change    map[string]any
		want      []string
	}{
		{"sgd", nil, nil},
		{"sgd", map[string]any{"momentum": 0.5}, []string{"velocity"}},
		{"adagrad", nil, []string{"accumulator"}},
		{"adam", nil, []string{"m", "v"}},
	}
	for _, c := range cases {
		for _, o := range kernel.Optimizers() {
			if o.Declaration().Name != c.optimizer {
				continue
			}
			attributes := defaults(o.Declaration())
			maps.Copy(attributes, c.change)
			if got := o.Rule(attributes).Slots; !slices.Equal(got, c.want) {
				t.Errorf("%s %v: slots %v, want %v", c.optimizer, c.change, got, c.want)
			}
		}
	}
}

// Weights that get no gradient any more must not end in subnormal numbers, on which machines disagree.
func TestDecayingStateNeverBecomesSubnormal(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			tr := newTrainer(t, []tensorShape{{1, 17, 20}}, 16, ruleOf(t, rule.optimizer, rule.attributes), rule.oracle())
			tr.hyper["l2"] = 0.5
			o := tr.oracle[0]
			for i := range o.Value {
				o.Value[i], o.Sum[i] = float32(i)-8, int32(i)*1000-8000
			}
			o.Exponent, o.Decayed = 0, true
			tr.write()
			tr.writeHyper()
			tr.setLong(examplesAt, 1)
			for step := range uint64(1500) {
				if got := tr.call("apply", step%2+1)[0]; got != 0 {
					t.Fatalf("status %d", got)
				}
				if step == 0 {
					clear(o.Sum)
					for i := range o.Sum {
						tr.set(tr.params[0].Sum+4*i, 0)
					}
				}
				for _, a := range append(tr.params[0].Slots, tr.params[0].Value) {
					for i, w := range tr.words(uint32(a), 17) {
						if w != 0 && math.Abs(float64(math.Float32frombits(w))) < 0x1p-100 {
							t.Fatalf("step %d: element %d is %08x", step, i, w)
						}
					}
				}
			}
		})
	}
}

// The stated fuel must suffice, or hosts would stop engines that do nothing wrong.
func TestStatedFuelSuffices(t *testing.T) {
	ctx := context.Background()
	shapes := [][]tensorShape{{{1, 1, 4}}, {{3, 15, 16}}, {{1, 15, 16}, {2, 47, 48}}, {{1, 7, 8}}, {{1, 8, 8}}, oddShapes}
	for _, shape := range shapes {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			m := &module.Module{Memories: []module.Memory{{Min: 16, Max: 16, HasMax: true}}}
			e := &kernel.Emitter{Module: m}
			params, _ := place(shape, 0)
			fns := map[string]kernel.Fn{
				"quantise": e.Quantise(params, 16, clippedAt, status),
				"apply": e.Apply(params, kernel.Step{
					Bits: 16, Rule: ruleOf(t, "sgd", rules[0].attributes), Count: examplesAt, Status: status,
					Schedule: kernel.Multiplier(e, kernel.Schedules()[1], map[string]any{"every": 1.0, "factor": 1.0, "warmUp": 0.0, "floor": 0.0}),
					Hyper:    func(string) int { return hyperAt },
				}),
			}
			m.Exports = append(m.Exports, module.Export{Name: "memory", Kind: module.KindMemory})
			for name, f := range fns {
				m.Exports = append(m.Exports, module.Export{Name: name, Kind: module.KindFunc, Index: f.Index})
			}
			fuelled, err := engine.Fuelled(m.Encode())
			if err != nil {
				t.Fatal(err)
			}
			r := wazero.NewRuntime(ctx)
			defer r.Close(ctx)
			in, err := r.Instantiate(ctx, fuelled)
			if err != nil {
				t.Fatal(err)
			}
			in.Memory().WriteUint64Le(examplesAt, 1)
			in.Memory().WriteFloat32Le(hyperAt, 1) // all of them: regularised too
			for _, p := range params {
				in.Memory().WriteFloat32Le(uint32(p.Rate), 1)
			}
			tank := in.ExportedGlobal(engine.FuelGlobal).(api.MutableGlobal)
			for name, args := range map[string][]uint64{"quantise": nil, "apply": {math.MaxInt64}} {
				tank.Set(uint64(fns[name].Fuel))
				if _, err := in.ExportedFunction(name).Call(ctx, args...); err != nil {
					t.Errorf("%s with %d units: %v", name, fns[name].Fuel, err)
				}
				if used := fns[name].Fuel - int64(tank.Get()); used*6 < fns[name].Fuel {
					t.Errorf("%s states %d units and uses %d", name, fns[name].Fuel, used)
				}
			}
		})
	}
}
