package wire_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew, to be read as a diff")

// hexBytes are bytes that JSON holds as hexadecimal digits.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// examples are what every implementation of the protocol must agree with: testdata/vectors.json, which the browser's side reads, too.
type examples struct {
	Vectors        []vectorExample `json:"vectors"`
	RefusedVectors []refusedVector `json:"refusedVectors"`
	Headers        []headerExample `json:"headers"`
	RefusedHeaders []hexBytes      `json:"refusedHeaders"`
	Texts          []string        `json:"texts"`
	RefusedTexts   []string        `json:"refusedTexts"`
}

type shape struct {
	Region       int              `json:"region"` // offset of the region accumulators, bytes
	Bound        int64            `json:"bound"`
	Microbatches int64            `json:"microbatches"`
	Segments     []schema.Segment `json:"segments"`
}

func shapeOf(s *schema.EngineSection, microbatches int64) shape {
	return shape{s.Regions[schema.RegionAccumulators].Offset, s.Bound, microbatches, s.Segments}
}

func (s shape) section() *schema.EngineSection {
	end := s.Region
	for _, g := range s.Segments {
		end = max(end, g.Offset+g.Count*schema.DTypeSize(g.Type))
	}
	return &schema.EngineSection{
		Bound: s.Bound, MaxMicrobatches: s.Microbatches, Segments: s.Segments,
		Regions: map[string]schema.Region{schema.RegionAccumulators: {Offset: s.Region, Size: end - s.Region}},
	}
}

type vectorExample struct {
	Name string `json:"name"`
	shape
	Accumulators hexBytes      `json:"accumulators"` // the region
	Packed       hexBytes      `json:"packed"`
	Digest       schema.Digest `json:"digest"`
}

type refusedVector struct {
	Name string `json:"name"`
	shape
	Packed hexBytes `json:"packed"`
	Error  string   `json:"error"` // part of the message
}

type headerExample struct {
	Vector byte     `json:"vector"`
	ID     uint32   `json:"id"`
	Offset int64    `json:"offset"`
	Header hexBytes `json:"header"`
}

// twenty is a segment of 20 values of at most ±100 in a microbatch, and one of three that are merged by max.
var twenty = section(100, 4, segment{"i32", schema.CombineAdd, 20}, segment{"i32", schema.CombineMax, 3}, segment{"i64", schema.CombineMax, 1})

// Packed forms for twenty: the end that all share is three equal to zero, and an i64 of 7.
func ending(block ...byte) hexBytes { return append(block, 0, 7, 0, 0, 0, 0, 0, 0, 0) }

