package ref

import "math"

// The elementary functions below are our own, as those of package math differ between architectures. Every product that
// is added to something is converted first, which keeps compilers from fusing the two.

const (
	log2e = 0x1.715476p+00
	// ln2High has 13 significant bits, so that its product with an exponent is exact.
	ln2High = 0x1.62ep-01
	ln2Low  = 0x1.0bfbe8p-15
	// roundToInt plus a number below 2^22 has that number, rounded to nearest even, in its lowest bits.
	roundToInt = 0x1.8p+23
	one        = 0x3f800000 // bits of 1
	sqrtHalf   = 0x3f3504f3 // bits of √½
)

// expLimit is where Exp saturates.
const expLimit = 80

// reduceExp splits e^x, |x| ≤ 80, into scale·(1 + p): scale is a power of two, p is in √½ − 1 … √2 − 1.
func reduceExp(x float32) (scale, p float32) {
	t := float32(x*log2e) + roundToInt
	n := t - roundToInt
	r := x - float32(n*ln2High)
	r -= float32(n * ln2Low)
	q := float32(0x1.6d6646p-10)
	for _, c := range []float32{0x1.120b72p-07, 0x1.5554d4p-05, 0x1.5554dep-03, 0x1p-01} {
		q = float32(q*r) + c
	}
	return math.Float32frombits(math.Float32bits(t)<<23 + one), r + float32(float32(r*r)*q)
}

// Exp is e^x, where x is first clamped to ±80.
func Exp(x float32) float32 {
	x = pmax(pmin(x, expLimit), -expLimit)
	scale, p := reduceExp(x)
	return (1 + p) * scale
}

// Expm1 is e^x − 1, where x is first clamped to ±80.
func Expm1(x float32) float32 {
	scale, p := reduceExp(pmax(pmin(x, expLimit), -expLimit))
	return float32(scale*p) + (scale - 1)
}

// Sigmoid is 1 / (1 + e^−x).
func Sigmoid(x float32) float32 { return 1 / (1 + Exp(-x)) }

// Tanh is the hyperbolic tangent, (e^2x − 1) / (e^2x + 1).
func Tanh(x float32) float32 {
	a := float32(math.Abs(float64(x)))
	scale, p := reduceExp(pmin(a+a, 20))
	m := float32(scale*p) + (scale - 1)
	return float32(math.Copysign(float64(m/(m+2)), float64(x)))
}

// Log is the natural logarithm of a positive normal number. Zero gives −127·ln 2.
func Log(x float32) float32 {
	i := int32(math.Float32bits(x)) - sqrtHalf
	k := float32(i >> 23)
	f := math.Float32frombits(uint32(i&0x7fffff+sqrtHalf)) - 1
	s := f / (2 + f)
	w := float32(s * s)
	r := float32(0x1.2efa72p-02)
	for _, c := range []float32{0x1.997b84p-02, 0x1.55555cp-01} {
		r = float32(r*w) + c
	}
	r = float32(r * w)
	h := float32(float32(0.5*f) * f)
	return float32(k*ln2High) - ((h - (float32(s*(h+r)) + float32(k*ln2Low))) - f) + (x - x)
}

// Log1p is ln(1 + x) for 0 ≤ x ≤ 1.
func Log1p(x float32) float32 {
	s := x / (2 + x)
	w := float32(s * s)
	r := polynomial(w, 0x1.1ef892p-02, 0x1.1eb60cp-02, 0x1.99d27cp-02, 0x1.5555p-01)
	return (s + s) + float32(float32(r*w)*s)
}

// Erf is the error function.
func Erf(x float32) float32 {
	a := pmin(float32(math.Abs(float64(x))), 4)
	y := a + float32(polynomial(float32(a*a), 0x1.496a44p-14, -0x1.a3f70ap-11, 0x1.5405b4p-08, -0x1.b7f90ep-06, 0x1.ce2cf8p-04,
		-0x1.81273ep-02, 0x1.06eba8p-03)*a)
	if !(a <= 1) {
		y = 1 - Exp(-polynomial(a, -0x1.852d8cp-13, 0x1.814d04p-09, -0x1.654238p-06, 0x1.a60a8ep-04, 0x1.46c582p-01,
			0x1.2085b2p+00, 0x1.72e49p-12))
	}
	return float32(math.Copysign(float64(y), float64(x)))
}

// polynomial has its highest coefficient first.
func polynomial(x float32, coefficients ...float32) (y float32) {
	y = coefficients[0]
	for _, c := range coefficients[1:] {
		y = float32(y*x) + c
	}
	return y
}

// CosTurns is cos 2πu for |u| ≤ 1: u counts full turns.
func CosTurns(u float32) float32 {
	v := 4 * u // exact
	t := v + roundToInt
	f := v - (t - roundToInt)
	q := math.Float32bits(t)
	w := float32(f * f)
	y := float32(-0x1.3351aap-08)
	if q&1 != 0 {
		for _, c := range []float32{0x1.4681b6p-04, -0x1.4abc26p-01, 0x1.921fb6p+00} {
			y = float32(y*w) + c
		}
		y = float32(y * f) // sin πf/2
	} else {
		y = 0x1.b4eee2p-11
		for _, c := range []float32{-0x1.555884p-06, 0x1.03c13ep-02, -0x1.3bd3ccp+00, 1} {
			y = float32(y*w) + c
		}
	}
	return math.Float32frombits(math.Float32bits(y) ^ (q+1)&2<<30)
}

// pmin and pmax are the engine's: the second operand only if it compares, so that a NaN in the first passes.
func pmin[F Float](a, b F) F {
	if b < a {
		return b
	}
	return a
}

func pmax[F Float](a, b F) F {
	if a < b {
		return b
	}
	return a
}
