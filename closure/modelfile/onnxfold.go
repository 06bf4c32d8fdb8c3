package modelfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/closure"
)

// Exporters compute shapes in the graph: the number of records from the input's shape, and rows of all else. What follows from
// constants and from the shapes of values is worked out here.

// batch stands for the number of records, which no layer knows.
const batch = math.MinInt64

// maxVector bounds the lists of integers that are worked out.
const maxVector = 64

func foldable(op string) bool {
	return slices.Contains([]string{"Constant", "Shape", "Gather", "Unsqueeze", "Squeeze", "Concat", "Slice", "Cast", "Identity", "Mul"}, op)
}

// isBatch reports whether a dimension can be that of the records.
func (t *translation) isBatch(d int64) bool {
	return d == batch || d == 0 || d == -1 || d == t.records
}

// readable is a shape for an error.
func readable(shape []int64) []string {
	out := make([]string, 0, len(shape))
	for _, d := range shape {
		if d == batch {
			out = append(out, "batch")
		} else {
			out = append(out, fmt.Sprint(d))
		}
	}
	return out
}

// integers is a value that is a small list of integers, which is known.
func (t *translation) integers(name string) ([]int64, bool) {
	if v, ok := t.vectors[name]; ok {
		return v, true
	}
	c, ok := t.graph.initializers[name]
	if !ok || c.DType != "i64" || len(c.Shape) > 1 || len(c.Data) > 8*maxVector {
		return nil, false
	}
	var list []int64
	for at := 0; at < len(c.Data); at += 8 {
		list = append(list, int64(binary.LittleEndian.Uint64(c.Data[at:])))
	}
	return list, true
}

// fold works out a node that needs no layer; false where it does.
func (t *translation) fold(n onnxNode) (bool, error) {
	if n.op == "Constant" {
		return true, t.hold(n)
	}
	if n.op == "Shape" {
		in, err := t.read(n, 0)
		if err == nil {
			err = only(n)
		}
		if err != nil {
			return true, err
		}
		shape := []int64{batch}
		for _, d := range in.shape {
			shape = append(shape, int64(d))
		}
		return true, t.known(n, shape)
	}
	if !foldable(n.op) || len(n.inputs) == 0 {
		return false, nil
	}
	if c, ok := t.graph.initializers[n.inputs[0]]; ok && n.op == "Identity" {
		if err := t.free(n); err != nil {
			return true, err
		}
		t.graph.initializers[n.outputs[0]] = c
		return true, nil
	}
	var inputs [][]int64
	for _, name := range n.inputs {
		list, ok := t.integers(name)
		if !ok {
			return false, nil
		}
		inputs = append(inputs, list)
	}
	list, err := foldIntegers(n, inputs)
	if err != nil {
		return true, err
	}
	return true, t.known(n, list)
}

// foldIntegers is an operation over lists of integers, of which a single one is a list, too.
func foldIntegers(n onnxNode, in [][]int64) ([]int64, error) {
	first := in[0]
	switch {
	case n.op == "Concat":
		return slices.Concat(in...), nil
	case n.op == "Gather" && len(in) == 2 && n.attributes["axis"].i == 0:
		var list []int64
		for _, k := range in[1] {
			if k < 0 {
				k += int64(len(first))
			}
			if k < 0 || k >= int64(len(first)) {
				return nil, fmt.Errorf("it takes element %d of %d", k, len(first))
			}
			list = append(list, first[k])
		}
		return list, nil
	case n.op == "Slice" && (len(in) == 3 || len(in) == 4 && slices.Equal(in[3], []int64{0})) && len(in[1]) == 1 && len(in[2]) == 1:
		return first[within(in[1][0], len(first)):max(within(in[1][0], len(first)), within(in[2][0], len(first)))], nil
	case n.op == "Mul" && len(in) == 2 && len(in[1]) == len(first):
		list := make([]int64, 0, len(first))
		for k, x := range first {
			y := in[1][k]
			if x < 0 || y < 0 || y > 0 && x > math.MaxInt32/y {
				return nil, fmt.Errorf("it multiplies %v and %v; only sizes of records can be", readable(first), readable(in[1]))
			}
			list = append(list, x*y)
		}
		return list, nil
	case n.op == "Identity" || n.op == "Cast" || n.op == "Unsqueeze" || n.op == "Squeeze":
		return first, nil
	}
	return nil, fmt.Errorf("how it is used here, on shapes, is not understood")
}

// within is a bound of a slice, which counts from the end where it is negative.
func within(k int64, n int) int {
	if k < 0 {
		k += int64(n)
	}
	return int(min(max(k, 0), int64(n)))
}

// known notes that a node makes integers.
func (t *translation) known(n onnxNode, list []int64) error {
	if len(list) > maxVector {
		return fmt.Errorf("it makes %d integers; at most %d are worked out", len(list), maxVector)
	}
	if err := t.free(n); err != nil {
		return err
	}
	t.vectors[n.outputs[0]] = list
	return nil
}

// hold notes the constant that a node is.
func (t *translation) hold(n onnxNode) error {
	if err := t.free(n); err != nil {
		return err
	}
	a, isTensor := n.attributes["value"]
	list, isList := n.attributes["value_ints"]
	one, isOne := n.attributes["value_int"]
	number, isNumber := n.attributes["value_float"]
	switch {
	case isTensor && a.tensor != nil:
		t.graph.initializers[n.outputs[0]] = *a.tensor
	case isList && len(list.ints) <= maxVector:
		t.vectors[n.outputs[0]] = list.ints
	case isOne:
		t.vectors[n.outputs[0]] = []int64{one.i}
	case isNumber:
		t.graph.initializers[n.outputs[0]] = closure.Tensor{DType: "f32", Shape: []int{}, Data: floats([]float32{number.f})}
	default:
		return fmt.Errorf("only constants that are a tensor, a number or a few integers are read")
	}
	return nil
}

// free refuses a node without an output, or with one that is there already.
func (t *translation) free(n onnxNode) error {
	if len(n.outputs) == 0 {
		return fmt.Errorf("it has no output")
	}
	out := n.outputs[0]
	_, twice := t.values[out]
	_, constant := t.graph.initializers[out]
	_, vector := t.vectors[out]
	if twice || constant || vector {
		return fmt.Errorf("its output %q is there already", out)
	}
	return nil
}
