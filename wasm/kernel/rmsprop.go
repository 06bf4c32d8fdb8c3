package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// rmsprop divides steps by the root of the mean squared gradient (Hinton, "Neural networks for machine learning", lecture
// 6, 2012; centred: Graves, "Generating sequences with recurrent neural networks", 2013), as PyTorch's RMSprop:
//
//	v ← α·v + (1−α)·(g·g)
//	ḡ ← α·ḡ + (1−α)·g;  v' = max(0, v − ḡ·ḡ)     centred, else v' = v
//	w ← w − (rate·g) / (√v' + ε)                without momentum
//	b ← μ·b + g/(√v' + ε);  w ← w − rate·b      with momentum μ
//
// The maximum keeps a v − ḡ·ḡ that is negative by rounding from becoming a NaN, as it may in PyTorch.
type rmsprop struct{}

const (
	alpha    = "alpha"
	centered = "centered"
)

func (rmsprop) quantities() []quantity {
	return []quantity{
		learningRate(0.01),
		{alpha, 0.99, 0, highestDecay, "Decay of the mean squared gradient."},
		epsilon(1e-8),
	}
}

func (r rmsprop) Declaration() schema.Declaration {
	d := declare("rmsprop", "Steps are divided by the root of the mean squared gradient.", append(r.quantities(), sgd{}.momentum())...)
	d.Attributes = append(d.Attributes, schema.Attribute{
		Name: centered, Kind: schema.Boolean, Default: false, Doc: "Divide by the deviation of the gradient instead.",
	})
	return d
}

func (r rmsprop) Rule(attributes map[string]any) Rule {
	rule := Rule{Hyperparameters: hyperparameters(attributes, r.quantities()...), Slots: []string{"v"}, LeastSteps: 64}
	central, _ := attributes[centered].(bool)
	moving := number(attributes, momentum) != 0
	if central {
		rule.Slots = append(rule.Slots, "mean")
	}
	if moving {
		rule.Slots = append(rule.Slots, velocity)
		rule.Hyperparameters = append(rule.Hyperparameters, hyperparameters(attributes, sgd{}.momentum())...)
	}
	rule.Tensor = func(u *Update) func(Values) { return rmspropTensor(u, central, moving) }
	return rule
}

func rmspropTensor(u *Update, central, moving bool) func(Values) {
	rate, keep, eps := u.Splat(func() { u.Get(u.Rate) }), u.SplatHyper(alpha), u.SplatHyper("epsilon")
	rest := u.Splat(func() { complement(u, alpha) })
	var mu local
	if moving {
		mu = u.SplatHyper(momentum)
	}
	return func(x Values) {
		v := x.Slots[0]
		decayToSquare(u, v, x.G, keep, rest)
		if central {
			decayTo(u, x.Slots[1], x.G, keep, rest)
		}
		divide := func() {
			u.Get(v)
			if central {
				u.Get(x.Slots[1], x.Slots[1])
				u.Op(asm.F32x4Mul, asm.F32x4Sub)
				u.F32x4(0)
				u.Op(asm.F32x4PMax)
			}
			u.Op(asm.F32x4Sqrt)
			u.Get(eps)
			u.Op(asm.F32x4Add, asm.F32x4Div)
		}
		if !moving {
			u.Get(x.W, rate, x.G)
			u.Op(asm.F32x4Mul)
			divide()
			u.Op(asm.F32x4Sub)
			u.Set(x.W)
			return
		}
		b := x.Slots[len(x.Slots)-1]
		u.Get(mu, b)
		u.Op(asm.F32x4Mul)
		u.Get(x.G)
		divide()
		u.Op(asm.F32x4Add)
		u.Set(b)
		u.Get(x.W, rate, b)
		u.Op(asm.F32x4Mul, asm.F32x4Sub)
		u.Set(x.W)
	}
}
