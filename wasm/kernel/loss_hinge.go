package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// hinge is the loss of support vector machines. Of a class target t it is that of Weston and Watkins ("Support vector
// machines for multi-class pattern recognition", 1999), as in ConvNetJS; PyTorch's MultiMarginLoss is this divided by the
// number of classes. With m_j = (margin + x_j) − x_t:
//
//	Σ_{j≠t} max(0, m_j)      gradient 1 for each j ≠ t with m_j > 0, and minus their number for t
//
// Target vectors have elements −1 or 1, and each output is judged by itself:
//
//	Σ_j max(0, margin − t_j·x_j) / J      gradient −t_j / J where that is above 0
type hinge struct{}

func (hinge) Declaration() schema.Declaration {
	return schema.Declaration{Name: "hinge", Doc: "By how much the right class does not lead by a margin; targets that are numbers are -1 or 1.", Attributes: []schema.Attribute{
		{Name: "margin", Kind: schema.Number, Default: 1, Min: schema.Above(0), Max: schema.AtMost(highestValue), Doc: "The margin."},
	}}
}

func (hinge) rule(a schema.Attributes, h Head) lossRule {
	margin := Single(a.Float("margin"))
	if h.Classes > 0 {
		return classHinge{margin: margin}
	}
	return signHinge{margin: margin}
}

type classHinge struct{ margin float32 }

func (classHinge) predict(h Head, c *code, p local) { h.copyValues(c, p, nil) }

// right emits Normalizer ← x_t.
func (classHinge) right(h Head, c *code, s scoring) {
	x := c.Local(asm.V128)
	c.I32x4(0)
	c.Set(x)
	s.each(func() {
		c.Get(x)
		h.isTarget(c, s.j, s.v)
		c.Load(asm.V128Load, s.p, h.Predictions.Addr+s.v)
		c.Op(asm.V128And, asm.V128Or)
		c.Set(x)
	})
	c.I32(h.Normalizer)
	c.Get(x)
	c.Mem(asm.V128Store, s.v)
	c.Release(x)
}

// excess pushes max(0, m_j), or 0 for j = t.
func (l classHinge) excess(h Head, c *code, s scoring) {
	c.F32x4(l.margin)
	c.Load(asm.V128Load, s.p, h.Predictions.Addr+s.v)
	c.Op(asm.F32x4Add)
	c.I32(h.Normalizer)
	c.Mem(asm.V128Load, s.v)
	c.Op(asm.F32x4Sub)
	c.F32x4(0)
	c.Op(asm.F32x4PMax)
	h.isTarget(c, s.j, s.v)
	c.Op(asm.V128AndNot)
}

// violated pushes 1 where the excess is above 0.
func (l classHinge) violated(h Head, c *code, s scoring) {
	l.excess(h, c, s)
	c.F32x4(0)
	c.Op(asm.F32x4Gt)
	c.F32x4(1)
	c.Op(asm.V128And)
}

func (l classHinge) sum(h Head, c *code, s scoring) {
	l.right(h, c, s)
	s.each(func() {
		c.Get(s.loss)
		l.excess(h, c, s)
		c.Op(asm.F32x4Add)
		c.Set(s.loss)
	})
}

func (classHinge) push(_ Head, c *code, s scoring) { c.Get(s.loss) }

func (l classHinge) prepare(h Head, c *code, s scoring) {
	l.right(h, c, s)
	h.sumTargets(c, s, func() { l.violated(h, c, s) })
}

func (l classHinge) slope(h Head, c *code, s scoring) {
	c.I32(h.Losses)
	c.Mem(asm.V128Load, s.v)
	c.Op(asm.F32x4Neg)
	l.violated(h, c, s)
	h.isTarget(c, s.j, s.v)
	c.Op(asm.V128Bitsel)
}

type signHinge struct{ margin float32 }

func (signHinge) predict(h Head, c *code, p local) { h.copyValues(c, p, nil) }

// lack pushes margin − t_j·x_j.
func (l signHinge) lack(h Head, c *code, s scoring) {
	c.F32x4(l.margin)
	h.target(c, s.j, s.p, s.v)
	c.Load(asm.V128Load, s.p, h.Predictions.Addr+s.v)
	c.Op(asm.F32x4Mul, asm.F32x4Sub)
}

func (l signHinge) sum(h Head, c *code, s scoring) {
	s.each(func() {
		c.Get(s.loss)
		l.lack(h, c, s)
		c.F32x4(0)
		c.Op(asm.F32x4PMax, asm.F32x4Add)
		c.Set(s.loss)
	})
}

func (signHinge) push(h Head, c *code, s scoring) { h.mean(c, s) }

func (signHinge) prepare(Head, *code, scoring) {}

func (l signHinge) slope(h Head, c *code, s scoring) {
	h.target(c, s.j, s.p, s.v)
	c.F32x4(-1 / float32(h.units()))
	c.Op(asm.F32x4Mul)
	l.lack(h, c, s)
	c.F32x4(0)
	c.Op(asm.F32x4Gt, asm.V128And)
}
