package modelfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// readONNX translates a graph. What it reads are the operations of onnxOperations, where a layer of ours computes the same;
// operations over constants and shapes (onnxfold.go); and some groups of nodes that are one function (onnxjoin.go). Its
// tensors come in our layout.
func readONNX(name string, data []byte) (*Model, error) {
	g, err := parseONNX(data)
	if err != nil {
		return nil, schema.Invalidf(name, "", "is no ONNX model that can be read: %v", err)
	}
	t := &translation{
		graph: g, values: map[string]value{}, vectors: map[string][]int64{}, counts: map[string]int{}, at: map[string]int{}, readers: map[string]int{},
	}
	refused := func(path string, err error) error {
		p := schema.Problem{Path: path, Message: err.Error()}
		if r, ok := errors.AsType[*refusal](err); ok {
			p.Hint = r.hint
		}
		return &schema.Invalid{Document: name, Problems: []schema.Problem{p}}
	}
	g.nodes = joinFunctions(g)
	if problems := unknownOperations(g.nodes); len(problems) > 0 {
		return nil, &schema.Invalid{Document: name, Problems: problems}
	}
	if err := t.input(); err != nil {
		return nil, refused("input", err)
	}
	for _, n := range g.nodes {
		if err := t.node(n); err != nil {
			return nil, refused(describeNode(n), err)
		}
	}
	if err := t.output(); err != nil {
		return nil, refused("output", err)
	}
	if err := t.foldBiases(); err != nil {
		return nil, refused("", err)
	}
	return &t.model, nil
}

// refusal is an error that says what to do.
type refusal struct{ message, hint string }

func (r *refusal) Error() string { return r.message }

func refuse(hint, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), hint}
}

func describeNode(n onnxNode) string {
	if n.name != "" {
		return fmt.Sprintf("node %s (%s)", strconv.Quote(n.name), n.op)
	}
	return fmt.Sprintf("node %d (%s)", n.index, n.op)
}

// onnxOperations are those that become layers, or nothing.
var onnxOperations = map[string]func(*translation, onnxNode) error{
	"Conv": (*translation).conv, "Gemm": (*translation).gemm, "MatMul": (*translation).matMul,
	"BatchNormalization": (*translation).batchNorm, "PRelu": (*translation).prelu,
	"MaxPool": (*translation).pool, "AveragePool": (*translation).pool,
	"GlobalAveragePool": (*translation).globalPool, "GlobalMaxPool": (*translation).globalPool, "ReduceMean": (*translation).reduceMean,
	"Flatten": (*translation).flatten, "Reshape": (*translation).reshape, "Squeeze": (*translation).squeeze,
	"Relu": (*translation).function, "LeakyRelu": (*translation).function, "Elu": (*translation).function, "Selu": (*translation).function,
	"Gelu": (*translation).function, "Silu": (*translation).function, "Clip": (*translation).function, "HardSwish": (*translation).function,
	"HardSigmoid": (*translation).function, "Softplus": (*translation).function, "Softsign": (*translation).function,
	"Tanh": (*translation).function, "Sigmoid": (*translation).function,
	"Add": (*translation).merge, "Sum": (*translation).merge, "Mul": (*translation).merge, "Max": (*translation).merge, "Mean": (*translation).merge,
	"Pad": (*translation).pad, "Concat": (*translation).concat, "Identity": (*translation).same, "Dropout": (*translation).same, "Cast": (*translation).same,
	"Softmax": (*translation).softmax, "LogSoftmax": (*translation).softmax,
}

// shownUnknown bounds how many unknown nodes an error names.
const shownUnknown = 20

