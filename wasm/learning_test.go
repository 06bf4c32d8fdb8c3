package wasm_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/optest"
)

func TestConstraints(t *testing.T) {
	for _, constraint := range []string{"{max-norm: {limit: 0.5}}", "unit-norm", "non-negative"} {
		for _, mode := range []string{"", "steps: 2, outer: {learningRate: 0.9}"} {
			t.Run(constraint+mode, func(t *testing.T) {
				optest.CheckBits(t, optest.Model{
					Input: "5, 5, 3", Classes: 3, Local: mode,
					Layers: fmt.Sprintf("- conv2d: {filters: 5, kernel: 3}\n  constraint: %s\n- flatten\n- dense: {units: 3}\n  constraint: %s", constraint, constraint),
				})
			})
		}
	}
}

// What is new works inside and around local steps, too: sums of squares of padded rows, averages of the outer step.
func TestLearningByLocalSteps(t *testing.T) {
	for _, c := range []struct{ name, optimizer, algorithm string }{
		{"clipping by norm", "{sgd: {learningRate: 0.1}}", "clipping: {norm: {limit: 0.1}}"},
		{"clipping tensors", "{sgd: {learningRate: 0.1}}", "clipping: {tensor-norm: {limit: 0.05}}"},
		{"clipping by value", "{sgd: {learningRate: 0.1}}", "clipping: {value: {limit: 0.05}}"},
		{"lars", "{lars: {trustCoefficient: 0.1}}", "regularization: {l2: 0.01}"},
		{"averages", "{sgd: {learningRate: 0.1}}", "averaging: {ema: {decay: 0.9}}"},
		{"augmentation", "{sgd: {learningRate: 0.1}}", "augmentation: [{crop: {padding: 1}}, flip]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			optest.CheckBits(t, optest.Model{
				Input: "3, 3, 1", Classes: 3, Layers: "- flatten\n- dense: {units: 9, activation: relu}\n- dense: {units: 3}",
				Microbatch: 12, Local: "steps: 3", Optimizer: c.optimizer, Algorithm: c.algorithm,
			})
		})
	}
}

func TestAugmentation(t *testing.T) {
	layers := map[string]string{
		"Rows":  "- flatten\n- dense: {units: 3}",
		"Sites": "- conv2d: {filters: 3, kernel: 3, padding: same}\n- flatten\n- dense: {units: 3}",
	}
	for _, changes := range []string{
		"[{crop: {padding: 2}}]", "[{crop: {padding: [0, 5]}}]", "[flip]", "[{flip: {direction: vertical, probability: 1}}]",
		"[{cutout: {size: 3}}]", "[{cutout: {size: [2, 5]}}]", "[{brightness: {delta: 0.9}}]", "[{contrast: {delta: 1}}]",
		"[{crop: {padding: 3}}, flip, {flip: {direction: vertical}}, {cutout: {size: 2}}, {brightness: {delta: 0.2}}, {contrast: {delta: 0.2}}]",
	} {
		for layout, layers := range layers {
			for _, m := range []optest.Model{
				{DType: "u8", Input: "6, 5, 3", Normalize: "{scale: 0.004}", Microbatch: 18},
				{Input: "5, 7, 1", Microbatch: 5},
			} {
				t.Run(fmt.Sprint(changes, layout, m.DType), func(t *testing.T) {
					m.Classes, m.Layers, m.Algorithm = 3, layers, "augmentation: "+changes
					optest.CheckBits(t, m)
				})
			}
		}
	}
}

// The stated fuel suffices for what this file has, too.
func TestLearningFuel(t *testing.T) {
	for _, c := range []struct{ optimizer, algorithm string }{
		{"lamb", "clipping: {norm: {limit: 0.1}}\naveraging: ema\naugmentation: [{crop: {padding: 2}}, flip, {cutout: {size: 3}}, {contrast: {delta: 0.1}}]\ninitializer: orthogonal"},
		{"lars", "clipping: {tensor-norm: {limit: 0.1}}\ninitializer: truncated-normal\nschedule: {cosine-restarts: {steps: 2, factor: 2, warmUp: 1}}"},
	} {
		optest.CheckFuel(t, optest.Model{
			Input: "6, 5, 3", Classes: 3, Layers: "- conv2d: {filters: 30, kernel: 3}\n  constraint: unit-norm\n- flatten\n- dense: {units: 3}",
			Optimizer: c.optimizer, Algorithm: c.algorithm,
		})
	}
}

