package ref

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
)

// Training is an engine in plain Go: the calls of the ABI, with the same results bit for bit.
type Training struct {
	Network *Network[float32]
	Tensors []*Tensor // in the order of the network's parameters, whose values they share
	Rule    Rule
	Hyper   Hyper
	Seed    int64

	// Accumulators, beside the tensors' sums and peaks. Microbatches is one of local steps alone.
	Loss, Examples, Correct, Clipped, Microbatches int64

	// Averaged counts the changes that averages are of.
	Averaged int64

	algorithm schema.Algorithm
	local     *local // nil where the rule works on gradients
}

// ErrClass says that a target is not a class of the model.
var ErrClass = errors.New("a target is not a class of the model")

// NonFiniteError names the tensor in which something is infinite or not a number.
type NonFiniteError struct {
	Tensor string
	Update bool // after an update, else in the gradient
}

func (e *NonFiniteError) Error() string {
	if e.Update {
		return fmt.Sprintf("non-finite value in %s after an update", e.Tensor)
	}
	return "non-finite gradient in " + e.Tensor
}

// NewTraining makes the oracle of a resolved specification. Init must follow.
func NewTraining(r schema.Resolved, g *graph.Graph) *Training {
	t := &Training{Network: NewNetwork[float32](r, g), algorithm: r.Algorithm, Hyper: Hyper{"l1": 0, "l2": 0}}
	if c := r.Algorithm.Clipping; c.Kind != "" {
		t.Hyper["clip.limit"] = single(c.Attributes["limit"].(float64))
	}
	for name, value := range r.Algorithm.Optimizer.Attributes {
		if x, ok := value.(float64); ok {
			t.Hyper[name] = single(x)
		}
	}
	if g := r.Algorithm.Regularization; g != nil {
		t.Hyper["l1"], t.Hyper["l2"] = single(g.L1), single(g.L2)
	}
	if g := r.Algorithm.Aggregation; g.Mode == schema.AggregateLocalSteps {
		t.local = &local{
			steps: g.Steps, batch: r.Algorithm.InnerBatch(), hyper: t.Hyper,
			rule: func() (Rule, int) {
				rule, slots := rule(r.Algorithm.Optimizer)
				return clipped(rule, r.Algorithm.Clipping), slots
			},
		}
		t.Hyper = Hyper{"learningRate": single(*g.Outer.LearningRate), "momentum": single(*g.Outer.Momentum)}
	}
	constraints := map[string]schema.Named{}
	for _, l := range r.Model.Layers {
		constraints[l.Name] = l.Constraint
	}
	for _, p := range t.Network.Parameters {
		o := &Tensor{
			Rows: 1, Cols: len(p.Value), GradStride: len(p.Value), Value: p.Value, Grad: p.Grad, Sum: make([]int32, len(p.Value)),
			Rate: single(p.Rate), Decayed: !p.Bias,
		}
		if c := constraints[strings.TrimSuffix(p.Name, "."+p.Parameter.Name)]; c.Kind != "" && !p.Bias {
			limit, _ := c.Attributes["limit"].(float64)
			o.Constraint, o.Limit, o.Units = c.Kind, single(limit), len(p.Value)/p.Shape[0]
			if len(p.Shape) == 1 {
				o.Units = len(p.Value)
			}
		}
		t.Tensors = append(t.Tensors, o)
	}
	return t
}

// clipped is a rule with what bounds its gradients.
func clipped(rule Rule, clipping schema.Component) Rule {
	if clipping.Kind == "" {
		return rule
	}
	return Clipped{rule, clipping.Kind}
}

// rule makes an optimizer and gives the number of its slots.
func rule(c schema.Component) (rule Rule, slots int) {
	switch c.Kind {
	case "sgd":
		if c.Attributes["momentum"] == 0.0 {
			return SGD{}, 0
		}
		return Momentum{Nesterov: c.Attributes["nesterov"] == true}, 1
	case "adagrad":
		return AdaGrad{}, 1
	case "adam":
		return &Adam{}, 2
	case "adamw":
		return &AdamW{}, 2
	case "adamax":
		return &Adamax{}, 2
	case "nadam":
		return &NAdam{}, 2
	case "adadelta":
		return AdaDelta{}, 2
	case "rmsprop":
		r := RMSProp{Centered: c.Attributes["centered"] == true, Momentum: c.Attributes["momentum"] != 0.0}
		for _, has := range []bool{true, r.Centered, r.Momentum} {
			if has {
				slots++
			}
		}
		return r, slots
	case "lamb":
		return &LAMB{}, 2
	case "lars":
		return LARS{}, 1
	}
	panic(fmt.Sprintf("ref: %q is not defined", c.Kind))
}

// Init fills parameters and state.
func (t *Training) Init(seed int64) {
	t.Seed = seed
	var slots int
	optimizer := t.algorithm.Optimizer
	if t.local != nil {
		optimizer = schema.Component{Kind: "sgd", Attributes: map[string]any{
			"momentum": *t.algorithm.Aggregation.Outer.Momentum, "nesterov": true,
		}}
	}
	t.Rule, slots = rule(optimizer)
	if t.local == nil {
		t.Rule = clipped(t.Rule, t.algorithm.Clipping)
	}
	t.Averaged = 0
	for i, o := range t.Tensors {
		p := t.Network.Parameters[i]
		copy(o.Value, Initializer(p.InitializedBy(t.algorithm.Initializer), seed, i, p.FanIn, p.FanOut, p.Shape))
		o.Exponent = NoExponent
		o.Slots, o.Average = nil, nil
		if t.algorithm.Averaging.Kind != "" {
			o.Average = slices.Clone(o.Value)
		}
		for range slots {
			o.Slots = append(o.Slots, make([]float32, len(o.Value)))
		}
	}
	for _, a := range t.Network.Averages {
		for c := range a.Mean {
			a.Mean[c], a.Variance[c] = 0, 1
		}
	}
	t.Clear()
}

