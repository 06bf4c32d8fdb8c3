package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// adamax is adam with the largest magnitude of the gradient, which decays, in place of its mean square (Kingma and Ba,
// 2014, section 7), as PyTorch's Adamax:
//
//	m ← β₁·m + (1−β₁)·g;  u ← max(β₂·u, |g| + ε)
//	w ← w − ((rate/c₁)·m) / u
//
// c₁ is adam's correction; u is at least ε, far above where apply flushes to zero.
type adamax struct{}

func (adamax) quantities() []quantity {
	return []quantity{
		learningRate(0.002),
		{beta1, 0.9, 0, highestDecay, "Decay of the mean gradient."},
		{beta2, 0.999, 0, highestDecay, "Decay of the largest magnitude."},
		{"epsilon", 1e-8, lowestEpsilon, 1, "Added to the gradient's magnitude."},
	}
}

func (a adamax) Declaration() schema.Declaration {
	return declare("adamax", "Steps along the mean gradient, divided by its largest magnitude.", a.quantities()...)
}

func (a adamax) Rule(attributes map[string]any) Rule {
	return Rule{
		Hyperparameters: hyperparameters(attributes, a.quantities()...),
		Slots:           []string{"m", "u"},
		Shared:          []string{correction1},
		LeastSteps:      64,
		Advance:         func(u *Update) { advanceCorrection(u, correction1, beta1) },
		Tensor:          adamaxTensor,
	}
}

func adamaxTensor(u *Update) func(Values) {
	rate := correctedRate(u)
	b1, b2, eps := u.SplatHyper(beta1), u.SplatHyper(beta2), u.SplatHyper("epsilon")
	rest1 := u.Splat(func() { complement(u, beta1) })
	return func(x Values) {
		m, most := x.Slots[0], x.Slots[1]
		decayTo(u, m, x.G, b1, rest1)

		u.Get(b2, most)
		u.Op(asm.F32x4Mul)
		u.Get(x.G)
		u.Op(asm.F32x4Abs)
		u.Get(eps)
		u.Op(asm.F32x4Add, asm.F32x4PMax)
		u.Set(most)

		u.Get(x.W, rate, m)
		u.Op(asm.F32x4Mul)
		u.Get(most)
		u.Op(asm.F32x4Div, asm.F32x4Sub)
		u.Set(x.W)
	}
}

// correctedRate is the rate divided by adam's first correction, in all lanes.
func correctedRate(u *Update) local {
	return u.Splat(func() {
		u.Get(u.Rate)
		u.Shared(correction1)
		u.Op(asm.F32Div)
	})
}

// decayTo emits mean ← β·mean + (1−β)·x, rest being 1 − β.
func decayTo(u *Update, mean, x, beta, rest local) {
	u.Get(beta, mean)
	u.Op(asm.F32x4Mul)
	u.Get(rest, x)
	u.Op(asm.F32x4Mul, asm.F32x4Add)
	u.Set(mean)
}

// decayToSquare emits mean ← β·mean + (1−β)·(x·x).
func decayToSquare(u *Update, mean, x, beta, rest local) {
	u.Get(beta, mean)
	u.Op(asm.F32x4Mul)
	u.Get(rest, x, x)
	u.Op(asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Add)
	u.Set(mean)
}
