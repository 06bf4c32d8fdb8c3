package modelfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Slot is a parameter that an engine wants.
type Slot struct {
	Name  string
	Shape []int
	// Flattened is the shape [height, width, channels] of the image whose elements are the inputs of a dense layer, or those that a
	// parameter has one value for; else nil.
	Flattened []int
}

// Onto finds the tensor of each slot and brings it into our layout. names says what the file calls a slot that it does not call
// by its own name, and, under "", which of the file's tensors nobody wants. Whatever is missing, left over or of another shape is
// a problem of the *schema.Invalid.
func (m *Model) Onto(document string, slots []Slot, names Names) ([]closure.Tensor, error) {
	var problems []schema.Problem
	problem := func(path, hint, format string, args ...any) {
		problems = append(problems, schema.Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	left := map[string]closure.Tensor{}
	for _, t := range m.Tensors {
		if _, twice := left[t.Name]; twice {
			problem(t.Name, "", "is there twice")
		}
		left[t.Name] = t
	}
	for _, dropped := range names.Dropped {
		if _, ok := left[dropped]; !ok {
			problem(dropped, "", "is not in the file, and need not be dropped")
		}
		delete(left, dropped)
	}
	for slot := range names.Theirs {
		if !slices.ContainsFunc(slots, func(s Slot) bool { return s.Name == slot }) {
			problem(slot, "", "the specification has no such parameter; it has %s", slotNames(slots))
		}
	}
	out := make([]closure.Tensor, 0, len(slots))
	for _, s := range slots {
		theirs, ok := names.Theirs[s.Name]
		if !ok {
			theirs = s.Name
		}
		t, ok := left[theirs]
		if !ok {
			problem(s.Name, "say what the file calls it with --map THEIRS="+s.Name, "the file has no tensor %q", theirs)
			continue
		}
		delete(left, theirs)
		values, err := valuesOf(t)
		if err != nil {
			problem(t.Name, "", "%v", err)
			continue
		}
		if values, err = reorder(values, t.Shape, s, m.Layout); err != nil {
			problem(t.Name, "", "%v", err)
			continue
		}
		out = append(out, closure.Tensor{Name: s.Name, DType: "f32", Shape: s.Shape, Data: floats(values)})
	}
	for _, t := range m.Tensors {
		if _, ok := left[t.Name]; ok {
			problem(t.Name, "say which parameter it is with --map "+t.Name+"=OURS, or drop it with --map "+t.Name+"=", "no parameter of the specification has this name")
		}
	}
	if len(problems) > 0 {
		return nil, &schema.Invalid{Document: document, Problems: problems}
	}
	return out, nil
}

// Names relates the names of a file to those of a specification.
type Names struct {
	Theirs  map[string]string // by ours
	Dropped []string          // theirs
}

func slotNames(slots []Slot) string {
	var names []string
	for _, s := range slots {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// valuesOf are a tensor's values as f32, rounded to the nearest where they are f64.
func valuesOf(t closure.Tensor) ([]float32, error) {
	n := schema.Elements(t.Shape)
	values := make([]float32, n)
	switch t.DType {
	case "f32":
		for k := range values {
			values[k] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*k:]))
		}
	case "f64":
		for k := range values {
			values[k] = float32(math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*k:])))
		}
	default:
		return nil, fmt.Errorf("its elements are %s; parameters are f32 or f64", t.DType)
	}
	for k, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("element %d is not a finite number", k)
		}
	}
	return values, nil
}

// reorder brings values of a shape into the order of a slot.
func reorder(values []float32, shape []int, s Slot, layout string) ([]float32, error) {
	want, from := s.Shape, []int(nil) // the shape that the file must have, and which of its axes becomes each of ours
	switch {
	case len(s.Shape) == 4 && layout == LayoutPyTorch: // [f, c, h, w]
		want, from = []int{s.Shape[0], s.Shape[3], s.Shape[1], s.Shape[2]}, []int{0, 2, 3, 1}
	case len(s.Shape) == 4 && layout == LayoutTensorFlow: // [h, w, c, f]
		want, from = []int{s.Shape[1], s.Shape[2], s.Shape[3], s.Shape[0]}, []int{3, 0, 1, 2}
	case len(s.Shape) == 3 && layout == LayoutPyTorch: // [c, 1, h, w] of a convolution of each channel by itself
		want, from = []int{s.Shape[0], 1, s.Shape[1], s.Shape[2]}, []int{0, 2, 3, 1}
	case len(s.Shape) == 3 && layout == LayoutTensorFlow: // [h, w, c, 1]
		want, from = []int{s.Shape[1], s.Shape[2], s.Shape[0], 1}, []int{2, 0, 1, 3}
	case len(s.Shape) == 2 && layout == LayoutTensorFlow:
		want, from = []int{s.Shape[1], s.Shape[0]}, []int{1, 0}
	}
	if !slices.Equal(shape, want) {
		return nil, fmt.Errorf("its shape is %v; in the layout %s, %s has %v", shape, layout, s.Name, want)
	}
	if len(s.Shape) <= 2 && s.Flattened != nil && layout == LayoutPyTorch {
		f, rows := s.Flattened, 1
		if len(s.Shape) == 2 {
			rows = s.Shape[0]
		}
		shape, from = []int{rows, f[2], f[0], f[1]}, []int{0, 2, 3, 1}
	}
	if from == nil {
		return values, nil
	}
	return permute(values, shape, from), nil
}

// permute transposes a row-major tensor: axis i of the result is axis from[i] of the source.
func permute(values []float32, shape, from []int) []float32 {
	stride := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= shape[i]
	}
	out := make([]float32, 0, len(values))
	index := make([]int, len(shape))
	at := 0
	for range values {
		out = append(out, values[at])
		for i := len(from) - 1; i >= 0; i-- {
			index[i]++
			at += stride[from[i]]
			if index[i] < shape[from[i]] {
				break
			}
			at -= index[i] * stride[from[i]]
			index[i] = 0
		}
	}
	return out
}
