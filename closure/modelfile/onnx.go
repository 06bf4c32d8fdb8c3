package modelfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// readONNX translates a graph. Operations are those of the vocabulary: Conv, Gemm, MatMul (with Add as its bias), MaxPool,
// AveragePool, Flatten, Reshape to rows, Relu, LeakyRelu (0.01), Tanh, Sigmoid, Add, Sum, Mul, Max, Mean, Concat of channels;
// Identity and Dropout, which do nothing when predicting; Constant; and a Softmax at the end.
func readONNX(name string, data []byte) (*Model, error) {
	g, err := parseONNX(data)
	if err != nil {
		return nil, schema.Invalidf(name, "", "is no ONNX model that can be read: %v", err)
	}
	t := &translation{graph: g, values: map[string]string{}, counts: map[string]int{}, rank: map[string]int{}}
	if err := t.input(); err != nil {
		return nil, schema.Invalidf(name, "input", "%v", err)
	}
	for i, n := range g.nodes {
		if err := t.node(n); err != nil {
			return nil, schema.Invalidf(name, describeNode(i, n), "%v", err)
		}
	}
	if err := t.output(); err != nil {
		return nil, schema.Invalidf(name, "output", "%v", err)
	}
	return &t.model, nil
}

func describeNode(i int, n onnxNode) string {
	if n.name != "" {
		return fmt.Sprintf("node %s (%s)", strconv.Quote(n.name), n.op)
	}
	return fmt.Sprintf("node %d (%s)", i, n.op)
}

// translation goes through the nodes, which come in an order in which every value is there before it is read.
type translation struct {
	graph  *onnxGraph
	model  Model
	values map[string]string // value → the layer whose output it is
	rank   map[string]int    // value → its dimensions, the batch's among them
	counts map[string]int
	last   string // layer
	// softmax is the value that a softmax has made, which must be the output.
	softmax string
}

func (t *translation) input() error {
	t.model.Format, t.model.Layout = ONNX, LayoutPyTorch
	var inputs []onnxValue
	for _, v := range t.graph.inputs {
		if _, constant := t.graph.initializers[v.name]; !constant {
			inputs = append(inputs, v)
		}
	}
	if len(inputs) != 1 {
		return fmt.Errorf("the graph has %d inputs; one is read", len(inputs))
	}
	in := inputs[0]
	for _, d := range in.shape[min(1, len(in.shape)):] {
		if d < 1 || d > 1<<31-1 {
			return fmt.Errorf("%q has the shape %v; all but the first dimension must be fixed", in.name, in.shape)
		}
	}
	switch s := ints(in.shape); len(s) {
	case 2:
		t.model.Input = s[1:]
	case 4:
		t.model.Input = []int{s[2], s[3], s[1]}
	default:
		return fmt.Errorf("%q has %d dimensions; [batch, features] and [batch, channels, height, width] are read", in.name, len(s))
	}
	t.values[in.name], t.rank[in.name], t.last = schema.InputLayer, len(in.shape), schema.InputLayer
	return nil
}

func (t *translation) output() error {
	if len(t.graph.outputs) != 1 {
		return fmt.Errorf("the graph has %d outputs; one is read", len(t.graph.outputs))
	}
	out := t.graph.outputs[0].name
	switch at, ok := t.values[out]; {
	case !ok:
		return fmt.Errorf("no node makes %q", out)
	case len(t.model.Layers) == 0:
		return fmt.Errorf("there are no layers")
	case at != t.last:
		return fmt.Errorf("%q is not what the last layer makes", out)
	case t.softmax != "" && t.softmax != out:
		return fmt.Errorf("a Softmax that is not the end of the graph is no layer")
	}
	return nil
}

// add appends a layer that reads values, and makes a value of a rank.
func (t *translation) add(n onnxNode, kind string, attributes map[string]any, rank int, inputs ...string) (string, error) {
	if t.softmax != "" {
		return "", fmt.Errorf("it follows a Softmax, which is read only at the end of the graph")
	}
	var from []string
	for _, in := range inputs {
		at, ok := t.values[in]
		if !ok {
			return "", fmt.Errorf("its input %q is made by no node before", in)
		}
		from = append(from, at)
	}
	if len(from) == 1 && from[0] == t.last {
		from = nil
	}
	stem := strings.TrimSuffix(kind, "2d")
	t.counts[stem]++
	name := fmt.Sprintf("%s%d", stem, t.counts[stem])
	t.model.Layers = append(t.model.Layers, layer(kind, name, attributes, from...))
	t.last = name
	return name, t.made(n, name, rank)
}

