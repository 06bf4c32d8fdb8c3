package ref

import "math"

// NoExponent marks a tensor that has had no signal yet.
const NoExponent = -1000

// Tensor is a parameter with what quantisation and updates know about it.
type Tensor struct {
	Rows, Cols int
	GradStride int // values from a row of Grad to the next; what is behind the first Cols does not count

	Value    []float32
	Grad     []float32 // of one microbatch
	Sum      []int32   // of the quantised gradients of a step
	Exponent int32     // E: gradients are expected to be below 2^E
	Peak     int32     // the largest exponent field among the step's gradients
	Rate     float32   // multiplier of the learning rate; 0 freezes
	Decayed  bool      // regularised
	Slots    [][]float32
	// Row is the length of the rows that sums of squares begin anew at; 0 is the whole.
	Row int
	// Average is the average of the values, if there are such.
	Average []float32
	// Constraint is what holds after an update: its name, and its limit. Its rows are Units long.
	Constraint string
	Limit      float32
	Units      int

	gradient func(i int) float32 // of the step
}

// Gradient is element i of the gradient, counted without padding.
func (t *Tensor) Gradient(i int) float32 { return t.Grad[i/t.Cols*t.GradStride+i%t.Cols] }

// Bound is the largest magnitude of a quantised gradient.
func Bound(bits int) int32 { return 1<<(bits-1) - 1 }

// Scale is s: a gradient g is counted in units of 2^−s.
func Scale(bits int, exponent int32) int {
	return min(max(bits-2-int(exponent), -126), 120)
}

// Quantise ends a microbatch: it adds to sums and peaks, and returns how many values met the bound. If a gradient is not
// finite, it changes nothing and returns the first such tensor.
func Quantise(tensors []*Tensor, bits int) (clipped int64, bad *Tensor) {
	peaks := make([]int32, len(tensors))
	for i, t := range tensors {
		for j := range t.Value {
			peaks[i] = max(peaks[i], int32(math.Float32bits(t.Gradient(j))>>23&0xff))
		}
		if peaks[i] == 0xff {
			return 0, t
		}
	}
	for i, t := range tensors {
		t.Peak = max(t.Peak, peaks[i])
		if t.Exponent == NoExponent {
			continue
		}
		for j := range t.Value {
			q := quantum(t.Gradient(j), bits, t.Exponent)
			t.Sum[j] += q
			if q == Bound(bits) || q == -Bound(bits) {
				clipped++
			}
		}
	}
	return clipped, nil
}

func quantum(g float32, bits int, exponent int32) int32 {
	x := math.Ldexp(float64(g), Scale(bits, exponent)) // exact
	bound := float64(Bound(bits))
	return int32(math.RoundToEven(math.Min(bound, math.Max(-bound, x))))
}
