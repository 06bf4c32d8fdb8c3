package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/modelfile/modelfiletest"
	"github.com/reprise-ml/reprise/schema"
)

// openNetwork is a specification with a layer of each kind whose weights have a layout; open leaves out what a model file says.
const (
	openNetwork = `name: small
version: 1.0.0
title: Small
license: MIT
authors: [{name: Ada Example}]
model:
  input: {shape: [28, 28, 1], dtype: u8, normalize: {scale: 0.00392156862745098}}
LAYERS
algorithm:
  optimizer: {sgd: {learningRate: 0.1, momentum: 0.9}}
  microbatchSize: 8
  batchSize: 32
  steps: 12
  seed: 42
  evaluate: {every: 4}
datasets:
  train: {ref: "glyphs:1.0.0", split: train}
  test: {ref: "glyphs:1.0.0", split: test}
`
	networkLayers = `  layers:
    - conv2d: {filters: 3, kernel: [5, 3], stride: 2, padding: [2, 1]}
    - activation: {function: relu}
    - maxpool2d: {size: 2}
    - flatten: {}
    - dense: {units: 12}
    - activation: {function: tanh}
    - dense: {units: 10}
  loss: softmax-cross-entropy`
)

// arrays are the parameters of a closure directory by name.
func (d *desk) arrays(dir string) map[string]modelfiletest.Array {
	d.Helper()
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(schema.PathParameters)))
	if err != nil {
		d.Fatal(err)
	}
	tensors, _, err := closure.ReadSafetensors(bytes.NewReader(b), int64(len(b)), "parameters")
	if err != nil {
		d.Fatal(err)
	}
	arrays := map[string]modelfiletest.Array{}
	for _, t := range tensors {
		a := modelfiletest.Array{Name: t.Name, Shape: t.Shape}
		for k := 0; k < len(t.Data); k += 4 {
			a.Values = append(a.Values, math.Float32frombits(binary.LittleEndian.Uint32(t.Data[k:])))
		}
		arrays[t.Name] = a
	}
	return arrays
}

