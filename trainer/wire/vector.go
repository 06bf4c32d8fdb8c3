package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"math/bits"

	"github.com/reprise-ml/reprise/schema"
)

// CanonicalSize is the size of a vector's canonical form, in bytes: that of all segments.
func CanonicalSize(section *schema.EngineSection) int64 {
	n := int64(0)
	for _, s := range section.Segments {
		n += int64(s.Count) * int64(schema.DTypeSize(s.Type))
	}
	return n
}

// MaxPacked is the size that no packed vector of the engine exceeds, in bytes.
func MaxPacked(section *schema.EngineSection) int64 {
	n := CanonicalSize(section)
	for _, s := range section.Segments {
		if s.Type == "i32" {
			n += int64((s.Count + blockSize - 1) / blockSize)
		}
	}
	return n
}

// values is where a segment's values are in the region accumulators.
func values(section *schema.EngineSection, s *schema.Segment, accumulators []byte) []byte {
	at := s.Offset - section.Regions[schema.RegionAccumulators].Offset
	return accumulators[at : at+s.Count*schema.DTypeSize(s.Type)]
}

// Pack writes the packed form of accumulators, the bytes of the engine's region of that name, after dst.
func Pack(dst []byte, section *schema.EngineSection, accumulators []byte) []byte {
	for i := range section.Segments {
		v := values(section, &section.Segments[i], accumulators)
		if section.Segments[i].Type == "i64" {
			dst = append(dst, v...)
			continue
		}
		for len(v) > 0 {
			n := min(len(v), 4*blockSize)
			dst = appendBlock(dst, v[:n])
			v = v[n:]
		}
	}
	return dst
}

// CanonicalDigest is the digest of accumulators, which is that of every vector that packs them.
func CanonicalDigest(section *schema.EngineSection, accumulators []byte) schema.Digest {
	h := sha256.New()
	for i := range section.Segments {
		h.Write(values(section, &section.Segments[i], accumulators))
	}
	return sum(h)
}

func sum(h hash.Hash) schema.Digest { return schema.DigestFromSum([sha256.Size]byte(h.Sum(nil))) }

// Vector is a packed vector that has been checked.
type Vector struct {
	// Digest is that of the canonical form.
	Digest schema.Digest

	section *schema.EngineSection
	packed  []byte
}

// Open checks a packed vector, which must be the sum of at most so many microbatches: that it is the one spelling of integers which
// the engine can have reached. It keeps packed, and needs memory for one block. What does not fit gives a *schema.Invalid.
//
// Values of i64 segments can be any: nothing bounds them but the re-execution of what they came from.
func Open(section *schema.EngineSection, packed []byte, microbatches int64) (Vector, error) {
	digest, err := walk(section, packed, microbatches, func(*schema.Segment, int, []byte) {})
	if err != nil {
		return Vector{}, err
	}
	return Vector{Digest: digest, section: section, packed: packed}, nil
}

// walk checks a packed vector as Open does and returns its digest. It calls do for the values of each block of i32 and for pieces of i64
// segments, as bytes in canonical form, once these are checked: so do sees the beginning of a vector that is then found wrong, and sees
// the same beginning every time.
func walk(section *schema.EngineSection, packed []byte, microbatches int64, do func(s *schema.Segment, first int, plain []byte)) (schema.Digest, error) {
	limit := uint32(math.MaxInt32)
	if section.Bound <= 0 || microbatches <= math.MaxInt32/section.Bound {
		limit = uint32(max(microbatches*section.Bound, 0))
	}
	var (
		h     = sha256.New()
		pad   padded
		room  [4 * blockSize]byte
		rest  = packed
		wrong schema.Digest
	)
	for i := range section.Segments {
		s := &section.Segments[i]
		if s.Type == "i64" {
			size := 8 * s.Count
			if len(rest) < size {
				return wrong, truncated(s, len(packed))
			}
			if at := firstNegative(rest[:size]); s.Combine == schema.CombineMax && at >= 0 {
				return wrong, invalidValue(s, at, "it is negative")
			}
			h.Write(rest[:size])
			for first := 0; first < s.Count; first += blockSize {
				n := min(s.Count-first, blockSize)
				do(s, first, rest[:8*n])
				rest = rest[8*n:]
			}
			continue
		}
		most := limit
		if s.Combine == schema.CombineMax {
			most = math.MaxInt32
		}
		for first := 0; first < s.Count; first += blockSize {
			n := min(s.Count-first, blockSize)
			block, err := nextBlock(s, first, n, rest, len(packed))
			if err != nil {
				return wrong, err
			}
			w, plain := uint(rest[0]), room[:4*n]
			or := unpackBlock(plain, rest[1:], n, w, &pad)
			spare := uint(8*len(block)) - uint(n)*w
			switch {
			case uint(bits.Len32(or)) != w:
				return wrong, invalidValue(s, first, "its block has %d bits a value where %d do", w, bits.Len32(or))
			case spare > 0 && block[len(block)-1]>>(8-spare) != 0:
				return wrong, invalidValue(s, first, "its block does not end in zero bits")
			case s.Combine == schema.CombineMax && or&1 != 0:
				return wrong, invalidValue(s, first, "its block has a negative value")
			}
			// A narrow block need not be looked through.
			if bits.Len32(or) >= bits.Len32(2*most) && !within(plain, most) {
				at := 0
				for within(plain[4*at:4*at+4], most) {
					at++
				}
				v := int32(binary.LittleEndian.Uint32(plain[4*at:]))
				return wrong, invalidValue(s, first+at, "%d is impossible: %d microbatches reach %d at most", v, microbatches, most)
			}
			h.Write(plain)
			do(s, first, plain)
			rest = rest[1+len(block):]
		}
	}
	if len(rest) > 0 {
		return wrong, schema.Invalidf("vector", "", "%d bytes follow its end", len(rest))
	}
	return sum(h), nil
}