// unknownOperations names all nodes that nothing here reads, so that nobody finds them one after the other.
func unknownOperations(nodes []onnxNode) []schema.Problem {
	var problems []schema.Problem
	known := make([]string, 0, len(onnxOperations))
	for op := range onnxOperations {
		known = append(known, op)
	}
	slices.Sort(known)
	for _, n := range nodes {
		if len(problems) == shownUnknown {
			break
		}
		problem := func(hint, format string, args ...any) {
			problems = append(problems, schema.Problem{Path: describeNode(n), Message: fmt.Sprintf(format, args...), Hint: hint})
		}
		_, layer := onnxOperations[n.op]
		switch {
		case n.domain != "" && n.domain != "ai.onnx":
			problem("export the model without operations of its own", "it is of the domain %q; only ONNX's own operations are read", n.domain)
		case !layer && !foldable(n.op):
			problem("leave it out of the model, or replace it by what is read, before exporting: "+strings.Join(known, ", "), "no layer of ours does what %s does", n.op)
		}
	}
	return problems
}

// translation goes through the nodes, which come in an order in which every value is there before it is read.
type translation struct {
	graph   *onnxGraph
	model   Model
	values  map[string]value
	vectors map[string][]int64 // small lists of integers that the graph holds or that follow from shapes
	counts  map[string]int     // of layers by stem
	at      map[string]int     // layer → its place in model.Layers
	readers map[string]int     // layer → how many read it
	last    string             // layer
	records int64              // the first dimension of the input
	size    int                // of all parameters, in bytes
	// ended is the value that a softmax has made, which must be the output.
	ended string
}

// value is what a node makes of each record.
type value struct {
	layer string // whose output it is
	shape []int  // as ONNX has it, without the batch: [channels, height, width], or [features]
	// row says that the layer makes a row, be it that ONNX still has a height and a width of 1.
	row bool
	// order is of a row that was images: ONNX has their channels one behind the other, we the channels of each pixel.
	order flattened
	// zeros are those that a Pad puts above, left of, below and right of the layer's output: for the window that reads it.
	zeros [4]int
}

func (v value) image() bool { return len(v.shape) == 3 && !v.row }

func (t *translation) input() error {
	t.model.Format, t.model.Tool, t.model.Layout = ONNX, t.graph.tool, LayoutReprise
	var inputs []onnxValue
	for _, v := range t.graph.inputs {
		if _, constant := t.graph.initializers[v.name]; !constant {
			inputs = append(inputs, v)
		}
	}
	if len(inputs) != 1 {
		return refuse("export the part of the model that reads one tensor", "the graph has %d inputs; one is read", len(inputs))
	}
	in := inputs[0]
	if len(in.shape) > 0 {
		t.records = in.shape[0]
		for _, d := range in.shape[1:] {
			if d < 1 {
				return refuse("export it for images of one size", "%q has the shape %v; all but the first dimension must be fixed", in.name, in.shape)
			}
		}
		if _, ok := elements(in.shape[1:]); !ok {
			return refuse("", "%q has the shape %v, which is too large", in.name, in.shape)
		}
	}
	v := value{layer: schema.InputLayer}
	switch len(in.shape) {
	case 2:
		v.shape, v.row = ints(in.shape[1:]), true
		t.model.Input = v.shape
	case 4:
		v.shape = ints(in.shape[1:])
		t.model.Input = []int{v.shape[1], v.shape[2], v.shape[0]}
	default:
		return refuse("", "%q has %d dimensions; [batch, features] and [batch, channels, height, width] are read", in.name, len(in.shape))
	}
	t.values[in.name], t.last = v, schema.InputLayer
	return nil
}

func (t *translation) output() error {
	if len(t.graph.outputs) != 1 {
		return refuse("export the part of the model that makes one tensor", "the graph has %d outputs; one is read", len(t.graph.outputs))
	}
	out := t.graph.outputs[0].name
	switch v, ok := t.values[out]; {
	case !ok:
		return fmt.Errorf("no node makes %q", out)
	case len(t.model.Layers) == 0:
		return fmt.Errorf("there are no layers")
	case v.layer != t.last:
		return refuse("leave out what the output does not depend on", "%q is not what the last layer makes", out)
	case t.ended != "" && t.ended != out:
		return fmt.Errorf("a softmax that is not the end of the graph is no layer")
	case v.zeros != [4]int{}:
		return fmt.Errorf("%q is padded with zeros, which only a window reads", out)
	case v.order != nil:
		return refuse("put a full layer behind it", "%q is an image as a row, of whose elements we have another order", out)
	}
	return nil
}

