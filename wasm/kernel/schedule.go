package kernel

import (
	"math"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Schedule is how the learning rate changes with time.
type Schedule interface {
	Declaration() schema.Declaration
	// multiplier emits (t i64) → f32, by which the learning rate is multiplied t steps after the first.
	multiplier(e *Emitter, a schema.Attributes) Fn
}

// Schedules of the vocabulary.
func Schedules() []Schedule {
	var list []Schedule
	for _, s := range []Schedule{constant{}, stepwise{}, exponential{}, piecewise{}, polynomial{}, cosine{}, cosineRestarts{}, oneCycle{}} {
		list = append(list, framed{s})
	}
	return list
}

// Multiplier emits (t i64) → f32, by which a schedule with resolved attributes multiplies the learning rate t steps after
// the first.
func Multiplier(e *Emitter, s Schedule, attributes map[string]any) Fn {
	return s.multiplier(e, attributes)
}

// constant leaves the rate as it is.
type constant struct{}

func (constant) Declaration() schema.Declaration {
	return schema.Declaration{Name: "constant", Doc: "The rate stays as it is."}
}

func (constant) multiplier(e *Emitter, _ schema.Attributes) Fn {
	return e.Define("schedule.constant", []asm.ValType{asm.I64}, []asm.ValType{asm.F32},
		func(c *code, _ []local) { c.F32(1) })
}

// stepwise multiplies by factor^⌊t/every⌋.
type stepwise struct{}

func (stepwise) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "step", Doc: "The rate is multiplied by factor after every so many steps, at once.", Attributes: decayAttributes(),
	}
}

func (stepwise) multiplier(e *Emitter, a schema.Attributes) Fn {
	return e.power("schedule.step", a.Float("factor"), int64(a.Float("every")))
}

// exponential multiplies by factor^(t/every), which is (factor^(1/every))^t.
type exponential struct{}

func (exponential) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "exponential", Doc: "The rate is multiplied by factor after every so many steps, smoothly.", Attributes: decayAttributes(),
	}
}

func (exponential) multiplier(e *Emitter, a schema.Attributes) Fn {
	return e.power("schedule.exponential", root(a.Float("factor"), int64(a.Float("every"))), 1)
}

func decayAttributes() []schema.Attribute {
	return []schema.Attribute{
		{Name: "every", Kind: schema.Integer, Min: schema.AtLeast(1), Doc: "Steps in which the rate is multiplied by factor once."},
		{Name: "factor", Kind: schema.Number, Min: schema.Above(0), Max: schema.AtMost(1), Doc: "What the rate is multiplied by."},
	}
}

// power emits t → base^⌊t/every⌋, by binary powering in f64, rounded to f32 once.
func (e *Emitter) power(name string, base float64, every int64) Fn {
	return e.Define(name, []asm.ValType{asm.I64}, []asm.ValType{asm.F32}, func(c *code, p []local) {
		k, square, result := p[0], c.Local(asm.F64), c.Local(asm.F64)
		c.Get(k)
		c.I64(every)
		c.Op(asm.I64DivU)
		c.Set(k)
		c.F64(base)
		c.Set(square)
		c.F64(1)
		c.Set(result)
		c.Repeat(64, func() {
			c.Get(k)
			c.I64(1)
			c.Op(asm.I64And, asm.I32Wrap)
			c.If(func() {
				c.Get(result, square)
				c.Op(asm.F64Mul)
				c.Set(result)
			})
			c.Get(square, square)
			c.Op(asm.F64Mul)
			c.Set(square)
			c.Get(k)
			c.I64(1)
			c.Op(asm.I64ShrU)
			c.Tee(k)
			c.I64(0)
			c.Op(asm.I64Ne)
		})
		c.Get(result)
		c.Op(asm.F32Demote)
	})
}

// root is the smallest f64 whose n-th power, as the engine computes it, is at least x, for 0 < x ≤ 1. It is found by
// bisection over the bits of positive numbers (their order is that of the numbers), since multiplications give the same
// bits on every machine that compiles, which math.Pow does not promise.
func root(x float64, n int64) float64 {
	low, high := math.Float64bits(0), math.Float64bits(1)
	for low < high {
		middle := low + (high-low)/2
		if powerOf(math.Float64frombits(middle), n) < x {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return math.Float64frombits(low)
}

// powerOf is what the function that power emits computes for every = 1, before it rounds to f32.
func powerOf(base float64, k int64) float64 {
	result := 1.0
	for ; k != 0; k >>= 1 {
		if k&1 != 0 {
			result *= base
		}
		base *= base
	}
	return result
}
