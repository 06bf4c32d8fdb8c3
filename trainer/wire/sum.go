package wire

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/reprise-ml/reprise/schema"
)

// stripeBlocks is the number of blocks under one lock: few enough that vectors merge side by side, one a stripe behind the other,
// and enough that locking costs nothing.
const stripeBlocks = 64

// Sum merges vectors from several goroutines at once. The order never shows: what is merged is integers.
type Sum struct {
	section      *schema.EngineSection
	accumulators []byte
	microbatches atomic.Int64
	stripes      []sync.Mutex
}

// NewSum returns the sum of no vectors.
func NewSum(section *schema.EngineSection) *Sum {
	blocks := 0
	for _, s := range section.Segments {
		blocks += (s.Count + blockSize - 1) / blockSize
	}
	return &Sum{
		section:      section,
		accumulators: make([]byte, section.Regions[schema.RegionAccumulators].Size),
		stripes:      make([]sync.Mutex, blocks/stripeBlocks+1),
	}
}

// Add merges a vector, whole, or not at all if the sum would be of more microbatches than a step of the engine may have, which
// is what keeps its values from overflowing. The vector must be of the same engine.
func (s *Sum) Add(v Vector) error {
	if total := s.microbatches.Add(v.microbatches); total > s.section.MaxMicrobatches {
		s.microbatches.Add(-v.microbatches)
		return fmt.Errorf("a sum of %d microbatches: the engine takes at most %d in a step", total, s.section.MaxMicrobatches)
	}
	block, held := 0, &s.stripes[0]
	held.Lock()
	v.each(func(g *schema.Segment, first int, zigzag []uint32, wide []byte) {
		if block > 0 && block%stripeBlocks == 0 {
			held.Unlock()
			held = &s.stripes[block/stripeBlocks]
			held.Lock()
		}
		block++
		dst := values(s.section, g, s.accumulators)
		switch {
		case g.Type == "i64":
			mergeWide(dst[8*first:], wide, g.Combine)
		case g.Combine == schema.CombineAdd:
			dst = dst[4*first : 4*(first+len(zigzag))]
			for k, z := range zigzag {
				at := dst[4*k : 4*k+4]
				binary.LittleEndian.PutUint32(at, binary.LittleEndian.Uint32(at)+unzigzag(z))
			}
		default:
			dst = dst[4*first:]
			for k, z := range zigzag {
				at := dst[4*k : 4*k+4]
				binary.LittleEndian.PutUint32(at, max(binary.LittleEndian.Uint32(at), unzigzag(z)))
			}
		}
	})
	held.Unlock()
	return nil
}

func mergeWide(dst, src []byte, combine string) {
	for ; len(src) >= 8; dst, src = dst[8:], src[8:] {
		// Two's complement wraps alike in any order; values of max segments are not negative.
		a, b := binary.LittleEndian.Uint64(dst), binary.LittleEndian.Uint64(src)
		if combine == schema.CombineMax {
			a = max(a, b)
		} else {
			a += b
		}
		binary.LittleEndian.PutUint64(dst, a)
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
