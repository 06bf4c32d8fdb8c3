package wasm_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// draft is a specification with the datasets that its roles name.
type draft struct {
	*schema.Specification
	data map[string]*schema.Dataset
}

func newDraft(t *testing.T) draft {
	t.Helper()
	m := optest.Model{
		Input: "6, 5, 2", Classes: 3, Examples: 100,
		Layers: "- conv2d: {filters: 4, kernel: 3, activation: relu}\n- maxpool2d\n- flatten\n- dense: {units: 3}",
	}
	d := m.Dataset(t)
	d.Statistics = &schema.Statistics{Mean: []float64{1, 2}, Deviation: []float64{3, 4}}
	test := *d
	test.Splits = []schema.Split{{Name: "test", Records: 10}}
	s := m.Specification(t)
	s.Algorithm.Steps, s.Algorithm.Aggregation = 0, nil
	epochs := 2.0
	s.Algorithm.Epochs = &epochs
	s.Datasets[schema.RoleTest] = schema.DatasetUse{Ref: "random:1.0.1", Split: "test"}
	return draft{s, map[string]*schema.Dataset{schema.RoleTrain: d, schema.RoleTest: &test}}
}

func (d draft) resolve() (schema.Resolved, error) { return wasm.Resolve(d.Specification, d.data) }

func TestResolveFillsIn(t *testing.T) {
	d := newDraft(t)
	d.Model.Input.Normalize = &schema.Normalize{Standardize: true}
	r, err := d.resolve()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range r.Model.Layers {
		names = append(names, l.Name)
	}
	type facts struct {
		Layers      []string
		Kernel      any
		Bias        any
		Stride      any
		Optimizer   map[string]any
		Schedule    string
		Initializer string
		Steps       int64
		Epochs      *float64
		Evaluate    schema.Evaluate
		Aggregation schema.Aggregation
		Block       int64
		Normalize   schema.Normalize
		Datasets    int
	}
	got := facts{
		Layers: names, Kernel: r.Model.Layers[0].Attributes["kernel"], Bias: r.Model.Layers[3].Attributes["bias"],
		Stride: r.Model.Layers[1].Attributes["stride"], Optimizer: r.Algorithm.Optimizer.Attributes,
		Schedule: r.Algorithm.Schedule.Kind, Initializer: r.Algorithm.Initializer.Kind, Steps: r.Algorithm.Steps, Epochs: r.Algorithm.Epochs,
		Evaluate: *r.Algorithm.Evaluate, Aggregation: *r.Algorithm.Aggregation, Block: r.Algorithm.Block,
		Normalize: *r.Model.Input.Normalize, Datasets: len(r.Datasets),
	}
	want := facts{
		Layers: []string{"conv1", "maxpool1", "flatten1", "dense1"}, Kernel: []any{3.0, 3.0}, Bias: true, Stride: []any{2.0, 2.0},
		Optimizer: map[string]any{"learningRate": 0.1, "momentum": 0.0, "nesterov": false},
		Schedule:  "constant", Initializer: "he-normal", Steps: 25, Evaluate: schema.Evaluate{Every: 13},
		Aggregation: schema.Aggregation{Mode: "gradient", Bits: 16}, Block: 48,
		Normalize: schema.Normalize{Mean: []float64{1, 2}, Deviation: []float64{3, 4}}, Datasets: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
	if d.Algorithm.Epochs == nil || d.Model.Layers[0].Name != "" || !d.Model.Input.Normalize.Standardize {
		t.Error("resolving changed the specification")
	}
}

// What an aggregation leaves open depends on its mode.
func TestResolveAggregation(t *testing.T) {
	f := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		name        string
		given, want schema.Aggregation
	}{
		{"nothing but bits", schema.Aggregation{Bits: 8}, schema.Aggregation{Mode: "gradient", Bits: 8}},
		{"nothing but a mode", schema.Aggregation{Mode: "gradient"}, schema.Aggregation{Mode: "gradient", Bits: 16}},
		{
			"local steps",
			schema.Aggregation{Mode: "local-steps"},
			schema.Aggregation{Mode: "local-steps", Bits: 8, Steps: 8, Outer: &schema.Outer{LearningRate: f(0.7), Momentum: f(0.9)}},
		},
		{
			"some of the outer rule",
			schema.Aggregation{Mode: "local-steps", Bits: 24, Steps: 4, Outer: &schema.Outer{Momentum: f(0)}},
			schema.Aggregation{Mode: "local-steps", Bits: 24, Steps: 4, Outer: &schema.Outer{LearningRate: f(0.7), Momentum: f(0)}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDraft(t)
			d.Algorithm.MicrobatchSize, d.Algorithm.BatchSize = 16, 32
			d.Algorithm.Aggregation = &c.given
			before := c.given
			r, err := d.resolve()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, *r.Algorithm.Aggregation); diff != "" {
				t.Errorf("resolved (-want +got):\n%s", diff)
			}
			if r.Algorithm.Steps != int64(math.Ceil(2*100.0/32)) {
				t.Errorf("%d steps, each of 32 examples, for two epochs of 100", r.Algorithm.Steps)
			}
			if diff := cmp.Diff(before, c.given); diff != "" {
				t.Errorf("resolving changed the specification:\n%s", diff)
			}
		})
	}
}

