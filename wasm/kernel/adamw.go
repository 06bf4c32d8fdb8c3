package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// adamW is adam with a decay of the weights that does not go through the means (Loshchilov and Hutter, "Decoupled weight
// decay regularization", 2017), as PyTorch's AdamW: before adam's change,
//
//	w ← w·(1 − rate·λ)
//
// for tensors that are not biases. (PyTorch decays all that are in a group.)
type adamW struct{ adam }

const weightDecay = "weightDecay"

func decay(fallback float64) quantity {
	return quantity{weightDecay, fallback, 0, highestRate, "Part of each weight, times the rate, that a step takes away; biases are left alone."}
}

func (a adamW) quantities() []quantity { return append(a.adam.quantities(), decay(0.01)) }

func (a adamW) Declaration() schema.Declaration {
	return declare("adamw", "Adam with decoupled weight decay.", a.quantities()...)
}

func (a adamW) Rule(attributes map[string]any) Rule {
	rule := a.adam.Rule(attributes)
	rule.Hyperparameters = hyperparameters(attributes, a.quantities()...)
	rule.Decays = true
	rule.Tensor = func(u *Update) func(Values) {
		change := adamTensor(u)
		if !u.Decayed {
			return change
		}
		keep := u.Splat(func() {
			u.F32(1)
			u.Get(u.Rate)
			u.Hyper(weightDecay)
			u.Op(asm.F32Mul, asm.F32Sub)
		})
		return func(x Values) {
			u.Get(x.W, keep)
			u.Op(asm.F32x4Mul)
			u.Set(x.W)
			change(x)
		}
	}
	return rule
}
