package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// segment is what section needs to know about one.
type segment struct {
	kind, combine string
	count         int
}

// section lays out the segments as an engine does: one after the other, aligned, in a region that does not begin at 0.
func section(bound, microbatches int64, segments ...segment) *schema.EngineSection {
	const base = 4096
	s := &schema.EngineSection{Bound: bound, MaxMicrobatches: microbatches}
	at := base
	for i, g := range segments {
		size := schema.DTypeSize(g.kind)
		at = (at + size - 1) / size * size
		s.Segments = append(s.Segments, schema.Segment{
			Name: fmt.Sprintf("segment%d", i), Type: g.kind, Combine: g.combine, Count: g.count, Offset: at,
		})
		at += size * g.count
	}
	s.Regions = map[string]schema.Region{schema.RegionAccumulators: {Offset: base, Size: at - base, DType: "u8"}}
	return s
}

func mixed() *schema.EngineSection {
	return section(math.MaxInt32, 1,
		segment{"i32", schema.CombineAdd, 700}, segment{"i32", schema.CombineMax, 3}, segment{"i64", schema.CombineAdd, 5},
		segment{"i32", schema.CombineAdd, 1}, segment{"i64", schema.CombineMax, 300}, segment{"i32", schema.CombineAdd, 256})
}

// fill writes random values that fit the section, i32 of up to a number of bits that differs from block to block.
func fill(r *rand.Rand, s *schema.EngineSection) []byte {
	region := s.Regions[schema.RegionAccumulators]
	accumulators := make([]byte, region.Size)
	for _, g := range s.Segments {
		at := accumulators[g.Offset-region.Offset:]
		shift := uint(0)
		for k := range g.Count {
			if k%256 == 0 {
				shift = r.UintN(65)
			}
			v := int64(r.Uint64()) >> min(shift, 63)
			if shift == 64 {
				v = 0
			}
			if g.Combine == schema.CombineMax {
				v &= math.MaxInt64
			}
			if g.Type == "i64" {
				binary.LittleEndian.PutUint64(at[8*k:], uint64(v))
				continue
			}
			if v32 := int32(v >> 32); v32 != math.MinInt32 {
				binary.LittleEndian.PutUint32(at[4*k:], uint32(v32))
			}
		}
	}
	return accumulators
}

func open(t testing.TB, s *schema.EngineSection, packed []byte, microbatches int64) wire.Vector {
	t.Helper()
	v, err := wire.Open(s, packed, microbatches)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPackedVectorsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := mixed()
	for range 300 {
		want := fill(r, s)
		packed := wire.Pack([]byte("before"), s, want)[len("before"):]
		if size := int64(len(packed)); size > wire.MaxPacked(s) {
			t.Fatalf("%d bytes, more than MaxPacked, %d", size, wire.MaxPacked(s))
		}
		// A copy without room behind it, so that reading beyond the end shows.
		v := open(t, s, slices.Clip(bytes.Clone(packed)), 1)
		if v.Digest != wire.CanonicalDigest(s, want) {
			t.Fatal("another digest")
		}
		got := bytes.Repeat([]byte{0xa5}, len(want))
		v.Unpack(got)
		for _, g := range s.Segments {
			from := g.Offset - s.Regions[schema.RegionAccumulators].Offset
			to := from + g.Count*schema.DTypeSize(g.Type)
			if !bytes.Equal(got[from:to], want[from:to]) {
				t.Fatalf("%s differs", g.Name)
			}
		}
	}
}

func TestEveryWidthAndLength(t *testing.T) {
	for w := range 33 {
		for _, n := range []int{1, 2, 7, 8, 9, 31, 255, 256, 257} {
			s := section(math.MaxInt32, 1, segment{"i32", schema.CombineAdd, n})
			want := make([]byte, 4*n)
			for k := range n {
				zigzag := uint32((uint64(1)<<w - 1) & (0x9e3779b97f4a7c15 >> (k % 31)))
				if k == 0 {
					zigzag = uint32(uint64(1) << w >> 1)
				}
				if zigzag == math.MaxUint32 {
					zigzag-- // that would be −2³¹, which no sum reaches
				}
				binary.LittleEndian.PutUint32(want[4*k:], zigzag>>1^-(zigzag&1))
			}
			packed := wire.Pack(nil, s, want)
			if n <= 256 && (int(packed[0]) != w || len(packed) != 1+(n*w+7)/8) {
				t.Fatalf("%d values of %d bits: width %d, %d bytes", n, w, packed[0], len(packed))
			}
			got := make([]byte, 4*n)
			open(t, s, slices.Clip(packed), 1).Unpack(got)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d values of %d bits differ", n, w)
			}
		}
	}
}

