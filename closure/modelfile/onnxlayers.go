package modelfile

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/reprise-ml/reprise/closure"
)

// oneImage is a node's first input, which must be an image.
func (t *translation) oneImage(n onnxNode) (value, error) {
	v, err := t.read(n, 0)
	if err == nil && !v.image() {
		err = fmt.Errorf("its input has the shape %v, and not that of an image [channels, height, width]", v.shape)
	}
	return v, err
}

// oneRow is a node's first input, which must be a row.
func (t *translation) oneRow(n onnxNode) (value, error) {
	v, err := t.read(n, 0)
	if err == nil && len(v.shape) != 1 {
		err = refuse("put a Flatten before it", "its input has the shape %v; a row is read", v.shape)
	}
	return v, err
}

// pair is an attribute of two positive integers, with a default for both.
func pair(n onnxNode, name string, other int64) ([2]int, error) {
	a, ok := n.attributes[name]
	if !ok {
		return [2]int{int(other), int(other)}, nil
	}
	if len(a.ints) != 2 || a.ints[0] < 1 || a.ints[1] < 1 || a.ints[0] > 1<<20 || a.ints[1] > 1<<20 {
		return [2]int{}, fmt.Errorf("%s is %v; two positive numbers are read", name, a.ints)
	}
	return [2]int{int(a.ints[0]), int(a.ints[1])}, nil
}

// sliding is a window that moves over an image.
type sliding struct {
	kernel, stride [2]int
	padding        any    // as our layers have it
	padded         bool   // there are zeros of its own
	out            [2]int // height and width
}

// slide reads strides, pads and the like of a node whose window has a size. The zeros of a Pad before it are added to its own.
func slide(n onnxNode, in value, kernel [2]int) (sliding, error) {
	s := sliding{kernel: kernel}
	for _, d := range n.attributes["dilations"].ints {
		if d != 1 {
			return s, refuse("", "dilations are %v; ours are 1", n.attributes["dilations"].ints)
		}
	}
	var err error
	if s.stride, err = pair(n, "strides", 1); err != nil {
		return s, err
	}
	pads := [4]int{} // above, left, below, right
	if p := n.attributes["pads"].ints; len(p) > 0 {
		if len(p) != 4 || slices.ContainsFunc(p, func(x int64) bool { return x < 0 || x > 1<<20 }) {
			return s, fmt.Errorf("pads are %v; four numbers are read, none negative", p)
		}
		copy(pads[:], ints(p))
	}
	own := pads
	for k, zeros := range in.zeros {
		pads[k] += zeros
	}
	var same [4]int // what keeps height / stride and width / stride, the odd zeros below and right
	for side := range 2 {
		size := in.shape[1+side]
		out := (size + s.stride[side] - 1) / s.stride[side]
		total := max((out-1)*s.stride[side]+kernel[side]-size, 0)
		same[side], same[2+side] = total/2, total-total/2
	}
	auto := n.attributes["auto_pad"].s
	if auto != "" && auto != "NOTSET" && in.zeros != [4]int{} {
		return s, refuse("write the zeros into its pads", "a Pad before it adds zeros, and auto_pad %s, too", auto)
	}
	switch auto {
	case "", "NOTSET":
	case "VALID":
		pads, own = [4]int{}, [4]int{}
	case "SAME_UPPER":
		pads, own = same, same
	case "SAME_LOWER":
		if pads, own = same, same; same[0] != same[2] || same[1] != same[3] {
			return s, refuse("use SAME_UPPER", "auto_pad SAME_LOWER puts the odd zeros above and left, and ours below and right")
		}
	default:
		return s, fmt.Errorf("auto_pad %s is not known", auto)
	}
	for side := range 2 {
		room := in.shape[1+side] + pads[side] + pads[2+side] - kernel[side]
		if room < 0 {
			return s, fmt.Errorf("its window %v is larger than its input %v", kernel, in.shape)
		}
		s.out[side] = room/s.stride[side] + 1
		if n.attributes["ceil_mode"].i != 0 && room%s.stride[side] != 0 {
			return s, refuse("choose a size that the strides divide, or export it without", "ceil_mode is set, and makes a difference here; ours rounds down")
		}
	}
	s.padded = own != [4]int{}
	switch {
	case pads == [4]int{}:
		s.padding = "valid"
	case pads[0] == pads[2] && pads[1] == pads[3]:
		s.padding = []any{pads[0], pads[1]}
	case pads == same:
		s.padding = "same"
	default:
		return s, refuse("pad evenly", "pads are %v; the same above and below, and left and right, are read", pads)
	}
	return s, nil
}

