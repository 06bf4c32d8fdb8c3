package ref

import "math"

// Hyper are the values of hyper-parameters by name.
type Hyper map[string]float32

// Rule is how an optimizer changes a value. It keeps what all values have in common.
type Rule interface {
	// Advance is called once per step, before the updates.
	Advance(h Hyper)
	// Update returns the next value; it changes the value's slots.
	Update(h Hyper, w, g, rate float32, slots []float32) float32
}

// Apply turns the merged sums into the next parameters and exponents. The multiplier is the schedule's at this step. It
// returns the first tensor in which something is no longer finite; what was computed is then of no use.
func Apply(tensors []*Tensor, step int64, bits int, rule Rule, h Hyper, multiplier float32, examples int64) (bad *Tensor) {
	if step != 0 {
		if examples <= 0 {
			return nil
		}
		rate := h["learningRate"] * multiplier
		rule.Advance(h)
		for _, t := range tensors {
			if t.Rate != 0 && !t.update(rule, h, rate*t.Rate, t.mean(bits, examples)) {
				return t
			}
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

// update reports whether all that it stored is finite.
func (t *Tensor) update(rule Rule, h Hyper, rate float32, gradient func(i int) float32) bool {
	finite := true
	slots := make([]float32, len(t.Slots))
	for i, w := range t.Value {
		g := gradient(i)
		if t.Decayed && (h["l1"] != 0 || h["l2"] != 0) {
			g = g + float32(h["l2"]*w)
			g = g + signed(h["l1"], w)
		}
		for j := range slots {
			slots[j] = t.Slots[j][i]
		}
		w = rule.Update(h, w, g, rate, slots)
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
