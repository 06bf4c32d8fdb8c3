package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// The elementary functions work on four floats in a local and leave four on the stack; they keep x. Their polynomials
// are minimax fits (Lawson's algorithm) of what is left of each function after its argument is reduced. A NaN gives a
// NaN. The oracle states the same operations in the same order, and its tests the errors found over dense sweeps:
//
//	Exp       1.1 ulp     e^x, x first clamped to ±80
//	Sigmoid   2.4 ulp     1 / (1 + Exp(−x)), at least e^−80
//	Tanh      2.4 ulp
//	Expm1     1.9 ulp     e^x − 1, x first clamped to ±80
//	Log       0.9 ulp     positive normal x; 0 gives −127·ln 2, infinity NaN
//	Log1p     1.9 ulp     ln(1 + x) for 0 ≤ x ≤ 1
//	Erf       1.4 ulp
//	cosTurns  2^−23       absolute; cos 2πx for |x| ≤ 1
//
// Exp, Sigmoid and Log never fall where x rises; Tanh may, by two units in the last place.
const (
	log2e = 0x1.715476p+00
	// ln2High has 13 significant bits, so that its product with an exponent is exact.
	ln2High = 0x1.62ep-01
	ln2Low  = 0x1.0bfbe8p-15
	// roundToInt plus a number below 2^22 has that number, rounded to nearest even, in its lowest bits.
	roundToInt = 0x1.8p+23
	oneBits    = 0x3f800000 // of 1
	sqrtHalf   = 0x3f3504f3 // bits of √½
	expLimit   = 80
	tanhLimit  = 10 // where tanh is 1 in f32
	erfLimit   = 4  // where erf is 1 in f32
)

// Coefficients, the highest first.
var (
	// (e^r − 1 − r)/r² for |r| ≤ ½·ln 2
	expFit = []float32{0x1.6d6646p-10, 0x1.120b72p-07, 0x1.5554d4p-05, 0x1.5554dep-03, 0x1p-01}
	// (ln((1+s)/(1−s)) − 2s)/s³ in s²; 1+f = (1+s)/(1−s) in √½…√2
	logFit = []float32{0x1.2efa72p-02, 0x1.997b84p-02, 0x1.55555cp-01}
	// the same for s² ≤ 1/9
	log1pFit = []float32{0x1.1ef892p-02, 0x1.1eb60cp-02, 0x1.99d27cp-02, 0x1.5555p-01}
	// erf(x)/x − 1 in x² ≤ 1, and −ln(1 − erf(x)) in x for 1 ≤ x ≤ 4
	erfFit  = []float32{0x1.496a44p-14, -0x1.a3f70ap-11, 0x1.5405b4p-08, -0x1.b7f90ep-06, 0x1.ce2cf8p-04, -0x1.81273ep-02, 0x1.06eba8p-03}
	erfcFit = []float32{-0x1.852d8cp-13, 0x1.814d04p-09, -0x1.654238p-06, 0x1.a60a8ep-04, 0x1.46c582p-01, 0x1.2085b2p+00, 0x1.72e49p-12}
	// sin(πf/2)/f and cos(πf/2) in f² for |f| ≤ ½
	sinFit = []float32{-0x1.3351aap-08, 0x1.4681b6p-04, -0x1.4abc26p-01, 0x1.921fb6p+00}
	cosFit = []float32{0x1.b4eee2p-11, -0x1.555884p-06, 0x1.03c13ep-02, -0x1.3bd3ccp+00, 1}
)

// horner pushes a polynomial of x, its highest coefficient first.
func horner(c *code, x local, coefficients []float32) {
	c.F32x4(coefficients[0])
	for _, a := range coefficients[1:] {
		c.Get(x)
		c.Op(asm.F32x4Mul)
		c.F32x4(a)
		c.Op(asm.F32x4Add)
	}
}

