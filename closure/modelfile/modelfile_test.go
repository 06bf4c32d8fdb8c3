package modelfile_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/modelfile"
	mt "github.com/reprise-ml/reprise/closure/modelfile/modelfiletest"
	"github.com/reprise-ml/reprise/schema"
)

func array(name string, shape ...int) mt.Array {
	a := mt.Array{Name: name, Shape: shape, Values: make([]float32, schema.Elements(shape))}
	for k := range a.Values {
		a.Values[k] = float32(k)
	}
	return a
}

type attributes = map[string]any

// one is a graph of one node on an image of 2 channels, 6×6.
func one(op string, a attributes, constants ...mt.Array) []byte {
	n := mt.Node{Op: op, Name: "it", Inputs: []string{"x"}, Output: "y", Attributes: a}
	for _, c := range constants {
		n.Inputs = append(n.Inputs, c.Name)
	}
	return mt.ONNX("x", []int{0, 2, 6, 6}, "y", constants, n)
}

func TestONNXLayers(t *testing.T) {
	kernel := array("k", 4, 2, 3, 3)
	tests := []struct {
		name string
		file []byte
		want schema.Layer
	}{
		{"same", one("Conv", attributes{"auto_pad": "SAME_UPPER", "strides": []int{2, 2}}, kernel), schema.Layer{Name: "conv1", Component: schema.Component{Kind: "conv2d", Attributes: attributes{
			"filters": 4, "kernel": []any{3, 3}, "stride": []any{2, 2}, "padding": "same", "bias": false,
		}}}},
		{"pool", one("AveragePool", attributes{"kernel_shape": []int{3, 2}, "strides": []int{2, 1}}), schema.Layer{Name: "avgpool1", Component: schema.Component{Kind: "avgpool2d", Attributes: attributes{
			"size": []any{3, 2}, "stride": []any{2, 1}, "padding": "valid",
		}}}},
		{"sigmoid", one("Sigmoid", nil), schema.Layer{Name: "activation1", Component: schema.Component{Kind: "activation", Attributes: attributes{"function": "sigmoid"}}}},
		{"leaky", one("LeakyRelu", attributes{"alpha": float32(0.01)}), schema.Layer{Name: "activation1", Component: schema.Component{Kind: "activation", Attributes: attributes{"function": "leaky-relu"}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := modelfile.Read("m.onnx", test.file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Layers[0].MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			want, err := test.want.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Layers) != 1 || !bytes.Equal(got, want) || !slices.Equal(m.Input, []int{6, 6, 2}) {
				t.Errorf("%s of %v, want %s", got, m.Input, want)
			}
		})
	}
}

// A residual branch names its inputs.
func TestONNXBranches(t *testing.T) {
	m, err := modelfile.Read("m.onnx", mt.ONNX("x", []int{0, 2, 6, 6}, "y", []mt.Array{array("k", 2, 2, 1, 1)},
		mt.Node{Op: "Relu", Inputs: []string{"x"}, Output: "a"},
		mt.Node{Op: "Conv", Inputs: []string{"a", "k"}, Output: "b"},
		mt.Node{Op: "Identity", Inputs: []string{"b"}, Output: "c"},
		mt.Node{Op: "Add", Inputs: []string{"c", "a"}, Output: "d"},
		mt.Node{Op: "Concat", Inputs: []string{"d", "x"}, Output: "y", Attributes: attributes{"axis": 1}}))
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, l := range m.Layers {
		said = append(said, l.Name+"("+strings.Join(l.Inputs, ",")+")")
	}
	if got := strings.Join(said, " "); got != "activation1() conv1() add1(conv1,activation1) concat1(add1,input)" {
		t.Error(got)
	}
}

func TestReadRefuses(t *testing.T) {
	kernel := array("k", 4, 2, 3, 3)
	type object = map[string]any
	input := object{"layer_type": "input", "out_sx": 1, "out_sy": 1, "out_depth": 2}
	full := func(filters int, w any) object {
		list := make([]any, filters)
		for i := range list {
			list[i] = object{"sx": 1, "sy": 1, "depth": 2, "w": w}
		}
		return object{"layer_type": "fc", "out_depth": 1, "num_inputs": 2, "filters": list, "biases": object{"w": []float32{0}}}
	}
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "is empty"},
		{"an operation", one("TopK", nil), `node "it" (TopK): no layer of ours does what TopK does (leave it out of the model, or replace it by what is read, before exporting: Add, `},
		{"more groups", one("Conv", attributes{"group": 3}, kernel), "3 groups for 2 channels"},
		{"no groups", one("Conv", attributes{"group": 0}, kernel), "0 groups"},
		{"groups", one("Conv", attributes{"group": 2}, array("k", 4, 1, 3, 3)), "it has 2 groups; ours have one, or as many as"},
		{"other channels", one("Conv", nil, array("k", 4, 3, 3, 3)), "its weight has the shape [4 3 3 3]; its input has 2 channels"},
		{"too large a kernel", one("Conv", nil, array("k", 4, 2, 7, 3)), "its window [7 3] is larger than its input [2 6 6]"},
		{"a norm in training", one("BatchNormalization", attributes{"training_mode": 1}), "export the model after model.eval()"},
		{"a norm without statistics", one("BatchNormalization", nil, array("k", 2)), "it has no bias"},
		{"a norm of other channels", one("BatchNormalization", nil, array("k", 3)), "its scale has the shape [3]; it has 2 outputs"},
		{"a variance below zero", one("BatchNormalization", nil, array("a", 2), array("b", 2), array("c", 2), mt.Array{Name: "d", Shape: []int{2}, Values: []float32{1, -1}}), "the variance of channel 1 is -1"},
		{"other elements of a shape", mt.ONNX("x", []int{0, 2, 6, 6}, "y", nil, mt.Node{Op: "Shape", Inputs: []string{"x"}, Output: "s"}, mt.Node{Op: "Reshape", Inputs: []string{"x", "s"}, Output: "z"}, mt.Node{Op: "Gather", Inputs: []string{"s", "s"}, Output: "y"}), "it takes element"},
		{"a cycle", mt.ONNX("x", []int{0, 4}, "y", nil, mt.Node{Op: "Add", Inputs: []string{"x", "y"}, Output: "z"}, mt.Node{Op: "Relu", Inputs: []string{"z"}, Output: "y"}), `"y" is made by no node before (the nodes must come in an order`},
		{"branches of other shapes", mt.ONNX("x", []int{0, 2, 6, 6}, "y", nil, mt.Node{Op: "GlobalAveragePool", Inputs: []string{"x"}, Output: "z"}, mt.Node{Op: "Mul", Inputs: []string{"x", "z"}, Output: "y"}), "shapes [2 6 6] and [2 1 1]"},
		{"a row of another order", mt.ONNX("x", []int{0, 2, 6, 6}, "y", nil, mt.Node{Op: "Flatten", Inputs: []string{"x"}, Output: "y"}), "another order (put a full layer behind it)"},
		{"zeros before a maximum", mt.ONNX("x", []int{0, 2, 6, 6}, "y", nil, mt.Node{Op: "Pad", Inputs: []string{"x"}, Output: "z", Attributes: attributes{"pads": []int{0, 0, 1, 1, 0, 0, 1, 1}}}, mt.Node{Op: "MaxPool", Inputs: []string{"z"}, Output: "y", Attributes: attributes{"kernel_shape": []int{2, 2}}}), "pad in the MaxPool itself"},
		{"zeros before something else", mt.ONNX("x", []int{0, 2, 6, 6}, "y", nil, mt.Node{Op: "Pad", Inputs: []string{"x"}, Output: "z", Attributes: attributes{"pads": []int{0, 0, 1, 1, 0, 0, 1, 1}}}, mt.Node{Op: "Relu", Inputs: []string{"z"}, Output: "y"}), "which only convolutions"},
		{"reflected", one("Pad", attributes{"mode": "reflect", "pads": []int{0, 0, 1, 1, 0, 0, 1, 1}}), `its mode is "reflect"`},
		{"padded channels", one("Pad", attributes{"pads": []int{0, 1, 1, 1, 0, 0, 1, 1}}), "only zeros around images"},
		{"clipped", one("Clip", attributes{"min": float32(-1), "max": float32(1)}), "it clips to -1 … 1"},
		{"a mean of channels", one("ReduceMean", attributes{"axes": []int{1}}), "its axes are [1]"},
		{"a reshaped image", one("Reshape", nil), "it has no shape"},
		{"integers made", one("Cast", attributes{"to": 6}), "elements of type 6"},
		{"two problems", mt.ONNX("x", []int{0, 4}, "y", nil, mt.Node{Op: "TopK", Name: "a", Inputs: []string{"x"}, Output: "z"}, mt.Node{Op: "Sort", Inputs: []string{"z"}, Output: "y"}), "node 1 (Sort): no layer"},
		{"dilations", one("Conv", attributes{"dilations": []int{2, 2}}, kernel), "dilations"},
		{"slopes of other channels", one("PRelu", nil, array("k", 3)), "its slope has the shape [3]; there are 2 channels"},
		{"uneven zeros", one("Conv", attributes{"pads": []int{0, 0, 1, 1}}, kernel), "pads are [0 0 1 1]"},
		{"lower zeros", one("Conv", attributes{"auto_pad": "SAME_LOWER", "strides": []int{2, 2}}, kernel), "SAME_LOWER"},
		{"another kernel", one("Conv", attributes{"kernel_shape": []int{5, 5}}, kernel), "kernel_shape is [5 5]"},
		{"an attribute", one("Conv", attributes{"secret": 1}, kernel), `"secret" is not understood`},
		{"one dimension", one("Conv", nil, array("k", 4, 2, 3)), "convolutions of images are read"},
		{"no weight", one("Conv", nil), "it has no weight"},
		{"a ceiling", one("MaxPool", attributes{"kernel_shape": []int{3, 3}, "strides": []int{2, 2}, "ceil_mode": 1}), "ceil_mode"},
		{"a mean over zeros", one("AveragePool", attributes{"kernel_shape": []int{2, 2}, "pads": []int{1, 1, 1, 1}}), "leaves the zeros around the image out"},
		{"a pool of no size", one("MaxPool", nil), "no kernel_shape"},
		{"another alpha", one("Elu", attributes{"alpha": float32(0.2)}), "alpha is 0.2"},
		{"another axis", one("Flatten", attributes{"axis": 2}), "axis 2"},
		{"a softmax of images", one("Softmax", nil), "softmax over the rows"},
		{"another domain", mt.ONNX("x", []int{0, 4}, "y", nil, mt.Node{Op: "Relu", Domain: "com.example", Inputs: []string{"x"}, Output: "y"}), "com.example"},
		{"alpha", mt.ONNX("x", []int{0, 2}, "y", []mt.Array{array("w", 2, 2)}, mt.Node{Op: "Gemm", Inputs: []string{"x", "w"}, Output: "y", Attributes: attributes{"alpha": float32(2)}}), "alpha is 2"},
		{"a constant added", mt.ONNX("x", []int{0, 2}, "y", []mt.Array{array("w", 2)}, mt.Node{Op: "Add", Inputs: []string{"x", "w"}, Output: "y"}), "only to a product"},
		{"a softmax in the middle", mt.ONNX("x", []int{0, 2}, "z", nil, mt.Node{Op: "Softmax", Inputs: []string{"x"}, Output: "y"}, mt.Node{Op: "Relu", Inputs: []string{"y"}, Output: "z"}), "follows a softmax"},
		{"an open width", mt.ONNX("x", []int{0, 1, 0, 28}, "y", nil), "must be fixed"},
		{"a sequence", mt.ONNX("x", []int{0, 4, 4}, "y", nil), "3 dimensions"},
		{"no layers", mt.ONNX("x", []int{0, 4}, "x", nil), "no layers"},
		{"no output", mt.ONNX("x", []int{0, 4}, "z", nil, mt.Node{Op: "Relu", Inputs: []string{"x"}, Output: "y"}), `no node makes "z"`},
		{"an unknown value", mt.ONNX("x", []int{0, 4}, "y", nil, mt.Node{Op: "Relu", Inputs: []string{"q"}, Output: "y"}), `"q" is made by no node before`},
		{"half a file", one("Conv", nil, kernel)[:60], "no ONNX model"},
		{"another program's JSON", []byte(`{"a": 1}`), "neither layers nor configs"},
		{"broken JSON", []byte(`{"layers": [`), "no network of ConvNetJS"},
		{"dropout before a loss", mt.ConvNetJS(input, object{"layer_type": "dropout", "drop_prob": 0.5}, object{"layer_type": "softmax"}), "layers[2] (softmax): it follows a dropout"},
		{"dropout at the end", mt.ConvNetJS(input, object{"layer_type": "dropout", "drop_prob": 0.5}), "comes last"},
		{"dropout before a bend", mt.ConvNetJS(input, object{"layer_type": "dropout", "drop_prob": 0.5}, object{"layer_type": "tanh"}), "layers[2] (tanh): it follows a dropout"},
		{"dropout of all", mt.ConvNetJS(input, object{"layer_type": "dropout", "drop_prob": 1}), "a rate of 1 is none"},
		{"what follows the loss", mt.ConvNetJS(input, object{"layer_type": "softmax"}, object{"layer_type": "relu"}), "follows the loss"},
		{"nothing behind the input", mt.ConvNetJS(input), "no layers behind the input"},
		{"not a number", mt.ConvNetJS(input, full(1, []any{nil, 1})), "has at 0 no number"},
		{"layers that are none", []byte(`{"layers": 3}`), "is no list"},
		{"layers of something else", []byte(`{"layers": [3]}`), "layers[0]: is no layer of ConvNetJS"},
		{"maxout", mt.ConvNetJS(input, object{"layer_type": "maxout"}), "no layer of ours"},
		{"too few filters", mt.ConvNetJS(input, full(0, []float32{1, 2})), "0 filters for a depth of 1"},
		{"too few numbers", mt.ConvNetJS(input, full(1, []float32{1})), "fewer than 2 numbers"},
		{"numbers with a hole", mt.ConvNetJS(input, full(1, object{"0": 1, "2": 1})), "w has more numbers than 2, or one twice"},
		{"no numbers", mt.ConvNetJS(input, full(1, "many")), "is no list of numbers"},
		{"a convolution of a row", mt.ConvNetJS(input, object{"layer_type": "conv"}), "no image"},
		{"an archive of something else", []byte("PK\x03\x04 and so on"), "no zip archive"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := modelfile.Read("model", test.file)
			if _, ok := errors.AsType[*schema.Invalid](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in a *schema.Invalid", err, test.want)
			}
		})
	}
}

