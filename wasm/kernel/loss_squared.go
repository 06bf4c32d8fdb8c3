package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// meanSquaredError is Σ_j (x_j − t_j)² / J; gradient 2·(x_j − t_j) / J. A class target is a one-hot vector.
type meanSquaredError struct{}

func (meanSquaredError) Declaration() schema.Declaration {
	return schema.Declaration{Name: MeanSquaredError, Doc: "The mean square of the differences."}
}

func (l meanSquaredError) rule(schema.Attributes, Head) lossRule { return l }

func (meanSquaredError) predict(h Head, c *code, p local) { h.copyValues(c, p, nil) }

func (meanSquaredError) sum(h Head, c *code, s scoring) {
	s.each(func() {
		c.Load(asm.V128Load, s.p, h.Values.Addr+s.v)
		h.target(c, s.j, s.p, s.v)
		c.Op(asm.F32x4Sub)
		c.Set(s.x)
		c.Get(s.loss, s.x, s.x)
		c.Op(asm.F32x4Mul, asm.F32x4Add)
		c.Set(s.loss)
	})
}

func (meanSquaredError) push(h Head, c *code, s scoring) { h.mean(c, s) }

// mean pushes the loss divided by the number of outputs.
func (h Head) mean(c *code, s scoring) {
	c.Get(s.loss)
	c.F32x4(1 / float32(h.units()))
	c.Op(asm.F32x4Mul)
}

func (meanSquaredError) prepare(Head, *code, scoring) {}

func (meanSquaredError) slope(h Head, c *code, s scoring) {
	c.Load(asm.V128Load, s.p, h.Predictions.Addr+s.v)
	h.target(c, s.j, s.p, s.v)
	c.Op(asm.F32x4Sub)
	c.F32x4(2 / float32(h.units()))
	c.Op(asm.F32x4Mul)
}