// A network that was trained here, written as other programs would write it, becomes a closure with the same parameters, bit
// for bit, and the same accuracy. It is verified, replayed, published and trained further.
func TestConvert(t *testing.T) {
	d := withData(t)
	full := d.write("full.yaml", strings.Replace(openNetwork, "LAYERS", networkLayers, 1))
	open := d.write("open.yaml", strings.Replace(openNetwork, "LAYERS\n", "", 1))
	trained := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "train", full, "-o", d.path("trained"))
	p := d.arrays(d.path("trained"))
	filters := p["conv1.weight"].Transposed(0, 3, 1, 2)
	// The rows of dense1 read 3 channels of 7×7, channels first elsewhere.
	row := p["dense1.weight"].Reshaped(12, 7, 7, 3).Transposed(0, 3, 1, 2).Reshaped(12, 147)
	constants := []modelfiletest.Array{
		filters.Named("0.weight"), p["conv1.bias"].Named("0.bias"), row.Named("4.weight"), p["dense1.bias"].Named("4.bias"),
		p["dense2.weight"].Transposed(1, 0).Named("6.weight"), p["dense2.bias"].Named("6.bias"),
	}
	type node = modelfiletest.Node
	onnx := modelfiletest.ONNX("x", []int{0, 1, 28, 28}, "p", constants,
		node{Op: "Conv", Inputs: []string{"x", "0.weight", "0.bias"}, Output: "a", Attributes: map[string]any{
			"kernel_shape": []int{5, 3}, "strides": []int{2, 2}, "pads": []int{2, 1, 2, 1}, "group": 1, "dilations": []int{1, 1},
		}},
		node{Op: "Relu", Inputs: []string{"a"}, Output: "b"},
		node{Op: "MaxPool", Inputs: []string{"b"}, Output: "c", Attributes: map[string]any{"kernel_shape": []int{2, 2}, "strides": []int{2, 2}}},
		node{Op: "Flatten", Inputs: []string{"c"}, Output: "d", Attributes: map[string]any{"axis": 1}},
		node{Op: "Gemm", Inputs: []string{"d", "4.weight", "4.bias"}, Output: "e", Attributes: map[string]any{"transB": 1, "alpha": float32(1)}},
		node{Op: "Tanh", Inputs: []string{"e"}, Output: "f"},
		node{Op: "Dropout", Inputs: []string{"f"}, Output: "g"},
		node{Op: "MatMul", Inputs: []string{"g", "6.weight"}, Output: "h"},
		node{Op: "Add", Inputs: []string{"h", "6.bias"}, Output: "i"},
		node{Op: "Softmax", Inputs: []string{"i"}, Output: "p", Attributes: map[string]any{"axis": 1}})
	var pytorch bytes.Buffer
	var tensors []closure.Tensor
	for _, a := range []modelfiletest.Array{constants[0], constants[1], constants[2], constants[3], p["dense2.weight"].Named("6.weight"), constants[5]} {
		var data []byte
		for _, v := range a.Values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		tensors = append(tensors, closure.Tensor{Name: a.Name, DType: "f32", Shape: a.Shape, Data: data})
	}
	tensors = append(tensors, closure.Tensor{Name: "batches", DType: "i64", Shape: []int{}, Data: make([]byte, 8)})
	if err := closure.WriteSafetensors(&pytorch, tensors, nil); err != nil {
		t.Fatal(err)
	}
	tensorflow := modelfiletest.NPZ(
		p["conv1.weight"].Transposed(1, 2, 3, 0), p["conv1.bias"], p["dense1.weight"].Transposed(1, 0), p["dense1.bias"],
		p["dense2.weight"].Transposed(1, 0), p["dense2.bias"])
	naming := []string{
		"--layout", "pytorch", "--map", "0.weight=conv1.weight", "--map", "0.bias=conv1.bias", "--map", "4.weight=dense1.weight", "--map", "4.bias=dense1.bias",
		"--map", "6.weight=dense2.weight", "--map", "6.bias=dense2.bias", "--map", "batches=",
	}
	tests := []struct {
		name, file string
		content    []byte
		spec       string
		flags      []string
	}{
		{"onnx", "network.onnx", onnx, open, nil},
		{"safetensors", "network.safetensors", pytorch.Bytes(), full, naming},
		{"npz", "network.npz", tensorflow, full, []string{"--layout", "tensorflow"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := &desk{t, d.dir}
			file := d.write(test.file, string(test.content))
			dir := d.path("converted-" + test.name)
			r := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, append([]string{"convert", file, "--spec", test.spec, "-o", dir}, test.flags...)...)
			if r.Parameters != trained.Parameters || r.Engine != trained.Engine || r.Steps != 0 {
				t.Fatalf("parameters %s of engine %s, want %s of %s", r.Parameters, r.Engine, trained.Parameters, trained.Engine)
			}
			if got, want := *r.Results[0].Correct, *trained.Results[0].Correct; got != want {
				t.Errorf("%d are right, want %d as trained", got, want)
			}
			original, err := os.ReadFile(filepath.Join(dir, "origin", "model"+filepath.Ext(test.file)))
			if err != nil || !bytes.Equal(original, test.content) {
				t.Errorf("the original is not kept: %v", err)
			}
			v := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDone, "verify", dir)
			if v.Verdict != schema.VerdictReproduced || v.Derivation != schema.Derived || !strings.Contains(v.Reason, "how they were trained is not part of it") {
				t.Errorf("%+v", v)
			}
			replayed := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", dir)
			if replayed.Verdict != schema.VerdictIdentical || !strings.Contains(replayed.Reason, "origin/model") {
				t.Errorf("%+v", replayed)
			}
			if test.name != "onnx" {
				return
			}
			d.done("publish", dir)
			child := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "resume", "small:1.0.0", "--steps", "3", "-o", d.path("tuned"))
			if child.Steps != 3 || child.Parameters == r.Parameters {
				t.Errorf("%+v", child)
			}
			d.done("publish", d.path("tuned"))
			again := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", "small:1.1.0")
			if again.Verdict != schema.VerdictIdentical || again.Steps != 3 {
				t.Errorf("%+v", again)
			}
			if o := d.done("convert", file, "--spec", test.spec, "-o", d.path("text")); !strings.Contains(o.stdout, "converted small:1.0.0, from onnx") {
				t.Errorf("%s", o.stdout)
			}
		})
	}
}

