package ref_test

import (
	"math"
	"testing"

	"github.com/reprise-ml/reprise/wasm/ref"
)

func TestScaleStaysNormal(t *testing.T) {
	cases := []struct {
		bits     int
		exponent int32
		want     int
	}{
		{16, 0, 14}, {16, 1, 13}, {16, -3, 17}, {8, 128, -122}, {8, 400, -126}, {24, -98, 120}, {24, -125, 120}, {8, -1000, 120},
	}
	for _, c := range cases {
		if got := ref.Scale(c.bits, c.exponent); got != c.want {
			t.Errorf("%d bits, 2^%d: got %d, want %d", c.bits, c.exponent, got, c.want)
		}
	}
}

// What integers stand for is within half a unit of the gradient, for every width and exponent that fits.
func TestQuantiseRecovers(t *testing.T) {
	for _, bits := range []int{8, 12, 16, 24} {
		for _, exponent := range []int32{-90, -1, 0, 5, 127} {
			g := float32(math.Ldexp(0.7, int(exponent)))
			o := &ref.Tensor{Rows: 1, Cols: 1, GradStride: 4, Value: make([]float32, 1), Grad: []float32{g, 0, 0, 0}, Sum: make([]int32, 1), Exponent: exponent}
			if clipped, bad := ref.Quantise([]*ref.Tensor{o}, bits); clipped != 0 || bad != nil {
				t.Fatalf("%d clipped, bad %v", clipped, bad)
			}
			unit := math.Ldexp(1, -ref.Scale(bits, exponent))
			if d := math.Abs(float64(o.Sum[0])*unit - float64(g)); d > unit/2 {
				t.Errorf("%d bits, 2^%d: %d units of %g are not %g", bits, exponent, o.Sum[0], unit, g)
			}
			if o.Peak-126 != exponent {
				t.Errorf("%d bits, 2^%d: peak %d", bits, exponent, o.Peak)
			}
		}
	}
}
