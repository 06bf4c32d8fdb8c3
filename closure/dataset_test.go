package closure_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

func TestBuilder(t *testing.T) {
	store, d, m := sampleDataset(t)
	if d.SchemaVersion != 1 || len(d.Splits) != 2 || d.Splits[0].Name != "test" || d.Splits[1].Records != 300 {
		t.Errorf("got %+v", d)
	}
	loaded, err := closure.LoadDataset(t.Context(), store, m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, loaded, cmp.Comparer(func(a, b schema.Digest) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
		t.Error(err)
	}

	// Every record is there once, in another order than it came.
	records := store.Get(d.Splits[1].Shards[0].Digest)
	seen := map[int]bool{}
	inPlace := 0
	for i := range 300 {
		r := records[i*7 : i*7+7]
		n := int(r[0]) | int(r[1])<<8
		if !bytes.Equal(r, sampleRecord(n)) || seen[n] || n >= 300 {
			t.Fatalf("record %d is % x", i, r)
		}
		seen[n] = true
		if n == i {
			inPlace++
		}
	}
	if inPlace > 10 {
		t.Errorf("%d records are where they came", inPlace)
	}
}

// The content digest as its documentation defines it.
func TestContentDigestOfDataset(t *testing.T) {
	store, d, _ := sampleDataset(t)
	h := sha256.New()
	io.WriteString(h, "reprise records 1\n"+
		`{"classes":["a","b","c","d"],"record":{"input":{"dtype":"u8","offset":0,"shape":[3,2,1]},"size":7,"target":{"dtype":"u8","offset":6,"shape":[]}}}`+"\n")
	for _, s := range d.Splits {
		fmt.Fprintf(h, "split %s %d\n", s.Name, s.Records)
		for _, shard := range s.Shards {
			h.Write(store.Get(shard.Digest))
		}
	}
	if want := schema.DigestFromSum([32]byte(h.Sum(nil))); d.Content != want {
		t.Errorf("got %s, want %s", d.Content, want)
	}
}

func TestBuilderIsDeterministic(t *testing.T) {
	_, a, ma := sampleDataset(t)
	_, _, mb := sampleDataset(t)
	if ma.Digest() != mb.Digest() {
		t.Error("the same records make two datasets")
	}
	b := must(closure.NewBuilder(schema.Dataset{Name: "points", Version: "1.0.0", Record: sampleLayout, Classes: a.Classes}, closure.BuilderOptions{Seed: 8}))(t)
	for i := range 300 {
		if err := b.Add("train", sampleRecord(i)); err != nil {
			t.Fatal(err)
		}
	}
	other := first(must2(b.Finish(t.Context(), new(closuretest.Memory)))(t))
	if other.Splits[0].Shards[0].Digest == a.Splits[1].Shards[0].Digest {
		t.Error("the seed does not matter")
	}
}

func TestBuilderRefuses(t *testing.T) {
	document := schema.Dataset{Name: "points", Version: "1.0.0", Record: sampleLayout}
	t.Run("layout", func(t *testing.T) {
		for _, tc := range []struct {
			name   string
			change func(*schema.RecordLayout)
			want   string
		}{
			{"no size", func(l *schema.RecordLayout) { l.Size = 0 }, "record.size"},
			{"huge", func(l *schema.RecordLayout) { l.Size = 1 << 30 }, "record.size"},
			{"dtype", func(l *schema.RecordLayout) { l.Input.DType = "f16" }, `"f16" is not a dtype`},
			{"beyond", func(l *schema.RecordLayout) { l.Target.Offset = 7 }, "record.target"},
			{"negative offset", func(l *schema.RecordLayout) { l.Input.Offset = -1 }, "record.input"},
			{"negative shape", func(l *schema.RecordLayout) { l.Input.Shape = []int{-3, -2} }, "record.input"},
			{"empty", func(l *schema.RecordLayout) { l.Input.Shape = []int{0} }, "record.input"},
			{"overlap", func(l *schema.RecordLayout) { l.Target.Offset = 5 }, "overlap"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				d := document
				d.Record.Input.Shape = slices.Clone(d.Record.Input.Shape)
				tc.change(&d.Record)
				_, err := closure.NewBuilder(d, closure.BuilderOptions{})
				wantInvalid(t, err, tc.want)
			})
		}
	})
	newBuilder := func() *closure.Builder {
		return must(closure.NewBuilder(document, closure.BuilderOptions{Memory: 70}))(t)
	}
	t.Run("nothing", func(t *testing.T) {
		_, _, err := newBuilder().Finish(t.Context(), new(closuretest.Memory))
		wantInvalid(t, err, "there are no records")
	})
	t.Run("size of a record", func(t *testing.T) {
		if err := newBuilder().Add("train", make([]byte, 6)); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("split name", func(t *testing.T) {
		wantInvalid(t, newBuilder().Add("../train", make([]byte, 7)), "cannot name a split")
	})
	t.Run("memory", func(t *testing.T) {
		b := newBuilder()
		for range 10 {
			if err := b.Add("train", make([]byte, 7)); err != nil {
				t.Fatal(err)
			}
		}
		wantInvalid(t, b.Add("train", make([]byte, 7)), "more than 70 bytes")
	})
	t.Run("name", func(t *testing.T) {
		d := document
		d.Name = "No Name"
		b := must(closure.NewBuilder(d, closure.BuilderOptions{}))(t)
		if err := b.Add("train", make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
		_, _, err := b.Finish(t.Context(), new(closuretest.Memory))
		wantInvalid(t, err, "dataset.json: name")
	})
	t.Run("sink", func(t *testing.T) {
		b := newBuilder()
		if err := b.Add("train", make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
		_, _, err := b.Finish(t.Context(), fullSink{})
		if !errors.Is(err, errFull) {
			t.Errorf("got %v", err)
		}
	})
}

var errFull = errors.New("the disk is full")

type fullSink struct{}

func (fullSink) Put(context.Context, schema.Digest, int64, io.Reader) error { return errFull }

func TestShards(t *testing.T) {
	const size = 1000
	layout := schema.RecordLayout{Size: size, Input: schema.Field{DType: "u8", Shape: []int{size - 1}}, Target: schema.Field{Offset: size - 1, DType: "u8", Shape: []int{}}}
	for _, tc := range []struct {
		records int
		shards  int
	}{{1, 1}, {2000, 1}, {3100, 1}, {3200, 2}, {8000, 4}} {
		t.Run(fmt.Sprint(tc.records), func(t *testing.T) {
			b := must(closure.NewBuilder(schema.Dataset{Name: "x", Version: "1.0.0", Record: layout}, closure.BuilderOptions{}))(t)
			record := make([]byte, size)
			for i := range tc.records {
				binary.LittleEndian.PutUint32(record, uint32(i))
				if err := b.Add("train", record); err != nil {
					t.Fatal(err)
				}
			}
			d := first(must2(b.Finish(t.Context(), new(closuretest.Memory)))(t))
			shards := d.Splits[0].Shards
			if len(shards) != tc.shards || shards[0].Path != "train/00000.records" {
				t.Fatalf("got %d shards, first %s", len(shards), shards[0].Path)
			}
			for i, s := range shards[:len(shards)-1] {
				if s.Records != shards[0].Records || s.Size < 1<<20 || s.Size > 4<<20 {
					t.Errorf("shard %d: %+v", i, s)
				}
			}
		})
	}
}

func TestVerifyDataset(t *testing.T) {
	store, d, _ := sampleDataset(t)
	shard := d.Splits[1].Shards[0]
	good := store.Get(shard.Digest)
	bad := bytes.Clone(good)
	bad[100] ^= 4
	store.Set(shard.Digest, bad)
	wantDamaged(t, closure.VerifyDataset(t.Context(), store, d), "train/00000.records")
	store.Delete(shard.Digest)
	wantDamaged(t, closure.VerifyDataset(t.Context(), store, d), "train/00000.records")

	// A document that names other records than its content digest.
	store.Set(schema.DigestOf(bad), bad)
	d.Splits[1].Shards[0].Digest = schema.DigestOf(bad)
	wantInvalid(t, closure.VerifyDataset(t.Context(), store, d), "dataset.json: content")
}

func TestHoldOut(t *testing.T) {
	newBuilder := func(t *testing.T, classes []string, n int) *closure.Builder {
		t.Helper()
		b := must(closure.NewBuilder(schema.Dataset{Name: "points", Version: "1.0.0", Classes: classes, Record: sampleLayout}, closure.BuilderOptions{}))(t)
		for i := range n {
			r := sampleRecord(i)
			r[6] = 0
			if i%10 == 0 {
				r[6] = 1 // a rare class
			}
			if err := b.Add("train", r); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	t.Run("stratified", func(t *testing.T) {
		b := newBuilder(t, []string{"a", "b"}, 100)
		if err := b.HoldOut("train", "test", 0.25, 0); err != nil {
			t.Fatal(err)
		}
		var store closuretest.Memory
		d := first(must2(b.Finish(t.Context(), &store))(t))
		if b.Records("test") != 26 || b.Records("train") != 74 { // 0.25 · 90 = 22.5 and 0.25 · 10 = 2.5, rounded up
			t.Errorf("got %d and %d", b.Records("test"), b.Records("train"))
		}
		rare := 0
		seen := map[byte]bool{}
		for _, s := range d.Splits {
			records := store.Get(s.Shards[0].Digest)
			for i := range int(s.Records) {
				if s.Name == "test" {
					rare += int(records[i*7+6])
				}
				seen[records[i*7]] = true
			}
		}
		if rare != 3 || len(seen) != 100 {
			t.Errorf("%d rare ones held out, %d different records", rare, len(seen))
		}
		if err := b.Add("train", sampleRecord(1)); err == nil {
			t.Error("a record can be added after the hold-out")
		}
	})
	t.Run("small classes", func(t *testing.T) {
		b := newBuilder(t, []string{"a", "b"}, 10)
		if err := b.HoldOut("train", "test", 0.9, 0); err != nil {
			t.Fatal(err)
		}
		if b.Records("test") != 9 { // 8 of 9, and round(0.9) of 1
			t.Errorf("got %d", b.Records("test"))
		}
	})
	t.Run("without classes", func(t *testing.T) {
		b := newBuilder(t, nil, 100)
		if err := b.HoldOut("train", "test", 0.2, 0); err != nil || b.Records("test") != 20 {
			t.Errorf("got %d, %v", b.Records("test"), err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		b := newBuilder(t, nil, 1)
		wantInvalid(t, b.HoldOut("other", "test", 0.2, 0), "no such split")
		wantInvalid(t, b.HoldOut("train", "train", 0.2, 0), "there already")
		wantInvalid(t, b.HoldOut("train", "test", 1, 0), "between 0 and 1")
		wantInvalid(t, b.HoldOut("train", "test", math.NaN(), 0), "between 0 and 1")
		wantInvalid(t, b.HoldOut("train", "Test!", 0.5, 0), "cannot name a split")
		wantInvalid(t, b.HoldOut("train", "test", 0.2, 0), "leaves a split of 1 records empty")
	})
}

func TestStatistics(t *testing.T) {
	build := func(t *testing.T, dtype string, shape []int, values [][]float32) *schema.Statistics {
		t.Helper()
		size := schema.Elements(shape) * schema.DTypeSize(dtype)
		layout := schema.RecordLayout{Size: size + 1, Input: schema.Field{DType: dtype, Shape: shape}, Target: schema.Field{Offset: size, DType: "u8", Shape: []int{}}}
		b := must(closure.NewBuilder(schema.Dataset{Name: "x", Version: "1.0.0", Record: layout}, closure.BuilderOptions{}))(t)
		for _, row := range values {
			var r []byte
			for _, v := range row {
				switch dtype {
				case "u8":
					r = append(r, byte(v))
				case "u16":
					r = binary.LittleEndian.AppendUint16(r, uint16(v))
				default:
					r = binary.LittleEndian.AppendUint32(r, math.Float32bits(v))
				}
			}
			if err := b.Add("train", append(r, 0)); err != nil {
				t.Fatal(err)
			}
		}
		return first(must2(b.Finish(t.Context(), new(closuretest.Memory)))(t)).Statistics
	}
	for _, tc := range []struct {
		name  string
		dtype string
		shape []int
		rows  [][]float32
		want  schema.Statistics
	}{
		{"bytes by channel", "u8", []int{1, 2, 2}, [][]float32{{1, 10, 3, 10}, {5, 10, 7, 10}}, schema.Statistics{Mean: []float64{4, 10}, Deviation: []float64{math.Sqrt(5), 1}}},
		{"u16", "u16", []int{2}, [][]float32{{65535, 0}, {65533, 4}}, schema.Statistics{Mean: []float64{65534, 2}, Deviation: []float64{1, 2}}},
		{"columns", "f32", []int{2}, [][]float32{{1, -1}, {3, 3}}, schema.Statistics{Mean: []float64{2, 1}, Deviation: []float64{1, 2}}},
		{"constant column", "f32", []int{1}, [][]float32{{0.1}, {0.1}, {0.1}}, schema.Statistics{Mean: []float64{float64(float32(0.1))}, Deviation: []float64{1}}},
		{"one record", "f32", []int{1}, [][]float32{{-7}}, schema.Statistics{Mean: []float64{-7}, Deviation: []float64{1}}},
		{"a scalar", "f32", []int{}, [][]float32{{1}, {3}}, schema.Statistics{Mean: []float64{2}, Deviation: []float64{1}}},
		{"large and nearly constant", "f32", []int{1}, [][]float32{{16777216}, {16777218}}, schema.Statistics{Mean: []float64{16777217}, Deviation: []float64{1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, *build(t, tc.dtype, tc.shape, tc.rows)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Without a split "train", only a single split has constants.
func TestStatisticsNeedATrainSplit(t *testing.T) {
	for _, splits := range [][]string{{"left", "right"}, {"left"}} {
		b := must(closure.NewBuilder(schema.Dataset{Name: "x", Version: "1.0.0", Record: sampleLayout}, closure.BuilderOptions{}))(t)
		for _, s := range splits {
			if err := b.Add(s, sampleRecord(1)); err != nil {
				t.Fatal(err)
			}
		}
		d := first(must2(b.Finish(t.Context(), new(closuretest.Memory)))(t))
		if (d.Statistics != nil) != (len(splits) == 1) {
			t.Errorf("%q: %+v", splits, d.Statistics)
		}
	}
}
