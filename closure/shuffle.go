package closure

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"strconv"
)

// generator is SplitMix64 (Steele, Lea, Flood 2014). The order of records depends on it, so it is part of the format: it
// does not change between releases, as math/rand may.
type generator struct{ state uint64 }

// newGenerator starts a stream for a purpose. Its state is the first eight bytes, little endian, of
// sha256("reprise shuffle 1 LF seed LF purpose").
func newGenerator(seed uint64, purpose string) *generator {
	sum := sha256.Sum256([]byte("reprise shuffle 1\n" + strconv.FormatUint(seed, 10) + "\n" + purpose))
	return &generator{state: binary.LittleEndian.Uint64(sum[:])}
}

func (g *generator) next() uint64 {
	g.state += 0x9e3779b97f4a7c15
	z := g.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1, each equally likely (Lemire 2019: the high half of a product, with the few low
// halves rejected that would favour some).
func (g *generator) below(n uint64) uint64 {
	high, low := bits.Mul64(g.next(), n)
	if low < n {
		for threshold := -n % n; low < threshold; {
			high, low = bits.Mul64(g.next(), n)
		}
	}
	return high
}

// shuffle permutes a list in place (Fisher-Yates from the end).
func (g *generator) shuffle(list []uint32) {
	for i := len(list) - 1; i > 0; i-- {
		j := g.below(uint64(i) + 1)
		list[i], list[j] = list[j], list[i]
	}
}
