package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// nadam is adam with Nesterov's momentum (Dozat, "Incorporating Nesterov momentum into Adam", 2016), as the NAdam of
// PyTorch 2 with its momentum_decay of 0.004 (1.13 has one μₜ too many in the last product):
//
//	μₜ = β₁·(1 − ½·0.96^(0.004·t));  m, v and c₂ as adam
//	w ← w − (rate·(1−μₜ)/(1−Πμ)·g + rate·μₜ₊₁/(1−Πμ·μₜ₊₁)·m) / (√v·(1/√c₂) + ε)
//
// Πμ is the product of all μ up to μₜ. State that begins at zero holds 1 − 0.96^(0.004·t) and 1 − Πμ.
type nadam struct{ adam }

const (
	nadamFade    = "nadam.fade"    // 1 − 0.96^(0.004·t)
	nadamProduct = "nadam.product" // 1 − Πμ
	// nadamDecay is 0.96^0.004.
	nadamDecay = 0.9998367253526753
)

func (a nadam) Declaration() schema.Declaration {
	return declare("nadam", "Adam with Nesterov's momentum.", a.quantities()...)
}

func (a nadam) Rule(attributes map[string]any) Rule {
	rule := a.adam.Rule(attributes)
	rule.Shared = []string{correction2, nadamFade, nadamProduct}
	rule.Advance = func(u *Update) {
		advanceCorrection(u, correction2, beta2)
		u.SetShared(nadamFade, func() { fadeOn(u, func() { u.Shared(nadamFade) }) })
		mu := u.Local(asm.F32)
		nadamMomentum(u, func() { u.Shared(nadamFade) })
		u.Set(mu)
		u.SetShared(nadamProduct, func() { complementOn(u, mu) })
		u.Release(mu)
	}
	rule.Tensor = nadamTensor
	return rule
}

// fadeOn pushes 1 − 0.96^(0.004·(t+1)) of that at t, which fade pushes.
func fadeOn(u *Update, fade func()) {
	u.F32(Single(nadamDecay))
	fade()
	u.Op(asm.F32Mul)
	u.F32(Single(1 - nadamDecay))
	u.Op(asm.F32Add)
}

// nadamMomentum pushes μ = β₁·(1 − ½·(1 − fade)).
func nadamMomentum(u *Update, fade func()) {
	u.Hyper(beta1)
	u.F32(1)
	u.F32(0.5)
	u.F32(1)
	fade()
	u.Op(asm.F32Sub, asm.F32Mul, asm.F32Sub, asm.F32Mul)
}

// complementOn pushes 1 − Πμ·μ = (1 − Πμ)·μ + (1 − μ).
func complementOn(u *Update, mu local) {
	u.Shared(nadamProduct)
	u.Get(mu)
	u.Op(asm.F32Mul)
	u.F32(1)
	u.Get(mu)
	u.Op(asm.F32Sub, asm.F32Add)
}

func nadamTensor(u *Update) func(Values) {
	mu := u.Local(asm.F32)
	ofGradient := u.Splat(func() { // rate·(1−μₜ)/(1−Πμ)
		u.Get(u.Rate)
		u.F32(1)
		nadamMomentum(u, func() { u.Shared(nadamFade) })
		u.Op(asm.F32Sub, asm.F32Mul)
		u.Shared(nadamProduct)
		u.Op(asm.F32Div)
	})
	nadamMomentum(u, func() { fadeOn(u, func() { u.Shared(nadamFade) }) })
	u.Set(mu)
	ofMean := u.Splat(func() { // rate·μₜ₊₁/(1−Πμ·μₜ₊₁)
		u.Get(u.Rate, mu)
		u.Op(asm.F32Mul)
		complementOn(u, mu)
		u.Op(asm.F32Div)
	})
	root := rootCorrection(u)
	b1, b2, eps := u.SplatHyper(beta1), u.SplatHyper(beta2), u.SplatHyper("epsilon")
	rest1, rest2 := u.Splat(func() { complement(u, beta1) }), u.Splat(func() { complement(u, beta2) })
	return func(x Values) {
		m, v := x.Slots[0], x.Slots[1]
		decayTo(u, m, x.G, b1, rest1)
		decayToSquare(u, v, x.G, b2, rest2)
		u.Get(x.W, ofGradient, x.G)
		u.Op(asm.F32x4Mul)
		u.Get(ofMean, m)
		u.Op(asm.F32x4Mul, asm.F32x4Add)
		u.Get(v)
		u.Op(asm.F32x4Sqrt)
		u.Get(root)
		u.Op(asm.F32x4Mul)
		u.Get(eps)
		u.Op(asm.F32x4Add, asm.F32x4Div, asm.F32x4Sub)
		u.Set(x.W)
	}
}

// rootCorrection is 1/√c₂ of adam, in all lanes.
func rootCorrection(u *Update) local {
	return u.Splat(func() {
		u.F32(1)
		u.Shared(correction2)
		u.Op(asm.F32Sqrt, asm.F32Div)
	})
}
