package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// adagrad divides each value's steps by the root of the sum of its squared gradients (Duchi, Hazan, Singer, "Adaptive
// subgradient methods for online learning and stochastic optimization", 2011):
//
//	a ← a + g·g;  w ← w − (rate·g) / (√a + ε)
type adagrad struct{}

func (adagrad) quantities() []quantity { return []quantity{learningRate(0.01), epsilon(1e-10)} }

func (a adagrad) Declaration() schema.Declaration {
	return declare("adagrad", "Steps shrink with the squared gradients that a value has seen.", a.quantities()...)
}

func (a adagrad) Rule(attributes map[string]any) Rule {
	return Rule{
		Hyperparameters: hyperparameters(attributes, a.quantities()...),
		Slots:           []string{"accumulator"},
		LeastSteps:      64, // as adam's, the first steps are as large as the rate
		Tensor: func(u *Update) func(Values) {
			rate, eps := u.Splat(func() { u.Get(u.Rate) }), u.SplatHyper("epsilon")
			return func(x Values) {
				sum := x.Slots[0]
				u.Get(sum, x.G, x.G)
				u.Op(asm.F32x4Mul, asm.F32x4Add)
				u.Set(sum)

				u.Get(x.W, rate, x.G)
				u.Op(asm.F32x4Mul)
				u.Get(sum)
				u.Op(asm.F32x4Sqrt)
				u.Get(eps)
				u.Op(asm.F32x4Add, asm.F32x4Div, asm.F32x4Sub)
				u.Set(x.W)
			}
		},
	}
}