func list(p [2]int) []any { return []any{p[0], p[1]} }

func (t *translation) conv(n onnxNode) error {
	if err := only(n, "kernel_shape", "strides", "pads", "auto_pad", "dilations", "group"); err != nil {
		return err
	}
	in, err := t.oneImage(n)
	if err != nil {
		return err
	}
	shape, weight, err := t.constant(n, 1, "weight")
	if err != nil {
		return err
	}
	if len(shape) != 4 || len(weight) == 0 {
		return fmt.Errorf("its weight has the shape %v; convolutions of images are read", shape)
	}
	filters, channels, kernel := shape[0], in.shape[0], [2]int{shape[2], shape[3]}
	if said, err := pair(n, "kernel_shape", 0); err != nil || said[0] > 0 && said != kernel {
		return fmt.Errorf("kernel_shape is %v, and its weight %v", n.attributes["kernel_shape"].ints, shape)
	}
	groups := 1
	if g, ok := n.attributes["group"]; ok {
		if groups = int(g.i); g.i < 1 || g.i > int64(channels) || channels%groups != 0 || filters%groups != 0 {
			return fmt.Errorf("it has %d groups for %d channels and %d filters", g.i, channels, filters)
		}
	}
	if shape[1] != channels/groups {
		return fmt.Errorf("its weight has the shape %v; its input has %d channels, in %d groups", shape, channels, groups)
	}
	s, err := slide(n, in, kernel)
	if err != nil {
		return err
	}
	a := map[string]any{"kernel": list(kernel), "stride": list(s.stride), "padding": s.padding, "bias": n.has(2)}
	kind, ours := "conv2d", []int{filters, kernel[0], kernel[1], shape[1]}
	switch {
	case groups == 1:
		a["filters"] = filters
		weight = permute(weight, shape, []int{0, 2, 3, 1})
	case groups == channels && filters == channels:
		kind, ours = "depthwise-conv2d", ours[:3]
	default:
		return refuse("", "it has %d groups; ours have one, or as many as there are channels and filters", groups)
	}
	name, err := t.add(n, kind, a, value{shape: []int{filters, s.out[0], s.out[1]}}, in)
	if err != nil {
		return err
	}
	if err := t.parameter(name, "weight", ours, weight); err != nil || !n.has(2) {
		return err
	}
	bias, err := t.vector(n, 2, "bias", filters)
	if err != nil {
		return err
	}
	return t.parameter(name, "bias", []int{filters}, bias)
}

func (t *translation) gemm(n onnxNode) error {
	if err := only(n, "alpha", "beta", "transA", "transB"); err != nil {
		return err
	}
	for _, name := range []string{"alpha", "beta"} {
		if a, ok := n.attributes[name]; ok && a.f != 1 {
			return refuse("multiply the weights by it before exporting", "%s is %v; ours is 1", name, a.f)
		}
	}
	if n.attributes["transA"].i != 0 {
		return fmt.Errorf("transA is set, which mixes records")
	}
	return t.dense(n, n.attributes["transB"].i != 0, n.has(2))
}

func (t *translation) matMul(n onnxNode) error { return t.dense(n, false, false) }

