package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// lars is gradient descent with momentum whose steps have, for each tensor, a length in proportion to that of its values
// (You, Gitman, Ginsburg: "Large batch training of convolutional networks", 2017):
//
//	η' = η·‖w‖ / (‖g‖ + λ·‖w‖ + ε)
//	v ← μ·v + (rate·η')·(g + λ·w);  w ← w − v
//
// Biases have neither decay nor ratio, and η' is 1 where either norm is 0. A norm is the root of a sum of squares in f64
// (squares.go). The velocity contains the rate, as in the paper, unlike sgd's.
type lars struct{}

const trustCoefficient = "trustCoefficient"

func (lars) quantities() []quantity {
	return []quantity{
		learningRate(0.1),
		{momentum, 0.9, 0, highestDecay, "Part of the velocity that is kept from step to step."},
		{trustCoefficient, 0.001, 0, highestRate, "Length of a step in proportion to a tensor's."},
		decay(0.0001),
		{"epsilon", 1e-8, lowestEpsilon, 1, "Added to the norms that a step is divided by."},
	}
}

func (l lars) Declaration() schema.Declaration {
	return declare("lars", "Momentum for large batches: a tensor's steps are in proportion to its length.", l.quantities()...)
}

func (l lars) Rule(attributes map[string]any) Rule {
	return Rule{
		Hyperparameters: hyperparameters(attributes, l.quantities()...),
		Slots:           []string{velocity},
		Decays:          true,
		Tensor:          larsTensor,
		Measure:         func(*Update) func(Values) { return func(Values) {} },
		Ratio: func(u *Update, w, g local) {
			proportion(u, w, g, func() {
				wide := func(name string) {
					u.Hyper(name)
					u.Op(asm.F64Promot)
				}
				wide(trustCoefficient)
				u.Get(w)
				u.Op(asm.F64Mul)
				u.Get(g)
				wide(weightDecay)
				u.Get(w)
				u.Op(asm.F64Mul, asm.F64Add)
				wide("epsilon")
				u.Op(asm.F64Add, asm.F64Div, asm.F32Demote)
			})
		},
	}
}

func larsTensor(u *Update) func(Values) {
	rate, mu := u.Splat(func() { u.Get(u.Rate) }), u.SplatHyper(momentum)
	var lambda local
	if u.Decayed {
		lambda = u.SplatHyper(weightDecay)
	}
	return func(x Values) {
		v := x.Slots[0]
		u.Get(mu, v)
		u.Op(asm.F32x4Mul)
		u.Get(rate, x.G)
		if u.Decayed {
			u.Get(lambda, x.W)
			u.Op(asm.F32x4Mul, asm.F32x4Add)
		}
		u.Op(asm.F32x4Mul, asm.F32x4Add)
		u.Set(v)
		u.Get(x.W, v)
		u.Op(asm.F32x4Sub)
		u.Set(x.W)
	}
}
