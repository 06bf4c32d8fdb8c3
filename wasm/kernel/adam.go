package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// adam keeps decaying means of the gradient and of its square (Kingma and Ba, "Adam: a method for stochastic
// optimization", 2014):
//
//	m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·(g·g)
//	w ← w − ((rate/c₁)·m) / (√v·(1/√c₂) + ε)
//
// The corrections c = 1 − βᵗ are not computed from t, but as what they are: the mean of a gradient that was always 1,
// c ← β·c + (1−β). So they start at zero like all state, need no power, and stay right when β changes at a step.
type adam struct{}

const (
	beta1       = "beta1"
	beta2       = "beta2"
	correction1 = "adam.correction1"
	correction2 = "adam.correction2"
)

func (adam) quantities() []quantity {
	return []quantity{
		learningRate(0.001),
		{beta1, 0.9, 0, highestDecay, "Decay of the mean gradient."},
		{beta2, 0.999, 0, highestDecay, "Decay of the mean squared gradient."},
		epsilon(1e-8),
	}
}

func (a adam) Declaration() schema.Declaration {
	return declare("adam", "Steps along the mean gradient, divided by the root of the mean squared gradient.", a.quantities()...)
}

func (a adam) Rule(attributes map[string]any) Rule {
	return Rule{
		Hyperparameters: hyperparameters(attributes, a.quantities()...),
		Slots:           []string{"m", "v"},
		Shared:          []string{correction1, correction2},
		LeastSteps:      64, // the first steps are as large as the rate, whatever the gradient
		Advance: func(u *Update) {
			advanceCorrection(u, correction1, beta1)
			advanceCorrection(u, correction2, beta2)
		},
		Tensor: adamTensor,
	}
}

func advanceCorrection(u *Update, correction, beta string) {
	u.SetShared(correction, func() {
		u.Hyper(beta)
		u.Shared(correction)
		u.Op(asm.F32Mul)
		complement(u, beta)
		u.Op(asm.F32Add)
	})
}

// complement pushes 1 − β.
func complement(u *Update, beta string) {
	u.F32(1)
	u.Hyper(beta)
	u.Op(asm.F32Sub)
}

func adamTensor(u *Update) func(Values) {
	rate := u.Splat(func() {
		u.Get(u.Rate)
		u.Shared(correction1)
		u.Op(asm.F32Div)
	})
	root := u.Splat(func() {
		u.F32(1)
		u.Shared(correction2)
		u.Op(asm.F32Sqrt, asm.F32Div)
	})
	b1, b2, eps := u.SplatHyper(beta1), u.SplatHyper(beta2), u.SplatHyper("epsilon")
	rest1, rest2 := u.Splat(func() { complement(u, beta1) }), u.Splat(func() { complement(u, beta2) })
	return func(x Values) {
		m, v := x.Slots[0], x.Slots[1]
		u.Get(b1, m)
		u.Op(asm.F32x4Mul)
		u.Get(rest1, x.G)
		u.Op(asm.F32x4Mul, asm.F32x4Add)
		u.Set(m)

		u.Get(b2, v)
		u.Op(asm.F32x4Mul)
		u.Get(rest2, x.G, x.G)
		u.Op(asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Add)
		u.Set(v)

		u.Get(x.W, rate, m)
		u.Op(asm.F32x4Mul)
		u.Get(v)
		u.Op(asm.F32x4Sqrt)
		u.Get(root)
		u.Op(asm.F32x4Mul)
		u.Get(eps)
		u.Op(asm.F32x4Add, asm.F32x4Div, asm.F32x4Sub)
		u.Set(x.W)
	}
}
