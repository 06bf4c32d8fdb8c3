package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// lamb is adam whose steps have, for each tensor, a length in proportion to that of its values (You et al., "Large batch
// optimization for deep learning: training BERT in 76 minutes", 2019):
//
//	m and v as adam;  r = (m·(1/c₁)) / (√v·(1/√c₂) + ε) + λ·w
//	w ← w − (rate·‖w‖/‖r‖)·r
//
// Biases have neither decay nor ratio, as in the authors' code, and the ratio is 1 where either norm is 0. A norm is the root
// of a sum of squares in f64 (squares.go).
type lamb struct{ adam }

func (l lamb) quantities() []quantity {
	return []quantity{
		learningRate(0.001),
		{beta1, 0.9, 0, highestDecay, "Decay of the mean gradient."},
		{beta2, 0.999, 0, highestDecay, "Decay of the mean squared gradient."},
		epsilon(1e-6),
		decay(0.01),
	}
}

func (l lamb) Declaration() schema.Declaration {
	return declare("lamb", "Adam for large batches: a tensor's steps are in proportion to its length.", l.quantities()...)
}

func (l lamb) Rule(attributes map[string]any) Rule {
	rule := l.adam.Rule(attributes)
	rule.Hyperparameters = hyperparameters(attributes, l.quantities()...)
	rule.Decays = true
	rule.Tensor = func(u *Update) func(Values) {
		direction, rate := lambDirection(u), u.Splat(func() { u.Get(u.Rate) })
		return func(x Values) {
			direction(x)
			u.Get(x.W, rate, x.G)
			u.Op(asm.F32x4Mul, asm.F32x4Sub)
			u.Set(x.W)
		}
	}
	rule.Measure = lambDirection
	rule.Ratio = func(u *Update, w, r local) {
		proportion(u, w, r, func() {
			u.Get(w, r)
			u.Op(asm.F64Div, asm.F32Demote)
		})
	}
	return rule
}

// proportion pushes what ratio pushes, or 1 where either norm is not above 0.
func proportion(u *Update, w, g local, ratio func()) {
	ratio()
	u.F32(1)
	for _, norm := range []local{w, g} {
		u.Get(norm)
		u.F64(0)
		u.Op(asm.F64Gt)
	}
	u.Op(asm.I32And, asm.Select)
}

// lambDirection emits the new means and leaves r in G.
func lambDirection(u *Update) func(Values) {
	correct := u.Splat(func() {
		u.F32(1)
		u.Shared(correction1)
		u.Op(asm.F32Div)
	})
	root := rootCorrection(u)
	b1, b2, eps := u.SplatHyper(beta1), u.SplatHyper(beta2), u.SplatHyper("epsilon")
	rest1, rest2 := u.Splat(func() { complement(u, beta1) }), u.Splat(func() { complement(u, beta2) })
	var lambda local
	if u.Decayed {
		lambda = u.SplatHyper(weightDecay)
	}
	return func(x Values) {
		m, v := x.Slots[0], x.Slots[1]
		decayTo(u, m, x.G, b1, rest1)
		decayToSquare(u, v, x.G, b2, rest2)
		u.Get(m, correct)
		u.Op(asm.F32x4Mul)
		u.Get(v)
		u.Op(asm.F32x4Sqrt)
		u.Get(root)
		u.Op(asm.F32x4Mul)
		u.Get(eps)
		u.Op(asm.F32x4Add, asm.F32x4Div)
		if u.Decayed {
			u.Get(lambda, x.W)
			u.Op(asm.F32x4Mul, asm.F32x4Add)
		}
		u.Set(x.G)
	}
}
