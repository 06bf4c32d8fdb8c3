package engine

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/schema"
)

// span is a piece of memory that has an owner.
type span struct {
	path   string
	offset int
	size   int
}

// section checks that the engine's description fits its memory and agrees with itself, as far as schema has not done so.
func (c *checker) section(s *schema.EngineSection, memory int64) {
	c.bounds(s)
	spans := c.regions(s, memory)
	spans = append(spans, c.tensors(s, memory)...)
	c.disjoint(spans)
	c.hyperparameters(s)
	c.segments(s)
	c.metrics(s)
	c.fuel(s)
}

func (c *checker) bounds(s *schema.EngineSection) {
	if s.Bound > math.MaxInt32/s.MaxMicrobatches {
		c.add("section.bound", "lower bound or maxMicrobatches", "%d microbatches of values up to %d exceed an i32", s.MaxMicrobatches, s.Bound)
	}
}

// required regions, with the dtype that the host counts on ("" for any) and whether their first dimension is capacity.
var required = []struct {
	name, dtype string
	records     bool
}{
	{schema.RegionIndices, "u32", true},
	{schema.RegionInput, "", true},
	{schema.RegionTarget, "", true},
	{schema.RegionAccumulators, "", false},
	{schema.RegionMetrics, "i64", false},
	{schema.RegionOutput, "f32", true},
}

func (c *checker) regions(s *schema.EngineSection, memory int64) []span {
	var spans []span
	for _, name := range slices.Sorted(maps.Keys(s.Regions)) {
		r := s.Regions[name]
		path := "section.regions." + name
		switch name {
		case schema.RegionIndices, schema.RegionInput, schema.RegionTarget, schema.RegionHyperparameters,
			schema.RegionAccumulators, schema.RegionMetrics, schema.RegionOutput, schema.RegionScratch:
		default:
			c.add(path, "", "there is no such region in ABI %d", schema.ABI)
		}
		c.place(&spans, span{path: path, offset: r.Offset, size: r.Size}, r.DType, r.Shape, memory)
	}
	for _, q := range required {
		r, ok := s.Regions[q.name]
		path := "section.regions." + q.name
		switch {
		case !ok:
			c.add(path, "every engine has it", "it is missing")
		case q.dtype != "" && r.DType != q.dtype:
			c.add(path+".dtype", "", "it is %q; it must be %q", r.DType, q.dtype)
		case q.records && (len(r.Shape) == 0 || r.Shape[0] != s.Capacity):
			c.add(path+".shape", "its first dimension must be the capacity", "it is %v; the capacity is %d", r.Shape, s.Capacity)
		}
	}
	return spans
}

func (c *checker) tensors(s *schema.EngineSection, memory int64) []span {
	var spans []span
	table := func(path string, tensors []schema.Tensor) {
		for i, t := range tensors {
			at := fmt.Sprintf("%s[%d]", path, i)
			size, ok := byteSize(t.DType, t.Shape, memory)
			if !ok {
				c.add(at+".shape", "", "%v is not the shape of a tensor in %d bytes of memory", t.Shape, memory)
				continue
			}
			c.place(&spans, span{path: at, offset: t.Offset, size: size}, t.DType, t.Shape, memory)
		}
	}
	table("section.parameters", s.Parameters)
	table("section.state", s.State)
	return spans
}

// place checks that a region or tensor lies in memory, aligned, with a size that its shape and dtype say, and adds it to
// spans.
func (c *checker) place(spans *[]span, p span, dtype string, shape []int, memory int64) {
	width := schema.DTypeSize(dtype)
	size, ok := byteSize(dtype, shape, memory)
	if !ok || size != p.size {
		c.add(p.path+".size", "size = elements × bytes of an element", "%d bytes are not %v of %s", p.size, shape, dtype)
		return
	}
	switch {
	case p.offset < 0 || int64(p.offset) > memory || int64(p.size) > memory-int64(p.offset):
		c.add(p.path, "declare more memory", "%d bytes at %d are outside the memory of %d bytes", p.size, p.offset, memory)
	case p.offset%width != 0:
		c.add(p.path+".offset", "", "%d is not a multiple of %d, as %s needs", p.offset, width, dtype)
	case p.size > 0:
		*spans = append(*spans, p)
	}
}

