package kernel

import "math/big"

// sinePrecision is the bits that sinusoids are computed with. Package math's functions differ between machines, in the last
// bits of f64; from these numbers an f32 is rounded that is the same everywhere.
const sinePrecision = 160

// ln10 is the natural logarithm of ten.
const ln10 = "2.30258509299404568401799145468436420760110148862877297603332790096757260967735248023600"

// Sinusoids is the table of sines and cosines [steps, units] of a positional encoding.
func Sinusoids(steps, units int) []float32 {
	table := make([]float32, steps*units)
	ratio := inverseExp(quotient(times(whole(8), parse(ln10)), whole(int64(units)))) // 10000^(−2/units)
	frequency := whole(1)
	for k := 0; k < units; k += 2 {
		s, c := sinCos(frequency)
		sine, cosine := whole(0), whole(1)
		for t := range steps {
			table[t*units+k], _ = sine.Float32()
			if k+1 < units {
				table[t*units+k+1], _ = cosine.Float32()
			}
			sine, cosine = plus(times(sine, c), times(cosine, s)), difference(times(cosine, c), times(sine, s))
		}
		frequency = times(frequency, ratio)
	}
	return table
}

func float() *big.Float { return new(big.Float).SetPrec(sinePrecision) }

func whole(n int64) *big.Float              { return float().SetInt64(n) }
func plus(a, b *big.Float) *big.Float       { return float().Add(a, b) }
func difference(a, b *big.Float) *big.Float { return float().Sub(a, b) }
func times(a, b *big.Float) *big.Float      { return float().Mul(a, b) }
func quotient(a, b *big.Float) *big.Float   { return float().Quo(a, b) }

func parse(decimal string) *big.Float {
	x, ok := float().SetString(decimal)
	if !ok {
		panic("kernel: " + decimal + " is no number")
	}
	return x
}

// inverseExp is e^−x for 0 ≤ x ≤ 20.
func inverseExp(x *big.Float) *big.Float {
	s, term := whole(1), whole(1)
	for n := int64(1); n < 200; n++ {
		term = quotient(times(term, x), whole(n))
		s = plus(s, term)
	}
	return quotient(whole(1), s)
}

// sinCos are sine and cosine of 0 ≤ x ≤ 1.
func sinCos(x *big.Float) (s, c *big.Float) {
	s, c = whole(0), whole(0)
	term := whole(1) // x^n / n!
	for n := range int64(60) {
		to := &c
		if n%2 == 1 {
			to = &s
		}
		if n/2%2 == 0 {
			*to = plus(*to, term)
		} else {
			*to = difference(*to, term)
		}
		term = quotient(times(term, x), whole(n+1))
	}
	return s, c
}
