package kernel

import "strconv"

// Single rounds a decimal number of a specification to f32 once: from its shortest decimal form, not from the f64 in
// between.
func Single(x float64) float32 {
	f, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', -1, 64), 32)
	if err != nil {
		panic("kernel: " + err.Error()) // resolving refuses numbers beyond f32
	}
	return float32(f)
}