// Clear zeroes the accumulators.
func (t *Training) Clear() {
	t.Loss, t.Examples, t.Correct, t.Clipped, t.Microbatches = 0, 0, 0, 0, 0
	for _, o := range t.Tensors {
		clear(o.Sum)
		o.Peak = 0
	}
	for _, a := range t.Network.Averages {
		clear(a.Sum)
	}
}

// Select returns the examples that a microbatch uses.
func (t *Training) Select(step, microbatch, examples int64) []uint32 {
	o := Order{Seed: t.Seed, Microbatch: t.algorithm.MicrobatchSize, Lanes: t.algorithm.Microbatches(), Block: t.algorithm.Block}
	return o.Select(step, microbatch, examples)
}

// Accumulate runs a microbatch and adds to the accumulators. With an error nothing is added.
func (t *Training) Accumulate(step, microbatch int64, input, target []byte, n int) error {
	gradient := func(first, last int) (part, error) {
		c := Call{Train: true, Seed: t.Seed, Step: step, Microbatch: microbatch, First: first}
		in, out := len(input)/n, len(target)/n
		values, s, ok := t.Network.judge(c, input[first*in:last*in], target[first*out:last*out], last-first)
		if !ok {
			return part{}, ErrClass
		}
		t.Network.Backward(c, values, s.gradient)
		return part{total(s.losses), s.correct}, nil
	}
	for _, a := range t.Network.Averages {
		clear(a.pending)
	}
	var sum part
	var err error
	if t.local == nil {
		sum, err = gradient(0, n)
	} else {
		sum, err = t.local.run(t, step, n, t.multiplier, gradient)
	}
	if err != nil {
		return err
	}
	clipped, bad := Quantise(t.Tensors, t.algorithm.Aggregation.Bits)
	if bad != nil {
		return t.nonFinite(bad, false)
	}
	for _, a := range t.Network.Averages {
		for i, x := range a.pending {
			a.Sum[i] += x
		}
	}
	t.Clipped += clipped
	t.Loss += sum.loss
	t.Correct += sum.correct
	t.Examples += int64(n * t.Network.loss.positions())
	t.Microbatches++
	return nil
}

func total(losses []float32) (sum int64) {
	for _, x := range losses {
		sum += fixedPoint(x)
	}
	return sum
}

func (t *Training) nonFinite(bad *Tensor, update bool) error {
	for i, o := range t.Tensors {
		if o == bad {
			return &NonFiniteError{t.Network.Parameters[i].Name, update}
		}
	}
	return nil
}

// Apply turns the accumulators into the next parameters and state.
func (t *Training) Apply(step int64) error {
	var bad *Tensor
	if bits := t.algorithm.Aggregation.Bits; t.local == nil {
		bad = Apply(t.Tensors, step, bits, t.Rule, t.Hyper, t.multiplier(step-1), t.Examples)
	} else {
		bad = ApplyOuter(t.Tensors, step, bits, t.Rule, t.Hyper, t.Microbatches)
	}
	if bad != nil {
		return t.nonFinite(bad, true)
	}
	if step != 0 {
		for _, a := range t.Network.Averages {
			a.apply()
		}
	}
	count := t.Examples
	if t.local != nil {
		count = t.Microbatches
	}
	if a := t.algorithm.Averaging; a.Kind != "" && step != 0 && count > 0 {
		t.Averaged++
		average(t.Tensors, t.Averaged, single(a.Attributes["decay"].(float64)), a.Attributes["warmUp"] == true)
	}
	return nil
}

// withAverages runs f with the averages, where there are such, in the place of the values.
func (t *Training) withAverages(f func()) {
	swap := func() {
		for _, o := range t.Tensors {
			for i := range o.Average {
				o.Value[i], o.Average[i] = o.Average[i], o.Value[i]
			}
		}
	}
	swap()
	f()
	swap()
}

// multiplier is the schedule's, t steps after the first.
func (t *Training) multiplier(steps int64) float32 {
	s := t.algorithm.Schedule
	return Schedule(s.Kind, s.Attributes, max(steps, 0))
}

// Predict gives what the engine's predict writes.
func (t *Training) Predict(input []byte, n int) [][]float32 {
	var predictions [][]float32
	t.withAverages(func() {
		values := t.Network.Forward(Call{}, input, n)
		predictions, _ = t.Network.loss.predict(t.Network.loss.split(values[len(values)-1]))
	})
	return predictions
}

// Evaluate gives what the engine's evaluate adds to the metrics.
func (t *Training) Evaluate(input, target []byte, n int) (correct, loss int64, err error) {
	var s scored[float32]
	var ok bool
	t.withAverages(func() { _, s, ok = t.Network.judge(Call{}, input, target, n) })
	if !ok {
		return 0, 0, ErrClass
	}
	return s.correct, total(s.losses), nil
}
