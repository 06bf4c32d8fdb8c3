package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// The schedules of this file go from 1 to an end in so many steps. With p = f32(t/steps), 1 afterwards, and in f32:
//
//	polynomial  end + (1−end)·(1−p)^power     the power as e^(power·ln(1−p)), unless it is 1
//	cosine      end + (1−end)·(½·(1 + cos πp))
//
// A cosine with restarts starts again at 1 after its steps, with so many times as many steps each time (Loshchilov,
// Hutter: "SGDR: stochastic gradient descent with warm restarts", 2016). They agree with PyTorch's PolynomialLR,
// CosineAnnealingLR (whose eta_min is end times the rate) and CosineAnnealingWarmRestarts.
type (
	polynomial     struct{}
	cosine         struct{}
	cosineRestarts struct{}
)

func descentAttributes() []schema.Attribute {
	return []schema.Attribute{
		{Name: "steps", Kind: schema.Integer, Min: schema.AtLeast(1), Doc: "Steps in which the rate goes down to its end."},
		{Name: "end", Kind: schema.Number, Default: 0, Min: schema.AtLeast(0), Max: schema.AtMost(1), Doc: "What the rate is multiplied by at the end."},
	}
}

func (polynomial) Declaration() schema.Declaration {
	return schema.Declaration{Name: "polynomial", Doc: "The rate goes down along a power of the time that is left; in a straight line for a power of 1.", Attributes: append(descentAttributes(),
		schema.Attribute{Name: "power", Kind: schema.Number, Default: 1, Min: schema.Above(0), Max: schema.AtMost(100), Doc: "The power."})}
}

func (polynomial) multiplier(e *Emitter, a schema.Attributes) Fn {
	return e.descent("schedule.polynomial", int64(a.Float("steps")), a.Float("end"), func(c *code, p local) {
		rest, v := c.Local(asm.F32), c.Local(asm.V128)
		c.F32(1)
		c.Get(p)
		c.Op(asm.F32Sub)
		power := Single(a.Float("power"))
		if power == 1 {
			return
		}
		c.Tee(rest)
		c.F32(0)
		c.Op(asm.F32Eq)
		c.If(func() {
			c.F32(Single(a.Float("end")))
			c.Return()
		})
		c.Get(rest)
		c.Op(asm.F32x4Splat)
		c.Set(v)
		Log(c, v)
		c.F32x4(power)
		c.Op(asm.F32x4Mul)
		expOfTop(c)
		c.Lane(asm.F32x4Lane, 0)
	})
}

func (cosine) Declaration() schema.Declaration {
	return schema.Declaration{Name: "cosine", Doc: "The rate goes down along half a wave.", Attributes: descentAttributes()}
}

func (cosine) multiplier(e *Emitter, a schema.Attributes) Fn {
	return e.descent("schedule.cosine", int64(a.Float("steps")), a.Float("end"), halfWave)
}

// halfWave pushes ½·(1 + cos πp).
func halfWave(c *code, p local) {
	c.F32(0.5)
	c.F32(1)
	c.F32(0.5)
	c.Get(p)
	c.Op(asm.F32Mul, asm.F32x4Splat)
	cosTurns(c)
	c.Lane(asm.F32x4Lane, 0)
	c.Op(asm.F32Add, asm.F32Mul)
}

// descent emits t → end + (1−end)·x, where height pushes x, a function of p = f32(t/steps) ≤ 1.
func (e *Emitter) descent(name string, steps int64, end float64, height func(c *code, p local)) Fn {
	return e.Define(name, []asm.ValType{asm.I64}, []asm.ValType{asm.F32}, func(c *code, args []local) {
		p := c.Local(asm.F32)
		part(c, args[0], steps)
		c.Set(p)
		low := Single(end)
		c.F32(low)
		c.F32(1 - low)
		height(c, p)
		c.Op(asm.F32Mul, asm.F32Add)
	})
}

// part pushes f32(t/steps), at most 1.
func part(c *code, t local, steps int64) {
	c.Get(t)
	c.I64(steps)
	c.Get(t)
	c.I64(steps)
	c.Op(asm.I64LtS, asm.Select, asm.F64ConvL)
	c.F64(float64(steps))
	c.Op(asm.F64Div, asm.F32Demote)
}

func (cosineRestarts) Declaration() schema.Declaration {
	attributes := descentAttributes()
	attributes[0].Doc = "Steps until the rate is back at its full height for the first time."
	return schema.Declaration{Name: "cosine-restarts", Doc: "The rate goes down along half a wave, again and again.", Attributes: append(attributes,
		schema.Attribute{Name: "factor", Kind: schema.Integer, Default: 1, Min: schema.AtLeast(1), Max: schema.AtMost(1000), Doc: "How many times longer each wave is than the one before."})}
}

