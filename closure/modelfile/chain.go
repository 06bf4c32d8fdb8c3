package modelfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Limits of JSON, of which a few bytes become many in memory.
const (
	maxJSON  = 1 << 28
	maxChain = 1 << 12 // layers
)

// readJSON tells the programs that write JSON apart by what they call their layers.
func readJSON(name string, data []byte) (*Model, error) {
	if len(data) > maxJSON {
		return nil, schema.Invalidf(name, "", "%d bytes of JSON; at most %d are read", len(data), maxJSON)
	}
	var file struct {
		Layers json.RawMessage `json:"layers"`
		mlitbNetwork
		Net mlitbNetwork `json:"net"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, schema.Invalidf(name, "", "is no network of ConvNetJS or MLitB: %v", err)
	}
	switch {
	case file.Net.Configs != nil:
		return readMLitB(name, file.Net)
	case file.Configs != nil:
		return readMLitB(name, file.mlitbNetwork)
	case file.Layers != nil:
		return readConvNetJS(name, file.Layers)
	}
	return nil, schema.Invalidf(name, "", "is no network of ConvNetJS or MLitB: it has neither layers nor configs")
}

// chain is a network whose layers come one after the other.
type chain struct {
	model  Model
	shape  []int // of the present output: [height, width, channels], or [features]
	counts map[string]int
	// scale is what the next weights are multiplied by: these programs' dropout multiplies when predicting, ours when training.
	scale float64
}

func newChain(format, layout string) *chain {
	tools := map[string]string{ConvNetJS: "ConvNetJS", MLitB: "MLitB"}
	return &chain{model: Model{Format: format, Tool: tools[format], Layout: layout}, counts: map[string]int{}, scale: 1}
}

// window moves over an image, its height and width first.
type window struct{ height, width, stride, pad int }

func (c *chain) input(height, width, depth int) error {
	if _, ok := sizeOf([]int{height, width, depth}); !ok {
		return fmt.Errorf("%d×%d×%d is no shape of an input", width, height, depth)
	}
	c.shape = []int{height, width, depth}
	if height == 1 && width == 1 {
		c.shape = c.shape[2:]
	}
	c.model.Input = c.shape
	return nil
}

func (c *chain) add(kind, stem string, attributes map[string]any) string {
	c.counts[stem]++
	name := fmt.Sprintf("%s%d", stem, c.counts[stem])
	c.model.Layers = append(c.model.Layers, layer(kind, name, attributes))
	return name
}

// going refuses what follows the loss.
func (c *chain) going() error {
	if c.model.Loss != "" {
		return errors.New("it follows the loss")
	}
	return nil
}

// slide is the padding of a window in our words, and makes its output the present one. after is how many zeros more there are below
// and right than above and left.
func (c *chain) slide(w window, out [2]int, after [2]int, channels int) (any, error) {
	defer func() { c.shape = []int{out[0], out[1], channels} }()
	if after == [2]int{} {
		return w.pad, nil
	}
	for side, kernel := range []int{w.height, w.width} {
		n := c.shape[side]
		total := max((out[side]-1)*w.stride+kernel-n, 0)
		if (n+w.stride-1)/w.stride != out[side] || total/2 != w.pad || total-total/2 != w.pad+after[side] {
			return nil, fmt.Errorf("its last window reaches %v beyond its input; ours would not", after)
		}
	}
	return "same", nil
}

// image checks that the present output is an image that a window fits into.
func (c *chain) image(w window) error {
	switch {
	case len(c.shape) != 3:
		return errors.New("its input is no image")
	case w.height < 1 || w.width < 1 || w.stride < 1 || w.pad < 0 || max(w.height, w.width, w.stride, w.pad) > 1<<16:
		return fmt.Errorf("a window of %d×%d with stride %d and padding %d is none", w.width, w.height, w.stride, w.pad)
	case c.shape[0]+2*w.pad < w.height || c.shape[1]+2*w.pad < w.width:
		return fmt.Errorf("a window of %d×%d is larger than its input of %d×%d", w.width, w.height, c.shape[1], c.shape[0])
	}
	return c.going()
}

// floor is the output of windows that stay within the padded image.
func (c *chain) floor(w window) [2]int {
	return [2]int{(c.shape[0]+2*w.pad-w.height)/w.stride + 1, (c.shape[1]+2*w.pad-w.width)/w.stride + 1}
}

// conv takes weights in the layout of the file. Its window has been checked by image.
func (c *chain) conv(w window, out, after [2]int, shape []int, weights, biases []float32) error {
	channels := shape[len(shape)-1]
	if c.model.Layout == LayoutPyTorch {
		channels = shape[1]
	}
	if channels != c.shape[2] {
		return fmt.Errorf("its filters have a depth of %d, and its input %d", channels, c.shape[2])
	}
	padding, err := c.slide(w, out, after, shape[0])
	if err != nil {
		return err
	}
	c.parameters(c.add("conv2d", "conv", map[string]any{
		"filters": shape[0], "kernel": []any{w.height, w.width}, "stride": w.stride, "padding": padding,
	}), shape, weights, biases)
	return nil
}

func (c *chain) pool(kind string, w window, out, after [2]int) error {
	padding, err := c.slide(w, out, after, c.shape[2])
	if err == nil {
		c.add(kind, kind[:7], map[string]any{"size": []any{w.height, w.width}, "stride": w.stride, "padding": padding})
	}
	return err
}

func (c *chain) full(shape []int, weights, biases []float32) error {
	if err := c.going(); err != nil {
		return err
	}
	if n, _ := sizeOf(c.shape); n != shape[1] {
		return fmt.Errorf("it has %d inputs, and there are %d", shape[1], n)
	}
	if len(c.shape) == 3 {
		c.add("flatten", "flatten", nil)
	}
	c.parameters(c.add("dense", "dense", map[string]any{"units": shape[0]}), shape, weights, biases)
	c.shape = shape[:1]
	return nil
}

func (c *chain) parameters(name string, shape []int, weights, biases []float32) {
	if c.scale != 1 {
		for k, w := range weights {
			weights[k] = float32(float64(w) * c.scale)
		}
		c.scale = 1
	}
	c.model.Tensors = append(c.model.Tensors,
		closure.Tensor{Name: name + ".weight", DType: "f32", Shape: shape, Data: floats(weights)},
		closure.Tensor{Name: name + ".bias", DType: "f32", Shape: shape[:1], Data: floats(biases)})
}

func (c *chain) function(f string) error {
	if c.scale != 1 && f != "relu" { // which a positive factor goes through
		return errors.New("it follows a dropout, which multiplies when predicting; remove that, and multiply the weights after it")
	}
	if err := c.going(); err != nil {
		return err
	}
	c.add("activation", "activation", map[string]any{"function": f})
	return nil
}

// dropout drops when training. When predicting these programs multiply by their rate, for which the next weights are multiplied here.
func (c *chain) dropout(rate float64) error {
	if !(rate > 0 && rate < 1) {
		return fmt.Errorf("a rate of %v is none", rate)
	}
	if err := c.going(); err != nil {
		return err
	}
	c.add("dropout", "dropout", map[string]any{"rate": rate})
	c.scale *= rate
	return nil
}

func (c *chain) end(loss string) error {
	if c.scale != 1 {
		return errors.New("it follows a dropout, which multiplies when predicting, and no weights come in between")
	}
	if err := c.going(); err != nil {
		return err
	}
	c.model.Loss = loss
	return nil
}

func (c *chain) done(name string) (*Model, error) {
	switch {
	case len(c.model.Layers) == 0:
		return nil, schema.Invalidf(name, "", "there are no layers behind the input")
	case c.scale != 1:
		return nil, schema.Invalidf(name, "", "a dropout that multiplies when predicting comes last, and no weights behind it")
	}
	return &c.model, nil
}

// eachOf goes through a list without holding all of it.
func eachOf(list json.RawMessage, limit int, each func(json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(list))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errNoList
	}
	for n := 0; d.More(); n++ {
		if n == limit {
			return fmt.Errorf("there are more than %d", limit)
		}
		var element json.RawMessage
		if err := d.Decode(&element); err != nil {
			return err
		}
		if err := each(element); err != nil {
			return err
		}
	}
	return nil
}

var errNoList = errors.New("is no list")

// inLayer says where an error was; an *schema.Invalid says so itself.
func inLayer(name, path string, err error) error {
	if err == nil {
		return nil
	}
	return schema.Invalidf(name, path, "%v", err)
}

// notChain is the error of a list of layers: what was wrong in one of them, or that it is none.
func notChain(name, path string, err error) error {
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		return invalid
	}
	return schema.Invalidf(name, path, "%v", err)
}

// numbersOf are n numbers: a list, or an object {"0": …} as typed arrays are written. What JavaScript writes for NaN and infinity,
// null, is none.
func numbersOf(text json.RawMessage, n int) ([]float32, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	first, err := d.Token()
	if err != nil || first != json.Delim('[') && first != json.Delim('{') {
		return nil, errors.New("is no list of numbers")
	}
	if n > len(text)/2 { // a number and what is between it and the next
		return nil, fmt.Errorf("has fewer than %d numbers", n)
	}
	out, seen, count := make([]float32, n), make([]bool, n), 0
	for ; d.More(); count++ {
		at := count
		if first == json.Delim('{') {
			t, err := d.Token()
			key, _ := t.(string)
			if at, _ = strconv.Atoi(key); err != nil || strconv.Itoa(at) != key || at < 0 {
				return nil, fmt.Errorf("has a number named %q", key)
			}
		}
		if at >= n || seen[at] {
			return nil, fmt.Errorf("has more numbers than %d, or one twice", n)
		}
		t, err := d.Token()
		x, ok := t.(float64)
		if err != nil || !ok {
			return nil, fmt.Errorf("has at %d no number", at)
		}
		if out[at], seen[at] = float32(x), true; math.IsInf(float64(out[at]), 0) {
			return nil, fmt.Errorf("has at %d a number that is too large for an f32", at)
		}
	}
	if count != n {
		return nil, fmt.Errorf("has %d numbers, not %d", count, n)
	}
	return out, nil
}

// sizeOf multiplies a shape out; false where that is nothing, or more than a file can hold.
func sizeOf(shape []int) (int, bool) {
	wide := make([]int64, 0, len(shape))
	for _, d := range shape {
		wide = append(wide, int64(d))
	}
	n, ok := elements(wide)
	return n, ok && n > 0
}