var refusedVectors = []refusedVector{
	{"nothing", shapeOf(twenty, 2), hexBytes{}, "cut short"},
	{"the end is missing", shapeOf(twenty, 2), ending(0)[:9], "cut short"},
	{"a byte too many", shapeOf(twenty, 2), append(ending(0), 0), "follow its end"},
	{"values end early", shapeOf(twenty, 2), hexBytes{3, 1, 2, 3}, "cut short"},
	{"33 bits", shapeOf(twenty, 2), ending(33), "more than 32"},
	{"255 bits", shapeOf(twenty, 2), ending(255), "more than 32"},
	{"wider than it need be", shapeOf(twenty, 2), ending(2, 0x55, 0x55, 0x55, 0x55, 0x55), "has 2 bits a value where 1 do"},
	{"bits for zeros", shapeOf(twenty, 2), ending(1, 0, 0, 0), "has 1 bits a value where 0 do"},
	{"padding is not zero", shapeOf(twenty, 2), ending(1, 1, 0, 0x10), "does not end in zero bits"},
	{"beyond the bound", shapeOf(twenty, 2), ending(9, 0x92, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "201 is impossible"},
	{"far beyond the bound", shapeOf(twenty, 2), ending(12, 0xff, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "-2048 is impossible"},
	{"a negative maximum", shapeOf(twenty, 2), hexBytes{0, 1, 2, 7, 0, 0, 0, 0, 0, 0, 0}, "segment1[0]: its block has a negative value"},
	{"a negative maximum of 64 bits", shapeOf(twenty, 2), hexBytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80}, "segment2[0]: it is negative"},
}

func makeExamples(t *testing.T) examples {
	var e examples
	vector := func(name string, s *schema.EngineSection, microbatches int64, accumulators []byte) {
		e.Vectors = append(e.Vectors, vectorExample{
			name, shapeOf(s, microbatches), accumulators, wire.Pack(nil, s, accumulators), wire.CanonicalDigest(s, accumulators),
		})
	}
	zero := make([]byte, twenty.Regions[schema.RegionAccumulators].Size)
	vector("zeros", twenty, 1, zero)
	limits := append([]byte(nil), zero...)
	copy(limits, []byte{200, 0, 0, 0, 0x38, 0xff, 0xff, 0xff})
	vector("both bounds of two microbatches", twenty, 2, limits)

	var widths []segment
	for range 33 {
		widths = append(widths, segment{"i32", schema.CombineAdd, 11})
	}
	s := section(math.MaxInt32, 1, widths...)
	a := make([]byte, s.Regions[schema.RegionAccumulators].Size)
	for w := range 33 {
		for k := range 11 {
			zigzag := uint32((uint64(1)<<w - 1) & (0x9e3779b97f4a7c15 >> k))
			if k == 5 {
				zigzag = uint32(uint64(1) << w >> 1)
			}
			v := zigzag>>1 ^ -(zigzag & 1)
			copy(a[4*(11*w+k):], []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
		}
	}
	vector("every width", s, 1, a)

	r := rand.New(rand.NewPCG(7, 8))
	s = section(math.MaxInt32, 1, segment{"i32", schema.CombineAdd, 520}, segment{"i32", schema.CombineMax, 2},
		segment{"i64", schema.CombineAdd, 3}, segment{"i32", schema.CombineAdd, 256}, segment{"i64", schema.CombineMax, 1})
	vector("several blocks", s, 1, fill(r, s))

	e.RefusedVectors = refusedVectors
	for _, h := range []wire.Header{
		{Vector: wire.VectorResult, ID: 1, Offset: 0},
		{Vector: wire.VectorUpdate, ID: math.MaxUint32, Offset: 262144},
		{Vector: wire.VectorResult, ID: 0x01020304, Offset: 1<<53 - 1},
	} {
		e.Headers = append(e.Headers, headerExample{h.Vector, h.ID, h.Offset, h.Append(nil)})
	}
	e.RefusedHeaders = []hexBytes{
		{},
		make([]byte, 15), make([]byte, 16),
		{2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80},
		{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0},
	}
	for _, m := range messages() {
		text, err := wire.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		e.Texts = append(e.Texts, string(text))
	}
	for _, c := range refusedTexts {
		e.RefusedTexts = append(e.RefusedTexts, c.text)
	}
	return e
}

// TestExamples keeps the file what this implementation says. go test ./trainer/wire -update writes it.
func TestExamples(t *testing.T) {
	const file = "testdata/vectors.json"
	text, err := json.MarshalIndent(makeExamples(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(text)); diff != "" {
		t.Errorf("%s says something else (-file +code); -update writes it anew:\n%s", file, diff)
	}
	var e examples
	if err := json.Unmarshal(kept, &e); err != nil {
		t.Fatal(err)
	}
	for _, c := range e.Vectors {
		t.Run(c.Name, func(t *testing.T) {
			s := c.section()
			v := open(t, s, c.Packed, c.Microbatches)
			got := make([]byte, len(c.Accumulators))
			v.Unpack(got)
			if v.Digest != c.Digest || !cmp.Equal(hexBytes(got), c.Accumulators) {
				t.Error("it unpacks to something else")
			}
		})
	}
	for _, h := range e.Headers {
		if got, err := wire.ReadHeader(h.Header); err != nil || got != (wire.Header{Vector: h.Vector, ID: h.ID, Offset: h.Offset}) {
			t.Errorf("%x reads as %v, %v", h.Header, got, err)
		}
	}
	for _, h := range e.RefusedHeaders {
		if got, err := wire.ReadHeader(h); err == nil {
			t.Errorf("%x reads as %v", h, got)
		}
	}
}
