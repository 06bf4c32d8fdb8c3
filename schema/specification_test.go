package schema_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var compareDigests = cmp.Comparer(func(a, b schema.Digest) bool { return a == b })

func TestReadSpecification(t *testing.T) {
	got, err := schema.ReadSpecification("closure.yaml", testdata(t, "mnist-cnn.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	layer := func(kind string, attributes map[string]any) schema.Layer {
		return schema.Layer{Component: schema.Component{Kind: kind, Attributes: attributes}}
	}
	want := &schema.Specification{
		Name: "mnist-cnn", Version: "1.0.0", Title: "A small convolutional network on MNIST", License: "Apache-2.0",
		Authors: []schema.Author{{Name: "Ada Example"}}, Task: "image-classification",
		Model: schema.Model{
			Input: schema.Input{Shape: []int{28, 28, 1}, DType: "u8", Normalize: &schema.Normalize{Scale: []float64{0.00392156862745098}}},
			Layers: []schema.Layer{
				layer("conv2d", map[string]any{"filters": 16.0, "kernel": 5.0, "padding": "same", "activation": "relu"}),
				layer("maxpool2d", map[string]any{"size": 2.0}),
				layer("flatten", map[string]any{}),
				layer("dense", map[string]any{"units": 10.0}),
			},
			Loss: named("softmax-cross-entropy"),
		},
		Algorithm: schema.Algorithm{
			Optimizer:      schema.Component{Kind: "adagrad", Attributes: map[string]any{"learningRate": 0.02}},
			Regularization: &schema.Regularization{L2: 0.0001},
			MicrobatchSize: 16, BatchSize: 128, Epochs: new(3.0), Seed: 42,
		},
		Datasets: map[string]schema.DatasetUse{
			"train": {Ref: "mnist:1.0.0", Split: "train"},
			"test":  {Ref: "mnist:1.0.0", Split: "test"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read otherwise than written (-want +got):\n%s", diff)
	}
	if n := got.Algorithm.Microbatches(); n != 8 {
		t.Errorf("%d microbatches a step, want 8", n)
	}
}

func TestReadForeignSpecification(t *testing.T) {
	got, err := schema.ReadSpecification("closure.yaml", testdata(t, "foreign.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Engine != "kmeans.wasm" || got.Model.Layers != nil || got.Algorithm.Optimizer.Kind != "" {
		t.Errorf("read as %+v", got)
	}
}

// What a specification may be spelled like, and what the spelling means.
func TestSpellings(t *testing.T) {
	plain := string(testdata(t, "mnist-cnn.yaml"))
	tests := map[string]struct{ old, new string }{
		"bare operation":      {"flatten: {}", "flatten"},
		"empty operation":     {"flatten: {}", "flatten:"},
		"integer with a dot":  {"batchSize: 128 ", "batchSize: 128.0 "},
		"exponent":            {"learningRate: 0.02", "learningRate: 2e-2"},
		"no leading zero":     {"l2: 0.0001", "l2: .0001"},
		"list of one":         {"scale: 0.00392156862745098", "scale: [0.00392156862745098]"},
		"quoted version":      {"version: 1.0.0", `version: "1.0.0"`},
		"quoted key":          {"version:", `"version":`},
		"alias":               {"split: train}\n", "split: &t train}\n"},
		"anchor for a layer":  {"- flatten: {}", "- &f {flatten: {}}"},
		"explicit tag":        {"seed: 42", "seed: !!int 42"},
		"document start":      {"name: mnist-cnn", "---\nname: mnist-cnn"},
		"windows line ends":   {"\n", "\r\n"},
		"byte order mark":     {"name: mnist-cnn", "\ufeffname: mnist-cnn"},
		"exponent of integer": {"seed: 42", "seed: 42.0e0"},
	}
	want, err := schema.ReadSpecification("closure.yaml", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := schema.ReadSpecification("closure.yaml", []byte(replace(t, plain, test.old, test.new)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("read otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBareOptimizer(t *testing.T) {
	text := replace(t, string(testdata(t, "mnist-cnn.yaml")), "{adagrad: {learningRate: 0.02}}", "adam")
	got, err := schema.ReadSpecification("closure.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(schema.Component{Kind: "adam", Attributes: map[string]any{}}, got.Algorithm.Optimizer); diff != "" {
		t.Error(diff)
	}
}

func TestNameLayers(t *testing.T) {
	var layers []schema.Layer
	for _, kind := range []string{"conv2d", "conv2d", "maxpool2d", "conv2d", "dense"} {
		layers = append(layers, schema.Layer{Component: schema.Component{Kind: kind}})
	}
	layers[1].Name = "stem"
	schema.NameLayers(layers)
	var got []string
	for _, l := range layers {
		got = append(got, l.Name)
	}
	if diff := cmp.Diff([]string{"conv1", "stem", "maxpool1", "conv2", "dense1"}, got); diff != "" {
		t.Error(diff)
	}
}

func replace(t testing.TB, text, old, replacement string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("the document has no %q", old)
	}
	return strings.ReplaceAll(text, old, replacement)
}

const exampleLayers = `  layers:
    - conv2d: {filters: 16, kernel: 5, padding: same, activation: relu}
    - maxpool2d: {size: 2}
    - flatten: {}
    - dense: {units: 10}
`

// badSpecifications change one thing of the example. What is wrong is told in full, without the document's name.
var badSpecifications = map[string]struct{ old, new, want string }{
	"bare operation needs more": {
		"- flatten: {}", "- dropout",
		"model.layers[2].dropout.rate: is missing; it should be a number from 0 to below 1",
	},
	"number at an open limit": {
		"- flatten: {}", "- dropout: {rate: 1}",
		"model.layers[2].dropout.rate: 1 is not a number from 0 to below 1",
	},
	"kernel of zero": {
		"kernel: 5", "kernel: 0",
		`model.layers[0].conv2d.kernel: 0 is not a positive integer`,
	},
	"kernel a fraction": {
		"kernel: 5", "kernel: 2.5",
		`model.layers[0].conv2d.kernel: 2.5 is not a positive integer or a list [height, width] of them`,
	},
	"kernel a text": {
		"kernel: 5", "kernel: five",
		`model.layers[0].conv2d.kernel: "five" is not a positive integer or a list [height, width] of them`,
	},
	"kernel of three": {
		"kernel: 5", "kernel: [5, 5, 5]",
		`model.layers[0].conv2d.kernel: has 3 entries; exactly 2 are needed`,
	},
	"kernel with a zero": {
		"kernel: 5", "kernel: [3, 0]",
		`model.layers[0].conv2d.kernel[1]: 0 is not a positive integer`,
	},
	"kernel empty": {
		"kernel: 5", "kernel: ",
		`model.layers[0].conv2d.kernel: is empty; it should be a positive integer or a list [height, width] of them (give a value or leave the field out)`,
	},
	"wrong padding": {
		"padding: same", "padding: sane",
		`model.layers[0].conv2d.padding: "sane" is not one of same, valid (did you mean same?)`,
	},
	"negative padding": {
		"padding: same", "padding: -1",
		`model.layers[0].conv2d.padding: -1 is not an integer of at least 0`,
	},
	"wrong attribute": {
		"kernel: 5", "kernl: 5",
		`model.layers[0].conv2d.kernl: unknown field (did you mean kernel?)`,
	},
	"unrelated attribute": {
		"kernel: 5", "kernel: 5, wheels: 4",
		`model.layers[0].conv2d.wheels: unknown field (known are activation, bias, filters, kernel, padding, stride)`,
	},
	"wrong activation": {
		"activation: relu", "activation: rellu",
		`model.layers[0].conv2d.activation: "rellu" is not one of linear, relu, leaky-relu, relu6, tanh, sigmoid, hard-sigmoid, hard-swish, elu, selu, softplus, softsign, silu, gelu, gelu-tanh (did you mean relu?)`,
	},
	"unknown operation": {
		"maxpool2d:", "maxpool:",
		`model.layers[1].maxpool: unknown operation (did you mean maxpool2d?)`,
	},
	"two operations": {
		"- flatten: {}", "- {flatten: {}, dense: {units: 2}}",
		`model.layers[2]: names dense and flatten; exactly one operation is allowed here`,
	},
	"layer a number": {
		"- flatten: {}", "- 7",
		`model.layers[2]: 7 is not a layer, written {operation: {attributes}}`,
	},
	"layer with wrong name": {
		"- flatten: {}", "- {flatten: {}, name: 2nd}",
		`model.layers[2].name: "2nd" is not a name of letters, digits, _ and - that begins with a letter`,
	},
	"same name twice": {
		"- dense: {units: 10}", "- {dense: {units: 10}, name: conv1}",
		`model.layers[3].name: model.layers[0] already has the name "conv1"`,
	},
	"inputs unknown": {
		"- dense: {units: 10}", "- {dense: {units: 10}, inputs: [flaten1]}",
		`model.layers[3].inputs[0]: "flaten1" is not the name of a layer before this one (did you mean flatten1?)`,
	},
	"negative rate": {
		"- dense: {units: 10}", "- {dense: {units: 10}, rate: -1}",
		`model.layers[3].rate: -1 is not a number of at least 0`,
	},
	"units missing": {
		"units: 10", "",
		`model.layers[3].dense.units: is missing; it should be a positive integer`,
	},
	"bias a text": {
		"units: 10", "units: 10, bias: nope",
		`model.layers[3].dense.bias: "nope" is not true or false`,
	},
	"wrong loss": {
		"loss: softmax-cross-entropy", "loss: cross-entropy",
		`model.loss.cross-entropy: unknown loss (known are binary-cross-entropy, hinge, huber, kl-divergence, log-cosh, mean-absolute-error, mean-squared-error, poisson, softmax-cross-entropy)`,
	},
	"loss missing": {
		"  loss: softmax-cross-entropy\n", "",
		`model.loss: is missing (give it, or name an engine of your own: engine: FILE.wasm)`,
	},
	"wrong optimizer": {
		"adagrad:", "adagard:",
		`algorithm.optimizer.adagard: unknown optimizer (did you mean adagrad?)`,
	},
	"negative regularization": {
		"l2: 0.0001", "l2: -1",
		`algorithm.regularization.l2: -1 is not a number of at least 0`,
	},
	"wrong regularization": {
		"l2: 0.0001", "l3: 1",
		`algorithm.regularization.l3: unknown field (did you mean l1?)`,
	},
	"batch no multiple": {
		"batchSize: 128 ", "batchSize: 100 ",
		`algorithm.batchSize: 100 is not a multiple of microbatchSize, 16 (take 96 or 112)`,
	},
	"batch smaller": {
		"batchSize: 128 ", "batchSize: 8 ",
		`algorithm.batchSize: 8 is not a multiple of microbatchSize, 16 (take 16)`,
	},
	"batch missing": {
		"  batchSize: 128      # eight microbatches a step\n", "",
		`algorithm.batchSize: is missing; it should be a positive integer`,
	},
	"epochs and steps": {
		"seed: 42", "seed: 42\n  steps: 10",
		`algorithm: says both epochs and steps (keep one of them)`,
	},
	"neither epochs nor steps": {
		"epochs: 3 ", "",
		`algorithm: says neither epochs nor steps (give epochs: N or steps: N)`,
	},
	"epochs of zero": {
		"epochs: 3 ", "epochs: 0 ",
		`algorithm.epochs: 0 is not a positive number`,
	},
	"seed too large": {
		"seed: 42", "seed: 9007199254740993",
		`algorithm.seed: 9007199254740993 is too large for an integer (integers lie between -(2^53-1) and 2^53-1)`,
	},
	"seed too large for integers": {
		"seed: 42", "seed: 1e17",
		`algorithm.seed: 1e17 is not an integer of at most 9007199254740991`,
	},
	"seed a fraction": {
		"seed: 42", "seed: 0.5",
		`algorithm.seed: 0.5 is not an integer`,
	},
	"seed in hexadecimal": {
		"seed: 42", "seed: 0x2A",
		`algorithm.seed: 0x2A is not a plain decimal number`,
	},
	"seed with leading zero": {
		"seed: 42", "seed: 042",
		`algorithm.seed: 042 is not a plain decimal number`,
	},
	"seed infinite": {
		"seed: 42", "seed: .inf",
		`algorithm.seed: .inf is not a plain decimal number`,
	},
	"wrong bits": {
		"seed: 42", "seed: 42\n  aggregation: {bits: 10}",
		`algorithm.aggregation.bits: 10 is not one of 8, 12, 16, 24`,
	},
	"wrong mode": {
		"seed: 42", "seed: 42\n  aggregation: {mode: local}",
		`algorithm.aggregation.mode: "local" is not one of gradient, local-steps`,
	},
	"no local steps": {
		"seed: 42", "seed: 42\n  aggregation: {mode: local-steps, steps: 0}",
		`algorithm.aggregation.steps: 0 is not a positive integer`,
	},
	"an outer rate of nothing": {
		"seed: 42", "seed: 42\n  aggregation: {mode: local-steps, outer: {learningRate: 0}}",
		`algorithm.aggregation.outer.learningRate: 0 is not a positive number`,
	},
	"outer momentum of one": {
		"seed: 42", "seed: 42\n  aggregation: {mode: local-steps, outer: {momentum: 1}}",
		`algorithm.aggregation.outer.momentum: 1 is not a number from 0 to 0.99999`,
	},
	"version a number": {
		"version: 1.0.0", "version: 1.0",
		`version: 1.0 is a number, not a version (write three numbers, such as 1.0.0)`,
	},
	"version of two parts": {
		"version: 1.0.0", `version: "1.0"`,
		`version: "1.0" is not a version such as 1.0.0 or 1.0.0-rc.1 (without +)`,
	},
	"version with build": {
		"version: 1.0.0", "version: 1.0.0+local",
		`version: "1.0.0+local" is not a version such as 1.0.0 or 1.0.0-rc.1 (without +)`,
	},
	"name missing": {
		"name: mnist-cnn\n", "",
		`name: is missing; it should be a name such as mnist-cnn or ada/mnist-cnn`,
	},
	"name a number": {
		"name: mnist-cnn", "name: 7",
		`name: 7 is not a name such as mnist-cnn or ada/mnist-cnn (put it in quotes)`,
	},
	"name in capitals": {
		"name: mnist-cnn", "name: MNIST",
		`name: "MNIST" is not a name such as mnist-cnn or ada/mnist-cnn`,
	},
	"name reserved": {
		"name: mnist-cnn", "name: ada/tags",
		`name: "ada/tags" is not a name: v, tags and what ends in .json are reserved`,
	},
	"name of a file": {
		"name: mnist-cnn", "name: mnist.json",
		`name: "mnist.json" is not a name: v, tags and what ends in .json are reserved`,
	},
	"name of three parts": {
		"name: mnist-cnn", "name: a/b/c",
		`name: "a/b/c" is not a name such as mnist-cnn or ada/mnist-cnn`,
	},
	"license empty": {
		"license: Apache-2.0", `license: ""`,
		`license: "" is not an SPDX licence expression such as Apache-2.0`,
	},
	"author without a name": {
		"name: Ada Example", "email: ada@example.org",
		`authors[0].name: is missing; it should be a text`,
	},
	"author with a wrong e-mail": {
		"name: Ada Example", "name: Ada, email: ada",
		`authors[0].email: "ada" is not an e-mail address`,
	},
	"unknown field": {
		"task:", "tsak:",
		`tsak: unknown field (did you mean task?)`,
	},
	"shape empty of size": {
		"[28, 28, 1]", "[28, 0, 1]",
		`model.input.shape[1]: 0 is not a positive integer`,
	},
	"shape huge": {
		"[28, 28, 1]", "[2000000000, 2000000000, 1]",
		`model.input.shape: is a tensor of 2 GiB or more`,
	},
	"shape a number": {
		"[28, 28, 1]", "784",
		`model.input.shape: 784 is not a list of dimensions`,
	},
	"wrong dtype": {
		"dtype: u8", "dtype: f64",
		`model.input.dtype: "f64" is not one of u8, u16, f32`,
	},
	"normalization mixed": {
		"{scale: 0.00392156862745098}", "{scale: 1, mean: 0, deviation: 1}",
		`model.input.normalize: mixes {scale, offset} with {mean, deviation} (keep one form)`,
	},
	"normalization half": {
		"{scale: 0.00392156862745098}", "{mean: 0}",
		`model.input.normalize: needs both mean and deviation`,
	},
	"normalization empty": {
		"{scale: 0.00392156862745098}", "{}",
		`model.input.normalize: is an empty mapping (known are deviation, mean, offset, scale)`,
	},
	"normalization a wrong word": {
		"{scale: 0.00392156862745098}", "standardise",
		`model.input.normalize: "standardise" is not "standardize" (did you mean standardize?)`,
	},
	"normalization of wrong size": {
		"{scale: 0.00392156862745098}", "{mean: [1, 2, 3], deviation: [1, 1, 1]}",
		"model.input.normalize.mean: has 3 entries; 1 or 784 (all of the input) are needed\n" + "model.input.normalize.deviation: has 3 entries; 1 or 784 (all of the input) are needed",
	},
	"deviation of zero": {
		"{scale: 0.00392156862745098}", "{mean: 0, deviation: 0}",
		`model.input.normalize.deviation: 0 is not a positive number`,
	},
	"train missing": {
		`  train: {ref: "mnist:1.0.0", split: train}` + "\n", "",
		`datasets.train: is missing; it should be a mapping {ref, split}`,
	},
	"wrong role": {
		"  test: ", "  tset: ",
		`datasets.tset: unknown field (did you mean test?)`,
	},
	"wrong reference": {
		`test:  {ref: "mnist:1.0.0"`, `test:  {ref: "MNIST:1.0.0"`,
		`datasets.test.ref: "MNIST" is not a name: use lower-case letters and digits, with single . _ or - between them`,
	},
	"wrong label": {
		`test:  {ref: "mnist:1.0.0"`, `test:  {ref: "mnist:-x"`,
		`datasets.test.ref: "-x" is neither a version, such as 1.0.0, nor a tag`,
	},
	"wrong digest": {
		`test:  {ref: "mnist:1.0.0"`, `test:  {ref: "mnist@sha256:12"`,
		`datasets.test.ref: "12" is not a digest: 64 lower-case hexadecimal digits are needed`,
	},
	"layers and engine missing": {
		exampleLayers, "",
		`model.layers: is missing (give it, or name an engine of your own: engine: FILE.wasm)`,
	},
	"field twice": {
		"seed: 42", "seed: 42\n  seed: 43",
		`algorithm.seed: is given twice, again at line 22 (keep one of them)`,
	},
	"key a number": {
		"task:", "1: x\ntask:",
		`line 6: the key 1 is not a text (put it in quotes)`,
	},
	"merge key": {
		"task:", "<<: {}\ntask:",
		`line 6: merge keys (<<) are not read (write the fields out)`,
	},
	"custom tag": {
		"seed: 42", "seed: !secret 42",
		`algorithm.seed: line 21: the tag !secret is not read (remove it)`,
	},
	"binary": {
		"seed: 42", "seed: !!binary aGk=",
		`algorithm.seed: line 21: the tag !!binary is not read (remove it)`,
	},
	"second document": {
		"seed: 42", "seed: 42\n---\nname: other",
		`goes on after its first document: remove what follows the line ---`,
	},
	"not YAML": {
		"seed: 42", "seed: [42",
		`is not YAML: line 20: did not find expected ',' or ']'`,
	},
	"several at once": {
		"kernel: 5, padding: same", "kernel: 0, padding: sane",
		"model.layers[0].conv2d.kernel: 0 is not a positive integer\n" + "model.layers[0].conv2d.padding: \"sane\" is not one of same, valid (did you mean same?)",
	},
}

func TestBadSpecifications(t *testing.T) {
	plain := string(testdata(t, "mnist-cnn.yaml"))
	for name, test := range badSpecifications {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, func() error {
				_, err := schema.ReadSpecification("closure.yaml", []byte(replace(t, plain, test.old, test.new)))
				return err
			})
			if got != test.want {
				t.Errorf("told:\n  %s\nwant:\n  %s", got, test.want)
			}
		})
	}
}

// A layer without an operation, or with one that nobody knows, is answered with those that there are.
func TestKnownOperationsAreNamed(t *testing.T) {
	plain := string(testdata(t, "mnist-cnn.yaml"))
	for name, test := range map[string]struct{ layer, want string }{
		"none":    {"- name: flat", "model.layers[2]: names no operation (known are activation, "},
		"unknown": {"- teleport: {}", "model.layers[2].teleport: unknown operation (known are activation, "},
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, func() error {
				_, err := schema.ReadSpecification("closure.yaml", []byte(replace(t, plain, "- flatten: {}", test.layer)))
				return err
			})
			if !strings.HasPrefix(got, test.want) || !strings.Contains(got, ", dense, ") {
				t.Errorf("told:\n  %s\nwant:\n  %s… and so on", got, test.want)
			}
		})
	}
}

// problemsOf is what an *Invalid tells, a line per problem.
func problemsOf(t testing.TB, read func() error) string {
	t.Helper()
	var invalid *schema.Invalid
	if err := read(); !errors.As(err, &invalid) {
		t.Fatalf("refused with %T (%v), want *Invalid", err, err)
	}
	lines := make([]string, len(invalid.Problems))
	for i, p := range invalid.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Ten thousand layers are refused before any of them is looked at.
func TestReadSpecificationOfManyLayers(t *testing.T) {
	text := "model:\n  layers:\n" + strings.Repeat("    - nothing: {}\n", 10000)
	_, err := schema.ReadSpecification("deep.yaml", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "deep.yaml: model.layers: 10000 layers; a model has 1 to 1000") {
		t.Error(err)
	}
}
