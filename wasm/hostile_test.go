package wasm_test

import (
	"math"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// What a damaged or malicious closure may claim that it was resolved to is refused with its place.
func TestHostileSpecifications(t *testing.T) {
	attribute := func(layer int, name string, value any) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { r.Model.Layers[layer].Attributes[name] = value }
	}
	record := func(change func(l *schema.RecordLayout)) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { change(&r.Datasets[0].Record) }
	}
	shape := func(s ...int) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { r.Model.Input.Shape, r.Datasets[0].Record.Input.Shape = s, s }
	}
	normalize := func(n schema.Normalize) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { r.Model.Input.Normalize = &n }
	}
	optimizer := func(c schema.Component) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { r.Algorithm.Optimizer = c }
	}
	schedule := func(c schema.Component) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { r.Algorithm.Schedule = c }
	}
	local := func(change func(g *schema.Aggregation)) func(r *schema.Resolved) {
		return func(r *schema.Resolved) {
			rate, momentum := 0.7, 0.9
			g := schema.Aggregation{Mode: "local-steps", Bits: 8, Steps: 2, Outer: &schema.Outer{LearningRate: &rate, Momentum: &momentum}}
			change(&g)
			r.Algorithm.Aggregation = &g
		}
	}
	rate := func(x float64) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { r.Model.Layers[0].Rate = &x }
	}
	inputs := func(layer int, names ...string) func(r *schema.Resolved) {
		return func(r *schema.Resolved) { r.Model.Layers[layer].Inputs = names }
	}
	kind := func(layer int, kind string, names ...string) func(r *schema.Resolved) {
		return func(r *schema.Resolved) {
			l := &r.Model.Layers[layer]
			l.Kind, l.Attributes, l.Inputs = kind, nil, names
		}
	}
	// with puts another layer in the place of the second, whose input is [3, 3, 2].
	with := func(name string, attributes map[string]any) func(r *schema.Resolved) {
		return func(r *schema.Resolved) {
			kind(1, name)(r)
			r.Model.Layers[1].Attributes = attributes
		}
	}
	type attributes = map[string]any
	for _, c := range []struct {
		name   string
		change func(r *schema.Resolved)
		path   string
	}{
		{"slopes that are no numbers", with("prelu", attributes{"slope": math.NaN()}), "model.layers[1].prelu.slope"},
		{"unequal groups of a maxout", with("maxout", attributes{"size": 3.0}), "model.layers[1].maxout"},
		{"a padding of a million", with("pad", attributes{"top": 1e6}), "model.layers[1].pad.top"},
		{"a padding to a huge image", with("pad", attributes{"top": 65536.0, "left": 65536.0}), "model.layers[1].pad"},
		{"reflecting more than there is", with("pad", attributes{"left": 3.0, "mode": "reflect"}), "model.layers[1].pad"},
		{"cropping everything", with("crop", attributes{"left": 2.0, "right": 1.0}), "model.layers[1].crop"},
		{"a huge image", with("upsample", attributes{"factor": 65.0}), "model.layers[1].upsample"},
		{"a shape of other elements", with("reshape", attributes{"shape": []any{4.0, 4.0}}), "model.layers[1].reshape"},
		{"a shape with parts", with("reshape", attributes{"shape": []any{1.5, 12.0}}), "model.layers[1].reshape"},
		{"a shape of overflowing size", with("reshape", attributes{"shape": []any{268435456.0, 268435456.0, 268435456.0}}), "model.layers[1].reshape"},
		{"a shape of rank 4", with("reshape", attributes{"shape": []any{1.0, 3.0, 3.0, 2.0}}), "model.layers[1].reshape"},
		{"an order that names a dimension twice", with("permute", attributes{"order": []any{1.0, 2.0, 2.0}}), "model.layers[1].permute"},
		{"an order of two of three", with("permute", attributes{"order": []any{1.0, 2.0}}), "model.layers[1].permute"},
		{"noise without a deviation", with("gaussian-noise", nil), "model.layers[1].gaussian-noise.deviation"},
		{"a difference of three", kind(1, "subtract", "conv1", "conv1", "conv1"), "model.layers[1].inputs"},
		{"a product of other shapes", kind(1, "dot", "conv1", "input"), "model.layers[1].dot"},
		{"more windows than elements", with("adaptive-avgpool2d", attributes{"size": 4.0}), "model.layers[1].adaptive-avgpool2d"},
		{"a maximum of a row", kind(3, "global-max-pool"), "model.layers[3].global-max-pool"},
		{"a norm without a constant", with("local-response-norm", attributes{"k": 0.0}), "model.layers[1].local-response-norm.k"},
		{"unequal groups of a norm", with("group-norm", attributes{"groups": 3.0}), "model.layers[1].group-norm"},
		{"norms of single values", func(r *schema.Resolved) {
			r.Model.Layers[0].Attributes["kernel"] = []any{5.0, 5.0}
			kind(1, "instance-norm")(r)
		}, "model.layers[1].instance-norm"},
		{"empty", func(r *schema.Resolved) { *r = schema.Resolved{} }, "datasets.train"},
		{"no data", func(r *schema.Resolved) { r.Datasets = nil }, "datasets.train"},
		{"no layers", func(r *schema.Resolved) { r.Model.Layers = nil }, "model.layers"},
		{"a million layers", func(r *schema.Resolved) { r.Model.Layers = make([]schema.Layer, 1e6) }, "model.layers"},
		{"no aggregation", func(r *schema.Resolved) { r.Algorithm.Aggregation = nil }, "algorithm.aggregation"},
		{"unknown aggregation", func(r *schema.Resolved) { r.Algorithm.Aggregation.Mode = "x" }, "algorithm.aggregation.mode"},
		{"unknown width", func(r *schema.Resolved) { r.Algorithm.Aggregation.Bits = 32 }, "algorithm.aggregation.bits"},
		{"no local steps", local(func(g *schema.Aggregation) { g.Steps = 0 }), "algorithm.aggregation.steps"},
		{"negative local steps", local(func(g *schema.Aggregation) { g.Steps = -1 }), "algorithm.aggregation.steps"},
		{"huge local steps", local(func(g *schema.Aggregation) { g.Steps = 1 << 40 }), "algorithm.aggregation.steps"},
		{"unequal local steps", local(func(g *schema.Aggregation) { g.Steps = 3 }), "algorithm.microbatchSize"},
		{"no outer rule", local(func(g *schema.Aggregation) { g.Outer = nil }), "algorithm.aggregation.outer"},
		{"half an outer rule", local(func(g *schema.Aggregation) { g.Outer.Momentum = nil }), "algorithm.aggregation.outer"},
		{"huge outer rate", local(func(g *schema.Aggregation) { *g.Outer.LearningRate = 1e300 }), "algorithm.aggregation.outer.learningRate"},
		{"an outer rate that is not a number", local(func(g *schema.Aggregation) { *g.Outer.LearningRate = math.NaN() }), "algorithm.aggregation.outer.learningRate"},
		{"outer momentum of 1", local(func(g *schema.Aggregation) { *g.Outer.Momentum = 1 }), "algorithm.aggregation.outer.momentum"},
		{"local steps with adam", func(r *schema.Resolved) {
			local(func(*schema.Aggregation) {})(r)
			r.Algorithm.Optimizer = schema.Component{Kind: "adam"}
		}, "algorithm.optimizer"},
		{"local steps with adagrad", func(r *schema.Resolved) {
			local(func(*schema.Aggregation) {})(r)
			r.Algorithm.Optimizer = schema.Component{Kind: "adagrad"}
		}, "algorithm.optimizer"},
		{"steps without their mode", local(func(g *schema.Aggregation) { g.Mode = "gradient" }), "algorithm.aggregation.steps"},
		{"no microbatch", func(r *schema.Resolved) { r.Algorithm.MicrobatchSize = 0 }, "algorithm.microbatchSize"},
		{"negative microbatch", func(r *schema.Resolved) { r.Algorithm.MicrobatchSize = -4 }, "algorithm.microbatchSize"},
		{"huge microbatch", func(r *schema.Resolved) { r.Algorithm.MicrobatchSize, r.Algorithm.BatchSize = 1<<40, 1<<40 }, "algorithm.microbatchSize"},
		{"no batch", func(r *schema.Resolved) { r.Algorithm.BatchSize = 0 }, "algorithm.batchSize"},
		{"huge batch", func(r *schema.Resolved) { r.Algorithm.BatchSize = 1 << 60 }, "algorithm.batchSize"},
		{"no block", func(r *schema.Resolved) { r.Algorithm.Block = 0 }, "algorithm.block"},
		{"negative block", func(r *schema.Resolved) { r.Algorithm.Block = -4 }, "algorithm.block"},
		{"huge block", func(r *schema.Resolved) { r.Algorithm.Block = math.MaxInt64 }, "algorithm.block"},
		{"unknown initializer", func(r *schema.Resolved) { r.Algorithm.Initializer.Kind = "" }, "algorithm.initializer"},
		{"strong l1", func(r *schema.Resolved) { r.Algorithm.Regularization = &schema.Regularization{L1: 1e300} }, "algorithm.regularization.l1"},
		{"negative l2", func(r *schema.Resolved) { r.Algorithm.Regularization = &schema.Regularization{L2: -1} }, "algorithm.regularization.l2"},
		{"no optimizer", optimizer(schema.Component{}), "algorithm.optimizer"},
		{"optimizer with a word", optimizer(schema.Component{Kind: "sgd", Attributes: map[string]any{"learningRate": "x"}}), "algorithm.optimizer.sgd.learningRate"},
		{"huge rate", optimizer(schema.Component{Kind: "adam", Attributes: map[string]any{"learningRate": 1e300}}), "algorithm.optimizer.adam.learningRate"},
		{"unknown schedule", schedule(schema.Component{Kind: "x"}), "algorithm.schedule"},
		{"schedule without attributes", schedule(schema.Component{Kind: "step"}), "algorithm.schedule.step.every"},
		{"negative rate of a layer", rate(-1), "model.layers[0].rate"},
		{"huge rate of a layer", rate(1e300), "model.layers[0].rate"},
		{"unknown layer", func(r *schema.Resolved) { r.Model.Layers[0].Kind = "x" }, "model.layers[0]"},
		{"layer without attributes", func(r *schema.Resolved) { r.Model.Layers[0].Attributes = nil }, "model.layers[0].conv2d.filters"},
		{"filters as text", attribute(0, "filters", "3"), "model.layers[0].conv2d.filters"},
		{"a list of one", attribute(0, "kernel", []any{1.0}), "model.layers[0].conv2d.kernel"},
		{"null", attribute(0, "kernel", nil), "model.layers[0].conv2d.kernel"},
		{"huge kernel", attribute(0, "kernel", []any{1 << 20, 1 << 20}), "model.layers[0].conv2d.kernel[0]"},
		{"huge padding", attribute(0, "padding", 1e6), "model.layers[0].conv2d"},
		{"huge output", func(r *schema.Resolved) {
			a := r.Model.Layers[0].Attributes
			a["kernel"], a["padding"], a["filters"] = 1e6, 999999.0, 65536.0
		}, "model.layers[0].conv2d"},
		{"statistics of few examples", kind(1, "batch-norm"), "algorithm.microbatchSize"},
		{"an epsilon of zero", func(r *schema.Resolved) {
			kind(1, "batch-norm")(r)
			r.Model.Layers[1].Attributes = map[string]any{"epsilon": 0.0}
		}, "model.layers[1].batch-norm.epsilon"},
		{"statistics of too many examples", func(r *schema.Resolved) {
			kind(1, "batch-norm")(r)
			r.Algorithm.MicrobatchSize, r.Algorithm.BatchSize = 1<<16, 1<<16
		}, "algorithm.microbatchSize"},
		{"a pool of a row", kind(3, "global-average-pool"), "model.layers[3].global-average-pool"},
		{"an input that is no layer", inputs(2, "x"), "model.layers[2].inputs[0]"},
		{"a layer that reads itself", inputs(1, "maxpool1"), "model.layers[1].inputs[0]"},
		{"a later layer as input", inputs(1, "input", "flatten1"), "model.layers[1].inputs[1]"},
		{"two inputs of a layer that reads one", inputs(1, "input", "conv1"), "model.layers[1].inputs"},
		{"a million inputs", inputs(1, make([]string, 1e6)...), "model.layers[1].inputs[0]"},
		{"a layer that nobody reads", inputs(1, "input"), "model.layers[0]"},
		{"a layer called input", func(r *schema.Resolved) { r.Model.Layers[0].Name = "input" }, "model.layers[0].name"},
		{"a merge of one", kind(1, "add"), "model.layers[1].inputs"},
		{"a merge of too many", kind(1, "concat", slices.Repeat([]string{"conv1"}, 65)...), "model.layers[1].inputs"},
		{"a sum of other shapes", kind(1, "add", "conv1", "input"), "model.layers[1].add"},
		{"other heights beside each other", kind(1, "concat", "conv1", "input"), "model.layers[1].concat"},
		{"a huge concatenation", func(r *schema.Resolved) {
			r.Model.Layers[0].Attributes["filters"], r.Model.Layers[0].Attributes["padding"] = 65536.0, "same"
			shape(50, 50, 3)(r)
			kind(1, "concat", "conv1", "conv1", "conv1")(r)
		}, "model.layers[1].concat"},
		{"huge dense", attribute(3, "units", float64(1<<20)), "model.layers[3]"},
		{"huge memory for local steps", func(r *schema.Resolved) {
			local(func(g *schema.Aggregation) { g.Steps = 1 << 12 })(r)
			r.Algorithm.MicrobatchSize, r.Algorithm.BatchSize = 1<<16, 1<<16
			shape(200, 200, 3)(r)
		}, "model"},
		{"huge memory", func(r *schema.Resolved) {
			r.Algorithm.MicrobatchSize, r.Algorithm.BatchSize = 1<<16, 1<<16
			shape(200, 200, 3)(r)
		}, "model"},
		{"overflowing shape", shape(1<<32, 1<<32, 1), "model.input.shape"},
		{"negative shape", shape(-4, -4, 1), "model.input.shape"},
		{"no shape", shape(), "model.input.shape"},
		{"other shape of records", record(func(l *schema.RecordLayout) { l.Input.Shape = []int{4, 4, 1} }), "model.input.shape"},
		{"other dtype of records", record(func(l *schema.RecordLayout) { l.Input.DType = "i64" }), "model.input.dtype"},
		{"unknown dtype", func(r *schema.Resolved) { r.Model.Input.DType, r.Datasets[0].Record.Input.DType = "f16", "f16" }, "model.input.dtype"},
		{"f32 classes", record(func(l *schema.RecordLayout) { l.Target.DType = "f32" }), "datasets.train"},
		{"many targets", record(func(l *schema.RecordLayout) { l.Target.Shape = []int{1 << 40} }), "datasets.train"},
		{"negative classes", func(r *schema.Resolved) { r.Datasets[0].Classes = -1 }, "datasets.train"},
		{"other classes", func(r *schema.Resolved) { r.Datasets[0].Classes = 4 }, "model.layers[3]"},
		{"no classes", func(r *schema.Resolved) { r.Datasets[0].Classes = 0 }, "datasets.train"},
		{"clipping without a limit", func(r *schema.Resolved) { r.Algorithm.Clipping.Kind = "norm" }, "algorithm.clipping.norm.limit"},
		{"unknown clipping", func(r *schema.Resolved) { r.Algorithm.Clipping.Kind = "hair" }, "algorithm.clipping"},
		{"unknown averages", func(r *schema.Resolved) { r.Algorithm.Averaging.Kind = "sma" }, "algorithm.averaging"},
		{"unknown augmentation", func(r *schema.Resolved) { r.Algorithm.Augmentation = make([]schema.Component, 1) }, "algorithm.augmentation[0]"},
		{"a crop without a padding", func(r *schema.Resolved) { r.Algorithm.Augmentation = []schema.Component{{Kind: "crop"}} }, "algorithm.augmentation[0].crop.padding"},
		{"a long augmentation", func(r *schema.Resolved) {
			r.Algorithm.Augmentation = slices.Repeat([]schema.Component{{Kind: "flip"}}, 17)
		}, "algorithm.augmentation"},
		{"a huge crop", func(r *schema.Resolved) {
			r.Algorithm.Augmentation = []schema.Component{{Kind: "crop", Attributes: map[string]any{"padding": []any{1e300, 1.0}}}}
		}, "algorithm.augmentation[0].crop.padding[0]"},
		{"unknown constraint", func(r *schema.Resolved) { r.Model.Layers[0].Constraint.Kind = "x" }, "model.layers[0].constraint"},
		{"an initializer's attribute", func(r *schema.Resolved) {
			r.Algorithm.Initializer.Kind, r.Algorithm.Initializer.Attributes = "normal", map[string]any{"deviation": math.NaN()}
		}, "algorithm.initializer.normal.deviation"},
		{"weights that are no numbers", func(r *schema.Resolved) {
			r.Model.Loss.Attributes = map[string]any{"classWeights": []any{"1", nil}}
		}, "model.loss.softmax-cross-entropy.classWeights[0]"},
		{"a piecewise schedule without pieces", schedule(schema.Component{Kind: "piecewise", Attributes: map[string]any{"at": []any{}, "factors": []any{}}}), "algorithm.schedule.piecewise.at"},
		{"unknown loss", func(r *schema.Resolved) { r.Model.Loss.Kind = "" }, "model.loss"},
		{"an image as output", func(r *schema.Resolved) { r.Model.Layers = r.Model.Layers[:1] }, "model.layers[0]"},
		{"nothing to train", func(r *schema.Resolved) { r.Model.Layers = r.Model.Layers[2:3] }, "model.layers"},
		{"unresolved constants", normalize(schema.Normalize{Standardize: true}), "model.input.normalize"},
		{"no constants", normalize(schema.Normalize{}), "model.input.normalize"},
		{"mean alone", normalize(schema.Normalize{Mean: []float64{1}}), "model.input.normalize"},
		{"no mean", normalize(schema.Normalize{Mean: []float64{}, Deviation: []float64{}}), "model.input.normalize.mean"},
		{"no deviation", normalize(schema.Normalize{Mean: []float64{1}, Deviation: []float64{0}}), "model.input.normalize.deviation"},
		{"both forms", normalize(schema.Normalize{Mean: []float64{1}, Deviation: []float64{1}, Scale: []float64{1}}), "model.input.normalize"},
		{"few scales", normalize(schema.Normalize{Scale: []float64{1, 2}}), "model.input.normalize.scale"},
		{"huge scale", normalize(schema.Normalize{Scale: []float64{1e300}}), "model.input.normalize.scale"},
		{"huge offset", normalize(schema.Normalize{Scale: []float64{1}, Offset: []float64{-1e300}}), "model.input.normalize.offset"},
		{"a table for a huge input", func(r *schema.Resolved) {
			shape(1<<10, 1<<11, 3)(r)
			normalize(schema.Normalize{Scale: []float64{1, 2, 3}})(r)
		}, "model.input.normalize.scale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := optest.Model{
				Input: "5, 5, 3", Classes: 3, Layers: "- conv2d: {filters: 2, kernel: 3}\n- maxpool2d\n- flatten\n- dense: {units: 3}",
			}.Resolve(t)
			c.change(&r)
			err := compiles(t, r)
			invalid, _ := err.(*schema.Invalid) //nolint:errorlint // compiles has checked the type
			if invalid == nil {
				t.Fatal("it compiles")
			}
			if got := invalid.Problems[0].Path; got != c.path {
				t.Errorf("the problem is at %q, want %q: %v", got, c.path, err)
			}
		})
	}
}
