package modelfile

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/reprise-ml/reprise/schema"
)

// mlitbNetwork is the research closure of MLitB (Meeds et al., 2015), as its pages hand it out: what was configured, and the
// parameters of all layers as lists, the biases of each behind its weights. Volumes are planes, [depth, height, width], as
// PyTorch's. Pixels go in as they are, from 0 to 255.
type mlitbNetwork struct {
	Configs json.RawMessage   `json:"configs"`
	Params  json.RawMessage   `json:"params"`
	Labels  map[string]string `json:"index2label"`
}

type mlitbLayer struct {
	Type       string          `json:"type"`
	SX         int             `json:"sx"`
	SY         *int            `json:"sy"`
	Depth      int             `json:"depth"`
	Stride     *int            `json:"stride"`
	Pad        int             `json:"pad"`
	Filters    int             `json:"filters"`
	Neurons    int             `json:"num_neurons"`
	Activation string          `json:"activation"`
	Drop       json.RawMessage `json:"drop_prob"`
	Pool       string          `json:"pool_type"`
	Multiplier *float64        `json:"weightMult"`
}

func readMLitB(name string, n mlitbNetwork) (*Model, error) {
	c := newChain(MLitB, LayoutPyTorch)
	var params []json.RawMessage
	if err := eachOf(n.Params, maxFilters, func(text json.RawMessage) error {
		params = append(params, text)
		return nil
	}); err != nil {
		return nil, schema.Invalidf(name, "params", "%v", err)
	}
	m := mlitb{chain: c, params: params}
	i := -1
	err := eachOf(n.Configs, maxChain, func(text json.RawMessage) error {
		var l mlitbLayer
		i++
		if err := json.Unmarshal(text, &l); err != nil {
			return schema.Invalidf(name, fmt.Sprintf("configs[%d]", i), "is no layer of MLitB: %v", err)
		}
		var err error
		switch {
		case i == 0 && l.Type == "input":
			err = c.input(l.height(), l.SX, l.Depth)
		case i == 0:
			err = fmt.Errorf("the first layer must be an input")
		default:
			err = m.layer(l)
		}
		return inLayer(name, fmt.Sprintf("configs[%d] (%s)", i, l.Type), err)
	})
	if err != nil {
		return nil, notChain(name, "configs", err)
	}
	if m.used != len(params) {
		return nil, schema.Invalidf(name, "params", "has %d lists; the layers take %d", len(params), m.used)
	}
	if c.model.Classes, err = classesOf(n.Labels, c.shape); err != nil {
		return nil, schema.Invalidf(name, "index2label", "%v", err)
	}
	return c.done(name)
}

// maxFilters bounds the lists of parameters.
const maxFilters = 1 << 20

type mlitb struct {
	*chain
	params []json.RawMessage
	used   int
}

// height is that of a window, which is square where it is not said.
func (l mlitbLayer) height() int {
	if l.SY != nil {
		return *l.SY
	}
	return l.SX
}

func (m *mlitb) layer(l mlitbLayer) error {
	activation := l.Activation
	switch l.Type {
	case "conv":
		if activation == "" {
			activation = "relu"
		}
		if err := m.convolution(l); err != nil {
			return err
		}
	case "fc":
		shape := []int{l.Neurons, 0}
		shape[1], _ = sizeOf(m.shape)
		weights, biases, err := m.take(l, shape, 1)
		if err != nil {
			return err
		}
		if err := m.full(shape, weights, biases); err != nil {
			return err
		}
	case "pool":
		activation = ""
		if err := m.pooling(l); err != nil {
			return err
		}
	case "relu", "sigmoid", "softmax", "linear":
		activation = l.Type
	case "dropout":
		activation = ""
		if l.Drop == nil {
			l.Drop = json.RawMessage("null")
		}
	default:
		return fmt.Errorf("MLitB has no such layer")
	}
	var err error
	switch activation {
	case "", "linear":
	case "relu", "sigmoid":
		err = m.function(activation)
	case "softmax":
		err = m.end("softmax-cross-entropy")
	default:
		err = fmt.Errorf("MLitB has no activation %q", activation)
	}
	if err != nil || l.Drop == nil {
		return err
	}
	rate := 0.5 // what is no number is that
	var said *float64
	if json.Unmarshal(l.Drop, &said) == nil && said != nil {
		rate = *said
	}
	return m.dropout(rate)
}