// reduceExp takes x, |x| ≤ 80, from the stack and pushes p of e^x = scale·(1 + p), where scale, a power of two, is left
// in a local.
func reduceExp(c *code, scale local) {
	x, n := c.Local(asm.V128), c.Local(asm.V128)
	c.Tee(x)
	c.F32x4(log2e)
	c.Op(asm.F32x4Mul)
	c.F32x4(roundToInt)
	c.Op(asm.F32x4Add)
	c.Tee(scale)
	c.F32x4(roundToInt)
	c.Op(asm.F32x4Sub)
	c.Set(n)
	c.Get(x, n)
	c.F32x4(ln2High)
	c.Op(asm.F32x4Mul, asm.F32x4Sub)
	c.Get(n)
	c.F32x4(ln2Low)
	c.Op(asm.F32x4Mul, asm.F32x4Sub)
	c.Set(x) // r
	c.Get(scale)
	c.I32(23)
	c.Op(asm.I32x4Shl)
	c.I32x4(oneBits)
	c.Op(asm.I32x4Add)
	c.Set(scale)
	c.Get(x, x, x)
	c.Op(asm.F32x4Mul)
	horner(c, x, expFit)
	c.Op(asm.F32x4Mul, asm.F32x4Add)
	c.Release(x, n)
}

// Exp pushes e^x.
func Exp(c *code, x local) {
	c.Get(x)
	expOfTop(c)
}

// expOfTop replaces the vector on the stack by its exponential.
func expOfTop(c *code) {
	scale := c.Local(asm.V128)
	c.F32x4(expLimit)
	c.Op(asm.F32x4PMin)
	c.F32x4(-expLimit)
	c.Op(asm.F32x4PMax)
	reduceExp(c, scale)
	c.F32x4(1)
	c.Op(asm.F32x4Add)
	c.Get(scale)
	c.Op(asm.F32x4Mul)
	c.Release(scale)
}

// Expm1 pushes e^x − 1, computed without cancellation.
func Expm1(c *code, x local) {
	scale := c.Local(asm.V128)
	c.Get(x)
	c.F32x4(expLimit)
	c.Op(asm.F32x4PMin)
	c.F32x4(-expLimit)
	c.Op(asm.F32x4PMax)
	reduceExp(c, scale)
	c.Get(scale)
	c.Op(asm.F32x4Mul)
	c.Get(scale)
	c.F32x4(1)
	c.Op(asm.F32x4Sub, asm.F32x4Add)
	c.Release(scale)
}

// Sigmoid pushes 1 / (1 + e^−x).
func Sigmoid(c *code, x local) {
	c.F32x4(1)
	c.Get(x)
	c.Op(asm.F32x4Neg)
	expOfTop(c)
	c.F32x4(1)
	c.Op(asm.F32x4Add, asm.F32x4Div)
}

// Tanh pushes the hyperbolic tangent: with m = e^2|x| − 1, computed without cancellation, it is m/(m + 2) with the sign
// of x.
func Tanh(c *code, x local) {
	scale, m := c.Local(asm.V128), c.Local(asm.V128)
	c.Get(x)
	c.Op(asm.F32x4Abs)
	c.Tee(m)
	c.Get(m)
	c.Op(asm.F32x4Add)
	c.F32x4(2 * tanhLimit)
	c.Op(asm.F32x4PMin)
	reduceExp(c, scale)
	c.Get(scale)
	c.Op(asm.F32x4Mul)
	c.Get(scale)
	c.F32x4(1)
	c.Op(asm.F32x4Sub, asm.F32x4Add)
	c.Tee(m)
	c.Get(m)
	c.F32x4(2)
	c.Op(asm.F32x4Add, asm.F32x4Div)
	c.Get(x)
	c.I32x4(-1 << 31)
	c.Op(asm.V128And, asm.V128Or)
	c.Release(scale, m)
}

