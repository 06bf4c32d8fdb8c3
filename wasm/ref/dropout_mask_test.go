package ref_test

import (
	"math"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/wasm/ref"
)

func TestDropoutMask(t *testing.T) {
	const n = 40000
	for _, rate := range []float32{0, 0.1, 0.5, 0.9} {
		dropped := 0
		for _, x := range ref.DropoutMask(42, 1, 0, 0, 0, n, rate) {
			switch x {
			case 0:
				dropped++
			case 1 / (1 - rate):
			default:
				t.Fatalf("rate %g: a factor of %g", rate, x)
			}
		}
		p := float64(rate)
		if d := math.Abs(float64(dropped) - n*p); d > 5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("rate %g drops %d of %d", rate, dropped, n)
		}
	}
}

func TestDropoutMaskIsKeyed(t *testing.T) {
	base := ref.DropoutMask(42, 1, 0, 0, 0, 99, 0.5)
	for name, other := range map[string][]float32{
		"seed":       ref.DropoutMask(43, 1, 0, 0, 0, 99, 0.5),
		"step":       ref.DropoutMask(42, 2, 0, 0, 0, 99, 0.5),
		"microbatch": ref.DropoutMask(42, 1, 1, 0, 0, 99, 0.5),
		"layer":      ref.DropoutMask(42, 1, 0, 1, 0, 99, 0.5),
		"example":    ref.DropoutMask(42, 1, 0, 0, 1, 99, 0.5),
	} {
		if slices.Equal(base, other) {
			t.Errorf("another %s must give another mask", name)
		}
	}
}