// Every problem is told with its place.
func TestResolveRefuses(t *testing.T) {
	layers := func(change func(l []schema.Layer) []schema.Layer) func(d draft) {
		return func(d draft) { d.Model.Layers = change(d.Model.Layers) }
	}
	attribute := func(layer int, name string, value any) func(d draft) {
		return func(d draft) { d.Model.Layers[layer].Attributes[name] = value }
	}
	normalize := func(n schema.Normalize) func(d draft) {
		return func(d draft) { d.Model.Input.Normalize = &n }
	}
	for _, c := range []struct {
		name   string
		change func(d draft)
		want   string
	}{
		{"a window that does not fit", attribute(0, "kernel", 7), "model.layers[0].conv2d: a window of 7×7 does not fit into its input of 6×5; make it smaller or give padding"},
		{"too much padding", attribute(0, "padding", 3), "model.layers[0].conv2d: padding of 3×3 makes windows of 3×3 that see no input; it must be smaller than the window"},
		{"dense behind an image", layers(func(l []schema.Layer) []schema.Layer { return append(l[:2:2], l[3]) }), "model.layers[2].dense: its input has the shape [2 1 4]; put flatten: {} before it"},
		{"conv2d behind a row", layers(func(l []schema.Layer) []schema.Layer { return []schema.Layer{l[2], l[0]} }), "model.layers[1].conv2d: its input has the shape [60]; an image [height, width, channels] is needed"},
		{"an image as output", layers(func(l []schema.Layer) []schema.Layer { return l[:1] }), "model.layers[0]: the last layer's output has the shape [4 3 4]; one row is needed, as flatten and dense make it"},
		{"nothing trained", layers(func(l []schema.Layer) []schema.Layer { return l[2:3] }), "model.layers: nothing is trained; a dense or conv2d layer is needed\n  model.layers[0]: 60 outputs, but random:1.0.0 has 3 classes"},
		{"no layers", layers(func([]schema.Layer) []schema.Layer { return nil }), "model.layers: 0 layers; a model has 1 to 1000"},
		{"class count", attribute(3, "units", 10), "model.layers[3]: 10 outputs, but random:1.0.0 has 3 classes"},
		{"an unknown layer", func(d draft) { d.Model.Layers[1].Kind = "pool" }, `model.layers[1]: "pool" is not a layer`},
		{"a layer's name twice", func(d draft) { d.Model.Layers[0].Name, d.Model.Layers[1].Name = "a", "a" }, `model.layers[1].name: "a" is the name of an earlier layer`},
		{"the input's name", func(d draft) { d.Model.Layers[1].Name = "input" }, `model.layers[1].name: "input" is the name of the model's input`},
		{"a layer that nobody reads", func(d draft) { d.Model.Layers[2].Inputs = []string{"conv1"} }, "model.layers[1]: no layer reads its output; name it among the inputs of a later one, or leave it out"},
		{"a later input", func(d draft) { d.Model.Layers[1].Inputs = []string{"flatten1"} }, `model.layers[1].inputs[0]: "flatten1" is not the name of a layer before this one`},
		{"two inputs of one", func(d draft) { d.Model.Layers[1].Inputs = []string{"conv1", "input"} }, "model.layers[1].inputs: names 2 layers; maxpool2d reads one. Put a layer between that merges them, such as add or concat"},
		{"a merge of one", func(d draft) { d.Model.Layers[1].Component = schema.Component{Kind: "add"} }, "model.layers[1].inputs: add merges at least 2 layers; name them, such as inputs: [conv1, …]"},
		{"other shapes", func(d draft) {
			d.Model.Layers[1].Component, d.Model.Layers[1].Inputs = schema.Component{Kind: "add"}, []string{"input", "conv1"}
		}, "model.layers[1].add: its inputs have the shapes [[6 5 2] [4 3 4]]; they must be equal"},
		{"a huge layer", attribute(3, "units", 1<<20), "model.layers[3]: 1048576 outputs, but random:1.0.0 has 3 classes"},
		{"a layer beyond memory", func(d draft) {
			d.Model.Layers[0].Attributes = map[string]any{"filters": 65536, "kernel": 1 << 10, "padding": 1023}
		}, "model.layers[0].conv2d: its output has the shape [1029 1028 65536]; at most 268435456 elements are possible"},
		{"a weight beyond memory", func(d draft) {
			d.Model.Layers[0].Attributes = map[string]any{"filters": 65536, "kernel": 64, "padding": 63, "stride": 64}
		}, "model.layers[0].conv2d: its weight has the shape [65536 64 64 2]; at most 268435456 elements are possible"},
		{"a rate", func(d draft) { x := 1001.0; d.Model.Layers[0].Rate = &x }, "model.layers[0].rate: 1001 is not between 0 and 1000"},
		{"a loss", func(d draft) { d.Model.Loss.Kind = "regret" }, `model.loss: "regret" is not known; there are [softmax-cross-entropy mean-squared-error kl-divergence hinge mean-absolute-error huber log-cosh binary-cross-entropy poisson]`},
		{"a loss without classes", func(d draft) {
			for _, s := range d.data {
				s.Classes, s.Record.Target = nil, schema.Field{Offset: 240, DType: "f32", Shape: []int{3}}
			}
		}, "model.loss: softmax-cross-entropy needs classes, and the dataset has none; use mean-squared-error"},
		{"another number of targets", func(d draft) {
			for _, s := range d.data {
				s.Classes, s.Record.Target = nil, schema.Field{Offset: 240, DType: "f32", Shape: []int{2}}
			}
		}, "model.layers[3]: 3 outputs, but the targets have 2 values"},
		{"an optimizer", func(d draft) { d.Algorithm.Optimizer.Kind = "newton" }, `algorithm.optimizer: "newton" is not known; there are [sgd adagrad adam adamw adamax nadam adadelta rmsprop lamb lars]`},
		{"a schedule", func(d draft) { d.Algorithm.Schedule.Kind = "lunar" }, `algorithm.schedule: "lunar" is not known; there are [constant step exponential piecewise polynomial cosine cosine-restarts one-cycle]`},
		{"an initializer", func(d draft) { d.Algorithm.Initializer.Kind = "twos" }, `algorithm.initializer: "twos" is not known; there are [zeros ones he-normal he-uniform glorot-normal glorot-uniform lecun-normal lecun-uniform constant normal truncated-normal uniform variance-scaling orthogonal identity]`},
		{"regularization", func(d draft) { d.Algorithm.Regularization = &schema.Regularization{L2: 1001} }, "algorithm.regularization.l2: 1001 is not between 0 and 1000"},
		{"a microbatch", func(d draft) { d.Algorithm.MicrobatchSize, d.Algorithm.BatchSize = 1<<17, 1<<17 }, "algorithm.microbatchSize: 131072 is not between 1 and 65536"},
		{"a batch", func(d draft) { d.Algorithm.BatchSize = 9 }, "algorithm.batchSize: 9 is not a multiple of microbatchSize (4)"},
		{"a batch that overflows", func(d draft) {
			d.Algorithm.BatchSize, d.Algorithm.Aggregation = 4*257, &schema.Aggregation{Mode: "gradient", Bits: 24}
		}, "algorithm.batchSize: 257 microbatches in a step; at 24 bits at most 256 keep the sums exact"},
		{"a width", func(d draft) { d.Algorithm.Aggregation = &schema.Aggregation{Mode: "gradient", Bits: 10} }, "algorithm.aggregation.bits: 10 is not 8, 12, 16 or 24"},
		{"an aggregation", func(d draft) { d.Algorithm.Aggregation = &schema.Aggregation{Mode: "average"} }, `algorithm.aggregation.mode: "average" is not known; there are gradient and local-steps`},
		{"too many local steps", func(d draft) { d.Algorithm.Aggregation = &schema.Aggregation{Mode: "local-steps"} }, "algorithm.aggregation.steps: 8 is not between 1 and microbatchSize (4)"},
		{"unequal local steps", func(d draft) { d.Algorithm.Aggregation = &schema.Aggregation{Mode: "local-steps", Steps: 3} }, "algorithm.microbatchSize: 4 examples are not 3 equal local steps; take a multiple of aggregation.steps"},
		{"local steps of gradients", func(d draft) { d.Algorithm.Aggregation = &schema.Aggregation{Steps: 2, Outer: &schema.Outer{}} }, "algorithm.aggregation.steps: is for the mode local-steps; give it, or leave steps out\n  algorithm.aggregation.outer: is for the mode local-steps; give it, or leave outer out"},
		{"local steps of adam", func(d draft) {
			d.Algorithm.Aggregation = &schema.Aggregation{Mode: "local-steps", Steps: 4}
			d.Algorithm.Optimizer = schema.Component{Kind: "adam"}
		}, "algorithm.optimizer: adam starts each microbatch anew, and its first steps are as large as its rate whatever the gradient: with 4 local steps it learns badly; take sgd, or at least 64 steps"},
		{"a block", func(d draft) { d.Algorithm.Block = 1 << 40 }, "algorithm.block: 1099511627776 is not between 1 and 2147483647"},
		{"no steps", func(d draft) { zero := 0.0; d.Algorithm.Epochs = &zero }, "algorithm.steps: a run has at least one step"},
		{"a dtype", func(d draft) { d.Model.Input.DType = "u8" }, `model.input.dtype: "u8"; the dataset's records have "f32"`},
		{"a shape", func(d draft) { d.Model.Input.Shape = []int{6, 5, 3} }, "model.input.shape: [6 5 3]; the dataset's records have [6 5 2]"},
		{"constants", normalize(schema.Normalize{Scale: []float64{1, 2, 3}}), "model.input.normalize.scale: has 3 values; 1, 2 (one per feature) or 60 (one per element) are needed"},
		{"mean alone", normalize(schema.Normalize{Mean: []float64{1}}), "model.input.normalize: mean and deviation belong together"},
		{"a constant out of range", normalize(schema.Normalize{Scale: []float64{1e39}}), "model.input.normalize.scale: 1e+39 is out of range"},
		{"a deviation of nothing", normalize(schema.Normalize{Mean: []float64{0}, Deviation: []float64{0}}), "model.input.normalize.deviation: 0 is out of range"},
		{"standardize without statistics", func(d draft) {
			d.Model.Input.Normalize = &schema.Normalize{Standardize: true}
			d.data[schema.RoleTrain].Statistics = nil
		}, "model.input.normalize: the dataset has no statistics; give mean and deviation"},
		{"no training data", func(d draft) { delete(d.Datasets, schema.RoleTrain) }, "datasets.train: is missing; name the records to train on"},
		{"data that is not there", func(d draft) { delete(d.data, schema.RoleTest) }, "datasets.test: random:1.0.1 is not at hand"},
		{"a split", func(d draft) { d.Datasets[schema.RoleTest] = schema.DatasetUse{Ref: "random:1.0.1", Split: "val"} }, `datasets.test.split: random:1.0.1 has no split "val"; it has [test]`},
		{"no records", func(d draft) { d.data[schema.RoleTrain].Splits[0].Records = 0 }, `datasets.train.split: the split "train" of random:1.0.0 has no records`},
		{"too many records", func(d draft) { d.data[schema.RoleTrain].Splits[0].Records = 1 << 32 }, `datasets.train.split: the split "train" of random:1.0.0 has 4294967296 records, more than an engine can number`},
		{"layouts that differ", func(d draft) { d.data[schema.RoleTest].Record.Target.DType = "u16" }, "datasets.train: its records differ from those of datasets.test in their layout"},
		{"classes that differ", func(d draft) { d.data[schema.RoleTest].Classes = []string{"a"} }, "datasets.train: it has 3 classes, datasets.test has 1"},
		{"an attribute", attribute(0, "stride", 0), "model.layers[0].conv2d.stride: 0 is not a positive integer"},
		{"an attribute of the optimizer", func(d draft) { d.Algorithm.Optimizer.Attributes["momentum"] = 1.0 }, "algorithm.optimizer.sgd.momentum: 1 is not a number from 0 to 0.99999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDraft(t)
			c.change(d)
			r, err := d.resolve()
			var invalid *schema.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("%v, %v", r, err)
			}
			var lines []string
			for _, p := range invalid.Problems {
				lines = append(lines, p.String())
			}
			if got := strings.Join(lines, "\n  "); got != c.want {
				t.Errorf("got\n  %s\nwant\n  %s", got, c.want)
			}
		})
	}
}

