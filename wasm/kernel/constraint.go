package kernel

import (
	"math"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// A constraint is what holds for the weights of a layer, not its biases, after every update. A unit's weights are a row of
// the tensor; its norm is the root of the sum of their squares in f64, in their order.
//
//	max-norm      a row whose norm is above the limit is multiplied by f32(limit / norm)  (Srivastava et al., "Dropout", 2014)
//	unit-norm     every row is multiplied by f32(1 / norm), unless it is zero
//	non-negative  negative weights become +0
//
// What is below 2^−100 then becomes +0, as in every update.
const (
	maxNorm     = "max-norm"
	unitNorm    = "unit-norm"
	nonNegative = "non-negative"
)

// Constraints of the vocabulary.
func Constraints() []schema.Declaration {
	return []schema.Declaration{
		{Name: maxNorm, Doc: "The weights of a unit are shortened to a limit.", Attributes: []schema.Attribute{
			{Name: "limit", Kind: schema.Number, Min: schema.AtLeast(lowestLimit), Max: schema.AtMost(highestLimit), Doc: "Largest norm of a unit's weights."},
		}},
		{Name: unitNorm, Doc: "The weights of a unit have the norm 1."},
		{Name: nonNegative, Doc: "Negative weights become zero."},
	}
}

// constrained reports whether something holds for the parameter.
func (p Parameter) constrained() bool { return p.Constraint.Kind != "" && p.Decayed }

// Modes of the function that constrains.
const (
	shortenAbove = iota // to the limit, where the norm is above it
	shortenAll          // to the limit
	dropNegative
)

// constrain emits the call for a parameter.
func (p Parameter) constrain(c *code, f *Fn) {
	if !p.constrained() {
		return
	}
	mode, limit := dropNegative, 0.0
	switch p.Constraint.Kind {
	case maxNorm:
		mode, limit = shortenAbove, schema.Attributes(p.Constraint.Attributes).Float("limit")
	case unitNorm:
		mode, limit = shortenAll, 1
	}
	c.I32(p.Value)
	c.I32(p.Rows)
	c.I32(p.Cols)
	c.I32(mode)
	c.F32(Single(limit))
	c.Call(f.Index, f.Fuel*int64(p.Rows)*int64(p.Cols))
}

// constrain emits (address, rows, columns, mode i32, limit f32), where a parameter needs it. Its fuel is that of one value.
func (e *Emitter) constrain(params []Parameter) *Fn {
	needed := false
	for _, p := range params {
		needed = needed || p.constrained()
	}
	if !needed {
		return nil
	}
	f := e.Define("constrain", []asm.ValType{asm.I32, asm.I32, asm.I32, asm.I32, asm.F32}, nil, func(c *code, p []local) {
		row, rows, cols, mode, limit := p[0], p[1], p[2], p[3], p[4]
		at, i := c.Local(asm.I32), c.Local(asm.I32)
		sum, factor, x := c.Local(asm.F64), c.Local(asm.F32), c.Local(asm.F32)
		each := func(body func()) {
			c.Get(row)
			c.Set(at)
			c.Get(cols)
			c.Set(i)
			c.Repeat(1, func() {
				body()
				c.AddTo(at, 4)
				c.AddTo(i, -1)
				c.Get(i)
			})
		}
		c.Repeat(1, func() {
			c.F64(0)
			c.Set(sum)
			each(func() {
				c.Get(sum)
				c.Load(asm.F32Load, at, 0)
				c.Op(asm.F64Promot)
				c.Load(asm.F32Load, at, 0)
				c.Op(asm.F64Promot, asm.F64Mul, asm.F64Add)
				c.Set(sum)
			})
			c.Get(sum)
			c.Op(asm.F64Sqrt)
			c.Set(sum)
			// factor = limit / norm where the mode and the norm want that, else 1
			c.Get(limit)
			c.Op(asm.F64Promot)
			c.Get(sum)
			c.Op(asm.F64Div, asm.F32Demote)
			c.F32(1)
			c.Get(sum)
			c.Get(limit)
			c.Op(asm.F64Promot)
			c.F64(0)
			c.Get(mode)
			c.I32(shortenAbove)
			c.Op(asm.I32Eq, asm.Select, asm.F64Gt)
			c.Get(mode)
			c.I32(dropNegative)
			c.Op(asm.I32Ne, asm.I32And, asm.Select)
			c.Set(factor)
			each(func() {
				c.Get(at)
				c.Load(asm.F32Load, at, 0)
				c.Get(factor)
				c.Op(asm.F32Mul)
				c.Tee(x)
				c.F32(0)
				// kept: not tiny, and not negative where that is not allowed
				c.Get(x)
				c.Op(asm.I32RefF32)
				c.I32(math.MaxInt32)
				c.Op(asm.I32And)
				c.I32(tiny)
				c.Op(asm.I32GeS)
				c.Get(x)
				c.F32(0)
				c.Op(asm.F32Gt)
				c.Get(mode)
				c.I32(dropNegative)
				c.Op(asm.I32Ne, asm.I32Or, asm.I32And, asm.Select)
				c.Mem(asm.F32Store, 0)
			})
			c.Get(at)
			c.Set(row)
			c.AddTo(rows, -1)
			c.Get(rows)
		})
	})
	return &f
}
