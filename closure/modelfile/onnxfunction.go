package modelfile

import (
	"fmt"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// function is an activation.
func (t *translation) function(n onnxNode) error {
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	if n.op == "LeakyRelu" {
		if a, said := n.attributes["alpha"]; said && a.f != 0.01 {
			return t.slope(n, in, a.f)
		}
	}
	f, err := t.functionOf(n)
	if err != nil {
		return err
	}
	_, err = t.add(n, "activation", map[string]any{"function": f}, in, in)
	return err
}

// slope is a leaky rectifier of any slope, which stays as it is in training.
func (t *translation) slope(n onnxNode, in value, slope float32) error {
	if err := only(n, "alpha"); err != nil {
		return err
	}
	name, err := t.add(n, "prelu", map[string]any{"shared": true, "slope": short(slope)}, in, in)
	if err != nil {
		return err
	}
	t.model.Layers[t.at[name]].Rate = new(float64)
	return t.parameter(name, "weight", []int{1}, []float32{slope})
}

// prelu has a trained slope, for all channels or for each.
func (t *translation) prelu(n onnxNode) error {
	if err := only(n); err != nil {
		return err
	}
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	shape, slopes, err := t.constant(n, 1, "slope")
	if err != nil {
		return err
	}
	channels := in.shape[0]
	if len(slopes) != 1 && (len(slopes) != channels || len(shape) == 0 || shape[0] != channels && len(shape) != 1) {
		return fmt.Errorf("its slope has the shape %v; there are %d channels", shape, channels)
	}
	shared := len(slopes) == 1
	if !shared {
		slopes = in.order.columns(slopes)
	}
	name, err := t.add(n, "prelu", map[string]any{"shared": shared}, in, in)
	if err != nil {
		return err
	}
	return t.parameter(name, "weight", []int{len(slopes)}, slopes)
}

// functionOf is what we call the function of a node. Its constants must be ours.
func (t *translation) functionOf(n onnxNode) (string, error) {
	ours := map[string]float64{}
	var f string
	switch n.op {
	case "Relu":
		f = "relu"
	case "Tanh":
		f = "tanh"
	case "Sigmoid":
		f = "sigmoid"
	case "Softplus":
		f = "softplus"
	case "Softsign":
		f = "softsign"
	case "Silu":
		f = "silu"
	case "HardSwish":
		f = "hard-swish"
	case "LeakyRelu":
		f, ours["alpha"] = "leaky-relu", 0.01
	case "Elu":
		f, ours["alpha"] = "elu", 1
	case "Selu":
		f, ours["alpha"], ours["gamma"] = "selu", 1.67326319217681884765625, 1.05070102214813232421875
	case "HardSigmoid":
		if _, said := n.attributes["alpha"]; !said {
			return "", refuse("", "alpha is 0.2; ours is 1/6")
		}
		f, ours["alpha"], ours["beta"] = "hard-sigmoid", 1./6, 0.5
	case "Gelu":
		switch how := n.attributes["approximate"].s; how {
		case "", "none":
			f = "gelu"
		case "tanh":
			f = "gelu-tanh"
		default:
			return "", fmt.Errorf("the approximation %q is not known", how)
		}
		return f, only(n, "approximate")
	case "Clip":
		least, most := t.scalar(n, 1, "min"), t.scalar(n, 2, "max")
		if least != 0 || most != 6 {
			return "", refuse("", "it clips to %v … %v; only to 0 … 6 is read", least, most)
		}
		return "relu6", only(n, "min", "max")
	}
	known := make([]string, 0, len(ours))
	for name, want := range ours {
		known = append(known, name)
		if a, said := n.attributes[name]; said && math.Abs(float64(a.f)-want) > 1e-6 {
			return "", refuse("", "%s is %v; ours is %v", name, a.f, float32(want))
		}
	}
	return f, only(n, known...)
}

// scalar is a number that a node has as an input, or in older versions as an attribute; NaN where it is neither.
func (t *translation) scalar(n onnxNode, k int, name string) float64 {
	if a, ok := n.attributes[name]; ok {
		return float64(a.f)
	}
	if n.has(k) {
		if x, ok := scalarOf(t.graph.initializers[n.inputs[k]]); ok {
			return x
		}
	}
	return math.NaN()
}

// scalarOf is the only element of a tensor of floats.
func scalarOf(c closure.Tensor) (float64, bool) {
	if c.DType != "f32" && c.DType != "f64" || schema.Elements(c.Shape) != 1 {
		return 0, false
	}
	v, err := valuesOf(c)
	return float64(append(v, 0)[0]), err == nil
}

// merge is an operation over several layers, element by element. An Add of a constant after a MatMul is its bias.
func (t *translation) merge(n onnxNode) error {
	if err := only(n); err != nil {
		return err
	}
	if n.op == "Add" && len(n.inputs) == 2 {
		for k, in := range n.inputs {
			if _, ok := t.graph.initializers[in]; ok {
				return t.bias(n, 1-k, k)
			}
		}
	}
	kind := map[string]string{"Add": "add", "Sum": "add", "Mul": "multiply", "Max": "maximum", "Mean": "average"}[n.op]
	inputs, err := t.readAll(n)
	if err != nil {
		return err
	}
	if len(inputs) == 1 {
		return t.made(n, inputs[0])
	}
	for _, v := range inputs[1:] {
		if !slices.Equal(v.shape, inputs[0].shape) || v.row != inputs[0].row {
			return refuse("", "its inputs have the shapes %v and %v; they must be equal", inputs[0].shape, v.shape)
		}
		if !slices.Equal(v.order, inputs[0].order) {
			return fmt.Errorf("one of its inputs is a flattened image, and another not, or of another shape")
		}
	}
	_, err = t.add(n, kind, nil, inputs[0], inputs...)
	return err
}

func (t *translation) readAll(n onnxNode) ([]value, error) {
	inputs := make([]value, 0, len(n.inputs))
	for k := range n.inputs {
		v, err := t.read(n, k)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, v)
	}
	if len(inputs) == 0 {
		return nil, fmt.Errorf("it has no inputs")
	}
	return inputs, nil
}

