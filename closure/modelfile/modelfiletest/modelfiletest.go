// Package modelfiletest writes model files for tests, by the formats' own descriptions and none of the code that reads them.
package modelfiletest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Array is a tensor of f32.
type Array struct {
	Name   string
	Shape  []int
	Values []float32
}

// Transposed is the array with its axes in another order: axis i of the result is axis from[i].
func (a Array) Transposed(from ...int) Array {
	out := Array{Name: a.Name, Shape: make([]int, len(from)), Values: make([]float32, len(a.Values))}
	for i, f := range from {
		out.Shape[i] = a.Shape[f]
	}
	index := make([]int, len(from))
	for k := range out.Values {
		rest := k
		for i, f := range slices.Backward(from) {
			index[f] = rest % out.Shape[i]
			rest /= out.Shape[i]
		}
		at := 0
		for i, d := range a.Shape {
			at = at*d + index[i]
		}
		out.Values[k] = a.Values[at]
	}
	return out
}

// Reshaped has other dimensions over the same values.
func (a Array) Reshaped(shape ...int) Array { return Array{a.Name, shape, a.Values} }

// Named has another name.
func (a Array) Named(name string) Array { return Array{name, a.Shape, a.Values} }

// Bytes are the array's values, little endian.
func Bytes(a Array) []byte {
	var b []byte
	for _, v := range a.Values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// Node is an operation of an ONNX graph. Attributes are int, float32, string or []int.
type Node struct {
	Op, Name   string
	Inputs     []string
	Output     string
	Attributes map[string]any
	Domain     string
}

// ONNX is a model of one input and one output.
func ONNX(input string, shape []int, output string, constants []Array, nodes ...Node) []byte {
	var graph []byte
	for _, n := range nodes {
		graph = message(graph, 1, n.bytes())
	}
	for _, c := range constants {
		graph = message(graph, 5, Tensor(c))
	}
	graph = message(graph, 11, value(input, shape))
	graph = message(graph, 12, value(output, nil))
	var model []byte
	model = protowire.AppendVarint(protowire.AppendTag(model, 1, protowire.VarintType), 8)
	return message(model, 7, graph)
}

func message(b []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), content)
}

func number(b []byte, field protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

// Tensor is a TensorProto.
func Tensor(a Array) []byte {
	var b []byte
	for _, d := range a.Shape {
		b = number(b, 1, d)
	}
	b = number(b, 2, 1)
	b = message(b, 8, []byte(a.Name))
	return message(b, 9, Bytes(a))
}

func value(name string, shape []int) []byte {
	var dims []byte
	for _, d := range shape {
		var dim []byte
		if d > 0 {
			dim = number(dim, 1, d)
		} else {
			dim = message(dim, 2, []byte("batch"))
		}
		dims = message(dims, 1, dim)
	}
	tensor := message(number(nil, 1, 1), 2, dims)
	return message(message(nil, 1, []byte(name)), 2, message(nil, 1, tensor))
}

func (n Node) bytes() []byte {
	var b []byte
	for _, in := range n.Inputs {
		b = message(b, 1, []byte(in))
	}
	b = message(b, 2, []byte(n.Output))
	b = message(b, 3, []byte(n.Name))
	b = message(b, 4, []byte(n.Op))
	for name, v := range n.Attributes {
		a := message(nil, 1, []byte(name))
		switch v := v.(type) {
		case int:
			a = number(a, 3, v)
		case float32:
			a = protowire.AppendFixed32(protowire.AppendTag(a, 2, protowire.Fixed32Type), math.Float32bits(v))
		case string:
			a = message(a, 4, []byte(v))
		case []int:
			var packed []byte
			for _, x := range v {
				packed = protowire.AppendVarint(packed, uint64(x))
			}
			a = message(a, 8, packed)
		case Array:
			a = message(a, 5, Tensor(v))
		}
		b = message(b, 5, a)
	}
	if n.Domain != "" {
		b = message(b, 7, []byte(n.Domain))
	}
	return b
}

// NPZ is what numpy.savez writes.
func NPZ(arrays ...Array) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, a := range arrays {
		f, err := w.Create(a.Name + ".npy")
		if err == nil {
			_, err = f.Write(NPY("<f4", a.Shape, Bytes(a)))
		}
		if err != nil {
			panic(err) // memory does not fail
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// NPY is one array.
func NPY(descr string, shape []int, content []byte) []byte {
	dims := strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]")
	if len(shape) == 1 {
		dims += ","
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	return append(append(b, header...), content...)
}

// Volume is a volume of ConvNetJS, its numbers as typed arrays are written.
func Volume(sx, sy, depth int, values []float32) map[string]any {
	w := map[string]float32{}
	for i, v := range values {
		w[fmt.Sprint(i)] = v
	}
	return map[string]any{"sx": sx, "sy": sy, "depth": depth, "w": w}
}

// ConvNetJS is a network of layers.
func ConvNetJS(layers ...map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"layers": layers})
	if err != nil {
		panic(err)
	}
	return b
}
