package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// softmaxCrossEntropy is −log p_t with p = softmax(x), by p_j = exp(x_j − max x) / Σ_j; gradient p − onehot(t). With a
// label smoothing of ε, or weights w of the J classes, the target is a vector instead,
//
//	t_j = w_j·(ε/J + [j = t]·(1 − ε)),  the loss Σ_j t_j·(log Σ exp − x_j),  its gradient (Σ t)·p − t
//
// as PyTorch's CrossEntropyLoss with reduction "sum": a step divides by the number of examples, not by the sum of their
// weights. Without weights, Σ t is taken to be 1.
type softmaxCrossEntropy struct{}

const (
	labelSmoothing = "labelSmoothing"
	classWeights   = "classWeights"
)

func (softmaxCrossEntropy) Declaration() schema.Declaration {
	return schema.Declaration{Name: SoftmaxCrossEntropy, Doc: "Minus the logarithm of the softmax of the right class.", Attributes: []schema.Attribute{
		{Name: labelSmoothing, Kind: schema.Number, Default: 0, Min: schema.AtLeast(0), Max: schema.Below(1), Doc: "Part of the target that is spread over all classes."},
		{Name: classWeights, Kind: schema.Numbers, Default: []float64{}, Min: schema.AtLeast(0), Max: schema.AtMost(highestValue), Doc: "By what an example of each class counts, in the order of the classes; none is 1 for all."},
	}}
}

// ClassWeights of a loss with resolved attributes, in f32; none if it has no such.
func ClassWeights(a schema.Attributes) []float32 {
	if _, ok := a[classWeights]; !ok {
		return nil
	}
	var weights []float32
	for _, w := range a.Numbers(classWeights) {
		weights = append(weights, Single(w))
	}
	return weights
}

func (softmaxCrossEntropy) rule(a schema.Attributes, h Head) lossRule {
	smoothing, weighted := a.Float(labelSmoothing), len(a.Numbers(classWeights)) > 0
	if smoothing == 0 && !weighted {
		return logLikelihood{}
	}
	return smoothed{weighted: weighted, all: Single(smoothing / float64(h.Classes)), hit: Single(1 - smoothing)}
}

// softmax is what the losses of this file have in common: Predictions are exp(x − max x) / Σ, Normalizer log Σ exp.
type softmax struct{}

func (softmax) predict(h Head, c *code, p local) {
	site, end := h.Values.Site(), h.units()*h.Values.Site()
	top, sum, x := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
	h.lanes(c, func(v int) {
		c.I32x4(-1 << 23) // −∞
		c.Set(top)
		c.For(p, 0, end, site, func() {
			c.Get(top)
			c.Load(asm.V128Load, p, h.Values.Addr+v)
			c.Op(asm.F32x4PMax)
			c.Set(top)
		})
		c.I32x4(0)
		c.Set(sum)
		c.For(p, 0, end, site, func() {
			c.Load(asm.V128Load, p, h.Values.Addr+v)
			c.Get(top)
			c.Op(asm.F32x4Sub)
			c.Set(x)
			Exp(c, x)
			c.Set(x)
			c.Get(p, x)
			c.Mem(asm.V128Store, h.Predictions.Addr+v)
			c.Get(sum, x)
			c.Op(asm.F32x4Add)
			c.Set(sum)
		})
		c.For(p, 0, end, site, func() {
			c.Get(p)
			c.Load(asm.V128Load, p, h.Predictions.Addr+v)
			c.Get(sum)
			c.Op(asm.F32x4Div)
			c.Mem(asm.V128Store, h.Predictions.Addr+v)
		})
		c.I32(h.Normalizer)
		Log(c, sum)
		c.Get(top)
		c.Op(asm.F32x4Add)
		c.Mem(asm.V128Store, v)
	})
	c.Release(p, top, sum, x)
}

func (softmax) prepare(Head, *code, scoring) {}

// logLikelihood is the cross-entropy of one class.
type logLikelihood struct{ softmax }

func (logLikelihood) sum(h Head, c *code, s scoring) {
	s.each(func() { // x_t, of which exactly one term is not +0
		c.Get(s.loss)
		h.isTarget(c, s.j, s.v)
		c.Load(asm.V128Load, s.p, h.Values.Addr+s.v)
		c.Op(asm.V128And, asm.V128Or)
		c.Set(s.loss)
	})
}

func (logLikelihood) push(h Head, c *code, s scoring) {
	c.I32(h.Normalizer)
	c.Mem(asm.V128Load, s.v)
	c.Get(s.loss)
	c.Op(asm.F32x4Sub)
}

func (logLikelihood) slope(h Head, c *code, s scoring) {
	c.Load(asm.V128Load, s.p, h.Predictions.Addr+s.v)
	h.target(c, s.j, s.p, s.v)
	c.Op(asm.F32x4Sub)
}