// made notes that a node's output is that of a layer.
func (t *translation) made(n onnxNode, layer string, rank int) error {
	if len(n.outputs) == 0 {
		return fmt.Errorf("it has no output")
	}
	if _, twice := t.values[n.outputs[0]]; twice {
		return fmt.Errorf("its output %q is there already", n.outputs[0])
	}
	t.values[n.outputs[0]], t.rank[n.outputs[0]] = layer, rank
	return nil
}

// parameter adds a tensor of a layer.
func (t *translation) parameter(layer, name string, tensor closure.Tensor) {
	tensor.Name = layer + "." + name
	t.model.Tensors = append(t.model.Tensors, tensor)
}

// constant is an input of a node that the graph holds.
func (t *translation) constant(n onnxNode, k int, what string) (closure.Tensor, error) {
	if k >= len(n.inputs) {
		return closure.Tensor{}, fmt.Errorf("it has no %s", what)
	}
	c, ok := t.graph.initializers[n.inputs[k]]
	if !ok {
		return c, fmt.Errorf("its %s %q is no constant of the graph", what, n.inputs[k])
	}
	return c, nil
}

// only refuses attributes other than these, so that nothing is passed over.
func only(n onnxNode, known ...string) error {
	for name := range n.attributes {
		if !slices.Contains(known, name) {
			return fmt.Errorf("its attribute %q is not understood", name)
		}
	}
	return nil
}

func (t *translation) node(n onnxNode) error {
	if n.domain != "" && n.domain != "ai.onnx" {
		return fmt.Errorf("it is of the domain %q; only ONNX's own operations are read", n.domain)
	}
	if n.op == "Constant" {
		v := n.attributes["value"].tensor
		if v == nil || len(n.outputs) != 1 {
			return fmt.Errorf("only constants that are a tensor are read")
		}
		if _, twice := t.graph.initializers[n.outputs[0]]; twice {
			return fmt.Errorf("its output %q is there already", n.outputs[0])
		}
		t.graph.initializers[n.outputs[0]] = *v
		return nil
	}
	if len(n.inputs) == 0 {
		return fmt.Errorf("it has no inputs")
	}
	rank := t.rank[n.inputs[0]]
	function := func(f string) error {
		_, err := t.add(n, "activation", map[string]any{"function": f}, rank, n.inputs[0])
		return err
	}
	switch n.op {
	case "Conv":
		return t.conv(n)
	case "Gemm":
		return t.gemm(n)
	case "MatMul":
		return t.matMul(n)
	case "MaxPool", "AveragePool":
		return t.pool(n)
	case "Flatten":
		if axis, ok := n.attributes["axis"]; ok && axis.i != 1 {
			return fmt.Errorf("axis %d; rows are made of axis 1", axis.i)
		}
		_, err := t.add(n, "flatten", nil, 2, n.inputs[0])
		return err
	case "Reshape":
		return t.reshape(n)
	case "Relu":
		return function("relu")
	case "Tanh":
		return function("tanh")
	case "Sigmoid":
		return function("sigmoid")
	case "LeakyRelu":
		if a, ok := n.attributes["alpha"]; ok && a.f != 0.01 {
			return fmt.Errorf("alpha is %v; ours is 0.01", a.f)
		}
		return function("leaky-relu")
	case "Add", "Sum", "Mul", "Max", "Mean":
		return t.merge(n)
	case "Concat":
		if axis, ok := n.attributes["axis"]; !ok || axis.i != 1 && axis.i != int64(1-rank) {
			return fmt.Errorf("axis %d; channels are axis 1", axis.i)
		}
		_, err := t.add(n, "concat", nil, rank, n.inputs...)
		return err
	case "Identity", "Dropout":
		at, ok := t.values[n.inputs[0]]
		if !ok {
			return fmt.Errorf("its input %q is made by no node before", n.inputs[0])
		}
		return t.made(n, at, rank)
	case "Softmax":
		at, ok := t.values[n.inputs[0]]
		if axis := n.attributes["axis"]; !ok || rank != 2 || axis.i != 0 && axis.i != 1 && axis.i != -1 {
			return fmt.Errorf("only a softmax over the rows of a layer is read")
		}
		t.softmax, t.model.Loss = n.outputs[0], "softmax-cross-entropy"
		return t.made(n, at, rank)
	}
	return fmt.Errorf("no layer of ours does what %s does", n.op)
}