// All problems of one kind are told at once.
func TestResolveCollects(t *testing.T) {
	d := newDraft(t)
	d.Model.Loss.Kind, d.Algorithm.Initializer.Kind, d.Algorithm.Optimizer.Kind = "regret", "x", "y"
	_, err := d.resolve()
	var invalid *schema.Invalid
	if !errors.As(err, &invalid) || len(invalid.Problems) != 3 {
		t.Errorf("want three problems: %v", err)
	}
}

// A specification that names an engine of its own needs no layers, and is checked against the data all the same.
func TestResolveForeign(t *testing.T) {
	d := newDraft(t)
	d.Engine, d.Model.Layers, d.Model.Loss, d.Algorithm.Optimizer = "kmeans.wasm", nil, schema.Named{}, schema.Component{}
	r, err := d.resolve()
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(math.Ceil(2 * 100.0 / 8)); r.Algorithm.Steps != want {
		t.Errorf("%d steps, want %d", r.Algorithm.Steps, want)
	}
	d.Model.Input.DType = "u8"
	if _, err := d.resolve(); err == nil {
		t.Error("another dtype is accepted")
	}
}

// Inputs are kept where they are not the layer before, so that naming that one changes nothing.
func TestResolveInputs(t *testing.T) {
	resolve := func(inputs ...string) []schema.Layer {
		d := newDraft(t)
		d.Model.Layers = append([]schema.Layer{
			{Component: schema.Component{Kind: "activation", Attributes: map[string]any{"function": "relu"}}, Inputs: inputs},
			{Component: schema.Component{Kind: "concat"}, Inputs: []string{"input", "activation1"}},
		}, d.Model.Layers...)
		r, err := d.resolve()
		if err != nil {
			t.Fatal(err)
		}
		return r.Model.Layers
	}
	layers := resolve("input")
	if diff := cmp.Diff(resolve(), layers); diff != "" {
		t.Errorf("naming the layer before makes another model (-without +with):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"input", "activation1"}, layers[1].Inputs); diff != "" || layers[0].Inputs != nil {
		t.Errorf("inputs %v of the first; of the merge (-want +got):\n%s", layers[0].Inputs, diff)
	}
}

// A batch norm that alone reads a layer takes the layer's bias away, so there is none; Compile does not believe otherwise.
func TestBiasBeforeBatchNorm(t *testing.T) {
	m := optest.Model{Input: "6", Classes: 3, Microbatch: 8, Layers: `- dense: {units: 4}
- batch-norm
- {dense: {units: 4, activation: relu}}
- batch-norm
- {dense: {units: 4}, name: shared}
- {batch-norm: {}, name: normal}
- {add: {}, inputs: [shared, normal]}
- dense: {units: 3}`}
	r := m.Resolve(t)
	var biases []any
	for _, l := range r.Model.Layers {
		if l.Kind == "dense" {
			biases = append(biases, l.Attributes["bias"])
		}
	}
	if diff := cmp.Diff([]any{false, true, true, true}, biases); diff != "" {
		t.Errorf("biases (-want +got):\n%s", diff)
	}
	code := optest.Compile(t, r)
	r.Model.Layers[0].Attributes["bias"] = true
	if !bytes.Equal(optest.Compile(t, r), code) {
		t.Error("a bias before a batch norm makes another engine")
	}
}

func TestResolveRefusesToNormalize(t *testing.T) {
	for _, c := range []struct {
		microbatch int
		local      string
		examples   int
	}{{7, "", 7}, {28, "steps: 4", 7}, {257, "", 257}} {
		m := optest.Model{Input: "6", Classes: 3, Microbatch: c.microbatch, Local: c.local, Layers: "- batch-norm\n- dense: {units: 3}"}
		_, err := wasm.Resolve(m.Specification(t), map[string]*schema.Dataset{schema.RoleTrain: m.Dataset(t)})
		want := fmt.Sprintf("algorithm.microbatchSize: batch-norm takes mean and variance of %d examples; it needs microbatches (or parts of them, with local steps) of 8 to 256. Take 16 or 32", c.examples)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("microbatch %d, local %q: error %v", c.microbatch, c.local, err)
		}
	}
}