func TestConvertConvNetJS(t *testing.T) {
	const layers = `  layers:
    - conv2d: {filters: 2, kernel: 3, padding: 1}
    - activation: {function: relu}
    - maxpool2d: {size: 2}
    - flatten: {}
    - dense: {units: 10}
  loss: softmax-cross-entropy`
	d := withData(t)
	trained := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "train", d.write("full.yaml", strings.Replace(openNetwork, "LAYERS", layers, 1)), "-o", d.path("trained"))
	p := d.arrays(d.path("trained"))
	volumes := func(sx, sy, depth int, a modelfiletest.Array) (list []any) {
		n := sx * sy * depth
		for k := 0; k < len(a.Values); k += n {
			list = append(list, modelfiletest.Volume(sx, sy, depth, a.Values[k:k+n]))
		}
		return list
	}
	biases := func(a modelfiletest.Array) any { return modelfiletest.Volume(1, 1, len(a.Values), a.Values) }
	type object = map[string]any
	file := d.write("net.json", string(modelfiletest.ConvNetJS(
		object{"layer_type": "input", "out_sx": 28, "out_sy": 28, "out_depth": 1},
		object{"layer_type": "conv", "sx": 3, "sy": 3, "stride": 1, "pad": 1, "in_depth": 1, "out_depth": 2, "filters": volumes(3, 3, 1, p["conv1.weight"]), "biases": biases(p["conv1.bias"])},
		object{"layer_type": "relu"},
		object{"layer_type": "pool", "sx": 2, "sy": 2, "stride": 2, "pad": 0},
		object{"layer_type": "fc", "out_depth": 10, "num_inputs": 392, "filters": volumes(1, 1, 392, p["dense1.weight"]), "biases": biases(p["dense1.bias"])},
		object{"layer_type": "softmax", "out_depth": 10, "num_inputs": 10},
	)))
	r := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "convert", file, "--spec", d.write("open.yaml", strings.Replace(openNetwork, "LAYERS\n", "", 1)), "-o", d.path("converted"))
	if r.Parameters != trained.Parameters || r.Engine != trained.Engine || *r.Results[0].Correct != *trained.Results[0].Correct {
		t.Errorf("%+v, want the parameters and claims of %+v", r, trained)
	}
	d.done("verify", d.path("converted"))
}

func TestConvertRefuses(t *testing.T) {
	d := withData(t)
	weights := d.write("weights.npz", string(modelfiletest.NPZ(
		modelfiletest.Array{Name: "dense1.weight", Shape: []int{784, 10}, Values: make([]float32, 7840)},
		modelfiletest.Array{Name: "dense1.bias", Shape: []int{10}, Values: make([]float32, 10)})))
	onnx := d.write("model.onnx", string(modelfiletest.ONNX("x", []int{0, 784}, "y", []modelfiletest.Array{
		{Name: "w", Shape: []int{784, 10}, Values: make([]float32, 7840)},
	}, modelfiletest.Node{Op: "MatMul", Inputs: []string{"x", "w"}, Output: "y"})))
	spec, out := d.path("closure.yaml"), d.path("out")
	for name, test := range map[string]struct {
		want []string
		args []string
	}{
		"no specification":      {[]string{"--spec is missing"}, []string{weights, "-o", out}},
		"no directory":          {[]string{"-o DIR is missing"}, []string{weights, "--spec", spec}},
		"an unknown layout":     {[]string{"--layout", "not known", "tensorflow"}, []string{weights, "--spec", spec, "-o", out, "--layout", "caffe"}},
		"no file":               {[]string{"there is no such file"}, []string{d.path("none"), "--spec", spec, "-o", out}},
		"another layout":        {[]string{"dense1.weight", "[784 10]", "[10 784]"}, []string{weights, "--spec", spec, "-o", out}},
		"a map of nothing":      {[]string{"names no tensor"}, []string{weights, "--spec", spec, "-o", out, "--map", "weight"}},
		"a map given twice":     {[]string{"two tensors"}, []string{weights, "--spec", spec, "-o", out, "--map", "a=dense1.bias", "--map", "b=dense1.bias"}},
		"a map to nothing":      {[]string{"no such parameter", "dense1.bias"}, []string{weights, "--spec", spec, "-o", out, "--layout", "tensorflow", "--map", "dense1.bias=dense9.bias"}},
		"what is left":          {[]string{"dense1.bias", "the file has no tensor"}, []string{weights, "--spec", spec, "-o", out, "--layout", "tensorflow", "--map", "dense1.bias="}},
		"layers twice":          {[]string{"model.layers", "leave them out"}, []string{onnx, "--spec", spec, "-o", out}},
		"a layout of ONNX":      {[]string{"leave --layout out"}, []string{onnx, "--spec", spec, "-o", out, "--layout", "pytorch"}},
		"another input":         {[]string{"model.input.shape", "[784]"}, []string{onnx, "--spec", d.write("open.yaml", strings.Replace(openNetwork, "LAYERS", "  loss: softmax-cross-entropy", 1)), "-o", out}},
		"no model":              {[]string{"no ONNX model"}, []string{d.write("text.txt", "hello"), "--spec", spec, "-o", out}},
		"an engine of its own":  {[]string{"an engine that is compiled"}, []string{weights, "--spec", d.write("foreign.yaml", strings.Replace(specification, "model:", "engine: x.wasm\nmodel:", 1)), "-o", out}},
		"no specification file": {[]string{"there is no such file"}, []string{weights, "--spec", d.path("none.yaml"), "-o", out}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{t, d.dir}
			d.refused(exitInvalid, test.want, append([]string{"convert"}, test.args...)...)
			if _, err := os.Stat(out); err == nil {
				t.Error("it has left a directory")
			}
		})
	}
}