// Log pushes the natural logarithm of positive normal numbers.
func Log(c *code, x local) {
	f, s, r, h, k := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
	// x = 2^k·(1 + f), 1 + f in √½…√2
	c.Get(x)
	c.I32x4(sqrtHalf)
	c.Op(asm.I32x4Sub)
	c.Tee(f)
	c.I32(23)
	c.Op(asm.I32x4ShrS, asm.F32x4ConvS)
	c.Set(k)
	c.Get(f)
	c.I32x4(0x7fffff)
	c.Op(asm.V128And)
	c.I32x4(sqrtHalf)
	c.Op(asm.I32x4Add)
	c.F32x4(1)
	c.Op(asm.F32x4Sub)
	c.Tee(f)
	c.F32x4(2)
	c.Get(f)
	c.Op(asm.F32x4Add, asm.F32x4Div)
	c.Tee(s)
	c.Get(s)
	c.Op(asm.F32x4Mul)
	c.Set(r)
	horner(c, r, logFit)
	c.Get(r)
	c.Op(asm.F32x4Mul)
	c.Set(r)
	c.F32x4(0.5)
	c.Get(f)
	c.Op(asm.F32x4Mul)
	c.Get(f)
	c.Op(asm.F32x4Mul)
	c.Set(h)
	// k·ln2High − ((h − (s·(h + r) + k·ln2Low)) − f)
	c.Get(k)
	c.F32x4(ln2High)
	c.Op(asm.F32x4Mul)
	c.Get(h, s, h, r)
	c.Op(asm.F32x4Add, asm.F32x4Mul)
	c.Get(k)
	c.F32x4(ln2Low)
	c.Op(asm.F32x4Mul, asm.F32x4Add, asm.F32x4Sub)
	c.Get(f)
	c.Op(asm.F32x4Sub, asm.F32x4Sub)
	// + 0, or NaN where x is not finite
	c.Get(x, x)
	c.Op(asm.F32x4Sub, asm.F32x4Add)
	c.Release(f, s, r, h, k)
}

// Log1p pushes ln(1 + x) for 0 ≤ x ≤ 1: with s = x/(2 + x), it is 2s + s³·(…).
func Log1p(c *code, x local) {
	s, r := c.Local(asm.V128), c.Local(asm.V128)
	c.Get(x)
	c.F32x4(2)
	c.Get(x)
	c.Op(asm.F32x4Add, asm.F32x4Div)
	c.Tee(s)
	c.Get(s)
	c.Op(asm.F32x4Mul)
	c.Set(r)
	c.Get(s, s)
	c.Op(asm.F32x4Add)
	horner(c, r, log1pFit)
	c.Get(r)
	c.Op(asm.F32x4Mul)
	c.Get(s)
	c.Op(asm.F32x4Mul, asm.F32x4Add)
	c.Release(s, r)
}

// Erf pushes the error function: |x| + |x|·(…) up to 1, and 1 − e^−(…) above, with the sign of x.
func Erf(c *code, x local) {
	a, t := c.Local(asm.V128), c.Local(asm.V128)
	c.Get(x)
	c.Op(asm.F32x4Abs)
	c.F32x4(erfLimit)
	c.Op(asm.F32x4PMin)
	c.Tee(a)
	c.Get(a)
	c.Op(asm.F32x4Mul)
	c.Set(t)
	c.Get(a)
	horner(c, t, erfFit)
	c.Get(a)
	c.Op(asm.F32x4Mul, asm.F32x4Add)
	c.F32x4(1)
	horner(c, a, erfcFit)
	c.Op(asm.F32x4Neg)
	expOfTop(c)
	c.Op(asm.F32x4Sub)
	c.Get(a)
	c.F32x4(1)
	c.Op(asm.F32x4Le, asm.V128Bitsel)
	c.Get(x)
	c.I32x4(-1 << 31)
	c.Op(asm.V128And, asm.V128Or)
	c.Release(a, t)
}

// cosTurns replaces u, |u| ≤ 1, on the stack by cos 2πu.
func cosTurns(c *code) {
	f, t, w := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
	// 4u = t + f, t the nearest quarter turn (in the lowest bits)
	c.F32x4(4)
	c.Op(asm.F32x4Mul)
	c.Tee(f)
	c.F32x4(roundToInt)
	c.Op(asm.F32x4Add)
	c.Set(t)
	c.Get(f, t)
	c.F32x4(roundToInt)
	c.Op(asm.F32x4Sub, asm.F32x4Sub)
	c.Tee(f)
	c.Get(f)
	c.Op(asm.F32x4Mul)
	c.Set(w)
	horner(c, w, sinFit)
	c.Get(f)
	c.Op(asm.F32x4Mul)
	horner(c, w, cosFit)
	// An odd t takes the sine; t mod 4 of 1 and 2 is negative.
	c.Get(t)
	c.I32(31)
	c.Op(asm.I32x4Shl)
	c.I32(31)
	c.Op(asm.I32x4ShrS, asm.V128Bitsel)
	c.Get(t)
	c.I32x4(1)
	c.Op(asm.I32x4Add)
	c.I32x4(2)
	c.Op(asm.V128And)
	c.I32(30)
	c.Op(asm.I32x4Shl, asm.V128Xor)
	c.Release(f, t, w)
}
