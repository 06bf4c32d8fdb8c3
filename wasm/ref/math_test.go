package ref_test

import (
	"math"
	"testing"

	"github.com/reprise-ml/reprise/wasm/ref"
)

// ulps is the distance of got from want, in units of the last place of a float32 of want's size.
func ulps(got float32, want float64) float64 {
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e, -125)-24)
}

// everyNth visits the floats from a to b, 0 < a < b, in rising order, leaving out all but every nth.
func everyNth(n uint32, a, b float32, visit func(x float32)) {
	for i := math.Float32bits(a); i <= math.Float32bits(b); i += n {
		visit(math.Float32frombits(i))
	}
}

func TestElementaryFunctions(t *testing.T) {
	for _, tt := range []struct {
		name     string
		f        func(float32) float32
		want     func(float64) float64
		from, to float32
		negative bool // −to…−from as well
		every    uint32
		ulps     float64 // largest error
		fall     float64 // by how many ulps a larger x may give less
	}{
		{"exp", ref.Exp, math.Exp, 0x1p-30, 80, true, 1009, 1.1, 0},
		{"sigmoid", ref.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 0x1p-30, 80, true, 1009, 2.4, 0},
		{"tanh", ref.Tanh, math.Tanh, 0x1p-126, 30, true, 3001, 2.4, 2},
		{"log", ref.Log, math.Log, 0x1p-126, math.MaxFloat32, false, 3001, 0.9, 0},
		{"expm1", ref.Expm1, math.Expm1, 0x1p-126, 80, true, 3001, 1.9, 2},
		{"log1p", ref.Log1p, math.Log1p, 0x1p-126, 1, false, 1009, 1.9, 2},
		{"erf", ref.Erf, math.Erf, 0x1p-120, 10, true, 3001, 1.4, 2},
		{"log near 1", ref.Log, math.Log, 0.9, 1.1, false, 17, 0.9, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			worst, at := 0.0, float32(0)
			check := func(x float32) {
				if d := ulps(tt.f(x), tt.want(float64(x))); !(d <= worst) {
					worst, at = d, x
				}
			}
			drop, dropAt, last := 0.0, float32(0), float32(math.Inf(-1))
			everyNth(tt.every, tt.from, tt.to, func(x float32) {
				check(x)
				y := tt.f(x)
				if d := float64(last - y); d > 0 && ulps(last, float64(y)) > drop {
					drop, dropAt = ulps(last, float64(y)), x
				}
				last = y
				if tt.negative {
					check(-x)
				}
			})
			if !(worst <= tt.ulps) {
				t.Errorf("%.2f ulp at %g, want at most %g", worst, at, tt.ulps)
			}
			if !(drop <= tt.fall) {
				t.Errorf("falls by %.2f ulp at %g, want at most %g", drop, dropAt, tt.fall)
			}
		})
	}
}

func TestCosTurns(t *testing.T) {
	worst := 0.0
	for i := -1 << 24; i <= 1<<24; i += 31 {
		u := float32(i) * 0x1p-24
		worst = max(worst, math.Abs(float64(ref.CosTurns(u))-math.Cos(2*math.Pi*float64(u))))
	}
	if !(worst <= 0x1p-23) {
		t.Errorf("error %g", worst)
	}
}

func TestElementaryFunctionsAtTheEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, tt := range []struct {
		name    string
		f       func(float32) float32
		x, want float32
	}{
		{"exp 0", ref.Exp, 0, 1},
		{"exp saturates above", ref.Exp, inf, ref.Exp(80)},
		{"exp saturates below", ref.Exp, -inf, ref.Exp(-80)},
		{"exp NaN", ref.Exp, nan, nan},
		{"sigmoid 0", ref.Sigmoid, 0, 0.5},
		{"sigmoid inf", ref.Sigmoid, inf, 1},
		{"sigmoid -inf", ref.Sigmoid, -inf, 1 / (1 + ref.Exp(80))},
		{"sigmoid NaN", ref.Sigmoid, nan, nan},
		{"tanh 0", ref.Tanh, 0, 0},
		{"tanh subnormal", ref.Tanh, -0x1p-140, -0x1p-140},
		{"tanh inf", ref.Tanh, inf, 1},
		{"tanh -inf", ref.Tanh, -inf, -1},
		{"tanh NaN", ref.Tanh, nan, nan},
		{"log 1", ref.Log, 1, 0},
		{"log 0", ref.Log, 0, -127 * math.Ln2},
		{"log inf", ref.Log, inf, nan},
		{"log NaN", ref.Log, nan, nan},
		{"expm1 saturates", ref.Expm1, -inf, -1},
		{"log1p 0", ref.Log1p, 0, 0},
		{"erf 0", ref.Erf, 0, 0},
		{"erf inf", ref.Erf, inf, 1},
		{"erf -inf", ref.Erf, -inf, -1},
		{"erf NaN", ref.Erf, nan, nan},
		{"a turn", ref.CosTurns, 1, 1},
		{"half a turn", ref.CosTurns, -0.5, -1},
		{"a quarter", ref.CosTurns, 0.25, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.f(tt.x)
			if got != tt.want && !(math.IsNaN(float64(got)) && math.IsNaN(float64(tt.want))) {
				t.Errorf("f(%g) = %g, want %g", tt.x, got, tt.want)
			}
		})
	}
	if y := ref.Sigmoid(-inf); y < 0x1p-126 {
		t.Errorf("sigmoid must not give subnormals, gives %g", y)
	}
}