// smoothed is the cross-entropy of a vector made of the class.
type smoothed struct {
	softmax
	weighted bool
	all, hit float32 // ε/J and 1 − ε
}

// wanted pushes t_j.
func (l smoothed) wanted(h Head, c *code, s scoring) {
	if l.weighted {
		scaled(c, s.j, 4)
		c.Mem(asm.V128Splat32, h.ClassWeights)
	}
	c.F32x4(l.all)
	h.isTarget(c, s.j, s.v)
	c.F32x4(l.hit)
	c.Op(asm.V128And, asm.F32x4Add)
	if l.weighted {
		c.Op(asm.F32x4Mul)
	}
}

func (l smoothed) sum(h Head, c *code, s scoring) {
	s.each(func() {
		c.Get(s.loss)
		l.wanted(h, c, s)
		c.I32(h.Normalizer)
		c.Mem(asm.V128Load, s.v)
		c.Load(asm.V128Load, s.p, h.Values.Addr+s.v)
		c.Op(asm.F32x4Sub, asm.F32x4Mul, asm.F32x4Add)
		c.Set(s.loss)
	})
}

func (smoothed) push(_ Head, c *code, s scoring) { c.Get(s.loss) }

func (l smoothed) prepare(h Head, c *code, s scoring) {
	if l.weighted {
		h.sumTargets(c, s, func() { l.wanted(h, c, s) })
	}
}

// sumTargets emits Losses ← Σ of what target pushes for each output.
func (h Head) sumTargets(c *code, s scoring, target func()) {
	sum := c.Local(asm.V128)
	c.I32x4(0)
	c.Set(sum)
	s.each(func() {
		c.Get(sum)
		target()
		c.Op(asm.F32x4Add)
		c.Set(sum)
	})
	c.I32(h.Losses)
	c.Get(sum)
	c.Mem(asm.V128Store, s.v)
	c.Release(sum)
}

// shareOf pushes p_j·Σt, which sumTargets left.
func (h Head) shareOf(c *code, s scoring) {
	c.Load(asm.V128Load, s.p, h.Predictions.Addr+s.v)
	c.I32(h.Losses)
	c.Mem(asm.V128Load, s.v)
	c.Op(asm.F32x4Mul)
}

func (l smoothed) slope(h Head, c *code, s scoring) {
	if l.weighted {
		h.shareOf(c, s)
	} else {
		c.Load(asm.V128Load, s.p, h.Predictions.Addr+s.v)
	}
	l.wanted(h, c, s)
	c.Op(asm.F32x4Sub)
}

// divergence is that of Kullback and Leibler from the softmax p of the outputs to a target that is a distribution,
// Σ_j t_j·(log t_j − (x_j − log Σ exp)); gradient (Σ t)·p − t. A t_j below 2^−100, or negative, counts as 0. It is
// PyTorch's KLDivLoss of log_softmax, with reduction "sum". What is predicted is p.
type divergence struct{ softmax }

func (divergence) Declaration() schema.Declaration {
	return schema.Declaration{Name: KLDivergence, Doc: "How far the softmax of the outputs is from a target that is a distribution."}
}

func (d divergence) rule(schema.Attributes, Head) lossRule { return d }

func (divergence) sum(h Head, c *code, s scoring) {
	t := c.Local(asm.V128)
	s.each(func() {
		h.share(c, s)
		c.Set(t)
		c.Get(s.loss, t)
		Log(c, t)
		c.Load(asm.V128Load, s.p, h.Values.Addr+s.v)
		c.I32(h.Normalizer)
		c.Mem(asm.V128Load, s.v)
		c.Op(asm.F32x4Sub, asm.F32x4Sub, asm.F32x4Mul)
		c.Get(t)
		c.F32x4(0x1p-100)
		c.Op(asm.F32x4Ge, asm.V128And, asm.F32x4Add)
		c.Set(s.loss)
	})
	c.Release(t)
}

// share pushes t_j, or 0 where it is below 2^−100.
func (h Head) share(c *code, s scoring) {
	h.target(c, s.j, s.p, s.v)
	h.target(c, s.j, s.p, s.v)
	c.F32x4(0x1p-100)
	c.Op(asm.F32x4Ge, asm.V128And)
}

func (divergence) push(_ Head, c *code, s scoring) { c.Get(s.loss) }

func (divergence) prepare(h Head, c *code, s scoring) {
	h.sumTargets(c, s, func() { h.share(c, s) })
}

func (divergence) slope(h Head, c *code, s scoring) {
	h.shareOf(c, s)
	h.share(c, s)
	c.Op(asm.F32x4Sub)
}