// byteSize is the size of a tensor; false where a dimension is negative or the product exceeds the memory.
func byteSize(dtype string, shape []int, memory int64) (int, bool) {
	size := int64(schema.DTypeSize(dtype))
	for _, d := range shape {
		if d < 0 || (d > 0 && size > memory/int64(d)) {
			return 0, false
		}
		size *= int64(d)
	}
	return int(size), true
}

func (c *checker) disjoint(spans []span) {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.path, b.path))
	})
	for i := 1; i < len(spans); i++ {
		if a, b := spans[i-1], spans[i]; a.offset+a.size > b.offset {
			c.add(b.path, "give each its own memory", "it overlaps %s", a.path)
		}
	}
}

func (c *checker) hyperparameters(s *schema.EngineSection) {
	region := s.Regions[schema.RegionHyperparameters]
	offsets := map[int]bool{}
	for i, h := range s.Hyperparameters {
		at := fmt.Sprintf("section.hyperparameters[%d].offset", i)
		switch {
		case h.Offset < region.Offset || h.Offset-region.Offset > region.Size-4 || h.Offset%4 != 0:
			c.add(at, "", "%d is not an f32 in the region %s", h.Offset, schema.RegionHyperparameters)
		case offsets[h.Offset]:
			c.add(at, "", "another one is at %d", h.Offset)
		}
		offsets[h.Offset] = true
	}
}

func (c *checker) segments(s *schema.EngineSection) {
	region := s.Regions[schema.RegionAccumulators]
	examples := false
	var spans []span
	for i, g := range s.Segments {
		at := fmt.Sprintf("section.segments[%d]", i)
		width := schema.DTypeSize(g.Type)
		switch {
		case reserved(g.Name) && (g.Type != "i64" || g.Combine != schema.CombineAdd || g.Count != 1):
			c.add(at, "", "the reserved segment %s must be one i64, combined by add", g.Name)
		case g.Count > region.Size/width:
			c.add(at+".count", "", "%d values of %s do not fit the region %s of %d bytes", g.Count, g.Type, schema.RegionAccumulators, region.Size)
		case g.Offset < region.Offset || g.Offset-region.Offset > region.Size-g.Count*width:
			c.add(at+".offset", "", "%d bytes at %d are outside the region %s", g.Count*width, g.Offset, schema.RegionAccumulators)
		case g.Offset%width != 0:
			c.add(at+".offset", "", "%d is not a multiple of %d, as %s needs", g.Offset, width, g.Type)
		default:
			spans = append(spans, span{path: at, offset: g.Offset, size: g.Count * width})
		}
		examples = examples || g.Name == schema.SegmentExamples
	}
	c.disjoint(spans)
	if !examples {
		c.add("section.segments", "count the examples of each microbatch in it", "the segment %s is missing", schema.SegmentExamples)
	}
}

func reserved(segment string) bool {
	switch segment {
	case schema.SegmentLoss, schema.SegmentExamples, schema.SegmentCorrect, schema.SegmentClipped:
		return true
	}
	return false
}

func (c *checker) metrics(s *schema.EngineSection) {
	if !slices.Contains(s.Metrics, schema.MetricCount) {
		c.add("section.metrics", "evaluate adds n to it", "the metric %s is missing", schema.MetricCount)
	}
	if r, ok := s.Regions[schema.RegionMetrics]; ok && r.Size != 8*len(s.Metrics) {
		c.add("section.regions."+schema.RegionMetrics, "", "%d bytes are not one i64 for each of %d metrics", r.Size, len(s.Metrics))
	}
}

// fuel checks that every export states its own.
func (c *checker) fuel(s *schema.EngineSection) {
	known := map[string]bool{}
	for _, sig := range Signatures() {
		known[sig.Name] = true
		if f := s.Fuel[sig.Name]; f < 1 || f >= 1<<53 {
			c.add("section.fuel."+sig.Name, "bound the loop iterations and calls of one call", "%d is not in 1 … 2⁵³−1", f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Fuel)) {
		if !known[name] {
			c.add("section.fuel."+name, "", "there is no such export in ABI %d", schema.ABI)
		}
	}
}