// dense is a full layer with the weights [inputs, outputs], or the other way round.
func (t *translation) dense(n onnxNode, outputsFirst, bias bool) error {
	in, err := t.oneRow(n)
	if err != nil {
		return err
	}
	shape, weight, err := t.constant(n, 1, "weight")
	if err != nil {
		return err
	}
	if len(shape) != 2 || len(weight) == 0 {
		return fmt.Errorf("its weight has the shape %v; a matrix is read", shape)
	}
	if !outputsFirst {
		weight, shape = permute(weight, shape, []int{1, 0}), []int{shape[1], shape[0]}
	}
	if shape[1] != in.shape[0] {
		return fmt.Errorf("its weight is of %d inputs, and its input has the shape %v", shape[1], in.shape)
	}
	units := shape[0]
	name, err := t.add(n, "dense", map[string]any{"units": units, "bias": bias}, value{shape: []int{units}, row: true}, in)
	if err != nil {
		return err
	}
	if err := t.parameter(name, "weight", shape, in.order.columns(weight)); err != nil || !bias {
		return err
	}
	values, err := t.vector(n, 2, "bias", units)
	if err != nil {
		return err
	}
	return t.parameter(name, "bias", []int{units}, values)
}

// batchNorm is PyTorch's but for the momentum, which ONNX gives to what was, and we, as PyTorch, to what is new.
func (t *translation) batchNorm(n onnxNode) error {
	if err := only(n, "epsilon", "momentum", "training_mode", "spatial"); err != nil {
		return err
	}
	if n.attributes["training_mode"].i != 0 {
		return refuse("export the model after model.eval()", "it is in training mode")
	}
	if s, ok := n.attributes["spatial"]; ok && s.i != 1 {
		return fmt.Errorf("it has statistics for each pixel; ours are of channels")
	}
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	a := map[string]any{"epsilon": 1e-5, "momentum": 0.1}
	if e, ok := n.attributes["epsilon"]; ok {
		a["epsilon"] = short(e.f)
	}
	if m, ok := n.attributes["momentum"]; ok {
		a["momentum"] = math.Round((1-short(m.f))*1e6) / 1e6
	}
	var tensors [4][]float32
	channels := in.shape[0]
	for k, what := range []string{"scale", "bias", "mean", "variance"} {
		values, err := t.vector(n, 1+k, what, channels)
		if err != nil {
			return err
		}
		tensors[k] = in.order.columns(values)
	}
	for c, v := range tensors[3] {
		if v < 0 {
			return fmt.Errorf("the variance of channel %d is %v", c, v)
		}
	}
	name, err := t.add(n, "batch-norm", a, in, in)
	if err != nil {
		return err
	}
	for k, ours := range []string{"weight", "bias", "mean", "variance"} {
		if err := t.parameter(name, ours, []int{channels}, tensors[k]); err != nil {
			return err
		}
	}
	return nil
}

// short is the decimal number that an f32 was written as.
func short(x float32) float64 {
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	if err != nil {
		return float64(x)
	}
	return d
}

// foldBiases takes the bias of a layer that only a batch norm reads into the norm's mean. Ours have none there, since the norm
// takes it away again.
func (t *translation) foldBiases() error {
	tensors := map[string]int{}
	for k, tensor := range t.model.Tensors {
		tensors[tensor.Name] = k
	}
	dropped := map[string]bool{}
	for k := range t.model.Layers {
		norm := &t.model.Layers[k]
		if norm.Kind != "batch-norm" {
			continue
		}
		before := t.before(k)
		if before == "" || t.readers[before] != 1 {
			continue
		}
		l := &t.model.Layers[t.at[before]]
		bias, ok := tensors[before+".bias"]
		if !ok || l.Attributes["bias"] != true {
			continue
		}
		mean := tensors[norm.Name+".mean"]
		b, err := valuesOf(t.model.Tensors[bias])
		if err != nil {
			return err
		}
		m, err := valuesOf(t.model.Tensors[mean])
		if err != nil {
			return err
		}
		for c := range m {
			m[c] = float32(float64(m[c]) - float64(b[c]))
		}
		t.model.Tensors[mean].Data = floats(m)
		l.Attributes["bias"] = false
		dropped[before+".bias"] = true
	}
	t.model.Tensors = slices.DeleteFunc(t.model.Tensors, func(tensor closure.Tensor) bool { return dropped[tensor.Name] })
	return nil
}

