package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

const (
	// truncation is how far from zero a truncated standard normal number may be.
	truncation = 2
	// redraws is how often a number is drawn at most. One in 22 lies beyond the truncation, so in practice none of them
	// ever does after the last time; it would then be put at the border.
	redraws = 16
)

// truncated emits what fills with truncated normal numbers, with the parameters of Fill. Attempt k, from 0, takes the
// normal numbers of the counter (i/4, stream, k, 0), for those of the four values that lay beyond ±2 before.
func (e *Emitter) truncated(philox Fn) Fn {
	params := []asm.ValType{asm.I32, asm.I32, asm.F32, asm.I32, asm.I32}
	return e.Define("fill.truncated", params, nil, func(c *code, p []local) {
		addr, count, scale, stream := p[0], p[1], p[2], p[3]
		counter, attempt := c.Local(asm.I32), c.Local(asm.I32)
		value, fresh, beyond := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		c.SetI32(counter, 0)
		c.Repeat(1, func() {
			c.SetI32(attempt, 0)
			c.I32x4(-1)
			c.Set(beyond)
			c.Repeat(redraws, func() {
				c.Get(counter, stream, attempt)
				c.I32(0)
				call(c, philox)
				collect(c)
				c.Set(fresh)
				uniforms(c, fresh)
				c.Set(fresh)
				normals(c, fresh)
				c.Get(value, beyond)
				c.Op(asm.V128Bitsel)
				c.Tee(value)
				c.Op(asm.F32x4Abs)
				c.F32x4(truncation)
				c.Op(asm.F32x4Gt)
				c.Set(beyond)
				c.AddTo(attempt, 1)
				c.Get(beyond)
				c.Op(asm.V128AnyTrue)
				c.Get(attempt)
				c.I32(redraws)
				c.Op(asm.I32LtS, asm.I32And)
			})
			c.Get(addr, value)
			c.F32x4(truncation)
			c.Op(asm.F32x4PMin)
			c.F32x4(-truncation)
			c.Op(asm.F32x4PMax)
			c.Get(scale)
			c.Op(asm.F32x4Splat, asm.F32x4Mul)
			c.Mem(asm.V128Store, 0)
			c.AddTo(addr, 16)
			c.AddTo(counter, 1)
			c.AddTo(count, -4)
			c.Get(count)
			c.I32(0)
			c.Op(asm.I32GtS)
		})
	})
}