// pair is an attribute of two integers, with a default for both.
func pair(n onnxNode, name string, other int64) ([]int64, error) {
	a, ok := n.attributes[name]
	if !ok {
		return []int64{other, other}, nil
	}
	if len(a.ints) != 2 || a.ints[0] < 1 || a.ints[1] < 1 || a.ints[0] > 1<<20 || a.ints[1] > 1<<20 {
		return nil, fmt.Errorf("%s is %v; two positive numbers are read", name, a.ints)
	}
	return a.ints, nil
}

// padding is what auto_pad and pads say.
func padding(n onnxNode) (any, error) {
	switch auto := n.attributes["auto_pad"].s; auto {
	case "", "NOTSET":
	case "VALID":
		return "valid", nil
	case "SAME_UPPER":
		return "same", nil
	default:
		return nil, fmt.Errorf("auto_pad %s: ours puts the odd zeros below and right", auto)
	}
	p := n.attributes["pads"].ints
	if len(p) == 0 {
		return "valid", nil
	}
	if len(p) != 4 || p[0] != p[2] || p[1] != p[3] || p[0] < 0 || p[1] < 0 || p[0] > 1<<20 || p[1] > 1<<20 {
		return nil, fmt.Errorf("pads are %v; the same above and below, and left and right, are read", p)
	}
	return []any{p[0], p[1]}, nil
}

func (t *translation) conv(n onnxNode) error {
	if err := only(n, "kernel_shape", "strides", "pads", "auto_pad", "dilations", "group"); err != nil {
		return err
	}
	weight, err := t.constant(n, 1, "weight")
	if err != nil {
		return err
	}
	if len(weight.Shape) != 4 {
		return fmt.Errorf("its weight has the shape %v; convolutions of images are read", weight.Shape)
	}
	if g := n.attributes["group"]; g.i > 1 {
		return fmt.Errorf("it has %d groups; ours have one", g.i)
	}
	for _, d := range n.attributes["dilations"].ints {
		if d != 1 {
			return fmt.Errorf("dilations are %v; ours are 1", n.attributes["dilations"].ints)
		}
	}
	kernel, err := pair(n, "kernel_shape", 0)
	if err != nil {
		return err
	}
	if _, ok := n.attributes["kernel_shape"]; ok && (int(kernel[0]) != weight.Shape[2] || int(kernel[1]) != weight.Shape[3]) {
		return fmt.Errorf("kernel_shape is %v, and its weight %v", kernel, weight.Shape)
	}
	strides, err := pair(n, "strides", 1)
	if err != nil {
		return err
	}
	pad, err := padding(n)
	if err != nil {
		return err
	}
	bias := len(n.inputs) > 2 && n.inputs[2] != ""
	name, err := t.add(n, "conv2d", map[string]any{
		"filters": weight.Shape[0], "kernel": []any{weight.Shape[2], weight.Shape[3]}, "stride": []any{strides[0], strides[1]}, "padding": pad, "bias": bias,
	}, 4, n.inputs[0])
	if err != nil {
		return err
	}
	t.parameter(name, "weight", weight)
	if bias {
		b, err := t.constant(n, 2, "bias")
		if err != nil {
			return err
		}
		t.parameter(name, "bias", b)
	}
	return nil
}

func (t *translation) gemm(n onnxNode) error {
	if err := only(n, "alpha", "beta", "transA", "transB"); err != nil {
		return err
	}
	for _, name := range []string{"alpha", "beta"} {
		if a, ok := n.attributes[name]; ok && a.f != 1 {
			return fmt.Errorf("%s is %v; ours is 1", name, a.f)
		}
	}
	if n.attributes["transA"].i != 0 {
		return fmt.Errorf("transA is set")
	}
	weight, err := t.constant(n, 1, "weight")
	if err != nil {
		return err
	}
	if weight, err = outputsFirst(weight, n.attributes["transB"].i == 0); err != nil {
		return err
	}
	bias := len(n.inputs) > 2 && n.inputs[2] != ""
	name, err := t.dense(n, weight, bias)
	if err != nil || !bias {
		return err
	}
	b, err := t.constant(n, 2, "bias")
	if err != nil {
		return err
	}
	t.parameter(name, "bias", b)
	return nil
}