func (cosineRestarts) multiplier(e *Emitter, a schema.Attributes) Fn {
	steps, factor := int64(a.Float("steps")), int64(a.Float("factor"))
	low := Single(a.Float("end"))
	return e.Define("schedule.restarts", []asm.ValType{asm.I64}, []asm.ValType{asm.F32}, func(c *code, args []local) {
		t, wave, p := args[0], c.Local(asm.I64), c.Local(asm.F32)
		c.I64(steps)
		c.Set(wave)
		if factor == 1 {
			c.Get(t)
			c.I64(steps)
			c.Op(asm.I64RemU)
			c.Set(t)
		} else {
			more := func() {
				c.Get(t, wave)
				c.Op(asm.I64GeS)
			}
			more()
			c.If(func() {
				c.Repeat(64, func() { // a wave at least doubles each time
					c.Get(t, wave)
					c.Op(asm.I64Sub)
					c.Set(t)
					c.Get(wave)
					c.I64(factor)
					c.Op(asm.I64Mul)
					c.Set(wave)
					more()
				})
			})
		}
		c.Get(t)
		c.Op(asm.F64ConvL)
		c.Get(wave)
		c.Op(asm.F64ConvL, asm.F64Div, asm.F32Demote)
		c.Set(p)
		c.F32(low)
		c.F32(1 - low)
		halfWave(c, p)
		c.Op(asm.F32Mul, asm.F32Add)
	})
}

// oneCycle rises from 1/divide to 1 along half a wave, and falls along another to 1/(divide·finalDivide) (Smith, Topin:
// "Super-convergence", 2017; PyTorch's OneCycleLR with anneal_strategy "cos", learningRate being its max_lr). With a =
// rise·steps − 1 and b = steps − 1:
//
//	1 + (1/divide − 1)·(½·(1 + cos π·f32(t/a)))            t ≤ a
//	end + (1 − end)·(½·(1 + cos π·f32((t−a)/(b−a))))       then; end from b on
type oneCycle struct{}

func (oneCycle) Declaration() schema.Declaration {
	return schema.Declaration{Name: "one-cycle", Doc: "The rate rises to its full height and falls again, far below where it began.", Attributes: []schema.Attribute{
		{Name: "steps", Kind: schema.Integer, Min: schema.AtLeast(2), Doc: "Steps of the cycle."},
		{Name: "rise", Kind: schema.Number, Default: 0.3, Min: schema.Above(0), Max: schema.Below(1), Doc: "Part of the cycle in which the rate rises."},
		{Name: "divide", Kind: schema.Number, Default: 25, Min: schema.AtLeast(1), Max: schema.AtMost(1e6), Doc: "The rate begins at its full height divided by this."},
		{Name: "finalDivide", Kind: schema.Number, Default: 10000, Min: schema.AtLeast(1), Max: schema.AtMost(1e9), Doc: "The rate ends at where it began divided by this."},
	}}
}

func (oneCycle) check(a schema.Attributes) (attribute, problem string) {
	if steps := a.Float("steps"); a.Float("rise")*steps <= 1 {
		return "rise", fmt.Sprintf("%v of %v steps is not even one; give more of either", a.Float("rise"), steps)
	}
	return "", ""
}

func (oneCycle) multiplier(e *Emitter, a schema.Attributes) Fn {
	top, last := a.Float("rise")*a.Float("steps")-1, a.Float("steps")-1
	begin := Single(1 / a.Float("divide"))
	end := Single(1 / a.Float("divide") / a.Float("finalDivide"))
	return e.Define("schedule.cycle", []asm.ValType{asm.I64}, []asm.ValType{asm.F32}, func(c *code, args []local) {
		t, p := c.Local(asm.F64), c.Local(asm.F32)
		wave := func(from, length float64, low, high float32) {
			c.Get(t)
			c.F64(from)
			c.Op(asm.F64Sub)
			c.F64(length)
			c.Op(asm.F64Div, asm.F32Demote)
			c.Set(p)
			c.F32(low)
			c.F32(high - low)
			halfWave(c, p)
			c.Op(asm.F32Mul, asm.F32Add)
			c.Return()
		}
		c.Get(args[0])
		c.Op(asm.F64ConvL)
		c.Tee(t)
		c.F64(top)
		c.Op(asm.F64Gt)
		c.IfElse(func() {
			c.Get(t)
			c.F64(last)
			c.Op(asm.F64Lt)
			c.If(func() { wave(top, last-top, end, 1) })
		}, func() { wave(0, top, 1, begin) })
		c.F32(end)
	})
}