// Errors of what the vocabulary alone cannot refuse.
func TestLearningIsChecked(t *testing.T) {
	component := func(kind string, a map[string]any) schema.Component {
		return schema.Component{Kind: kind, Attributes: a}
	}
	for _, c := range []struct {
		change func(d draft)
		want   string
	}{
		{
			func(d draft) { d.Algorithm.Optimizer = component("sgd", map[string]any{"nesterov": true}) },
			"algorithm.optimizer.sgd.nesterov: true without a momentum is plain sgd; give a momentum such as 0.9, or leave nesterov out",
		},
		{func(d draft) {
			d.Algorithm.Schedule = component("piecewise", map[string]any{"at": []any{3.0, 2.0}, "factors": []any{0.5, 0.1}})
		}, "algorithm.schedule.piecewise.at[1]: 2 does not come after 3; put the steps in rising order"},
		{func(d draft) {
			d.Algorithm.Schedule = component("piecewise", map[string]any{"at": []any{3.5}, "factors": []any{0.5}})
		}, "algorithm.schedule.piecewise.at[0]: 3.5 is not a whole number"},
		{func(d draft) {
			d.Algorithm.Schedule = component("piecewise", map[string]any{"at": []any{3.0}, "factors": []any{}})
		}, "algorithm.schedule.piecewise.factors: has 0 factors for the 1 steps of at; one for each is needed"},
		{
			func(d draft) { d.Algorithm.Schedule = component("one-cycle", map[string]any{"steps": 3.0}) },
			"algorithm.schedule.one-cycle.rise: 0.3 of 3 steps is not even one; give more of either",
		},
		{func(d draft) { d.Algorithm.Schedule = component("cosine", nil) }, "algorithm.schedule.cosine.steps: is missing; it should be a positive integer"},
		{
			func(d draft) { d.Algorithm.Clipping = component("norm", map[string]any{"limit": -1.0}) },
			"algorithm.clipping.norm.limit: -1 is not a number of at least 1e-09",
		},
		{
			func(d draft) { d.Algorithm.Averaging = component("ema", map[string]any{"decay": 1.0}) },
			"algorithm.averaging.ema.decay: 1 is not a number from 0 to 0.999999",
		},
		{
			func(d draft) { d.Algorithm.Augmentation = []schema.Component{component("flop", nil)} },
			`algorithm.augmentation[0]: "flop" is not known; there are [crop flip cutout brightness contrast]`,
		},
		{
			func(d draft) {
				d.Algorithm.Augmentation = []schema.Component{component("crop", map[string]any{"padding": "same"})}
			},
			`algorithm.augmentation[0].crop.padding: "same" is not a number of pixels`,
		},
		{
			func(d draft) {
				d.Algorithm.Augmentation = []schema.Component{component("crop", map[string]any{"padding": 100.0})}
			},
			"algorithm.augmentation[0].crop.padding: 100 × 100 is more than the image, 6 × 5",
		},
		{
			func(d draft) {
				d.Algorithm.Augmentation = []schema.Component{component("cutout", map[string]any{"size": 100.0})}
			},
			"algorithm.augmentation[0].cutout.size: 100 × 100 is more than the image, 6 × 5",
		},
		{
			func(d draft) { d.Model.Layers[0].Constraint.Component = component("max-norm", nil) },
			"model.layers[0].constraint.max-norm.limit: is missing; it should be a number of at least 1e-09",
		},
		{
			func(d draft) {
				d.Model.Loss.Component = component("softmax-cross-entropy", map[string]any{"classWeights": []any{1.0}})
			},
			"model.loss.softmax-cross-entropy.classWeights: 1 weights, but the dataset has 3 classes",
		},
		{
			func(d draft) { d.Model.Loss.Component = component("huber", map[string]any{"delta": 0.0}) },
			"model.loss.huber.delta: 0 is not a positive number",
		},
		{
			func(d draft) { d.Model.Loss.Component = component("kl-divergence", nil) },
			"model.loss: kl-divergence needs targets that are distributions, and the dataset has classes; use softmax-cross-entropy",
		},
		{
			func(d draft) { d.Model.Loss.Component = component("poisson", nil) },
			"model.loss: poisson needs targets that are counts, and the dataset has classes; use softmax-cross-entropy",
		},
		{
			func(d draft) { d.Model.Layers[1].Constraint.Component = component("unit-norm", nil) },
			"model.layers[1].constraint: maxpool2d has no weights",
		},
		{
			func(d draft) { d.Algorithm.Initializer.Component = component("constant", nil) },
			"algorithm.initializer.constant.value: is missing; it should be a number of at least -1000",
		},
	} {
		d := newDraft(t)
		c.change(d)
		_, err := d.resolve()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got\n  %v\nwant\n  %s", err, c.want)
		}
	}
}