// within reports whether no value is beyond ±most.
func within(plain []byte, most uint32) bool {
	// −most ≤ v ≤ most is 0 ≤ v + most ≤ 2·most, and what is below becomes the greatest.
	shifted := func(b []byte) uint32 { return binary.LittleEndian.Uint32(b) + most }
	for ; len(plain) >= 32; plain = plain[32:] {
		p := (*[32]byte)(plain)
		a, b := max(shifted(p[0:]), shifted(p[4:])), max(shifted(p[8:]), shifted(p[12:]))
		c, d := max(shifted(p[16:]), shifted(p[20:])), max(shifted(p[24:]), shifted(p[28:]))
		if max(max(a, b), max(c, d)) > 2*most {
			return false
		}
	}
	for ; len(plain) >= 4; plain = plain[4:] {
		if shifted(plain) > 2*most {
			return false
		}
	}
	return true
}

// nextBlock finds the values of the block that begins at a value of a segment, and where rest begins.
func nextBlock(s *schema.Segment, first, n int, rest []byte, total int) ([]byte, error) {
	if len(rest) == 0 {
		return nil, truncated(s, total)
	}
	if rest[0] > 32 {
		return nil, invalidValue(s, first, "its block has %d bits a value, more than 32", rest[0])
	}
	size := packedSize(n, uint(rest[0]))
	if len(rest) < 1+size {
		return nil, truncated(s, total)
	}
	return rest[1 : 1+size], nil
}

func truncated(s *schema.Segment, total int) error {
	return schema.Invalidf("vector", s.Name, "it is cut short: %d bytes end inside of this segment", total)
}

func invalidValue(s *schema.Segment, at int, format string, args ...any) error {
	return schema.Invalidf("vector", fmt.Sprintf("%s[%d]", s.Name, at), format, args...)
}

// firstNegative returns the index of the first negative i64, or −1.
func firstNegative(values []byte) int {
	for at := 7; at < len(values); at += 8 {
		if values[at] >= 0x80 {
			return at / 8
		}
	}
	return -1
}

// Unpack writes the vector's values over those of accumulators, the bytes of the engine's region of that name.
func (v Vector) Unpack(accumulators []byte) {
	every := func(*schema.Segment) bool { return true }
	v.each(every, func(s *schema.Segment, first int, plain []byte) {
		copy(values(v.section, s, accumulators)[first*schema.DTypeSize(s.Type):], plain)
	})
}

// each calls do for the values of the segments that are wanted, as walk does.
func (v Vector) each(wanted func(*schema.Segment) bool, do func(s *schema.Segment, first int, plain []byte)) {
	var (
		pad  padded
		room [4 * blockSize]byte
		rest = v.packed
	)
	for i := range v.section.Segments {
		s := &v.section.Segments[i]
		wants := wanted(s)
		for first := 0; first < s.Count; first += blockSize {
			n := min(s.Count-first, blockSize)
			if s.Type == "i64" {
				if wants {
					do(s, first, rest[:8*n])
				}
				rest = rest[8*n:]
				continue
			}
			w := uint(rest[0])
			if wants {
				unpackBlock(room[:], rest[1:], n, w, &pad)
				do(s, first, room[:4*n])
			}
			rest = rest[1+packedSize(n, w):]
		}
	}
}
