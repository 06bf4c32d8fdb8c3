package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// sgd is stochastic gradient descent, with momentum as PyTorch defines it (the velocity does not contain the rate) and
// Nesterov's variant in the form of Sutskever et al., "On the importance of initialization and momentum in deep
// learning", 2013:
//
//	w ← w − rate·g                    without momentum
//	v ← μ·v + g;  w ← w − rate·v          with momentum μ
//	v ← μ·v + g;  w ← w − rate·(g + μ·v)   Nesterov's
type sgd struct{}

const (
	momentum = "momentum"
	nesterov = "nesterov"
	velocity = "velocity"
)

func (sgd) rate() quantity { return learningRate(0.01) }

func (sgd) momentum() quantity {
	return quantity{momentum, 0.0, 0, highestDecay, "Part of the velocity that is kept from step to step; 0 keeps no velocity at all."}
}

func (s sgd) Declaration() schema.Declaration {
	d := declare("sgd", "Stochastic gradient descent, with momentum if wanted.", s.rate(), s.momentum())
	d.Attributes = append(d.Attributes, schema.Attribute{
		Name: nesterov, Kind: schema.Boolean, Default: false, Doc: "Look ahead along the velocity; that needs a momentum.",
	})
	return d
}

func (sgd) check(a schema.Attributes) (attribute, problem string) {
	if a.Bool(nesterov) && a.Float(momentum) == 0 {
		return nesterov, "true without a momentum is plain sgd; give a momentum such as 0.9, or leave nesterov out"
	}
	return "", ""
}

func (s sgd) Rule(attributes map[string]any) Rule {
	if number(attributes, momentum) == 0 {
		return Rule{Hyperparameters: hyperparameters(attributes, s.rate()), Tensor: descend}
	}
	ahead, _ := attributes[nesterov].(bool)
	return Rule{
		Hyperparameters: hyperparameters(attributes, s.rate(), s.momentum()),
		Slots:           []string{velocity},
		Tensor:          func(u *Update) func(Values) { return descendWithMomentum(u, ahead) },
	}
}

func descend(u *Update) func(Values) {
	rate := u.Splat(func() { u.Get(u.Rate) })
	return func(x Values) {
		u.Get(x.W, rate, x.G)
		u.Op(asm.F32x4Mul, asm.F32x4Sub)
		u.Set(x.W)
	}
}

func descendWithMomentum(u *Update, ahead bool) func(Values) {
	rate, mu := u.Splat(func() { u.Get(u.Rate) }), u.SplatHyper(momentum)
	return func(x Values) {
		v := x.Slots[0]
		u.Get(mu, v)
		u.Op(asm.F32x4Mul)
		u.Get(x.G)
		u.Op(asm.F32x4Add)
		u.Set(v)

		u.Get(x.W, rate)
		if ahead {
			u.Get(x.G, mu, v)
			u.Op(asm.F32x4Mul, asm.F32x4Add)
		} else {
			u.Get(v)
		}
		u.Op(asm.F32x4Mul, asm.F32x4Sub)
		u.Set(x.W)
	}
}