// read is an input of a node that a node before, or the graph's input, makes.
func (t *translation) read(n onnxNode, k int) (value, error) {
	if k >= len(n.inputs) || n.inputs[k] == "" {
		return value{}, fmt.Errorf("it has no input %d", k)
	}
	v, ok := t.values[n.inputs[k]]
	if !ok {
		if _, constant := t.graph.initializers[n.inputs[k]]; constant {
			return v, refuse("compute it before exporting", "its input %q is a constant", n.inputs[k])
		}
		return v, refuse("the nodes must come in an order in which every value is made before it is read", "its input %q is made by no node before", n.inputs[k])
	}
	if v.zeros != [4]int{} && !slices.Contains([]string{"Conv", "AveragePool", "MaxPool", "Pad"}, n.op) {
		return v, refuse("", "its input %q is padded with zeros, which only convolutions and means over windows read", n.inputs[k])
	}
	return v, nil
}

// add appends a layer that reads values, and makes the node's output of it.
func (t *translation) add(n onnxNode, kind string, attributes map[string]any, made value, inputs ...value) (string, error) {
	if t.ended != "" {
		return "", fmt.Errorf("it follows a softmax, which is read only at the end of the graph")
	}
	var from []string
	for _, in := range inputs {
		from = append(from, in.layer)
		t.readers[in.layer]++
	}
	if len(from) == 1 && from[0] == t.last {
		from = nil
	}
	stem := strings.TrimSuffix(kind, "2d")
	t.counts[stem]++
	made.layer = fmt.Sprintf("%s%d", stem, t.counts[stem])
	t.at[made.layer] = len(t.model.Layers)
	t.model.Layers = append(t.model.Layers, layer(kind, made.layer, attributes, from...))
	t.last = made.layer
	return made.layer, t.made(n, made)
}

// made notes what a node's output is.
func (t *translation) made(n onnxNode, v value) error {
	if err := t.free(n); err != nil {
		return err
	}
	shape := make([]int64, 0, len(v.shape))
	for _, d := range v.shape {
		shape = append(shape, int64(d))
	}
	if _, ok := elements(shape); !ok {
		return fmt.Errorf("its output has the shape %v, which is too large", v.shape)
	}
	t.values[n.outputs[0]] = v
	return nil
}

// parameter adds a tensor of a layer.
func (t *translation) parameter(layer, name string, shape []int, values []float32) error {
	if t.size += 4 * len(values); t.size > MaxSize { // many nodes can read one tensor
		return fmt.Errorf("the parameters up to here have more than %d bytes", MaxSize)
	}
	t.model.Tensors = append(t.model.Tensors, closure.Tensor{Name: layer + "." + name, DType: "f32", Shape: shape, Data: floats(values)})
	return nil
}

// constant is an input of a node that the graph holds.
func (t *translation) constant(n onnxNode, k int, what string) (shape []int, values []float32, err error) {
	if k >= len(n.inputs) {
		return nil, nil, fmt.Errorf("it has no %s", what)
	}
	c, ok := t.graph.initializers[n.inputs[k]]
	if !ok {
		return nil, nil, refuse("export the model with its parameters inside", "its %s %q is no constant of the graph", what, n.inputs[k])
	}
	if values, err = valuesOf(c); err != nil {
		return nil, nil, fmt.Errorf("its %s: %w", what, err)
	}
	return c.Shape, values, nil
}

// vector is a constant that must have as many values as a layer has outputs.
func (t *translation) vector(n onnxNode, k int, what string, size int) ([]float32, error) {
	shape, values, err := t.constant(n, k, what)
	if err == nil && (len(values) != size || len(shape) == 0 || shape[len(shape)-1] != size) {
		err = fmt.Errorf("its %s has the shape %v; it has %d outputs", what, shape, size)
	}
	return values, err
}

func (n onnxNode) has(k int) bool { return k < len(n.inputs) && n.inputs[k] != "" }

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
	if done, err := t.fold(n); done || err != nil {
		return err
	}
	read, ok := onnxOperations[n.op]
	if !ok {
		return fmt.Errorf("%s is read only where it works on shapes", n.op)
	}
	return read(t, n)
}