// before is the one layer that layer k reads; empty where that is the input.
func (t *translation) before(k int) string {
	if in := t.model.Layers[k].Inputs; len(in) > 0 {
		if _, ok := t.at[in[0]]; ok {
			return in[0]
		}
		return ""
	}
	if k == 0 {
		return ""
	}
	return t.model.Layers[k-1].Name
}

func (t *translation) pool(n onnxNode) error {
	kind, known := "maxpool2d", []string{"kernel_shape", "strides", "pads", "auto_pad", "ceil_mode", "dilations", "storage_order"}
	if n.op == "AveragePool" {
		kind, known = "avgpool2d", append(known, "count_include_pad")
	}
	if err := only(n, known...); err != nil {
		return err
	}
	in, err := t.oneImage(n)
	if err != nil {
		return err
	}
	if n.op == "MaxPool" && in.zeros != [4]int{} {
		return refuse("pad in the MaxPool itself", "a Pad before it adds zeros, among which it looks for the largest, and ours does not")
	}
	size, err := pair(n, "kernel_shape", 0)
	if err != nil {
		return err
	}
	if size[0] == 0 {
		return fmt.Errorf("it has no kernel_shape")
	}
	s, err := slide(n, in, size)
	if err != nil {
		return err
	}
	if n.op == "AveragePool" && s.padded && n.attributes["count_include_pad"].i == 0 {
		return refuse("set count_include_pad, or leave the padding out", "it leaves the zeros around the image out of the mean, and ours does not")
	}
	_, err = t.add(n, kind, map[string]any{"size": list(size), "stride": list(s.stride), "padding": s.padding}, value{shape: []int{in.shape[0], s.out[0], s.out[1]}}, in)
	return err
}

// pad notes zeros, which the window behind adds to its own.
func (t *translation) pad(n onnxNode) error {
	if err := only(n, "mode", "pads", "value"); err != nil {
		return err
	}
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	pads := n.attributes["pads"].ints
	if n.has(1) {
		pads, _ = t.integers(n.inputs[1])
	}
	dims := 1 + len(in.shape)
	if n.has(3) || len(pads) != 2*dims || slices.ContainsFunc(pads, func(x int64) bool { return x < 0 || x > 1<<20 }) {
		return fmt.Errorf("its pads are %v; two numbers for each of %d dimensions are read, none negative", pads, dims)
	}
	if !slices.ContainsFunc(pads, func(x int64) bool { return x != 0 }) {
		return t.made(n, in)
	}
	value := 0.0
	if _, attribute := n.attributes["value"]; attribute || n.has(2) {
		value = t.scalar(n, 2, "value")
	}
	if mode := n.attributes["mode"].s; mode != "" && mode != "constant" || value != 0 {
		return refuse("", "its mode is %q, its value %v; zeros are read", mode, value)
	}
	if !in.image() || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0 {
		return fmt.Errorf("it pads %v; only zeros around images are read", pads)
	}
	for k, at := range []int{2, 3, 6, 7} {
		in.zeros[k] += int(pads[at])
	}
	return t.made(n, in)
}

func (t *translation) globalPool(n onnxNode) error {
	in, err := t.read(n, 0)
	switch {
	case err != nil:
		return err
	case len(in.shape) != 3:
		_, err = t.oneImage(n)
		return err
	case in.row: // its height and width are 1
		return t.made(n, in)
	}
	kind := "global-average-pool"
	if n.op == "GlobalMaxPool" {
		kind = "global-max-pool"
	}
	_, err = t.add(n, kind, nil, value{shape: []int{in.shape[0], 1, 1}, row: true}, in)
	return err
}

// reduceMean is read where it is a global pool.
func (t *translation) reduceMean(n onnxNode) error {
	if err := only(n, "axes", "keepdims", "noop_with_empty_axes"); err != nil {
		return err
	}
	axes := n.attributes["axes"].ints
	if n.has(1) {
		axes, _ = t.integers(n.inputs[1])
	}
	if !bothSides(axes) {
		return fmt.Errorf("its axes are %v; only means over height and width, 2 and 3, are read", axes)
	}
	if keep, ok := n.attributes["keepdims"]; ok && keep.i == 0 {
		all := n
		all.outputs = []string{fmt.Sprintf("%s (height and width kept)", n.output())}
		if err := t.globalPool(all); err != nil {
			return err
		}
		v := t.values[all.outputs[0]]
		v.shape = v.shape[:1]
		return t.made(n, v)
	}
	return t.globalPool(n)
}

