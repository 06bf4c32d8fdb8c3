package kernel

import (
	"math"

	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Averages are the running averages of a layer's statistics, a mean and a variance per channel. They are parameters in that
// all of inference reads them, but are not trained.
//
// Each microbatch adds its statistics, clamped to ±2^20 and rounded to 2^−24, to integers in scratch; where accumulate
// succeeds these are added to a segment: how many were added, the means, the variances. apply takes them to f64,
//
//	average ← (1 − α)·average + α·(Σ·2^−24 / count),
//
// and rounds once. Magnitudes below 2^−100 become +0.
type Averages struct {
	Channels       int
	Momentum       float64 // α
	Mean, Variance int     // addresses: f32 [Channels], parameters
	Pending        int     // i64 [1 + 2·Channels], scratch: of this call
	Segment        int     // the same, accumulators
	Rate           int     // f32, hyper-parameter: where it is 0 the layer is frozen, and its averages stay
}

// Values is the number of integers.
func (a Averages) Values() int { return 1 + 2*a.Channels }

const (
	statisticBits  = 24
	statisticLimit = 1 << 20
)

// began counts a microbatch, or a local step of one.
func (a Averages) began(c *code) {
	c.I32(a.Pending)
	c.I32(a.Pending)
	c.Mem(asm.I64Load, 0)
	c.I64(1)
	c.Op(asm.I64Add)
	c.Mem(asm.I64Store, 0)
}

// report adds a statistic (0 the mean, 1 the variance), of the channel at offset p of an array of floats.
func (a Averages) report(c *code, p local, which int, value func()) {
	at := a.Pending + 8*(1+which*a.Channels)
	scaled(c, p, 2)
	scaled(c, p, 2)
	c.Mem(asm.I64Load, at)
	value()
	c.Op(asm.F64Promot)
	c.F64(-statisticLimit)
	c.Op(asm.F64Max)
	c.F64(statisticLimit)
	c.Op(asm.F64Min)
	c.F64(1 << statisticBits)
	c.Op(asm.F64Mul, asm.F64Near, asm.I64SatF64S, asm.I64Add)
	c.Mem(asm.I64Store, at)
}

// Clear emits what comes at the start of accumulate.
func (a Averages) Clear(c *code) { c.MemFill(a.Pending, 8*a.Values()) }

// Commit emits what comes at its end.
func (a Averages) Commit(c *code) {
	p := c.Local(asm.I32)
	c.For(p, 0, 8*a.Values(), 8, func() {
		c.Get(p)
		c.Load(asm.I64Load, p, a.Segment)
		c.Load(asm.I64Load, p, a.Pending)
		c.Op(asm.I64Add)
		c.Mem(asm.I64Store, a.Segment)
	})
	c.Release(p)
}

// Apply emits what a step after the first makes of the segment.
func (a Averages) Apply(c *code) {
	count, p, x := c.Local(asm.F64), c.Local(asm.I32), c.Local(asm.F32)
	c.I32(a.Segment)
	c.Mem(asm.I64Load, 0)
	c.Op(asm.F64ConvL)
	c.Set(count)
	c.Get(count)
	c.F64(0)
	c.Op(asm.F64Gt)
	c.I32(a.Rate)
	c.Mem(asm.F32Load, 0)
	c.F32(0)
	c.Op(asm.F32Ne, asm.I32And)
	c.If(func() {
		for which, average := range []int{a.Mean, a.Variance} {
			c.For(p, 0, 4*a.Channels, 4, func() {
				c.Load(asm.F32Load, p, average)
				c.Op(asm.F64Promot)
				c.F64(1 - a.Momentum)
				c.Op(asm.F64Mul)
				scaled(c, p, 2)
				c.Mem(asm.I64Load, a.Segment+8*(1+which*a.Channels))
				c.Op(asm.F64ConvL)
				c.F64(math.Ldexp(1, -statisticBits))
				c.Op(asm.F64Mul)
				c.Get(count)
				c.Op(asm.F64Div)
				c.F64(a.Momentum)
				c.Op(asm.F64Mul, asm.F64Add, asm.F32Demote)
				c.Set(x)
				c.Get(p)
				c.F32(0)
				c.Get(x)
				c.Get(x)
				c.Op(asm.F32Abs)
				c.F32(math.Float32frombits(tiny))
				c.Op(asm.F32Lt, asm.Select)
				c.Mem(asm.F32Store, average)
			})
		}
	})
	c.Release(count, p, x)
}