// Files that would take more memory than they have bytes, or that say other sizes than they have.
func TestONNXLimits(t *testing.T) {
	relu := func(n mt.Node) []byte {
		n.Op, n.Output = "Relu", "y"
		return mt.ONNX("x", []int{0, 4}, "y", nil, n)
	}
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"a giant tensor":      {mt.ONNX("x", []int{0, 4}, "y", []mt.Array{{Name: "w", Shape: []int{1 << 40, 1 << 20}}}), `tensor "w" has 0 bytes, which are not those of its shape`},
		"a negative tensor":   {mt.ONNX("x", []int{0, 4}, "y", []mt.Array{{Name: "w", Shape: []int{-4, -1}, Values: make([]float32, 4)}}), "which are not those of its shape"},
		"a tensor cut short":  {mt.ONNX("x", []int{0, 4}, "y", []mt.Array{{Name: "w", Shape: []int{5}, Values: make([]float32, 4)}}), "has 16 bytes, which are not those of its shape [5]"},
		"too many dimensions": {mt.ONNX("x", []int{0, 4}, "y", []mt.Array{{Name: "w", Shape: make([]int, 9)}}), "a list has more than 8 numbers"},
		"a giant input":       {mt.ONNX("x", []int{0, 1 << 30, 1 << 30, 1 << 30}, "y", nil), "which is too large"},
		"too many inputs":     {relu(mt.Node{Name: "it", Inputs: make([]string, 5000)}), "more than 4096 inputs"},
		"a long list":         {relu(mt.Node{Inputs: []string{"x"}, Attributes: attributes{"axes": make([]int, 100)}}), "a list has more than 64 numbers"},
		"a long name":         {relu(mt.Node{Name: strings.Repeat("n", 5000), Inputs: []string{"x"}}), "a name has 5000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := modelfile.Read("model", test.file)
			if _, ok := errors.AsType[*schema.Invalid](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in a *schema.Invalid", err, test.want)
			}
		})
	}
	// What doubles with every node ends at the size of a file.
	var nodes []mt.Node
	for k, in := range strings.Split(strings.Repeat("x", 40), "") {
		from := fmt.Sprint(in, k)
		if k == 0 {
			from = "x"
		}
		nodes = append(nodes, mt.Node{Op: "Concat", Inputs: []string{from, from}, Output: fmt.Sprint("x", k+1), Attributes: attributes{"axis": 1}})
	}
	if _, err := modelfile.Read("model", mt.ONNX("x", []int{0, 2, 3, 3}, "x40", nil, nodes...)); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Error(err)
	}
}

