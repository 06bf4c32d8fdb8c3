package modelfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/reprise-ml/reprise/closure"
)

// The messages of ONNX that matter here, by the field numbers of onnx.proto (https://onnx.ai/onnx/repo-docs/IR.html). Unknown
// fields are skipped, as protocol buffers want it.

type onnxGraph struct {
	nodes        []onnxNode
	initializers map[string]closure.Tensor
	inputs       []onnxValue
	outputs      []onnxValue
	tool         string
}

// toolOf is what a file says about what wrote it, if that can be shown.
func toolOf(name, version []byte) string {
	tool := strings.TrimSpace(strings.TrimSpace(string(name)) + " " + strings.TrimSpace(string(version)))
	if len(tool) > 100 || !utf8.ValidString(tool) || strings.ContainsFunc(tool, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return tool
}

type onnxNode struct {
	index            int // among the nodes of the graph
	name, op, domain string
	inputs, outputs  []string
	attributes       map[string]onnxAttribute
}

type onnxAttribute struct {
	f      float32
	i      int64
	s      string
	ints   []int64
	tensor *closure.Tensor
}

type onnxValue struct {
	name  string
	shape []int64 // −1 where it is not fixed
}

// Limits of a graph, far beyond what the vocabulary can say. What a file of MaxSize can make a reader allocate is then a few times
// its size.
const (
	maxNodes = 100_000
	maxRank  = 8
	// maxIntegers bounds a list of integers that takes a byte each in the file.
	maxIntegers = 1 << 20
	// maxParts bounds the inputs, outputs and attributes of a node, and maxAllParts those of all nodes.
	maxParts    = 1 << 12
	maxAllParts = 1 << 20
	// maxText bounds names, which errors say.
	maxText = 1 << 12
)

// fields calls f for every field of a message: v holds what is encoded as a number, b what has a length.
func fields(message []byte, f func(number protowire.Number, v uint64, b []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var v uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(message)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(message)
			v = uint64(x)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(message)
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(message)
			if b == nil {
				b = []byte{}
			}
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := f(number, v, b); err != nil {
			return err
		}
	}
	return nil
}

// numbers appends an integer, or a packed list of them.
func numbers(list []int64, v uint64, b []byte, limit int) ([]int64, error) {
	if len(list)+max(len(b)/10, 1) > limit { // a number takes ten bytes at most
		return nil, fmt.Errorf("a list has more than %d numbers", limit)
	}
	if b == nil {
		return append(list, int64(v)), nil
	}
	for len(b) > 0 {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if list, b = append(list, int64(x)), b[n:]; len(list) > limit {
			return nil, fmt.Errorf("a list has more than %d numbers", limit)
		}
	}
	return list, nil
}

func parseONNX(data []byte) (*onnxGraph, error) {
	var graph, producer, version []byte
	err := fields(data, func(number protowire.Number, _ uint64, b []byte) error {
		switch {
		case b == nil:
		case number == 2:
			producer = b
		case number == 3:
			version = b
		case number == 7:
			graph = b
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case graph == nil:
		return nil, errors.New("there is no graph in it")
	}
	g, parts := &onnxGraph{initializers: map[string]closure.Tensor{}, tool: toolOf(producer, version)}, 0
	return g, fields(graph, func(number protowire.Number, _ uint64, b []byte) error {
		if b == nil {
			return nil
		}
		switch number {
		case 1:
			if len(g.nodes) == maxNodes {
				return fmt.Errorf("the graph has more than %d nodes", maxNodes)
			}
			n, err := parseNode(b)
			n.index = len(g.nodes)
			if parts += len(n.inputs) + len(n.outputs) + len(n.attributes); parts > maxAllParts && err == nil {
				err = fmt.Errorf("the nodes have more than %d inputs, outputs and attributes", maxAllParts)
			}
			g.nodes = append(g.nodes, n)
			return err
		case 5:
			if len(g.initializers) == maxNodes {
				return fmt.Errorf("the graph has more than %d tensors", maxNodes)
			}
			t, err := parseTensor(b)
			if _, twice := g.initializers[t.Name]; twice && err == nil {
				err = fmt.Errorf("initializer %q is there twice", t.Name)
			}
			g.initializers[t.Name] = t
			return err
		case 11, 12:
			if len(g.inputs)+len(g.outputs) == maxNodes {
				return fmt.Errorf("the graph has more than %d inputs and outputs", maxNodes)
			}
			v, err := parseValue(b)
			if number == 11 {
				g.inputs = append(g.inputs, v)
			} else {
				g.outputs = append(g.outputs, v)
			}
			return err
		}
		return nil
	})
}

func parseNode(message []byte) (onnxNode, error) {
	n := onnxNode{attributes: map[string]onnxAttribute{}}
	return n, fields(message, func(number protowire.Number, _ uint64, b []byte) error {
		if b == nil {
			return nil
		}
		if len(n.inputs)+len(n.outputs)+len(n.attributes) == maxParts {
			return fmt.Errorf("node %q has more than %d inputs, outputs and attributes", n.name, maxParts)
		}
		if number <= 4 && len(b) > maxText {
			return fmt.Errorf("a name has %d bytes; at most %d are read", len(b), maxText)
		}
		switch number {
		case 1:
			n.inputs = append(n.inputs, string(b))
		case 2:
			n.outputs = append(n.outputs, string(b))
		case 3:
			n.name = string(b)
		case 4:
			n.op = string(b)
		case 5:
			name, a, err := parseAttribute(b)
			n.attributes[name] = a
			return err
		case 7:
			n.domain = string(b)
		}
		return nil
	})
}

func parseAttribute(message []byte) (name string, a onnxAttribute, err error) {
	err = fields(message, func(number protowire.Number, v uint64, b []byte) error {
		var err error
		switch number {
		case 1:
			name = string(b)
		case 2:
			a.f = math.Float32frombits(uint32(v))
		case 3:
			a.i = int64(v)
		case 4:
			a.s = string(b)
		case 5:
			var t closure.Tensor
			t, err = parseTensor(b)
			a.tensor = &t
		case 8:
			a.ints, err = numbers(a.ints, v, b, maxVector)
		}
		return err
	})
	return name, a, err
}

// parseValue reads the name and the shape of an input or output.
func parseValue(message []byte) (onnxValue, error) {
	var v onnxValue
	into := func(wanted protowire.Number, next func(b []byte) error) func(protowire.Number, uint64, []byte) error {
		return func(number protowire.Number, _ uint64, b []byte) error {
			if number != wanted || b == nil {
				return nil
			}
			return next(b)
		}
	}
	dimension := func(b []byte) error {
		d := int64(-1)
		err := fields(b, func(number protowire.Number, value uint64, _ []byte) error {
			if number == 1 {
				d = int64(value)
			}
			return nil
		})
		if len(v.shape) == maxRank {
			return fmt.Errorf("value %q has more than %d dimensions", v.name, maxRank)
		}
		v.shape = append(v.shape, d)
		return err
	}
	shape := func(b []byte) error { return fields(b, into(1, dimension)) }
	tensor := func(b []byte) error { return fields(b, into(2, shape)) }
	return v, fields(message, func(number protowire.Number, _ uint64, b []byte) error {
		switch {
		case number == 1 && len(b) > maxText:
			return fmt.Errorf("a name has %d bytes; at most %d are read", len(b), maxText)
		case number == 1:
			v.name = string(b)
		case number == 2 && b != nil:
			return fields(b, into(1, tensor))
		}
		return nil
	})
}

// Element types of tensors.
const (
	onnxFloat  = 1
	onnxInt64  = 7
	onnxDouble = 11
)

// parseTensor reads an f32, f64 or i64 tensor.
func parseTensor(message []byte) (closure.Tensor, error) {
	var t closure.Tensor
	var kind uint64
	var dims, integers []int64
	var raw, typed []byte
	var external bool
	err := fields(message, func(number protowire.Number, v uint64, b []byte) error {
		var err error
		switch number {
		case 1:
			dims, err = numbers(dims, v, b, maxRank)
		case 2:
			kind = v
		case 4: // float_data
			if b == nil {
				b = binary.LittleEndian.AppendUint32(nil, uint32(v))
			}
			typed = append(typed, b...)
		case 7: // int64_data
			integers, err = numbers(integers, v, b, maxIntegers)
		case 8:
			if len(b) > maxText {
				return fmt.Errorf("a name has %d bytes; at most %d are read", len(b), maxText)
			}
			t.Name = string(b)
		case 9:
			raw = b
		case 10: // double_data
			if b == nil {
				b = binary.LittleEndian.AppendUint64(nil, v)
			}
			typed = append(typed, b...)
		case 13, 14:
			external = external || b != nil || v != 0
		}
		return err
	})
	if err != nil {
		return t, err
	}
	width := 8
	switch kind {
	case onnxFloat:
		t.DType, width = "f32", 4
	case onnxDouble:
		t.DType = "f64"
	case onnxInt64:
		t.DType = "i64"
	default:
		return t, fmt.Errorf("tensor %q has elements of type %d; float, double and int64 are read", t.Name, kind)
	}
	if external {
		return t, fmt.Errorf("tensor %q lies in another file; save the model with its data inside", t.Name)
	}
	for _, x := range integers {
		typed = binary.LittleEndian.AppendUint64(typed, uint64(x))
	}
	if t.Data = raw; raw == nil {
		t.Data = typed
	}
	n, ok := elements(dims)
	if !ok || len(dims) > maxRank || n*width != len(t.Data) {
		return t, fmt.Errorf("tensor %q has %d bytes, which are not those of its shape %v", t.Name, len(t.Data), dims)
	}
	t.Shape = ints(dims)
	return t, nil
}
