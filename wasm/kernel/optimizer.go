package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Optimizer is a family of rules by which a step's gradient changes the parameters.
type Optimizer interface {
	Declaration() schema.Declaration
	// Rule is the optimizer with attributes, which have been checked against the declaration and completed.
	Rule(attributes map[string]any) Rule
}

// Optimizers of the vocabulary.
func Optimizers() []Optimizer {
	return []Optimizer{sgd{}, adagrad{}, adam{}, adamW{}, adamax{}, nadam{}, adadelta{}, rmsprop{}, lamb{}, lars{}}
}

// Rule is an optimizer as apply uses it. Every order of operations in it is part of the engine's results: wasm/ref
// repeats it.
type Rule struct {
	// Hyperparameters that the rule reads, learningRate among them. Offsets are for the compiler to fill in.
	Hyperparameters []schema.Hyperparameter
	// Slots names the state that each parameter has per value: f32, zero at first.
	Slots []string
	// Shared names the scalars that all parameters have in common: f32, zero at first.
	Shared []string
	// LeastSteps is the fewest steps from zero state, as local steps start, that the rule needs to be of use.
	LeastSteps int
	// Advance emits the change of the shared scalars, once per step before all tensors. Nil if there are none.
	Advance func(u *Update)
	// Tensor emits what a tensor's update computes once, and returns what emits the change of four values.
	Tensor func(u *Update) func(v Values)
	// Decays says that the rule treats tensors that are regularised otherwise than biases: Update.Decayed tells.
	Decays bool
	// Measure is for rules that need the norms of whole tensors before they change any value, of those that are Decayed. It
	// is emitted like Tensor, but what it returns leaves the vectors whose norms are wanted in W and G and changes nothing
	// else. Ratio then pushes by what the tensor's rate is multiplied (f32), given the norms (f64).
	Measure func(u *Update) func(v Values)
	Ratio   func(u *Update, w, g local)
}

// Values are the locals of four neighbouring values. The emitted code leaves new ones in W and Slots and may use G up.
type Values struct {
	W, G  local
	Slots []local // in the order of Rule.Slots
}

// Update is what a rule emits its code into.
type Update struct {
	*asm.Code
	// Rate is an f32: the learning rate times the schedule's and the tensor's multipliers. Advance has none.
	Rate local
	// Decayed says that the tensor is one that is regularised, not a bias.
	Decayed bool

	hyper  func(name string) int
	shared map[string]int
}

// Hyper pushes a hyper-parameter, an f32.
func (u *Update) Hyper(name string) {
	u.I32(u.hyper(name))
	u.Mem(asm.F32Load, 0)
}

// Shared pushes a shared scalar, an f32.
func (u *Update) Shared(name string) {
	u.I32(u.shared[name])
	u.Mem(asm.F32Load, 0)
}

// SetShared stores the f32 that value pushes in a shared scalar.
func (u *Update) SetShared(name string, value func()) {
	u.I32(u.shared[name])
	value()
	u.Mem(asm.F32Store, 0)
}

// Splat keeps the f32 that value pushes in all lanes of a new local.
func (u *Update) Splat(value func()) local {
	l := u.Local(asm.V128)
	value()
	u.Op(asm.F32x4Splat)
	u.Set(l)
	return l
}

// SplatHyper is Splat of a hyper-parameter.
func (u *Update) SplatHyper(name string) local { return u.Splat(func() { u.Hyper(name) }) }

// Names of the hyper-parameters that every engine has, beside a multiplier of the rate per tensor.
const (
	LearningRate = "learningRate"
	L1           = "l1"
	L2           = "l2"
)

// quantity is a number of the specification that is also a hyper-parameter of the engine.
type quantity struct {
	name     string
	fallback any // nil if a specification must give it
	min, max float64
	doc      string
}

func (q quantity) attribute() schema.Attribute {
	return schema.Attribute{
		Name: q.name, Kind: schema.Number, Default: q.fallback,
		Min: schema.AtLeast(q.min), Max: schema.AtMost(q.max), Doc: q.doc,
	}
}

func (q quantity) hyperparameter(value float64) schema.Hyperparameter {
	return schema.Hyperparameter{Name: q.name, Type: "f32", Default: value, Min: q.min, Max: q.max}
}

// Limits of quantities.
const (
	highestRate = 1000
	// highestDecay keeps 1 − β well away from 0 in f32.
	highestDecay = 0.99999
	// lowestEpsilon is far above where apply flushes to zero, so that 0 / (√0 + ε) is 0.
	lowestEpsilon = 1e-20
)

// learningRate with the default that is customary for an optimizer.
func learningRate(fallback float64) quantity {
	return quantity{LearningRate, fallback, 0, highestRate, "Size of a step."}
}

func epsilon(fallback float64) quantity {
	return quantity{"epsilon", fallback, lowestEpsilon, 1, "Added to the root that a step is divided by."}
}

// Regularization is the hyper-parameters l1 and l2: apply adds l2·w + l1·sign(w) to the gradient of every parameter
// that is not a bias.
func Regularization(l1, l2 float64) []schema.Hyperparameter {
	return []schema.Hyperparameter{
		quantity{name: L1, max: highestRate}.hyperparameter(l1),
		quantity{name: L2, max: highestRate}.hyperparameter(l2),
	}
}

// declare makes a declaration whose attributes are quantities.
func declare(name, doc string, quantities ...quantity) schema.Declaration {
	d := schema.Declaration{Name: name, Doc: doc}
	for _, q := range quantities {
		d.Attributes = append(d.Attributes, q.attribute())
	}
	return d
}

// hyperparameters are quantities with the values that attributes give them.
func hyperparameters(attributes map[string]any, quantities ...quantity) []schema.Hyperparameter {
	var h []schema.Hyperparameter
	for _, q := range quantities {
		h = append(h, q.hyperparameter(number(attributes, q.name)))
	}
	return h
}

// number reads a numeric attribute, which a completed specification has.
func number(attributes map[string]any, name string) float64 {
	switch v := attributes[name].(type) {
	case float64:
		return v
	case int:
		return float64(v)
	case int64:
		return float64(v)
	}
	panic(fmt.Sprintf("kernel: attribute %s is %v, not a number", name, attributes[name]))
}