func (n onnxNode) output() string {
	if len(n.outputs) == 0 {
		return ""
	}
	return n.outputs[0]
}

// bothSides reports whether axes are those of height and width.
func bothSides(axes []int64) bool {
	sorted := slices.Clone(axes)
	for k, a := range sorted {
		if a < 0 {
			sorted[k] = a + 4
		}
	}
	slices.Sort(sorted)
	return slices.Equal(sorted, []int64{2, 3})
}

func (t *translation) flatten(n onnxNode) error {
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	if axis, ok := n.attributes["axis"]; ok && axis.i != 1 && axis.i != -int64(len(in.shape)) {
		return fmt.Errorf("axis %d; rows are made of axis 1", axis.i)
	}
	return t.asRow(n, in)
}

// asRow makes a row of each record.
func (t *translation) asRow(n onnxNode, in value) error {
	if in.row {
		in.shape = []int{in.shape[0]}
		return t.made(n, in)
	}
	size := in.shape[0] * in.shape[1] * in.shape[2]
	_, err := t.add(n, "flatten", nil, value{shape: []int{size}, row: true, order: flatten(in.shape)}, in)
	return err
}

// reshape is read where it makes a row of each record, or nothing else than was.
func (t *translation) reshape(n onnxNode) error {
	if err := only(n, "allowzero"); err != nil {
		return err
	}
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	if !n.has(1) {
		return fmt.Errorf("it has no shape")
	}
	shape, ok := t.integers(n.inputs[1])
	if !ok {
		return refuse("export it for images of one size", "its shape %q is not known before it runs", n.inputs[1])
	}
	size := 1
	for _, d := range in.shape {
		size *= d
	}
	want := make([]int64, 0, len(in.shape))
	for _, d := range in.shape {
		want = append(want, int64(d))
	}
	switch {
	case len(shape) == 2 && t.isBatch(shape[0]) && (shape[1] == int64(size) || shape[1] == -1 && shape[0] != -1):
		return t.asRow(n, in)
	case len(shape) == len(want)+1 && t.isBatch(shape[0]) && slices.Equal(shape[1:], want):
		return t.made(n, in)
	}
	return refuse("use Flatten", "it makes %v of [batch] and %v; only a row of each record, as of Flatten, is read", readable(shape), in.shape)
}

// squeeze is read where it makes a row of pixels.
func (t *translation) squeeze(n onnxNode) error {
	if err := only(n, "axes"); err != nil {
		return err
	}
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	axes := n.attributes["axes"].ints
	if n.has(1) {
		axes, _ = t.integers(n.inputs[1])
	}
	if len(in.shape) != 3 || in.shape[1] != 1 || in.shape[2] != 1 || !bothSides(axes) {
		return fmt.Errorf("it takes the axes %v of the shape %v; only the height and width of single pixels, 2 and 3, are read", axes, in.shape)
	}
	return t.asRow(n, in)
}

// same is an operation that changes nothing when predicting.
func (t *translation) same(n onnxNode) error {
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	const float, double = 1, 11
	if to := n.attributes["to"].i; n.op == "Cast" && to != float && to != double {
		return fmt.Errorf("it makes elements of type %d; ours are floats", to)
	}
	return t.made(n, in)
}

func (t *translation) softmax(n onnxNode) error {
	in, err := t.read(n, 0)
	if err != nil {
		return err
	}
	axis, said := n.attributes["axis"]
	if len(in.shape) != 1 || said && axis.i != 1 && axis.i != -1 {
		return fmt.Errorf("only a softmax over the rows of a layer is read")
	}
	if t.ended != "" {
		return fmt.Errorf("it follows a softmax, which is read only at the end of the graph")
	}
	t.ended, t.model.Loss = n.output(), "softmax-cross-entropy"
	return t.made(n, in)
}