func (t *translation) matMul(n onnxNode) error {
	weight, err := t.constant(n, 1, "weight")
	if err != nil {
		return err
	}
	if weight, err = outputsFirst(weight, true); err != nil {
		return err
	}
	_, err = t.dense(n, weight, false)
	return err
}

func (t *translation) dense(n onnxNode, weight closure.Tensor, bias bool) (string, error) {
	name, err := t.add(n, "dense", map[string]any{"units": weight.Shape[0], "bias": bias}, 2, n.inputs[0])
	if err == nil {
		t.parameter(name, "weight", weight)
	}
	return name, err
}

// outputsFirst is a matrix [outputs, inputs], transposed if it is the other way round.
func outputsFirst(t closure.Tensor, transposed bool) (closure.Tensor, error) {
	if len(t.Shape) != 2 {
		return t, fmt.Errorf("its weight has the shape %v; a matrix is read", t.Shape)
	}
	if !transposed {
		return t, nil
	}
	values, err := valuesOf(t)
	if err != nil {
		return t, fmt.Errorf("its weight: %w", err)
	}
	return closure.Tensor{Name: t.Name, DType: "f32", Shape: []int{t.Shape[1], t.Shape[0]}, Data: floats(permute(values, t.Shape, []int{1, 0}))}, nil
}

func (t *translation) pool(n onnxNode) error {
	kind, known := "maxpool2d", []string{"kernel_shape", "strides", "pads", "auto_pad", "ceil_mode", "dilations", "storage_order"}
	if n.op == "AveragePool" {
		kind, known = "avgpool2d", append(known, "count_include_pad")
	}
	if err := only(n, known...); err != nil {
		return err
	}
	for _, d := range n.attributes["dilations"].ints {
		if d != 1 {
			return fmt.Errorf("dilations are %v; ours are 1", n.attributes["dilations"].ints)
		}
	}
	if n.attributes["ceil_mode"].i != 0 {
		return fmt.Errorf("ceil_mode is set; ours rounds down")
	}
	if len(n.attributes["kernel_shape"].ints) == 0 {
		return fmt.Errorf("it has no kernel_shape")
	}
	size, err := pair(n, "kernel_shape", 0)
	if err != nil {
		return err
	}
	strides, err := pair(n, "strides", 1)
	if err != nil {
		return err
	}
	pad, err := padding(n)
	if err != nil {
		return err
	}
	if kind == "avgpool2d" && pad != "valid" {
		if list, ok := pad.([]any); !ok || list[0] != int64(0) || list[1] != int64(0) {
			return fmt.Errorf("means over zeros around the image are not read")
		}
	}
	_, err = t.add(n, kind, map[string]any{"size": []any{size[0], size[1]}, "stride": []any{strides[0], strides[1]}, "padding": pad}, 4, n.inputs[0])
	return err
}

// reshape is read where it makes a row of each record.
func (t *translation) reshape(n onnxNode) error {
	shape, err := t.constant(n, 1, "shape")
	if err != nil {
		return err
	}
	if shape.DType != "i64" || len(shape.Shape) != 1 || shape.Shape[0] != 2 {
		return fmt.Errorf("only a row of each record, as of Flatten, is read")
	}
	_, err = t.add(n, "flatten", nil, 2, n.inputs[0])
	return err
}

// merge is an operation over several layers; an Add of a constant after a MatMul is its bias.
func (t *translation) merge(n onnxNode) error {
	if n.op == "Add" && len(n.inputs) == 2 {
		for k, in := range n.inputs {
			if bias, ok := t.graph.initializers[in]; ok {
				return t.bias(n, n.inputs[1-k], bias)
			}
		}
	}
	kind := map[string]string{"Add": "add", "Sum": "add", "Mul": "multiply", "Max": "maximum", "Mean": "average"}[n.op]
	_, err := t.add(n, kind, nil, t.rank[n.inputs[0]], n.inputs...)
	return err
}

func (t *translation) bias(n onnxNode, value string, bias closure.Tensor) error {
	last := len(t.model.Layers) - 1
	if last < 0 || t.values[value] != t.last || t.model.Layers[last].Kind != "dense" || t.model.Layers[last].Attributes["bias"] != false {
		return fmt.Errorf("a constant is added only to a product by a matrix")
	}
	l := &t.model.Layers[last]
	l.Attributes["bias"] = true
	if len(bias.Shape) == 2 && bias.Shape[0] == 1 {
		bias.Shape = bias.Shape[1:]
	}
	t.parameter(l.Name, "bias", bias)
	return t.made(n, l.Name, 2)
}
