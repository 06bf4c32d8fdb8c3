package kernel

import (
	"slices"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// framed gives a schedule what all have in common: a linear warm-up before it begins, and a floor.
//
//	(t+1)/N                 for the N steps of the warm-up, t < N
//	max(schedule(t−N), floor)  then
//
// The rate is thus at its full height in the last step of the warm-up, and in the first step of the schedule (as PyTorch's
// LinearLR with start_factor 1/N and total_iters N−1 in a SequentialLR with a milestone at N).
type framed struct{ Schedule }

const (
	warmUp = "warmUp"
	floor  = "floor"
)

func (f framed) Declaration() schema.Declaration {
	d := f.Schedule.Declaration()
	d.Attributes = append(slices.Clip(d.Attributes),
		schema.Attribute{Name: warmUp, Kind: schema.Integer, Default: 0, Later: true, Min: schema.AtLeast(0), Doc: "Steps in which the rate rises linearly before the schedule begins."},
		schema.Attribute{Name: floor, Kind: schema.Number, Default: 0, Later: true, Min: schema.AtLeast(0), Max: schema.AtMost(1), Doc: "What the schedule multiplies the rate by at least."})
	return d
}

// check tells of attributes that do not go together.
func (f framed) check(a schema.Attributes) (attribute, problem string) {
	if c, ok := f.Schedule.(checked); ok {
		return c.check(a)
	}
	return "", ""
}

func (f framed) multiplier(e *Emitter, a schema.Attributes) Fn {
	inner := f.Schedule.multiplier(e, a)
	steps, least := int64(a.Float(warmUp)), Single(a.Float(floor))
	if steps == 0 && least == 0 {
		return inner
	}
	return e.Define("schedule", []asm.ValType{asm.I64}, []asm.ValType{asm.F32}, func(c *code, p []local) {
		t, m := p[0], c.Local(asm.F32)
		if steps > 0 {
			c.Get(t)
			c.I64(steps)
			c.Op(asm.I64LtS)
			c.If(func() {
				c.Get(t)
				c.I64(1)
				c.Op(asm.I64Add, asm.F64ConvL)
				c.F64(float64(steps))
				c.Op(asm.F64Div, asm.F32Demote)
				c.Return()
			})
		}
		c.Get(t)
		c.I64(steps)
		c.Op(asm.I64Sub)
		call(c, inner)
		c.Tee(m)
		c.F32(least)
		c.Get(m)
		c.F32(least)
		c.Op(asm.F32Gt, asm.Select)
	})
}

// checked is what refuses some of the attributes that its declaration allows.
type checked interface {
	check(a schema.Attributes) (attribute, problem string)
}

// Check tells what is wrong with the resolved attributes of a schedule or optimizer at a path, of what its declaration
// cannot say.
func Check(x any, path string, a map[string]any) []schema.Problem {
	c, ok := x.(checked)
	if !ok {
		return nil
	}
	if attribute, problem := c.check(a); problem != "" {
		return []schema.Problem{{Path: path + "." + attribute, Message: problem}}
	}
	return nil
}