// bytesOf are f64.
func bytesOf(values ...float64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func TestOnto(t *testing.T) {
	slots := []modelfile.Slot{{Name: "d.weight", Shape: []int{1, 8}, Flattened: []int{2, 2, 2}}}
	m := &modelfile.Model{Layout: modelfile.LayoutPyTorch, Tensors: []closure.Tensor{{
		Name: "w", DType: "f64", Shape: []int{1, 8},
		Data: bytesOf(0, 1, 2, 3, 10, 11, 12, 13), // channel 0, then channel 1
	}}}
	tensors, err := m.Onto("m", slots, modelfile.Names{Theirs: map[string]string{"d.weight": "w"}})
	if err != nil {
		t.Fatal(err)
	}
	want := mt.Array{Values: []float32{0, 10, 1, 11, 2, 12, 3, 13}}
	if got := tensors[0]; got.DType != "f32" || !bytes.Equal(got.Data, mt.Bytes(want)) {
		t.Errorf("%v", got)
	}
	for name, change := range map[string]func(){
		"finite number":  func() { copy(m.Tensors[0].Data, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}) },
		"are i64":        func() { m.Tensors[0].DType = "i64" },
		"is there twice": func() { m.Tensors = append(m.Tensors, m.Tensors[0]) },
	} {
		before := slices.Clone(m.Tensors)
		data := slices.Clone(m.Tensors[0].Data)
		change()
		if _, err := m.Onto("m", slots, modelfile.Names{Theirs: map[string]string{"d.weight": "w"}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		m.Tensors = before
		m.Tensors[0].Data = data
	}
}

// FuzzRead: whatever a file holds, the answer is a model or *schema.Invalid, and tensors have the bytes of their shapes.
func FuzzRead(f *testing.F) {
	f.Add(one("Conv", attributes{"pads": []int{1, 1, 1, 1}}, array("k", 4, 2, 3, 3)))
	f.Add(one("Softmax", attributes{"axis": 1}))
	var networks []exported
	if err := json.Unmarshal(recorded, &networks); err != nil {
		f.Fatal(err)
	}
	for _, n := range networks {
		f.Add(n.ONNX)
	}
	f.Add(mt.NPZ(array("a", 2, 3)))
	f.Add(mt.NPY("<f4", []int{2}, make([]byte, 8)))
	f.Add(mt.ConvNetJS(map[string]any{"layer_type": "input", "out_sx": 1, "out_sy": 1, "out_depth": 2}))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := modelfile.Read("file", data)
		if err != nil {
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Fatalf("not *schema.Invalid: %v", err)
			}
			return
		}
		for _, tensor := range m.Tensors {
			if len(tensor.Data) != schema.Elements(tensor.Shape)*schema.DTypeSize(tensor.DType) {
				t.Errorf("%s has %d bytes for %v of %s", tensor.Name, len(tensor.Data), tensor.Shape, tensor.DType)
			}
		}
	})
}
