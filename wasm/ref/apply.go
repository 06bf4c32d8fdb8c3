package ref

import "math"

// Hyper are the values of hyper-parameters by name.
type Hyper map[string]float32

// Rule is how an optimizer changes a value. It keeps what all values have in common.
type Rule interface {
	// Advance is called once per step, before the updates.
	Advance(h Hyper)
	// Update returns the next value; it changes the value's slots.
	Update(h Hyper, v Value, slots []float32) float32
}

// Value is one of a tensor's, with its gradient.
type Value struct {
	W, G    float32
	Rate    float32 // the rate times all multipliers
	Decayed bool    // it is not of a bias
}

// Clipped is a rule whose gradients are bounded first, by the hyper-parameter clip.limit: by "value", "norm" or
// "tensor-norm".
type Clipped struct {
	Rule
	Kind string
}

// unclipped splits a rule.
func unclipped(rule Rule) (Rule, string) {
	if c, ok := rule.(Clipped); ok {
		return c.Rule, c.Kind
	}
	return rule, ""
}

// Apply turns the merged sums into the next parameters and exponents. The multiplier is the schedule's at this step. It
// returns the first tensor in which something is no longer finite; what was computed is then of no use.
func Apply(tensors []*Tensor, step int64, bits int, rule Rule, h Hyper, multiplier float32, examples int64) (bad *Tensor) {
	if step != 0 {
		if examples <= 0 {
			return nil
		}
		rate := h["learningRate"] * multiplier
		for _, t := range tensors {
			t.gradient = t.mean(bits, examples)
		}
		if bad := change(tensors, rule, h, rate); bad != nil {
			return bad
		}
	}
	learn(tensors)
	return nil
}

// learn moves the exponents to those of the peaks.
func learn(tensors []*Tensor) {
	for _, t := range tensors {
		if t.Peak != 0 {
			t.Exponent = t.Peak - 126
		}
	}
}

// mean is what the sums stand for, divided by a count.
func (t *Tensor) mean(bits int, count int64) func(i int) float32 {
	var unscale float32
	if t.Exponent != NoExponent {
		unscale = float32(math.Ldexp(1, -Scale(bits, t.Exponent)))
	}
	return func(i int) float32 { return float32(float32(t.Sum[i])*unscale) / float32(count) }
}

// change updates all tensors by their gradients, and returns the first in which something is no longer finite.
func change(tensors []*Tensor, rule Rule, h Hyper, rate float32) (bad *Tensor) {
	rule, clip := unclipped(rule)
	rule.Advance(h)
	if clip == "norm" {
		coefficient := clipCoefficient(h, tensors...)
		for _, t := range tensors {
			t.scale(coefficient)
		}
	}
	for _, t := range tensors {
		if t.Rate == 0 {
			continue
		}
		switch clip {
		case "tensor-norm":
			t.scale(clipCoefficient(h, t))
		case "value":
			gradient, limit := t.gradient, h["clip.limit"]
			t.gradient = func(i int) float32 { return pmin(pmax(gradient(i), -limit), limit) }
		}
		if !t.update(rule, h, rate*t.Rate) {
			return t
		}
		t.constrain()
	}
	return nil
}

func (t *Tensor) scale(coefficient float32) {
	gradient := t.gradient
	t.gradient = func(i int) float32 { return gradient(i) * coefficient }
}

// clipCoefficient is by what gradients are multiplied so that their norm keeps the limit.
func clipCoefficient(h Hyper, tensors ...*Tensor) float32 {
	var sum float64
	for _, t := range tensors {
		if t.Rate != 0 {
			sum = squares(len(t.Value), t.row(), t.gradient) + sum
		}
	}
	c := float32(float64(h["clip.limit"]) / (math.Sqrt(sum) + 1e-6))
	if c < 1 {
		return c
	}
	return 1
}

// row is the length of the rows that sums of squares begin anew at.
func (t *Tensor) row() int {
	if t.Row > 0 {
		return t.Row
	}
	return len(t.Value)
}

// squares sums n squares in float64: that of element i of a row to sum i mod 4, and these at last.
func squares(n, row int, x func(i int) float32) float64 {
	var s [4]float64
	for i := range n {
		v := float64(x(i))
		s[i%row%4] += float64(v * v)
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

// measure gives the ratio of a rule that wants the norms of a tensor, else 1.
func (t *Tensor) measure(rule Rule, h Hyper) float32 {
	m, ok := rule.(measured)
	if !ok || !t.Decayed {
		return 1
	}
	w, g := make([]float32, len(t.Value)), make([]float32, len(t.Value))
	for i := range t.Value {
		v, slots := t.at(i, h)
		w[i], g[i] = m.measure(h, v, slots)
	}
	norm := func(x []float32) float64 {
		return math.Sqrt(squares(len(x), t.row(), func(i int) float32 { return x[i] }))
	}
	return m.ratio(h, norm(w), norm(g))
}

// at is a value with its regularised gradient and a copy of its slots.
func (t *Tensor) at(i int, h Hyper) (v Value, slots []float32) {
	v = Value{W: t.Value[i], G: t.gradient(i), Decayed: t.Decayed}
	if t.Decayed && (h["l1"] != 0 || h["l2"] != 0) {
		v.G += float32(h["l2"] * v.W)
		v.G += signed(h["l1"], v.W)
	}
	for _, s := range t.Slots {
		slots = append(slots, s[i])
	}
	return v, slots
}

// update reports whether all that it stored is finite.
func (t *Tensor) update(rule Rule, h Hyper, rate float32) bool {
	finite := true
	if _, ok := rule.(measured); ok && t.Decayed {
		rate *= t.measure(rule, h)
	}
	for i := range t.Value {
		v, slots := t.at(i, h)
		v.Rate = rate
		w := rule.Update(h, v, slots)
		finite = finite && isFinite(w)
		t.Value[i] = flush(w)
		for j, x := range slots {
			finite = finite && isFinite(x)
			t.Slots[j][i] = flush(x)
		}
	}
	return finite
}

// signed is x with the sign of w, or 0 where w is 0.
func signed(x, w float32) float32 {
	switch {
	case w > 0:
		return x
	case w < 0:
		return -x
	}
	return 0
}

func isFinite(x float32) bool { return math.Float32bits(x)>>23&0xff != 0xff }

// flush replaces what decays towards subnormal numbers by +0.
func flush(x float32) float32 {
	if math.Abs(float64(x)) < 0x1p-100 {
		return 0
	}
	return x
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
