package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// adadelta takes steps in the units of the values themselves (Zeiler, "ADADELTA: an adaptive learning rate method", 2012),
// as PyTorch's Adadelta:
//
//	v ← ρ·v + (1−ρ)·(g·g);  d = (√(a + ε) / √(v + ε))·g;  a ← ρ·a + (1−ρ)·(d·d)
//	w ← w − rate·d
type adadelta struct{}

const rho = "rho"

func (adadelta) quantities() []quantity {
	return []quantity{
		learningRate(1),
		{rho, 0.9, 0, highestDecay, "Decay of the mean squares of gradients and of steps."},
		{"epsilon", 1e-6, lowestEpsilon, 1, "Added under both roots."},
	}
}

func (a adadelta) Declaration() schema.Declaration {
	return declare("adadelta", "Steps of the size of those before, in proportion to the gradient.", a.quantities()...)
}

func (a adadelta) Rule(attributes map[string]any) Rule {
	return Rule{
		Hyperparameters: hyperparameters(attributes, a.quantities()...),
		Slots:           []string{"v", "steps"},
		LeastSteps:      64, // the first steps are far too small
		Tensor: func(u *Update) func(Values) {
			rate, decay, eps := u.Splat(func() { u.Get(u.Rate) }), u.SplatHyper(rho), u.SplatHyper("epsilon")
			rest := u.Splat(func() { complement(u, rho) })
			root := func(x local) {
				u.Get(x, eps)
				u.Op(asm.F32x4Add, asm.F32x4Sqrt)
			}
			return func(x Values) {
				v, steps := x.Slots[0], x.Slots[1]
				decayToSquare(u, v, x.G, decay, rest)
				root(steps)
				root(v)
				u.Op(asm.F32x4Div)
				u.Get(x.G)
				u.Op(asm.F32x4Mul)
				u.Set(x.G)
				decayToSquare(u, steps, x.G, decay, rest)
				u.Get(x.W, rate, x.G)
				u.Op(asm.F32x4Mul, asm.F32x4Sub)
				u.Set(x.W)
			}
		},
	}
}
