package ref

import "math"

// constrain makes the tensor's constraint hold again.
func (t *Tensor) constrain() {
	if t.Constraint == "" {
		return
	}
	for first := 0; first < len(t.Value); first += t.Units {
		row := t.Value[first:][:t.Units]
		var sum float64
		for _, w := range row {
			sum += float64(float64(w) * float64(w))
		}
		factor, norm := float32(1), math.Sqrt(sum)
		switch {
		case t.Constraint == "max-norm" && norm > float64(t.Limit):
			factor = float32(float64(t.Limit) / norm)
		case t.Constraint == "unit-norm" && norm > 0:
			factor = float32(1 / norm)
		}
		for i := range row {
			row[i] = flush(row[i] * factor)
			if t.Constraint == "non-negative" && row[i] < 0 {
				row[i] = 0
			}
		}
	}
}

// average moves the averages of all tensors after the n-th change.
func average(tensors []*Tensor, n int64, decay float32, warmUp bool) {
	if warmUp {
		decay = min(decay, float32(float64(n)/float64(n+9)))
	}
	for _, t := range tensors {
		for i, w := range t.Value {
			if n == 1 || 1-decay == 1 {
				t.Average[i] = flush(w)
				continue
			}
			t.Average[i] = flush(t.Average[i] + float32((1-decay)*(w-t.Average[i])))
		}
	}
}
