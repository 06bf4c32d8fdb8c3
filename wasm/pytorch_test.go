package wasm_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/optest"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// pytorchCase is a piece of a model, and the same in Python: x is the input [examples, …], p the parameters by name.
type pytorchCase struct{ name, input, layers, code string }

// pytorchCases has a case for every operation that PyTorch has, too.
func pytorchCases() (list []pytorchCase) {
	for _, f := range [][2]string{
		{"linear", "x"},
		{"relu", "F.relu(x)"},
		{"leaky-relu", "F.leaky_relu(x)"},
		{"relu6", "F.relu6(x)"},
		{"tanh", "torch.tanh(x)"},
		{"sigmoid", "torch.sigmoid(x)"},
		{"hard-sigmoid", "F.hardsigmoid(x)"},
		{"hard-swish", "F.hardswish(x)"},
		{"elu", "F.elu(x)"},
		{"selu", "F.selu(x)"},
		{"softplus", "F.softplus(x)"},
		{"softsign", "F.softsign(x)"},
		{"silu", "F.silu(x)"},
		{"gelu", "F.gelu(x)"},
		{"gelu-tanh", "F.gelu(x, approximate='tanh')"},
	} {
		list = append(list, pytorchCase{f[0], "40", "- activation: {function: " + f[0] + "}", f[1]})
	}
	weights := "p['conv1.weight'].movedim(-1, 1), p['conv1.bias']"
	two := "- {activation: {function: linear}, name: a}\n- {activation: {function: tanh}, inputs: [input], name: b}\n"
	return append(list,
		pytorchCase{"dense", "5", "- dense: {units: 3}", "F.linear(x, p['dense1.weight'], p['dense1.bias'])"},
		pytorchCase{"conv2d", "4, 5, 2", "- conv2d: {filters: 3, kernel: [3, 2], stride: [1, 2], padding: 1}", "hwc(F.conv2d(chw(x), " + weights + ", stride=(1, 2), padding=1))"},
		pytorchCase{"depthwise", "4, 5, 3", "- depthwise-conv2d: {kernel: 3, padding: 1}", "hwc(F.conv2d(chw(x), p['depthwise-conv1.weight'].unsqueeze(1), p['depthwise-conv1.bias'], padding=1, groups=3))"},
		pytorchCase{"maxpool2d", "5, 6, 2", "- maxpool2d: {size: 3, stride: 2, padding: 1}", "hwc(F.max_pool2d(chw(x), 3, 2, 1))"},
		pytorchCase{"avgpool2d", "5, 6, 2", "- avgpool2d: {size: 3, stride: 2, padding: 1}", "hwc(F.avg_pool2d(chw(x), 3, 2, 1))"},
		pytorchCase{"flatten", "3, 2, 2", "- flatten", "x.flatten(1)"},
		pytorchCase{"batch-norm", "3, 2, 2", "- batch-norm: {epsilon: 0.001}", "hwc(F.batch_norm(chw(x), None, None, p['batch-norm1.weight'], p['batch-norm1.bias'], True, 0.1, 0.001))"},
		pytorchCase{"global-average-pool", "3, 4, 2", "- global-average-pool", "F.adaptive_avg_pool2d(chw(x), 1).flatten(1)"},
		pytorchCase{"add", "6", two + "- {add: {}, inputs: [a, b]}", "x + torch.tanh(x)"},
		pytorchCase{"average", "6", two + "- {average: {}, inputs: [a, b, a]}", "(x + torch.tanh(x) + x) / 3"},
		pytorchCase{"multiply", "6", two + "- {multiply: {}, inputs: [a, b]}", "x * torch.tanh(x)"},
		pytorchCase{"maximum", "6", two + "- {maximum: {}, inputs: [a, b]}", "torch.maximum(x, torch.tanh(x))"},
		pytorchCase{"concat", "3, 2, 2", two + "- {concat: {}, inputs: [b, a]}", "torch.cat([torch.tanh(x), x], 3)"},
		pytorchCase{"prelu", "3, 2, 4", "- prelu", "hwc(F.prelu(chw(x), p['prelu1.weight']))"},
		pytorchCase{"shared prelu", "5", "- prelu: {shared: true}", "F.prelu(x, p['prelu1.weight'])"},
		pytorchCase{"subtract", "6", two + "- {subtract: {}, inputs: [b, a]}", "torch.tanh(x) - x"},
		pytorchCase{"minimum", "6", two + "- {minimum: {}, inputs: [a, b]}", "torch.minimum(x, torch.tanh(x))"},
		pytorchCase{"dot", "2, 3, 4", two + "- {dot: {}, inputs: [a, b]}", "(x * torch.tanh(x)).sum(3, keepdim=True)"},
		pytorchCase{"pad", "2, 3, 2", "- pad: {top: 1, left: 2}", "hwc(F.pad(chw(x), (2, 0, 1, 0)))"},
		pytorchCase{"reflection", "3, 4, 2", "- pad: {top: 1, bottom: 2, left: 3, right: 1, mode: reflect}", "hwc(F.pad(chw(x), (3, 1, 1, 2), mode='reflect'))"},
		pytorchCase{"crop", "4, 5, 2", "- crop: {top: 1, bottom: 2, right: 2}", "x[:, 1:2, :3]"},
		pytorchCase{"nearest", "2, 3, 2", "- upsample: {factor: [2, 3]}", "hwc(F.interpolate(chw(x), scale_factor=(2, 3)))"},
		pytorchCase{"bilinear", "3, 4, 2", "- upsample: {factor: [2, 3], mode: bilinear}", "hwc(F.interpolate(chw(x), scale_factor=(2, 3), mode='bilinear', align_corners=False))"},
		pytorchCase{"linear interpolation", "5, 2", "- upsample: {factor: 4, mode: bilinear}", "hwc(F.interpolate(chw(x), scale_factor=4, mode='linear', align_corners=False))"},
		pytorchCase{"reshape", "2, 3, 4", "- reshape: {shape: [4, 6]}", "x.reshape(3, 4, 6)"},
		pytorchCase{"permute", "2, 3, 4", "- permute: {order: [3, 1, 2]}", "x.permute(0, 3, 1, 2)"},
		pytorchCase{"adaptive-maxpool2d", "5, 7, 2", "- adaptive-maxpool2d: {size: [3, 2]}", "hwc(F.adaptive_max_pool2d(chw(x), (3, 2)))"},
		pytorchCase{"adaptive-avgpool2d", "5, 7, 2", "- adaptive-avgpool2d: {size: [2, 4]}", "hwc(F.adaptive_avg_pool2d(chw(x), (2, 4)))"},
		pytorchCase{"global-max-pool", "3, 4, 2", "- global-max-pool", "x.amax((1, 2))"},
		pytorchCase{"local-response-norm", "1, 2, 7", "- local-response-norm: {size: 4, alpha: 0.5, beta: 0.6, k: 2}", "hwc(F.local_response_norm(chw(x), 4, 0.5, 0.6, 2.0))"},
		pytorchCase{"group-norm", "2, 3, 4", "- group-norm: {groups: 2}", "hwc(F.group_norm(chw(x), 2, p['group-norm1.weight'], p['group-norm1.bias']))"},
		pytorchCase{"instance-norm", "3, 2, 2", "- instance-norm", "hwc(F.instance_norm(chw(x)))"},
		pytorchCase{"softmax", "3, 5", "- softmax", "F.softmax(x, 2)"},
		pytorchCase{"layer-norm", "3, 4", "- layer-norm", "F.layer_norm(x, (4,), p['layer-norm1.weight'], p['layer-norm1.bias'])"},
		pytorchCase{"maxout", "2, 2, 6", "- maxout: {size: 3}", "x.unflatten(3, (2, 3)).amax(4)"},
	)
}