// TestSum compares merging, in any order and at once, with plain additions.
func TestSum(t *testing.T) {
	const vectors = 16
	r := rand.New(rand.NewPCG(3, 4))
	s := section(1<<20, 4*vectors,
		segment{"i32", schema.CombineAdd, 70_000}, segment{"i32", schema.CombineMax, 300}, segment{"i64", schema.CombineAdd, 400},
		segment{"i64", schema.CombineMax, 2})
	region := s.Regions[schema.RegionAccumulators]
	want := make([]byte, region.Size)
	sum := wire.NewSum(s)
	// The second time shows that Reset leaves nothing.
	for range 2 {
		clear(want)
		sum.Reset()
		type sent struct {
			packed []byte
			digest schema.Digest
		}
		var all []sent
		for range vectors {
			a := fill(r, s)
			for _, g := range s.Segments {
				at := g.Offset - region.Offset
				for k := range g.Count {
					if g.Type == "i64" {
						dst := want[at+8*k:]
						x, y := int64(binary.LittleEndian.Uint64(dst)), int64(binary.LittleEndian.Uint64(a[at+8*k:]))
						if g.Combine == schema.CombineMax {
							x = max(x, y)
						} else {
							x += y
						}
						binary.LittleEndian.PutUint64(dst, uint64(x))
						continue
					}
					dst, src := want[at+4*k:], a[at+4*k:]
					x, y := int32(binary.LittleEndian.Uint32(dst)), int32(binary.LittleEndian.Uint32(src))
					if g.Combine == schema.CombineMax {
						x = max(x, y)
					} else {
						y %= 1 << 20
						binary.LittleEndian.PutUint32(src, uint32(y))
						x += y
					}
					binary.LittleEndian.PutUint32(dst, uint32(x))
				}
			}
			all = append(all, sent{wire.Pack(nil, s, a), wire.CanonicalDigest(s, a)})
		}
		var wait sync.WaitGroup
		for _, v := range all {
			wait.Go(func() {
				if err := sum.Add(v.packed, 1, v.digest); err != nil {
					t.Error(err)
				}
			})
			// What is wrong at its end, or as a whole, is taken out again while others are merged.
			wait.Go(func() {
				if err := sum.Add(v.packed[:len(v.packed)-1], 1, v.digest); err == nil || !strings.Contains(err.Error(), "cut short") {
					t.Errorf("a vector that is cut short: %v", err)
				}
				if err := sum.Add(v.packed, 1, schema.DigestOf(nil)); err == nil || !strings.Contains(err.Error(), "its digest is") {
					t.Errorf("a vector with another digest: %v", err)
				}
			})
		}
		wait.Wait()
		if !bytes.Equal(sum.Accumulators(), want) || sum.Microbatches() != vectors {
			t.Fatal("the sum differs")
		}
		if err := sum.Add(all[0].packed, 3*vectors+1, all[0].digest); err == nil || !strings.Contains(err.Error(), "at most 64") {
			t.Fatalf("a microbatch too many: %v", err)
		}
		if !bytes.Equal(sum.Accumulators(), want) {
			t.Fatal("what was refused shows in the sum")
		}
	}
}

func TestRefusedVectors(t *testing.T) {
	for _, c := range refusedVectors {
		t.Run(c.Name, func(t *testing.T) {
			s := c.section()
			_, err := wire.Open(s, c.Packed, c.Microbatches)
			var bad *schema.Invalid
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.Error) {
				t.Fatalf("got %v, want %q", err, c.Error)
			}
			sum := wire.NewSum(s)
			if err := sum.Add(c.Packed, c.Microbatches, schema.DigestOf(nil)); err == nil || !strings.Contains(err.Error(), c.Error) {
				t.Errorf("merging gives %v, want %q", err, c.Error)
			}
			if left := sum.Accumulators(); sum.Microbatches() != 0 || !bytes.Equal(left, make([]byte, len(left))) {
				t.Error("what was refused shows in the sum")
			}
		})
	}
}

// FuzzVector opens any bytes: what is accepted is what Pack writes of the values.
func FuzzVector(f *testing.F) {
	s := mixed()
	r := rand.New(rand.NewPCG(5, 6))
	for range 4 {
		f.Add(wire.Pack(nil, s, fill(r, s)))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packed []byte) {
		v, err := wire.Open(s, packed, 1)
		if err != nil {
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Fatalf("refused with %T", err)
			}
			sum := wire.NewSum(s)
			if err := sum.Add(packed, 1, schema.Digest{}); err == nil || slices.Max(sum.Accumulators()) != 0 {
				t.Fatal("what is refused shows in the sum", err)
			}
			return
		}
		a := make([]byte, s.Regions[schema.RegionAccumulators].Size)
		v.Unpack(a)
		if !bytes.Equal(wire.Pack(nil, s, a), packed) {
			t.Fatal("a second spelling was accepted")
		}
		if wire.CanonicalDigest(s, a) != v.Digest {
			t.Fatal("another digest")
		}
		sum := wire.NewSum(s)
		if err := sum.Add(packed, 1, v.Digest); err != nil || !bytes.Equal(sum.Accumulators(), a) {
			t.Fatal("the sum of one vector is another", err)
		}
	})
}
