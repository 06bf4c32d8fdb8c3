// Package modelfile reads models that other programs have trained: ONNX, ConvNetJS and MLitB, which say what the layers are, and
// safetensors and NumPy's .npz, which hold tensors alone. Onto puts their tensors under the names and in the layouts that an
// engine has.
//
// All readers are strict about what they understand: an operation or an attribute that no layer of ours computes the same
// way is refused by its name, and nothing is guessed. Sizes are checked before memory is taken. Errors are *schema.Invalid.
package modelfile

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Formats of model files.
const (
	ONNX        = "onnx"
	ConvNetJS   = "convnetjs"
	MLitB       = "mlitb"
	Safetensors = "safetensors"
	NPZ         = "npz"
)

// MaxSize bounds a file.
const MaxSize = 1 << 30

// Layouts of weights in a file.
const (
	// LayoutReprise is ours: convolutions [filters, height, width, channels], dense [outputs, inputs], images flattened in the
	// order height, width, channels.
	LayoutReprise = "reprise"
	// LayoutPyTorch is [filters, channels, height, width], [outputs, inputs], and channels, height, width. ONNX has it, too.
	LayoutPyTorch = "pytorch"
	// LayoutTensorFlow is [height, width, channels, filters], [inputs, outputs], and our order in images.
	LayoutTensorFlow = "tensorflow"
)

// Layouts lists them.
func Layouts() []string { return []string{LayoutReprise, LayoutPyTorch, LayoutTensorFlow} }

// Model is what a file says about a network.
type Model struct {
	Format string
	Tool   string // what wrote the file, as the file says: a name and perhaps a version; else empty
	// Input is the shape of one record, [height, width, channels] for images; nil where the file does not say.
	Input []int
	// Layers are in our vocabulary; nil where the file holds tensors alone.
	Layers []schema.Layer
	Loss   string // softmax-cross-entropy where the file ends in a softmax; else empty
	// Classes are what the outputs stand for, in their order; nil where the file does not say.
	Classes []string
	// Tensors are f32 or f64, with the names of our layers where there are any, in Layout.
	Tensors []closure.Tensor
	Layout  string
}

// Read reads a file of any format, which it tells by its first bytes. Errors call the file name.
func Read(name string, data []byte) (*Model, error) {
	if len(data) > MaxSize {
		return nil, schema.Invalidf(name, "", "%d bytes; at most %d are read", len(data), MaxSize)
	}
	start := bytes.TrimLeft(data[:min(len(data), 64)], " \t\r\n")
	switch {
	case len(data) == 0:
		return nil, schema.Invalidf(name, "", "is empty")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte("PK\x05\x06")):
		return readNPZ(name, data)
	case len(data) > 8 && data[8] == '{' && binary.LittleEndian.Uint64(data) < uint64(len(data)):
		tensors, _, err := closure.ReadSafetensors(bytes.NewReader(data), int64(len(data)), name)
		if err != nil {
			return nil, err
		}
		return &Model{Format: Safetensors, Tensors: tensors, Layout: LayoutReprise}, nil
	case bytes.HasPrefix(start, []byte("{")):
		return readJSON(name, data)
	}
	return readONNX(name, data)
}

// floats are the values of an f32 tensor's bytes.
func floats(values []float32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// layer is {kind: attributes}, with a name.
func layer(kind, name string, attributes map[string]any, inputs ...string) schema.Layer {
	return schema.Layer{Component: schema.Component{Kind: kind, Attributes: attributes}, Name: name, Inputs: inputs}
}

// elements multiplies a shape out; false where it is negative anywhere or exceeds what a file can hold.
func elements(shape []int64) (int, bool) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || (d > 0 && n > MaxSize/d) {
			return 0, false
		}
		n *= d
	}
	return int(n), true
}

func ints(shape []int64) []int {
	out := make([]int, len(shape))
	for i, d := range shape {
		out[i] = int(d)
	}
	return out
}
