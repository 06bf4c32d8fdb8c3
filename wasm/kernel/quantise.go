package kernel

import (
	"math"

	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Quantisation turns a microbatch's gradient into integers, so that the sum over a step does not depend on who computed
// which microbatch, nor in which order the parts were merged.
//
// Per tensor, F is the largest exponent field among its gradients (max|g| < 2^(F−126)), reported in a segment that
// combines by max. The scale is 2^s with s = bits − 2 − E, where E is F − 126 of the step before: one bit of headroom
// beside the sign. A value is g·2^s, clamped to ±Bound and rounded to the nearest integer, ties to even.
const (
	// ExponentBias turns an exponent field F into E: max|g| < 2^(F−ExponentBias).
	ExponentBias = 126
	// headroom is how many powers of two a gradient may grow within a step before it is clamped.
	headroom = 1
	// minScale and maxScale bound s so that 2^s and 2^−s are both normal numbers, and a subnormal gradient always
	// becomes 0.
	minScale, maxScale = -126, 120

	absMask   = math.MaxInt32 // all bits of a float but the sign
	infinity  = 0xff          // the exponent field of infinities and NaNs
	mantissa  = 23            // bits
	floatBias = 127
)

// Bound is the largest magnitude that a microbatch adds to an accumulator at this width.
func Bound(bits int) int64 { return 1<<(bits-1) - 1 }

// MaxMicrobatches is the largest number of microbatches in a step for which no 32-bit sum overflows.
func MaxMicrobatches(bits int) int64 { return math.MaxInt32 / Bound(bits) }

// Quantise emits () → status: the end of a microbatch, when the gradients of all parameters are complete. It adds the
// quantised gradients to the sums, raises the peaks, and adds the number of values that met ±Bound to the i64 at clipped.
// Where a gradient is not finite nothing is changed at all, and the result is status(p) of the first such tensor.
//
// The loops are two functions that take addresses: engines have dozens of tensors, code has to be compiled before the
// first step, and per tensor a call costs nothing.
func (e *Emitter) Quantise(params []Parameter, bits, clipped int, status func(p Parameter) int) Fn {
	var longest int64
	for _, p := range params {
		longest = max(longest, gradientTrips(p))
	}
	peak := e.peak(longest)
	quantise := e.quantise(longest, bits)
	return e.Define("quantise", nil, []asm.ValType{asm.I32}, func(c *code, _ []local) {
		fields := c.Locals(asm.I32, len(params))
		for i, p := range params {
			gradientArguments(c, p)
			c.Call(peak.Index, 1+gradientTrips(p))
			c.Tee(fields[i])
			c.I32(infinity)
			c.Op(asm.I32Eq)
			c.If(func() {
				c.I32(status(p))
				c.Return()
			})
		}
		c.I32(clipped)
		c.I32(clipped)
		c.Mem(asm.I64Load, 0)
		for i, p := range params {
			// max(peak, F)
			c.I32(p.Peak)
			c.Get(fields[i])
			c.I32(p.Peak)
			c.Mem(asm.I32Load, 0)
			c.Get(fields[i])
			c.I32(p.Peak)
			c.Mem(asm.I32Load, 0)
			c.Op(asm.I32GtS, asm.Select)
			c.Mem(asm.I32Store, 0)

			gradientArguments(c, p)
			c.I32(p.Sum)
			c.I32(p.Exponent)
			c.Call(quantise.Index, 1+gradientTrips(p))
			c.Op(asm.I64ExtU, asm.I64Add)
		}
		c.Mem(asm.I64Store, 0)
		c.I32(0)
	})
}

// peak emits the function that returns the largest exponent field of a gradient. Comparing the bits as integers orders
// magnitudes, with infinities and NaNs above all numbers.
func (e *Emitter) peak(trips int64) Fn {
	return e.Define("quantise.peak", gradientParams, []asm.ValType{asm.I32}, func(c *code, p []local) {
		most, magnitude := c.Local(asm.V128), c.Local(asm.V128)
		c.I32x4(absMask)
		c.Set(magnitude)
		walk(c, trips, p[0], p[1], p[2], p[3], func() {}, func(offset int, mask *local) {
			c.Load(asm.V128Load, p[0], offset)
			c.Get(magnitude)
			c.Op(asm.V128And)
			if mask != nil {
				c.Get(*mask)
				c.Op(asm.V128And)
			}
			c.Get(most)
			c.Op(asm.I32x4MaxS)
			c.Set(most)
		}, func(int) {})
		foldLanes(c, most, asm.I32x4MaxS)
		c.I32(mantissa)
		c.Op(asm.I32ShrU)
	})
}

// quantise emits the function that adds a gradient's integers to the sums and returns how many met ±Bound. Further
// arguments are the addresses of sums and exponent.
func (e *Emitter) quantise(trips int64, bits int) Fn {
	params := append(append([]asm.ValType(nil), gradientParams...), asm.I32, asm.I32)
	return e.Define("quantise.tensor", params, []asm.ValType{asm.I32}, func(c *code, p []local) {
		row, rows, cols, stride, sums, exponent := p[0], p[1], p[2], p[3], p[4], p[5]
		scale, upper, lower := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		bound, count, x := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		start := c.Local(asm.I32)

		c.Load(asm.I32Load, exponent, 0)
		c.I32(NoExponent)
		c.Op(asm.I32Eq)
		c.If(func() {
			c.I32(0)
			c.Return()
		})
		c.I32(floatBias)
		scaleExponent(c, bits, exponent)
		c.Op(asm.I32Add)
		c.I32(mantissa)
		c.Op(asm.I32Shl, asm.I32x4Splat)
		c.Set(scale)
		c.F32x4(float32(Bound(bits)))
		c.Set(upper)
		c.F32x4(-float32(Bound(bits)))
		c.Set(lower)
		c.I32x4(int32(Bound(bits)))
		c.Set(bound)

		walk(c, trips, row, rows, cols, stride, func() {
			c.Get(sums)
			c.Set(start)
			c.Get(sums, cols)
			c.I32(2)
			c.Op(asm.I32Shl, asm.I32Add)
			c.Set(sums)
		}, func(offset int, mask *local) {
			c.Get(upper, lower)
			c.Load(asm.V128Load, row, offset)
			if mask != nil {
				c.Get(*mask)
				c.Op(asm.V128And)
			}
			c.Get(scale)
			c.Op(asm.F32x4Mul, asm.F32x4PMax, asm.F32x4PMin)
			roundToI32(c, bits)
			c.Set(x)

			c.Get(start)
			c.Load(asm.V128Load, start, offset)
			c.Get(x)
			c.Op(asm.I32x4Add)
			c.Mem(asm.V128Store, offset)

			// A comparison gives −1 where it holds.
			c.Get(count, x)
			c.Op(asm.I32x4Abs)
			c.Get(bound)
			c.Op(asm.I32x4Eq, asm.I32x4Sub)
			c.Set(count)
		}, func(bytes int) { c.AddTo(start, bytes) })
		foldLanes(c, count, asm.I32x4Add)
	})
}

// scaleExponent pushes s for the exponent E in memory.
func scaleExponent(c *code, bits int, exponent local) {
	s := c.Local(asm.I32)
	c.I32(bits - 1 - headroom)
	c.Load(asm.I32Load, exponent, 0)
	c.Op(asm.I32Sub)
	c.Set(s)
	clamp := func(limit int, test asm.Op) {
		c.I32(limit)
		c.Get(s)
		c.Get(s)
		c.I32(limit)
		c.Op(test, asm.Select)
		c.Set(s)
	}
	clamp(minScale, asm.I32LtS)
	clamp(maxScale, asm.I32GtS)
	c.Get(s)
	c.Release(s)
}

// roundToI32 replaces four floats of magnitude up to Bound by the nearest integers, ties to even. Up to 2^22, adding
// 1.5·2^23 leaves the integer in the low bits of the sum: two instructions, where a saturating conversion is eight.
func roundToI32(c *code, bits int) {
	const magic = 3 << 22
	if Bound(bits) <= 1<<22 {
		c.F32x4(magic)
		c.Op(asm.F32x4Add)
		c.I32x4(int32(math.Float32bits(magic)))
		c.Op(asm.I32x4Sub)
		return
	}
	c.Op(asm.F32x4Near, asm.I32x4SatF32S)
}
