package wasm_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// However long momentum decays, what is stored is ±0 or at least 2^−100 in magnitude, so that processes that flush subnormal
// numbers do not come to other results.
func TestNothingSubnormalIsStored(t *testing.T) {
	for _, c := range []struct{ name, optimizer string }{
		{"momentum", "{sgd: {learningRate: 0.1, momentum: 0.5}}"},
		{"adagrad", "{adagrad: {learningRate: 0.02}}"},
		{"adam", "{adam: {learningRate: 0.01, beta1: 0.3, beta2: 0.5}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := optest.Model{
				Input: "6", Classes: 3, Layers: "- dense: {units: 20, activation: relu}\n- dense: {units: 3}", Optimizer: c.optimizer,
				Algorithm: "regularization: {l2: 0.01}", Bits: 8,
			}.Resolve(t)
			i := optest.Compiler().Open(t, optest.Compile(t, r))
			records := optest.Random(r, 3)
			i.Init(42)
			const steps = 400
			for step := range int64(steps) {
				clear(i.Region(schema.RegionAccumulators))
				input, target := records.At(i.Select(step, 0, r.Datasets[0].Examples))
				if step > 20 { // from then on, the first layer sees nothing
					clear(input)
				}
				i.Write(input, target)
				if status := i.Accumulate(step, 0, len(target)) + i.Apply(step); status != "" {
					t.Fatal(status)
				}
			}
			decayed := 0
			for _, table := range [][]schema.Tensor{i.Section.Parameters, i.Section.State} {
				for _, tensor := range table {
					if tensor.DType != "f32" {
						continue
					}
					memory := i.Tensor(tensor.Name)
					for a := 0; a < len(memory); a += 4 {
						bits := binary.LittleEndian.Uint32(memory[a:])
						if bits<<1 == 0 {
							decayed++
						} else if bits>>23&0xff < 27 {
							t.Errorf("%s, element %d is %g", tensor.Name, a/4, math.Float32frombits(bits))
						}
					}
				}
			}
			if c.name != "adagrad" && decayed == 0 {
				t.Error("nothing decayed that far")
			}
		})
	}
}
