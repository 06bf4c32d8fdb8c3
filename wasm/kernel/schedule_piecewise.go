package kernel

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// piecewise multiplies by 1 before the first of its steps, and by the i-th factor from the i-th step on.
type piecewise struct{}

const maxPieces = 1000

func (piecewise) Declaration() schema.Declaration {
	return schema.Declaration{Name: "piecewise", Doc: "The rate is multiplied by another factor from each of some steps on.", Attributes: []schema.Attribute{
		{Name: "at", Kind: schema.Numbers, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 52), Doc: "Steps, rising, from which on a factor holds."},
		{Name: "factors", Kind: schema.Numbers, Min: schema.AtLeast(0), Max: schema.AtMost(highestRate), Doc: "The factor from each of these steps on; before, it is 1."},
	}}
}

func (piecewise) check(a schema.Attributes) (attribute, problem string) {
	at, factors := a.Numbers("at"), a.Numbers("factors")
	switch {
	case len(at) == 0 || len(at) > maxPieces:
		return "at", fmt.Sprintf("has %d steps; 1 to %d are needed", len(at), maxPieces)
	case len(factors) != len(at):
		return "factors", fmt.Sprintf("has %d factors for the %d steps of at; one for each is needed", len(factors), len(at))
	}
	for i, t := range at {
		if t != float64(int64(t)) {
			return fmt.Sprintf("at[%d]", i), fmt.Sprintf("%v is not a whole number", t)
		}
		if i > 0 && t <= at[i-1] {
			return fmt.Sprintf("at[%d]", i), fmt.Sprintf("%v does not come after %v; put the steps in rising order", t, at[i-1])
		}
	}
	return "", ""
}

func (piecewise) multiplier(e *Emitter, a schema.Attributes) Fn {
	at, factors := a.Numbers("at"), a.Numbers("factors")
	return e.Define("schedule.piecewise", []asm.ValType{asm.I64}, []asm.ValType{asm.F32}, func(c *code, p []local) {
		for i, a := range slices.Backward(at) {
			c.Get(p[0])
			c.I64(int64(a))
			c.Op(asm.I64GeS)
			c.If(func() {
				c.F32(Single(factors[i]))
				c.Return()
			})
		}
		c.F32(1)
	})
}
