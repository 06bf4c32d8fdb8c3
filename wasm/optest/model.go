package optest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// Model is a specification in short. What is left out has the default that its comment names.
type Model struct {
	Input     string // the shape, such as "5, 5, 2"
	Layers    string // YAML, such as "- dense: {units: 3}"
	DType     string // of the input: f32
	Normalize string // YAML: none
	Loss      string // softmax-cross-entropy
	Classes   int    // 0 is a regression: as many values as the last layer has outputs, which Outputs tells
	Outputs   int
	Target    string // dtype of a class: u8
	Positions int    // with a class each: one for the whole example

	Microbatch   int // 4
	Microbatches int // of a step: 2

	Optimizer string // YAML: sgd {learningRate: 0.1}
	Algorithm string // YAML: further lines of the algorithm
	Bits      int    // 24
	Local     string // YAML: what a mode of local steps has beside its bits, such as "steps: 2"; without it, the mode is gradient
	Examples  int    // of the dataset: three batches
}

const (
	softmax      = "softmax-cross-entropy"
	meanSquared  = "mean-squared-error"
	trainDataset = "random:1.0.0"
)

// Specification is the model as a document.
func (m Model) Specification(t testing.TB) *schema.Specification {
	t.Helper()
	m = m.complete()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: optest\nversion: 1.0.0\nlicense: Apache-2.0")
	line("model:")
	line("  input:\n    shape: [%s]\n    dtype: %s", m.Input, m.DType)
	if m.Normalize != "" {
		line("    normalize: %s", m.Normalize)
	}
	line("  layers:")
	for l := range strings.Lines(strings.TrimSpace(m.Layers)) {
		line("    %s", strings.TrimRight(l, "\n"))
	}
	line("  loss: %s", m.Loss)
	line("algorithm:\n  optimizer: %s", m.Optimizer)
	line("  microbatchSize: %d\n  batchSize: %d", m.Microbatch, m.Microbatch*m.Microbatches)
	mode := schema.AggregateGradient
	if m.Local != "" {
		mode = schema.AggregateLocalSteps + ", " + m.Local
	}
	line("  steps: 3\n  seed: 42\n  aggregation: {mode: %s, bits: %d}", mode, m.Bits)
	for l := range strings.Lines(strings.TrimSpace(m.Algorithm)) {
		line("  %s", strings.TrimSpace(l))
	}
	line("datasets:\n  train: {ref: %q, split: train}", trainDataset)
	spec, err := schema.ReadSpecification("closure.yaml", []byte(b.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return spec
}

func (m Model) complete() Model {
	m.DType = cmp.Or(m.DType, "f32")
	m.Loss = cmp.Or(m.Loss, softmax)
	m.Target = cmp.Or(m.Target, "u8")
	m.Microbatch = cmp.Or(m.Microbatch, 4)
	m.Microbatches = cmp.Or(m.Microbatches, 2)
	m.Optimizer = cmp.Or(m.Optimizer, "{sgd: {learningRate: 0.1}}")
	m.Bits = cmp.Or(m.Bits, 24)
	m.Examples = cmp.Or(m.Examples, 3*m.Microbatch*m.Microbatches)
	return m
}

// Dataset describes random records that fit the model.
func (m Model) Dataset(t testing.TB) *schema.Dataset {
	t.Helper()
	m = m.complete()
	var shape []int
	for s := range strings.SplitSeq(m.Input, ",") {
		var n int
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatalf("shape %q: %v", m.Input, err)
		}
		shape = append(shape, n)
	}
	input := schema.Field{DType: m.DType, Shape: shape}
	target := schema.Field{Offset: input.Bytes(), DType: m.Target}
	if m.Positions > 0 {
		target.Shape = []int{m.Positions}
	}
	if m.Classes == 0 {
		target.DType, target.Shape = "f32", []int{m.Outputs}
	}
	d := &schema.Dataset{
		SchemaVersion: 1, Name: "random", Version: "1.0.0",
		Record: schema.RecordLayout{Size: input.Bytes() + target.Bytes(), Input: input, Target: target},
		Splits: []schema.Split{{Name: "train", Records: int64(m.Examples)}},
	}
	for i := range m.Classes {
		d.Classes = append(d.Classes, fmt.Sprint(i))
	}
	return d
}

// Resolve resolves the model against its dataset.
func (m Model) Resolve(t testing.TB) schema.Resolved {
	t.Helper()
	r, err := wasm.Resolve(m.Specification(t), map[string]*schema.Dataset{schema.RoleTrain: m.Dataset(t)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Compile makes the engine of a resolved specification.
func Compile(t testing.TB, r schema.Resolved) []byte {
	t.Helper()
	b, err := wasm.Compile(r, wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Records are input and target fields, each one behind the other.
type Records struct {
	layout          schema.RecordLayout
	inputs, targets []byte
}

// Random draws the records of the train dataset.
func Random(r schema.Resolved, seed uint64) Records {
	d := r.Datasets[0]
	draw := rand.New(rand.NewPCG(seed, 1))
	records := Records{layout: d.Record}
	float := func(b []byte, x float64) []byte {
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
	}
	for range d.Examples {
		for range schema.Elements(d.Record.Input.Shape) {
			switch d.Record.Input.DType {
			case "u8":
				records.inputs = append(records.inputs, byte(draw.IntN(256)))
			case "u16":
				records.inputs = binary.LittleEndian.AppendUint16(records.inputs, uint16(draw.IntN(1<<16)))
			default:
				records.inputs = float(records.inputs, draw.NormFloat64())
			}
		}
		for range schema.Elements(d.Record.Target.Shape) {
			switch {
			case d.Classes == 0:
				records.targets = float(records.targets, draw.NormFloat64())
			case d.Record.Target.DType == "u16":
				records.targets = binary.LittleEndian.AppendUint16(records.targets, uint16(draw.IntN(d.Classes)))
			default:
				records.targets = append(records.targets, byte(draw.IntN(d.Classes)))
			}
		}
	}
	return records
}

// At gathers the records of these numbers.
func (r Records) At(indices []uint32) (input, target []byte) {
	in, out := r.layout.Input.Bytes(), r.layout.Target.Bytes()
	for _, i := range indices {
		input = append(input, r.inputs[int(i)*in:][:in]...)
		target = append(target, r.targets[int(i)*out:][:out]...)
	}
	return input, target
}

// First are the numbers 0 … n−1.
func First(n int) []uint32 {
	list := make([]uint32, n)
	for i := range list {
		list[i] = uint32(i)
	}
	return list
}