// Parameters that are not those which closure.json names: verify and replay say so.
func TestImportedParametersAreChecked(t *testing.T) {
	d := withData(t)
	weights := d.write("weights.npz", string(modelfiletest.NPZ(
		modelfiletest.Array{Name: "dense1.weight", Shape: []int{784, 10}, Values: make([]float32, 7840)},
		modelfiletest.Array{Name: "dense1.bias", Shape: []int{10}, Values: make([]float32, 10)})))
	dir := d.path("converted")
	d.done("convert", weights, "--spec", d.path("closure.yaml"), "--layout", "tensorflow", "-o", dir)
	d.edit(dir, func(c *schema.Closure) { c.Imported.Parameters = schema.DigestOf(nil) })
	v := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDiffers, "verify", dir)
	if !strings.Contains(v.Reason, "imported.parameters") {
		t.Errorf("%+v", v)
	}
	d.refused(exitInvalid, []string{"imported.parameters"}, "replay", dir)
	// Without them it would be a run of no steps.
	d.edit(dir, func(c *schema.Closure) { c.Imported = nil })
	d.refused(exitInvalid, []string{"algorithm.steps", "at least one step"}, "verify", dir)
}

// A session goes on with a converted closure, to the bits that one machine reaches; it does not repeat what is not known.
func TestConvertedClosureInSession(t *testing.T) {
	t.Setenv(mainVariable, "1")
	config(t)
	d := withData(t)
	weights := d.write("weights.npz", string(modelfiletest.NPZ(
		modelfiletest.Array{Name: "dense1.weight", Shape: []int{784, 10}, Values: make([]float32, 7840)},
		modelfiletest.Array{Name: "dense1.bias", Shape: []int{10}, Values: make([]float32, 10)})))
	d.done("convert", weights, "--spec", d.path("closure.yaml"), "--layout", "tensorflow", "-o", d.path("converted"))
	d.done("publish", d.path("converted"))
	server := d.serving()
	d.refused(exitInvalid, []string{"small:1.0.0", "began with imported parameters, which no session repeats", "go on with it for more steps"},
		"session", "start", "small:1.0.0", "--server", server)
	alone := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "resume", "small:1.0.0", "--steps", "4", "-o", d.path("alone"))
	s := d.started(server, "small:1.0.0", "--steps", "4")
	var group sync.WaitGroup
	d.joining(&group, s.Join, 2)
	over := d.over(server, s.ID)
	group.Wait()
	if over.Run != alone.Run || over.Relation != schema.RelationResumed {
		t.Errorf("%+v; alone %s", over, alone.Run)
	}
	r := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", over.Closure)
	if r.Verdict != schema.VerdictIdentical || !strings.Contains(r.Reason, "origin/model.npz") {
		t.Errorf("%+v", r)
	}
}

// A research closure of MLitB says which output is which class; here they come in another order than the dataset's.
func TestConvertMLitB(t *testing.T) {
	d := withData(t)
	trained := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "train", d.path("closure.yaml"), "-o", d.path("trained"))
	p := d.arrays(d.path("trained"))
	spec := strings.Replace(openNetwork, "LAYERS\n", "", 1)
	classes := strings.Split("0123456789", "")
	labels := map[string]string{}
	weights, biases := p["dense1.weight"], p["dense1.bias"]
	var list, ends []float32
	for k := range classes {
		class := len(classes) - 1 - k // backwards
		labels[strconv.Itoa(k)] = classes[class]
		list = append(list, weights.Values[class*784:][:784]...)
		ends = append(ends, biases.Values[class])
	}
	file := func(labels map[string]string) []byte {
		b, err := json.Marshal(map[string]any{"step": 12, "net": map[string]any{
			"configs": []any{
				map[string]any{"type": "input", "sx": 28, "sy": 28, "depth": 1},
				map[string]any{"type": "fc", "num_neurons": 10, "activation": "softmax"},
			},
			"params": []any{list, ends}, "index2label": labels,
		}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	open := d.write("open.yaml", spec)
	r := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "convert", d.write("net.json", string(file(labels))), "--spec", open, "-o", d.path("converted"))
	if r.Parameters != trained.Parameters || *r.Results[0].Correct != *trained.Results[0].Correct {
		t.Errorf("%+v, want the parameters and claims of %+v", r, trained)
	}
	d.done("verify", d.path("converted"))
	if card := d.read("converted/README.md"); !strings.Contains(card, "parameters imported from `origin/model.json` (mlitb, written by MLitB)") {
		t.Errorf("its card does not say where the parameters come from:\n%s", card)
	}
	labels["3"] = "unheard of"
	d.refused(exitInvalid, []string{"its classes are", "unheard of", "those of the dataset"}, "convert", d.write("other.json", string(file(labels))), "--spec", open, "-o", d.path("other"))
}
