package optest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// Tolerances of gradients, relative to the largest element of a tensor's gradient.
const (
	// difference is the width of a central difference in float64: its own error is of the order of its square, and of
	// 2^−53 divided by it.
	difference = 1e-5
	// differenceTolerance bounds a measured gradient's distance from the oracle's in float64.
	differenceTolerance = 1e-6
	// singleTolerance bounds the float32 gradient's distance from that in float64.
	singleTolerance = 1e-3
	// measured is how many elements of a tensor are measured.
	measured = 12
)

// numeric compares the oracle's gradients with central differences of its loss.
func numeric(t *testing.T, r schema.Resolved) {
	t.Helper()
	g, err := wasm.Graph(r)
	if err != nil {
		t.Fatal(err)
	}
	examples := r.Algorithm.InnerBatch()
	single, double := ref.NewNetwork[float32](r, g), ref.NewNetwork[float64](r, g)
	draw := rand.New(rand.NewPCG(5, 1))
	for i, p := range double.Parameters {
		for j := range p.Value {
			x := float32(draw.NormFloat64() / math.Sqrt(float64(p.FanIn)))
			p.Value[j], single.Parameters[i].Value[j] = float64(x), x
		}
	}
	input, target := Random(r, 11).At(First(examples))
	c := ref.Call{Train: true, Seed: 42, Step: 1, Microbatch: 1}
	double.Gradient(c, input, target, examples)
	single.Gradient(c, input, target, examples)
	for i, p := range double.Parameters {
		largest := 0.0
		for _, d := range p.Grad {
			largest = max(largest, math.Abs(d))
		}
		for j, d := range p.Grad {
			if e := math.Abs(float64(single.Parameters[i].Grad[j]) - d); !(e <= singleTolerance*largest) {
				t.Errorf("gradient of %s, element %d: %g in float32, %g in float64", p.Name, j, single.Parameters[i].Grad[j], d)
			}
		}
		for _, j := range draw.Perm(len(p.Value))[:min(measured, len(p.Value))] {
			want := p.Grad[j]
			x := p.Value[j]
			p.Value[j] = x + difference
			above := double.Loss(c, input, target, examples)
			p.Value[j] = x - difference
			below := double.Loss(c, input, target, examples)
			p.Value[j] = x
			if got := (above - below) / (2 * difference); !(math.Abs(got-want) <= differenceTolerance*max(largest, 1)) {
				t.Errorf("gradient of %s, element %d: measured %g, computed %g", p.Name, j, got, want)
			}
		}
	}
	Show(t, g, ShownGradient)
}
