package wasm_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// refused calls an export, which must return a status with this text and change neither accumulators nor metrics.
func refused(t *testing.T, i *optest.Instance, want string, call func() string) {
	t.Helper()
	before := append(bytes.Clone(i.Region(schema.RegionAccumulators)), i.Region(schema.RegionMetrics)...)
	if got := call(); got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	if after := append(bytes.Clone(i.Region(schema.RegionAccumulators)), i.Region(schema.RegionMetrics)...); !bytes.Equal(after, before) {
		t.Error("something was added")
	}
}

// warm is an instance that has been through a step, so that accumulators and exponents are set.
func warm(t *testing.T, r schema.Resolved) (*optest.Instance, optest.Records) {
	t.Helper()
	i := optest.Compiler().Open(t, optest.Compile(t, r))
	records := optest.Random(r, 3)
	i.Init(42)
	i.Write(records.At(optest.First(r.Algorithm.MicrobatchSize)))
	for _, status := range []string{
		i.Accumulate(0, 0, r.Algorithm.MicrobatchSize), i.Apply(0), i.Accumulate(1, 0, r.Algorithm.MicrobatchSize),
		i.Evaluate(r.Algorithm.MicrobatchSize),
	} {
		if status != "" {
			t.Fatal(status)
		}
	}
	return i, records
}

func TestNumberOfRecords(t *testing.T) {
	const want = "the number of records is not between 1 and the capacity"
	i, _ := warm(t, optest.Model{Input: "3", Classes: 3, Layers: "- dense: {units: 3}", Microbatch: 5}.Resolve(t))
	for _, n := range []int{0, -1, 6, math.MaxInt32, math.MinInt32} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			refused(t, i, want, func() string { return i.Accumulate(1, 0, n) })
			refused(t, i, want, func() string { return i.Evaluate(n) })
			refused(t, i, want, func() string { return i.Predict(n) })
		})
	}
}

func TestTargetIsNoClass(t *testing.T) {
	const want = "a target is not a class of the model"
	for _, c := range []struct {
		name  string
		dtype string
		label int
	}{
		{"the next", "u8", 3}, {"the last byte", "u8", 255}, {"u16", "u16", 3}, {"a high byte", "u16", 256}, {"the last u16", "u16", 65535},
	} {
		for _, at := range []int{0, 4, 19} { // also in the second tile
			t.Run(fmt.Sprintf("%s at %d", c.name, at), func(t *testing.T) {
				i, _ := warm(t, optest.Model{Input: "3", Classes: 3, Target: c.dtype, Layers: "- dense: {units: 3}", Microbatch: 20}.Resolve(t))
				target := i.Region(schema.RegionTarget)
				if c.dtype == "u8" {
					target[at] = byte(c.label)
				} else {
					binary.LittleEndian.PutUint16(target[2*at:], uint16(c.label))
				}
				refused(t, i, want, func() string { return i.Accumulate(1, 0, 20) })
				refused(t, i, want, func() string { return i.Evaluate(20) })
				if at > 0 { // a target that does not count
					if status := i.Accumulate(1, 0, at); status != "" {
						t.Errorf("%d records: %s", at, status)
					}
				}
				if status := i.Predict(20); status != "" {
					t.Errorf("predict reads no targets, but says %q", status)
				}
			})
		}
	}
}

// set overwrites element at of a tensor.
func set(i *optest.Instance, tensor string, at int, x float32) {
	binary.LittleEndian.PutUint32(i.Tensor(tensor)[4*at:], math.Float32bits(x))
}

func TestNonFiniteGradients(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	layers := "- conv2d: {filters: 3, kernel: 2, activation: tanh}\n- flatten\n- dense: {units: 7, activation: relu}\n- dense: {units: 3}"
	model := optest.Model{Input: "4, 4, 2", Classes: 3, Layers: layers, Microbatch: 20}
	input := func(x float32) func(i *optest.Instance) {
		return func(i *optest.Instance) { copy(i.Region(schema.RegionInput)[4*32*18:], optest.Floats([]float32{x})) }
	}
	regression := optest.Model{Input: "2", Outputs: 1, Loss: "mean-squared-error", Layers: "- dense: {units: 2}\n- dense: {units: 1}"}
	for _, c := range []struct {
		name  string
		m     optest.Model
		spoil func(i *optest.Instance)
		want  string
	}{
		{"an infinite input", model, input(inf), "conv1.weight"},
		{"an input that is not a number", model, input(nan), "conv1.weight"},
		{"a parameter that is not a number", model, func(i *optest.Instance) { set(i, "dense2.bias", 2, nan) }, "conv1.weight"},
		{"an overflow in one tensor", regression, func(i *optest.Instance) {
			for k := range 4 {
				set(i, "dense1.weight", k, 1e30)
			}
			set(i, "dense2.weight", 0, 0)
			set(i, "dense2.weight", 1, 0)
			for k := range 4 {
				copy(i.Region(schema.RegionTarget)[4*k:], optest.Floats([]float32{1e9}))
			}
		}, "dense2.weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.m.Resolve(t)
			i, _ := warm(t, r)
			c.spoil(i)
			refused(t, i, "non-finite gradient in "+c.want, func() string { return i.Accumulate(1, 0, r.Algorithm.MicrobatchSize) })

			oracle := optest.Oracle(t, r)
			oracle.Init(42)
			for k, p := range oracle.Network.Parameters {
				for j := range p.Value {
					p.Value[j] = math.Float32frombits(binary.LittleEndian.Uint32(i.Tensor(p.Name)[4*j:]))
				}
				oracle.Tensors[k].Exponent = 0
			}
			err := oracle.Accumulate(1, 0, i.Region(schema.RegionInput), i.Region(schema.RegionTarget), r.Algorithm.MicrobatchSize)
			if err == nil || err.Error() != "non-finite gradient in "+c.want {
				t.Errorf("the oracle says %v", err)
			}
		})
	}
}

func TestNonFiniteUpdates(t *testing.T) {
	nan := float32(math.NaN())
	model := optest.Model{Input: "3", Classes: 3, Layers: "- dense: {units: 5}\n- dense: {units: 3}", Optimizer: "{adagrad: {}}"}
	for _, tensor := range []string{"dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"} {
		for _, slot := range []string{"", ".accumulator"} {
			t.Run(tensor+slot, func(t *testing.T) {
				i, _ := warm(t, model.Resolve(t))
				set(i, tensor+slot, 1, nan)
				if got, want := i.Apply(1), "non-finite value in "+tensor+" after an update"; got != want {
					t.Errorf("status %q, want %q", got, want)
				}
			})
		}
	}
}

// Every text of the section is there for a cause, and says something.
func TestStatusTexts(t *testing.T) {
	r := optest.Model{Input: "3", Classes: 3, Layers: "- dense: {units: 5}\n- dense: {units: 3}"}.Resolve(t)
	i := optest.Compiler().Open(t, optest.Compile(t, r))
	seen := map[string]bool{}
	for k, text := range i.Section.Errors {
		if seen[text] || (text == "") != (k == 0) {
			t.Errorf("status %d is %q", k, text)
		}
		seen[text] = true
	}
	if got, want := len(i.Section.Errors), 4+2*4; got != want {
		t.Errorf("%d statuses, want %d", got, want)
	}
}
