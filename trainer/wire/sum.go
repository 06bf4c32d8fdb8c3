package wire

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/reprise-ml/reprise/schema"
)

// stripe is how many bytes of accumulators are under one lock. It is held for one block at a time: so vectors merge side by side, and
// hardly ever meet.
const stripe = 16 << 10

// Sum merges vectors from several goroutines at once. The order never shows: what is merged is integers.
type Sum struct {
	section      *schema.EngineSection
	accumulators []byte
	microbatches atomic.Int64
	stripes      []sync.Mutex
}

// NewSum returns the sum of no vectors.
func NewSum(section *schema.EngineSection) *Sum {
	size := section.Regions[schema.RegionAccumulators].Size
	return &Sum{section: section, accumulators: make([]byte, size), stripes: make([]sync.Mutex, size/stripe+1)}
}

// Add checks a packed vector of so many microbatches, as Open does, and that it has the digest, and merges it: whole, or not at all if it
// is wrong, or if the sum would be of more microbatches than a step of the engine may have, which is what keeps its values from
// overflowing.
//
// It goes through the vector once, and adds each block when it has checked it. If what follows is wrong, that is taken out again,
// exactly; maxima could not be, so they come last. A Sum therefore has its value only while nothing is added.
func (s *Sum) Add(packed []byte, microbatches int64, digest schema.Digest) error {
	if total := s.microbatches.Add(microbatches); total > s.section.MaxMicrobatches {
		s.microbatches.Add(-microbatches)
		return fmt.Errorf("a sum of %d microbatches: the engine takes at most %d in a step", total, s.section.MaxMicrobatches)
	}
	got, err := walk(s.section, packed, microbatches, s.merge(schema.CombineAdd, add, addWide))
	if err == nil && got != digest {
		err = schema.Invalidf("vector", "", "its digest is %s, not %s", got.Short(), digest.Short())
	}
	if err != nil {
		_, _ = walk(s.section, packed, microbatches, s.merge(schema.CombineAdd, subtract, subtractWide)) // ends where the first one did
		s.microbatches.Add(-microbatches)
		return err
	}
	maxima := func(g *schema.Segment) bool { return g.Combine == schema.CombineMax }
	Vector{section: s.section, packed: packed}.each(maxima, s.merge(schema.CombineMax, highest, highestWide))
	return nil
}

// merge does the same to every block of the segments that are combined in one way: narrow to i32, wide to i64.
func (s *Sum) merge(combine string, narrow, wide func(dst, src []byte)) func(g *schema.Segment, first int, plain []byte) {
	return func(g *schema.Segment, first int, plain []byte) {
		if g.Combine != combine {
			return
		}
		at := g.Offset - s.section.Regions[schema.RegionAccumulators].Offset + first*schema.DTypeSize(g.Type)
		dst, held := s.accumulators[at:at+len(plain)], &s.stripes[at/stripe]
		held.Lock()
		if g.Type == "i64" {
			wide(dst, plain)
		} else {
			narrow(dst, plain)
		}
		held.Unlock()
	}
}

// Two's complement wraps alike in any order, and subtracting undoes adding. Values of max segments are not negative.

func add(dst, src []byte) {
	// Merging waits for this: eight at a time, with one look at the bounds.
	for ; len(src) >= 32; dst, src = dst[32:], src[32:] {
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		binary.LittleEndian.PutUint32(d[0:], binary.LittleEndian.Uint32(d[0:])+binary.LittleEndian.Uint32(s[0:]))
		binary.LittleEndian.PutUint32(d[4:], binary.LittleEndian.Uint32(d[4:])+binary.LittleEndian.Uint32(s[4:]))
		binary.LittleEndian.PutUint32(d[8:], binary.LittleEndian.Uint32(d[8:])+binary.LittleEndian.Uint32(s[8:]))
		binary.LittleEndian.PutUint32(d[12:], binary.LittleEndian.Uint32(d[12:])+binary.LittleEndian.Uint32(s[12:]))
		binary.LittleEndian.PutUint32(d[16:], binary.LittleEndian.Uint32(d[16:])+binary.LittleEndian.Uint32(s[16:]))
		binary.LittleEndian.PutUint32(d[20:], binary.LittleEndian.Uint32(d[20:])+binary.LittleEndian.Uint32(s[20:]))
		binary.LittleEndian.PutUint32(d[24:], binary.LittleEndian.Uint32(d[24:])+binary.LittleEndian.Uint32(s[24:]))
		binary.LittleEndian.PutUint32(d[28:], binary.LittleEndian.Uint32(d[28:])+binary.LittleEndian.Uint32(s[28:]))
	}
	for ; len(src) >= 4; dst, src = dst[4:], src[4:] {
		binary.LittleEndian.PutUint32(dst, binary.LittleEndian.Uint32(dst)+binary.LittleEndian.Uint32(src))
	}
}

func subtract(dst, src []byte) {
	for ; len(src) >= 4; dst, src = dst[4:], src[4:] {
		binary.LittleEndian.PutUint32(dst, binary.LittleEndian.Uint32(dst)-binary.LittleEndian.Uint32(src))
	}
}

func highest(dst, src []byte) {
	for ; len(src) >= 4; dst, src = dst[4:], src[4:] {
		binary.LittleEndian.PutUint32(dst, max(binary.LittleEndian.Uint32(dst), binary.LittleEndian.Uint32(src)))
	}
}

func addWide(dst, src []byte) {
	for ; len(src) >= 8; dst, src = dst[8:], src[8:] {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(dst)+binary.LittleEndian.Uint64(src))
	}
}

func subtractWide(dst, src []byte) {
	for ; len(src) >= 8; dst, src = dst[8:], src[8:] {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(dst)-binary.LittleEndian.Uint64(src))
	}
}

func highestWide(dst, src []byte) {
	for ; len(src) >= 8; dst, src = dst[8:], src[8:] {
		binary.LittleEndian.PutUint64(dst, max(binary.LittleEndian.Uint64(dst), binary.LittleEndian.Uint64(src)))
	}
}

// Microbatches is how many have been merged.
func (s *Sum) Microbatches() int64 { return s.microbatches.Load() }

// Accumulators are the bytes of the engine's region of that name, valid while nothing is added.
func (s *Sum) Accumulators() []byte { return s.accumulators }

// Reset makes it the sum of no vectors again, while nothing is added.
func (s *Sum) Reset() {
	clear(s.accumulators)
	s.microbatches.Store(0)
}