// Values and gradients of a case, one behind the other.
type (
	pytorchTensor struct {
		Shape  []int     `json:"shape"`
		Values []float64 `json:"values"`
	}
	pytorchQuestion struct {
		Name       string                   `json:"name"`
		Code       string                   `json:"code"`
		X          pytorchTensor            `json:"x"`
		Parameters map[string]pytorchTensor `json:"parameters"`
		Gradient   []float64                `json:"gradient"`
	}
	pytorchAnswer struct {
		Name       string               `json:"name"`
		Y          []float64            `json:"y"`
		X          []float64            `json:"x"` // gradient
		Parameters map[string][]float64 `json:"parameters"`
	}
)

// pytorchFile has the answers of PyTorch 1.13.
const pytorchFile = "testdata/pytorch.json"

// pytorchTolerance is far above what nine digits and constants in float32 leave out.
const pytorchTolerance = 2e-6

// Outputs and gradients of layers in the oracle, in float64, are those that PyTorch has computed of the same numbers.
// REPRISE_PYTORCH is a python3 with PyTorch 1.13, which is then asked again; with -update its answers are recorded.
func TestLayersAgreeWithPyTorch(t *testing.T) {
	const examples = 3
	var questions []pytorchQuestion
	var computed []pytorchAnswer
	var graphs []*graph.Graph
	for k, c := range pytorchCases() {
		spec := optest.Model{Input: c.input, Classes: 2, Layers: c.layers}.Specification(t)
		g, err := graph.Build(c.name, spec.Model, kernel.GraphOps())
		if err != nil {
			t.Fatal(err)
		}
		field := schema.Field{DType: "f32", Shape: spec.Model.Input.Shape}
		n := ref.NewNetwork[float64](schema.Resolved{
			Model: spec.Model, Algorithm: schema.Algorithm{MicrobatchSize: examples, BatchSize: examples},
			Datasets: []schema.ResolvedDataset{{Role: schema.RoleTrain, Record: schema.RecordLayout{Input: field, Target: field}}},
		}, g)
		draw := rand.New(rand.NewPCG(uint64(k), 1))
		numbers := func(n int) []float64 {
			list := make([]float64, n)
			for i := range list {
				list[i] = float64(float32(1.5 * draw.NormFloat64()))
			}
			return list
		}
		q := pytorchQuestion{Name: c.name, Code: c.code, Parameters: map[string]pytorchTensor{}}
		q.X = pytorchTensor{append([]int{examples}, field.Shape...), numbers(examples * schema.Elements(field.Shape))}
		for _, p := range n.Parameters {
			copy(p.Value, numbers(len(p.Value)))
			q.Parameters[p.Name] = pytorchTensor{p.Shape, p.Value}
		}
		var records []float32
		for _, v := range q.X.Values {
			records = append(records, float32(v))
		}
		call := ref.Call{Train: true, Seed: 1, Step: 1}
		values := n.Forward(call, optest.Floats(records), examples)
		a := pytorchAnswer{Name: c.name, Parameters: map[string][]float64{}}
		a.Y = joined(values[len(values)-1])
		q.Gradient = numbers(len(a.Y))
		var gradient [][]float64
		for i := range examples {
			gradient = append(gradient, q.Gradient[i*len(a.Y)/examples:][:len(a.Y)/examples])
		}
		a.X = joined(n.Backward(call, values, gradient))
		for _, p := range n.Parameters {
			a.Parameters[p.Name] = p.Grad
		}
		questions, computed, graphs = append(questions, q), append(computed, a), append(graphs, g)
	}
	recorded := map[string]pytorchAnswer{}
	for _, a := range pytorchAnswers(t, questions) {
		recorded[a.Name] = a
	}
	for i, got := range computed {
		t.Run(got.Name, func(t *testing.T) {
			want, ok := recorded[got.Name]
			if !ok {
				t.Fatal("it was never recorded: run with REPRISE_PYTORCH=/usr/bin/python3 and -update")
			}
			pytorchEqual(t, "the output", got.Y, want.Y)
			pytorchEqual(t, "the gradient by the input", got.X, want.X)
			for name, values := range got.Parameters {
				pytorchEqual(t, "the gradient by "+name, values, want.Parameters[name])
			}
			optest.Show(t, graphs[i], optest.ShownPyTorch)
		})
	}
}