// What has its default leaves the digest of a specification alone, whether it is spelt out or not.
func TestDefaultsOfLaterDateChangeNoDigest(t *testing.T) {
	plain := newDraft(t)
	spelt := newDraft(t)
	spelt.Model.Loss.Attributes = map[string]any{"labelSmoothing": 0.0, "classWeights": []any{}}
	spelt.Algorithm.Schedule = schema.Component{Kind: "constant", Attributes: map[string]any{"warmUp": 0.0, "floor": 0.0}}
	var texts []string
	for _, d := range []draft{plain, spelt} {
		r, err := d.resolve()
		if err != nil {
			t.Fatal(err)
		}
		text, err := schema.Canonical(r)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] || !strings.Contains(texts[0], `"loss":"softmax-cross-entropy"`) || strings.Contains(texts[0], "warmUp") {
		t.Errorf("got\n%s\nand\n%s", texts[0], texts[1])
	}
}

// What a resolved specification lacks has its default, whoever wrote it.
func TestCompileFillsInDefaults(t *testing.T) {
	d := newDraft(t)
	r, err := d.resolve()
	if err != nil {
		t.Fatal(err)
	}
	spelt := r
	r.Algorithm.Averaging.Kind = "ema"
	spelt.Algorithm.Averaging = schema.Component{Kind: "ema", Attributes: map[string]any{"decay": 0.999, "warmUp": false}}
	if !bytes.Equal(optest.Compile(t, r), optest.Compile(t, spelt)) {
		t.Error("the engines differ")
	}
}

// An engine with averages goes on from parameters that somebody wrote before its first step, and from its own ones after.
func TestRestoreOfAverages(t *testing.T) {
	r := optest.Model{
		Input: "4", Classes: 3, Layers: "- dense: {units: 3}", Algorithm: "averaging: {ema: {decay: 0.5}}", Microbatches: 1,
	}.Resolve(t)
	i := optest.Compiler().Open(t, optest.Compile(t, r))
	i.Init(1)
	parameter, trained := i.Tensor("dense1.weight"), i.Tensor("dense1.weight.trained")
	copy(parameter, optest.Floats([]float32{1, 2, 3, 4}))
	i.Load(i.Snapshot())
	if !bytes.Equal(parameter, trained) {
		t.Error("before the first step, what is trained is not the parameters")
	}
	records := optest.Random(r, 1)
	for step := range int64(4) {
		clear(i.Region(schema.RegionAccumulators))
		i.Write(records.At(optest.First(4)))
		if status := i.Accumulate(step, 0, 4) + i.Apply(step); status != "" {
			t.Fatal(status)
		}
	}
	if bytes.Equal(parameter, trained) {
		t.Fatal("the averages are the values")
	}
	before := i.Snapshot()
	i.Load(before)
	if !bytes.Equal(before, i.Snapshot()) {
		t.Error("restore changes a training that is under way")
	}
}
