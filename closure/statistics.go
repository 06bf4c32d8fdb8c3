package closure

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"

	"github.com/reprise-ml/reprise/schema"
)

// statistics computes mean and population deviation per feature, the last axis of the input. For integers the sums are
// exact; for f32 they are float64 sums in the order of the records, in two passes. Products are wrapped in float64(): the
// compiler may otherwise fuse them into an addition on some processors, and the document would differ.
func statistics(input schema.Field, n int, at func(int) []byte) *schema.Statistics {
	features := 1
	if len(input.Shape) > 0 {
		features = input.Shape[len(input.Shape)-1]
	}
	if input.DType == "f32" {
		return floatStatistics(input, features, n, at)
	}
	return integerStatistics(input, features, n, at)
}

func integerStatistics(input schema.Field, features, n int, at func(int) []byte) *schema.Statistics {
	sum := make([]uint64, features)       // below 2^64 for 2^48 values of 16 bits
	square := make([][2]uint64, features) // high, low
	elements := schema.Elements(input.Shape)
	for i := range n {
		b := at(i)[input.Offset:]
		for e, f := 0, 0; e < elements; e++ {
			var v uint64
			if input.DType == "u16" {
				v = uint64(binary.LittleEndian.Uint16(b[2*e:]))
			} else {
				v = uint64(b[e])
			}
			sum[f] += v
			var carry uint64
			square[f][1], carry = bits.Add64(square[f][1], v*v, 0)
			square[f][0] += carry
			if f++; f == features {
				f = 0
			}
		}
	}
	count := new(big.Int).SetInt64(int64(n) * int64(elements/features))
	s := &schema.Statistics{Mean: make([]float64, features), Deviation: make([]float64, features)}
	for f := range features {
		total := new(big.Int).SetUint64(sum[f])
		s.Mean[f], _ = new(big.Rat).SetFrac(total, count).Float64()
		// variance = (count · Σx² − (Σx)²) / count²
		squares := new(big.Int).SetUint64(square[f][0])
		squares.Lsh(squares, 64).Or(squares, new(big.Int).SetUint64(square[f][1]))
		numerator := new(big.Int).Mul(count, squares)
		numerator.Sub(numerator, new(big.Int).Mul(total, total))
		if numerator.Sign() == 0 {
			s.Deviation[f] = 1
			continue
		}
		variance, _ := new(big.Rat).SetFrac(numerator, new(big.Int).Mul(count, count)).Float64()
		s.Deviation[f] = math.Sqrt(variance)
	}
	return s
}

func floatStatistics(input schema.Field, features, n int, at func(int) []byte) *schema.Statistics {
	elements := schema.Elements(input.Shape)
	each := func(visit func(f int, v float64)) {
		for i := range n {
			b := at(i)[input.Offset:]
			for e := range elements {
				visit(e%features, float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*e:]))))
			}
		}
	}
	s := &schema.Statistics{Mean: make([]float64, features), Deviation: make([]float64, features)}
	least, most := make([]float64, features), make([]float64, features)
	for f := range features {
		least[f], most[f] = math.Inf(1), math.Inf(-1)
	}
	each(func(f int, v float64) {
		s.Mean[f] += v
		least[f], most[f] = min(least[f], v), max(most[f], v)
	})
	count := float64(n) * float64(elements/features)
	for f := range features {
		s.Mean[f] /= count
	}
	each(func(f int, v float64) {
		d := v - s.Mean[f]
		s.Deviation[f] += float64(d * d)
	})
	for f := range features {
		s.Deviation[f] = math.Sqrt(s.Deviation[f] / count)
		// Rounding of the mean can give a constant feature a deviation that is not zero.
		if least[f] == most[f] || s.Deviation[f] == 0 {
			s.Mean[f], s.Deviation[f] = least[f], 1
		}
	}
	return s
}
