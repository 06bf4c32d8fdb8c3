package modelfile

import (
	"encoding/json"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// ConvNetJS writes a network as the list of its layers. Its volumes are stored like ours, [height, width, depth], so filters and
// the inputs of full layers come in our order.
type convnetLayer struct {
	Type    string          `json:"layer_type"`
	Depth   int             `json:"out_depth"`
	OutSX   int             `json:"out_sx"`
	OutSY   int             `json:"out_sy"`
	SX      int             `json:"sx"`
	SY      int             `json:"sy"`
	Stride  int             `json:"stride"`
	Pad     int             `json:"pad"`
	InDepth int             `json:"in_depth"`
	Inputs  int             `json:"num_inputs"`
	Filters json.RawMessage `json:"filters"`
	Biases  *convnetVolume  `json:"biases"`
	Drop    float64         `json:"drop_prob"`
}

type convnetVolume struct {
	W json.RawMessage `json:"w"`
}

func readConvNetJS(name string, layers json.RawMessage) (*Model, error) {
	c := newChain(ConvNetJS, LayoutReprise)
	i := -1
	err := eachOf(layers, maxChain, func(text json.RawMessage) error {
		var l convnetLayer
		i++
		if err := json.Unmarshal(text, &l); err != nil {
			return schema.Invalidf(name, fmt.Sprintf("layers[%d]", i), "is no layer of ConvNetJS: %v", err)
		}
		err := error(nil)
		switch {
		case i == 0 && l.Type == "input":
			err = c.input(l.OutSY, l.OutSX, l.Depth)
		case i == 0:
			return nil
		default:
			err = c.convnet(l)
		}
		return inLayer(name, fmt.Sprintf("layers[%d] (%s)", i, l.Type), err)
	})
	switch {
	case err != nil:
		return nil, notChain(name, "layers", err)
	case c.model.Input == nil:
		return nil, schema.Invalidf(name, "layers", "is no network of ConvNetJS: there is no layer input at its beginning")
	}
	return c.done(name)
}

func (c *chain) convnet(l convnetLayer) error {
	switch l.Type {
	case "conv":
		w := window{l.SY, l.SX, max(l.Stride, 1), l.Pad}
		if err := c.image(w); err != nil {
			return err
		}
		shape := []int{l.Depth, l.SY, l.SX, l.InDepth}
		weights, biases, err := l.parameters(shape)
		if err != nil {
			return err
		}
		return c.conv(w, c.floor(w), [2]int{}, shape, weights, biases)
	case "fc":
		shape := []int{l.Depth, l.Inputs}
		weights, biases, err := l.parameters(shape)
		if err != nil {
			return err
		}
		return c.full(shape, weights, biases)
	case "pool":
		w := window{l.SY, l.SX, max(l.Stride, 1), l.Pad}
		if err := c.image(w); err != nil {
			return err
		}
		return c.pool("maxpool2d", w, c.floor(w), [2]int{})
	case "relu", "tanh", "sigmoid":
		return c.function(l.Type)
	case "softmax":
		return c.end("softmax-cross-entropy")
	case "regression":
		return c.end("mean-squared-error")
	case "dropout":
		return c.dropout(l.Drop)
	}
	return fmt.Errorf("no layer of ours does the same")
}

// parameters are the filters of a layer, one after the other, which must have a shape, and its biases.
func (l convnetLayer) parameters(shape []int) (weights, biases []float32, err error) {
	size, ok := sizeOf(shape)
	if !ok {
		return nil, nil, fmt.Errorf("its filters have the shape %v", shape)
	}
	n := 0
	if len(l.Filters) > 0 {
		err = eachOf(l.Filters, shape[0], func(text json.RawMessage) error {
			var v convnetVolume
			if err := json.Unmarshal(text, &v); err != nil {
				return fmt.Errorf("filters[%d]: %w", n, err)
			}
			values, err := numbersOf(v.W, size/shape[0])
			if err != nil {
				return fmt.Errorf("filters[%d]: w %w", n, err)
			}
			n++
			weights = append(weights, values...)
			return nil
		})
	}
	switch {
	case err != nil:
		return nil, nil, err
	case n != shape[0]:
		return nil, nil, fmt.Errorf("it has %d filters for a depth of %d", n, shape[0])
	case l.Biases == nil:
		return nil, nil, fmt.Errorf("it has no biases")
	}
	if biases, err = numbersOf(l.Biases.W, shape[0]); err != nil {
		err = fmt.Errorf("biases: w %w", err)
	}
	return weights, biases, err
}