// bias adds constants to the outputs of a product by a matrix.
func (t *translation) bias(n onnxNode, product, constant int) error {
	v, err := t.read(n, product)
	if err != nil {
		return err
	}
	k, ok := t.at[v.layer]
	if !ok || t.model.Layers[k].Kind != "dense" || t.model.Layers[k].Attributes["bias"] != false || t.readers[v.layer] > 0 {
		return refuse("", "a constant is added only to a product by a matrix")
	}
	values, err := t.vector(n, constant, "constant", v.shape[0])
	if err != nil {
		return err
	}
	t.model.Layers[k].Attributes["bias"] = true
	if err := t.parameter(v.layer, "bias", v.shape, values); err != nil {
		return err
	}
	return t.made(n, v)
}

// concat puts channels one behind the other, or the elements of rows.
func (t *translation) concat(n onnxNode) error {
	inputs, err := t.readAll(n)
	if err != nil {
		return err
	}
	first := inputs[0]
	axis, ok := n.attributes["axis"]
	if !ok || axis.i != 1 && axis.i != -int64(len(first.shape)) {
		return fmt.Errorf("axis %d; channels are axis 1", axis.i)
	}
	if len(inputs) == 1 {
		return t.made(n, first)
	}
	made := value{shape: slices.Clone(first.shape), row: first.row}
	for _, v := range inputs[1:] {
		if v.row != first.row || !slices.Equal(v.shape[1:], first.shape[1:]) {
			return fmt.Errorf("its inputs have the shapes %v and %v; all but their channels must be equal", first.shape, v.shape)
		}
		if made.shape[0] += v.shape[0]; made.shape[0] > MaxSize {
			return fmt.Errorf("its output is too large")
		}
	}
	if made.order, ok = joinOrders(inputs); !ok {
		return fmt.Errorf("its output is of more than %d images", maxFlattened)
	}
	_, err = t.add(n, "concat", nil, made, inputs...)
	return err
}