// pytorchAnswers are PyTorch's, asked now or recorded.
func pytorchAnswers(t *testing.T, questions []pytorchQuestion) (answers []pytorchAnswer) {
	t.Helper()
	read := func(text []byte, err error) {
		t.Helper()
		if err == nil {
			err = json.Unmarshal(text, &answers)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	python := os.Getenv("REPRISE_PYTORCH")
	if python == "" {
		read(os.ReadFile(pytorchFile))
		return answers
	}
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), python, "testdata/pytorch.py")
	program.Stdin, program.Stderr = bytes.NewReader(in), os.Stderr
	text, err := program.Output()
	read(text, err)
	if *update {
		lines := []byte("[\n")
		for i, a := range answers {
			line, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			if lines = append(lines, line...); i < len(answers)-1 {
				lines = append(lines, ',')
			}
			lines = append(lines, '\n')
		}
		if err := os.WriteFile(pytorchFile, append(lines, "]\n"...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

func pytorchEqual(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, PyTorch's %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= pytorchTolerance*max(1, math.Abs(want[i]))) {
			t.Fatalf("%s, value %d: %.9g, PyTorch has %.9g", what, i, got[i], want[i])
		}
	}
}

func joined(x [][]float64) (list []float64) {
	for _, row := range x {
		list = append(list, row...)
	}
	return list
}
