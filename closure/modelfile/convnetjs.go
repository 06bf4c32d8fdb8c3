package modelfile

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// ConvNetJS writes a network as the list of its layers. Its volumes are stored like ours, [height, width, depth], so filters and
// the inputs of full layers come in our order.
type convnetLayer struct {
	Type     string          `json:"layer_type"`
	Depth    int             `json:"out_depth"`
	OutSX    int             `json:"out_sx"`
	OutSY    int             `json:"out_sy"`
	SX       int             `json:"sx"`
	SY       int             `json:"sy"`
	Stride   int             `json:"stride"`
	Pad      int             `json:"pad"`
	InDepth  int             `json:"in_depth"`
	Inputs   int             `json:"num_inputs"`
	Filters  []convnetVolume `json:"filters"`
	Biases   *convnetVolume  `json:"biases"`
	Decaying float64         `json:"drop_prob"`
}

type convnetVolume struct {
	SX    int             `json:"sx"`
	SY    int             `json:"sy"`
	Depth int             `json:"depth"`
	W     json.RawMessage `json:"w"` // a list, or an object {"0": …} as typed arrays are written
}

func readConvNetJS(name string, data []byte) (*Model, error) {
	var file struct {
		Layers []convnetLayer `json:"layers"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, schema.Invalidf(name, "", "is no network of ConvNetJS: %v", err)
	}
	if len(file.Layers) == 0 || file.Layers[0].Type != "input" {
		return nil, schema.Invalidf(name, "layers", "is no network of ConvNetJS: there is no layer input at its beginning")
	}
	in := file.Layers[0]
	if in.Depth < 1 || in.OutSX < 1 || in.OutSY < 1 {
		return nil, schema.Invalidf(name, "layers[0]", "%d×%d×%d is no shape of an input", in.OutSX, in.OutSY, in.Depth)
	}
	c := convnet{model: Model{Format: ConvNetJS, Layout: LayoutReprise, Input: []int{in.OutSY, in.OutSX, in.Depth}}, image: true, counts: map[string]int{}}
	if in.OutSX == 1 && in.OutSY == 1 {
		c.model.Input, c.image = []int{in.Depth}, false
	}
	for i, l := range file.Layers[1:] {
		if c.model.Loss != "" {
			return nil, schema.Invalidf(name, fmt.Sprintf("layers[%d]", i+1), "follows the loss")
		}
		if err := c.layer(l); err != nil {
			return nil, schema.Invalidf(name, fmt.Sprintf("layers[%d] (%s)", i+1, l.Type), "%v", err)
		}
	}
	return &c.model, nil
}

type convnet struct {
	model  Model
	image  bool // the present output is an image, not a row
	counts map[string]int
}

func (c *convnet) add(kind, stem string, attributes map[string]any) string {
	c.counts[stem]++
	name := fmt.Sprintf("%s%d", stem, c.counts[stem])
	c.model.Layers = append(c.model.Layers, layer(kind, name, attributes))
	return name
}

func (c *convnet) layer(l convnetLayer) error {
	switch l.Type {
	case "conv":
		if !c.image {
			return fmt.Errorf("its input is no image")
		}
		name := c.add("conv2d", "conv", map[string]any{
			"filters": l.Depth, "kernel": []any{l.SY, l.SX}, "stride": max(l.Stride, 1), "padding": l.Pad,
		})
		return c.parameters(name, l, []int{l.Depth, l.SY, l.SX, l.InDepth})
	case "fc":
		if c.image {
			c.add("flatten", "flatten", nil)
			c.image = false
		}
		return c.parameters(c.add("dense", "dense", map[string]any{"units": l.Depth}), l, []int{l.Depth, l.Inputs})
	case "pool":
		c.add("maxpool2d", "maxpool", map[string]any{"size": []any{l.SY, l.SX}, "stride": max(l.Stride, 1), "padding": l.Pad})
	case "relu", "tanh", "sigmoid":
		c.add("activation", "activation", map[string]any{"function": l.Type})
	case "softmax":
		c.model.Loss = "softmax-cross-entropy"
	case "regression":
		c.model.Loss = "mean-squared-error"
	case "dropout":
		return fmt.Errorf("it scales by its rate when predicting, which no layer of ours does; remove it, and scale the weights of the layer after it")
	default:
		return fmt.Errorf("no layer of ours does the same")
	}
	return nil
}

// parameters adds the filters of a layer, one after the other, as a tensor of a shape, and its biases.
func (c *convnet) parameters(name string, l convnetLayer, shape []int) error {
	size, ok := elements([]int64{int64(shape[len(shape)-1]), int64(max(l.SX, 1)), int64(max(l.SY, 1))})
	if l.Type == "fc" {
		size = l.Inputs
	}
	if !ok || size < 1 || l.Depth < 1 || len(l.Filters) != l.Depth {
		return fmt.Errorf("it has %d filters for a depth of %d", len(l.Filters), l.Depth)
	}
	var weights []float32
	for i, f := range l.Filters {
		values, err := f.values(size)
		if err != nil {
			return fmt.Errorf("filters[%d]: %w", i, err)
		}
		weights = append(weights, values...)
	}
	if l.Biases == nil {
		return fmt.Errorf("it has no biases")
	}
	biases, err := l.Biases.values(l.Depth)
	if err != nil {
		return fmt.Errorf("biases: %w", err)
	}
	c.model.Tensors = append(c.model.Tensors,
		closure.Tensor{Name: name + ".weight", DType: "f32", Shape: shape, Data: floats(weights)},
		closure.Tensor{Name: name + ".bias", DType: "f32", Shape: []int{l.Depth}, Data: floats(biases)})
	return nil
}

// values are the n numbers of a volume.
func (v convnetVolume) values(n int) ([]float32, error) {
	var list []float64
	if err := json.Unmarshal(v.W, &list); err != nil {
		var object map[string]float64
		if err := json.Unmarshal(v.W, &object); err != nil {
			return nil, fmt.Errorf("w is no list of numbers")
		}
		list = make([]float64, len(object))
		for key, value := range object {
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(list) || strconv.Itoa(i) != key {
				return nil, fmt.Errorf("w has %d numbers, and one named %q", len(list), key)
			}
			list[i] = value
		}
	}
	if len(list) != n {
		return nil, fmt.Errorf("w has %d numbers, not %d", len(list), n)
	}
	out := make([]float32, n)
	for i, x := range list {
		if out[i] = float32(x); math.IsInf(float64(out[i]), 0) {
			return nil, fmt.Errorf("w[%d] is too large for an f32", i)
		}
	}
	return out, nil
}
