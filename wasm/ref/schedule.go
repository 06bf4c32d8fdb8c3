package ref

import (
	"math"
	"sort"
)

// StepSchedule is factor^⌊t/every⌋.
func StepSchedule(t, every int64, factor float64) float32 { return float32(power(factor, t/every)) }

// ExponentialSchedule is factor^(t/every), by the every-th root of factor.
func ExponentialSchedule(t, every int64, factor float64) float32 {
	// The smallest number whose power is not below factor; the bits of numbers in 0…1 order like the numbers.
	root := sort.Search(int(math.Float64bits(1)), func(bits int) bool {
		return power(math.Float64frombits(uint64(bits)), every) >= factor
	})
	return float32(power(math.Float64frombits(uint64(root)), t))
}

// power multiplies the squares base, base², base⁴, … that the exponent's bits name, from the lowest bit.
func power(base float64, exponent int64) float64 {
	result := 1.0
	for ; exponent > 0; exponent /= 2 {
		if exponent%2 == 1 {
			result *= base
		}
		base *= base
	}
	return result
}
