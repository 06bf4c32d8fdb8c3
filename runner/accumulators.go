package runner

import (
	"encoding/binary"
	"slices"

	"github.com/reprise-ml/reprise/schema"
)

// merge adds, or takes the larger of, the integers of src to those of dst, both being whole memories of replicas of the
// engine, in the part [first, first+count) of a segment. The order of merges never shows.
func merge(s schema.Segment, first, count int, dst, src []byte) {
	size := schema.DTypeSize(s.Type)
	from, to := s.Offset+first*size, s.Offset+(first+count)*size
	d, o := dst[from:to], src[from:to]
	switch {
	case s.Type == "i32" && s.Combine == schema.CombineAdd:
		// Two's complement: unsigned addition is the same bits. The bound of the section excludes overflow.
		for len(d) >= 4 && len(o) >= 4 {
			binary.LittleEndian.PutUint32(d, binary.LittleEndian.Uint32(d)+binary.LittleEndian.Uint32(o))
			d, o = d[4:], o[4:]
		}
	case s.Type == "i32":
		for len(d) >= 4 && len(o) >= 4 {
			binary.LittleEndian.PutUint32(d, uint32(max(int32(binary.LittleEndian.Uint32(d)), int32(binary.LittleEndian.Uint32(o)))))
			d, o = d[4:], o[4:]
		}
	case s.Combine == schema.CombineAdd:
		for len(d) >= 8 && len(o) >= 8 {
			binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(d)+binary.LittleEndian.Uint64(o))
			d, o = d[8:], o[8:]
		}
	default:
		for len(d) >= 8 && len(o) >= 8 {
			binary.LittleEndian.PutUint64(d, uint64(max(int64(binary.LittleEndian.Uint64(d)), int64(binary.LittleEndian.Uint64(o)))))
			d, o = d[8:], o[8:]
		}
	}
}

// counts reads the reserved segments out of a replica's memory.
func counts(s *schema.EngineSection, memory []byte) Counts {
	var c Counts
	for _, segment := range s.Segments {
		if segment.Count != 1 || segment.Type != "i64" {
			continue
		}
		v := int64(binary.LittleEndian.Uint64(memory[segment.Offset:]))
		switch segment.Name {
		case schema.SegmentExamples:
			c.Examples = &v
		case schema.SegmentLoss:
			c.Loss = &v
		case schema.SegmentCorrect:
			c.Correct = &v
		case schema.SegmentClipped:
			c.Clipped = &v
		}
	}
	return c
}

// CountsIn reads the reserved segments out of a region accumulators.
func CountsIn(s *schema.EngineSection, accumulators []byte) Counts {
	shifted := *s
	shifted.Segments = slices.Clone(s.Segments)
	for i := range shifted.Segments {
		shifted.Segments[i].Offset -= s.Regions[schema.RegionAccumulators].Offset
	}
	return counts(&shifted, accumulators)
}