// rounded is the output of MLitB's windows: the number of steps is rounded, and the last window may reach beyond the image.
func (m *mlitb) rounded(w window) (out, after [2]int) {
	for side, kernel := range []int{w.height, w.width} {
		room := m.shape[side] + 2*w.pad - kernel
		out[side] = int(math.Floor(float64(room)/float64(w.stride)+0.5)) + 1
		after[side] = max((out[side]-1)*w.stride-room, 0)
	}
	return out, after
}

func (m *mlitb) convolution(l mlitbLayer) error {
	w := window{l.height(), l.SX, 1, l.Pad}
	if l.Stride != nil && *l.Stride <= min(w.height, w.width) { // others are taken for 1
		w.stride = *l.Stride
	}
	if err := m.image(w); err != nil {
		return err
	}
	shape := []int{l.Filters, m.shape[2], w.height, w.width}
	weights, biases, err := m.take(l, shape, l.Filters)
	if err != nil {
		return err
	}
	out, after := m.rounded(w)
	return m.conv(w, out, after, shape, weights, biases)
}

func (m *mlitb) pooling(l mlitbLayer) error {
	w := window{l.height(), l.SX, l.SX, l.Pad}
	if l.Stride != nil && *l.Stride <= l.SX { // others are taken for the width
		w.stride = *l.Stride
	}
	if err := m.image(w); err != nil {
		return err
	}
	if w.pad > 0 {
		return fmt.Errorf("MLitB reads pixels of other rows into padded windows, which no layer of ours does")
	}
	out, after := m.rounded(w)
	switch {
	case l.Pool == "" || l.Pool == "max":
		return m.pool("maxpool2d", w, out, after)
	case l.Pool == "avg" && after == [2]int{}:
		return m.pool("avgpool2d", w, out, after)
	case l.Pool == "avg":
		return fmt.Errorf("its last window reaches beyond its input, where MLitB takes means with -999999999")
	}
	return fmt.Errorf("MLitB has no pool_type %q", l.Pool)
}

// take reads the next lists: so many of weights, together of a shape, and one of biases.
func (m *mlitb) take(l mlitbLayer, shape []int, lists int) (weights, biases []float32, err error) {
	size, ok := sizeOf(shape)
	if !ok || lists < 1 {
		return nil, nil, fmt.Errorf("its weights have the shape %v", shape)
	}
	if len(m.params)-m.used < lists+1 {
		return nil, nil, fmt.Errorf("it has %d lists of parameters, and params only %d more", lists+1, len(m.params)-m.used)
	}
	for range lists {
		values, err := numbersOf(m.params[m.used], size/lists)
		if err != nil {
			return nil, nil, fmt.Errorf("params[%d] %w", m.used, err)
		}
		weights = append(weights, values...)
		m.used++
	}
	if l.Multiplier != nil {
		for k, w := range weights {
			weights[k] = float32(float64(w) * *l.Multiplier)
		}
	}
	if biases, err = numbersOf(m.params[m.used], shape[0]); err != nil {
		return nil, nil, fmt.Errorf("params[%d] %w", m.used, err)
	}
	m.used++
	return weights, biases, nil
}

// classesOf are the labels by their numbers; nil where there are none, or other numbers of them than outputs.
func classesOf(labels map[string]string, shape []int) ([]string, error) {
	if len(labels) == 0 {
		return nil, nil
	}
	if len(shape) != 1 || len(labels) != shape[0] {
		return nil, fmt.Errorf("has %d labels, and the network %v outputs", len(labels), shape)
	}
	classes := make([]string, len(labels))
	for k := range classes {
		label, ok := labels[strconv.Itoa(k)]
		if !ok {
			return nil, fmt.Errorf("has %d labels, but none for %d", len(labels), k)
		}
		classes[k] = label
	}
	return classes, nil
}
