package ref

import "slices"

// local is the local steps of a microbatch; package kernel defines them (local.go).
type local struct {
	steps, batch int
	hyper        Hyper // of the optimizer inside
	rule         func() (rule Rule, slots int)
}

// part is what the examples of one step came to.
type part struct{ loss, correct int64 }

// run takes the steps with n examples. The gradients then hold by how much the parameters changed, which are as they were.
// multiplier is the schedule's by the number of the step.
func (l *local) run(t *Training, step int64, n int, multiplier func(step int64) float32, gradient func(first, last int) (part, error)) (sum part, err error) {
	var inner []*Tensor
	var before [][]float32
	rule, slots := l.rule()
	number := (max(step, 1) - 1) * int64(l.steps)
	for _, o := range t.Tensors {
		before = append(before, slices.Clone(o.Value))
		copied := *o // the values and the gradient are shared
		copied.Slots = nil
		if p := t.Network.Parameters[len(inner)]; len(p.Shape) > 1 && len(o.Value)/p.Shape[0]%4 != 0 {
			copied.Row = len(o.Value) / p.Shape[0] // the gradient's rows are padded
		}
		for range slots {
			copied.Slots = append(copied.Slots, make([]float32, len(o.Value)))
		}
		inner = append(inner, &copied)
	}
	defer func() {
		for i, o := range t.Tensors {
			for j := range o.Value {
				o.Grad[j] = before[i][j] - o.Value[j]
			}
			copy(o.Value, before[i])
		}
	}()
	for first := 0; first < n; first += l.batch {
		last := min(first+l.batch, n)
		p, err := gradient(first, last)
		if err != nil {
			return part{}, err
		}
		sum.loss += p.loss
		sum.correct += p.correct
		rate := l.hyper["learningRate"] * multiplier(number)
		for _, o := range inner {
			o.gradient = func(j int) float32 { return o.Gradient(j) / float32((last-first)*t.Network.loss.positions()) }
		}
		if bad := change(inner, rule, l.hyper, rate); bad != nil {
			return part{}, t.nonFinite(t.Tensors[slices.Index(inner, bad)], true)
		}
		number++
	}
	return sum, nil
}

// ApplyOuter is Apply where what was merged is by how much microbatches changed the parameters.
func ApplyOuter(tensors []*Tensor, step int64, bits int, rule Rule, h Hyper, microbatches int64) (bad *Tensor) {
	if step != 0 {
		if microbatches <= 0 {
			return nil
		}
		for _, t := range tensors {
			outer := *t
			outer.Decayed, outer.gradient = false, t.mean(bits, microbatches)
			if t.Rate != 0 && !outer.update(rule, h, h["learningRate"]) {
				return t
			}
			if t.Rate != 0 {
				t.constrain()
			}
		}
	}
	learn(tensors)
	return nil
}
