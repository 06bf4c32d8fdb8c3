package closure_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// bigDataset has four shards in the split train. Record i in stored order carries its number of arrival.
func bigDataset(t *testing.T) (*closuretest.Memory, *schema.Dataset) {
	t.Helper()
	const size, n = 1002, 8000
	layout := schema.RecordLayout{
		Size: size, Target: schema.Field{Offset: 0, DType: "u16", Shape: []int{}}, Input: schema.Field{Offset: 2, DType: "u8", Shape: []int{size - 2}},
	}
	b := must(closure.NewBuilder(schema.Dataset{Name: "big", Version: "1.0.0", Record: layout}, closure.BuilderOptions{}))(t)
	r := make([]byte, size)
	for i := range n {
		binary.LittleEndian.PutUint16(r, uint16(i))
		binary.LittleEndian.PutUint16(r[2:], uint16(i))
		if err := b.Add("train", r); err != nil {
			t.Fatal(err)
		}
	}
	store := new(closuretest.Memory)
	d := first(must2(b.Finish(t.Context(), store))(t))
	if len(d.Splits[0].Shards) != 4 {
		t.Fatalf("%d shards", len(d.Splits[0].Shards))
	}
	return store, d
}

// stored returns the records of a split in their order.
func stored(store *closuretest.Memory, s schema.Split) []byte {
	var b []byte
	for _, shard := range s.Shards {
		b = append(b, store.Get(shard.Digest)...)
	}
	return b
}

func TestRecords(t *testing.T) {
	store, d := bigDataset(t)
	records := must(closure.OpenSplit(t.Context(), store, d, "train"))(t)
	if records.Len() != 8000 || records.Layout().Size != 1002 || store.Opens() != 0 {
		t.Errorf("got %d records, %d opens", records.Len(), store.Opens())
	}
	all := stored(store, d.Splits[0])
	indices := []uint32{0, 1, 7999, 1999, 2000, 2001, 5, 5, 4000}
	input, target := make([]byte, len(indices)*1000), make([]byte, len(indices)*2)
	if err := records.Read(t.Context(), indices, input, target); err != nil {
		t.Fatal(err)
	}
	for i, index := range indices {
		want := all[int(index)*1002:][:1002]
		if !bytes.Equal(input[i*1000:][:1000], want[2:]) || !bytes.Equal(target[i*2:][:2], want[:2]) {
			t.Errorf("record %d differs", index)
		}
	}
	if store.Opens() != 4 {
		t.Errorf("%d shards were fetched, want each of 4 once", store.Opens())
	}
	clear(input)
	if err := records.Read(t.Context(), indices[:1], input, nil); err != nil || !bytes.Equal(input[:1000], all[2:1002]) {
		t.Errorf("without targets: %v", err)
	}
	if err := records.Read(t.Context(), nil, nil, nil); err != nil {
		t.Errorf("no records: %v", err)
	}
}

func TestRecordsRefuses(t *testing.T) {
	store, d := bigDataset(t)
	_, err := closure.OpenSplit(t.Context(), store, d, "test")
	wantInvalid(t, err, `there is no split "test"; there are ["train"]`)
	records := must(closure.OpenSplit(t.Context(), store, d, "train"))(t)
	input, target := make([]byte, 1000), make([]byte, 2)
	wantInvalid(t, records.Read(t.Context(), []uint32{8000}, input, target), "record 8000 was asked for; there are 8000")
	if err := records.Read(t.Context(), []uint32{0, 1}, input, nil); err == nil {
		t.Error("a short input buffer is accepted")
	}
	if err := records.Read(t.Context(), []uint32{0}, input, target[:1]); err == nil {
		t.Error("a short target buffer is accepted")
	}
	broken := *d
	broken.Splits = []schema.Split{d.Splits[0]}
	broken.Splits[0].Records++
	_, err = closure.OpenSplit(t.Context(), store, &broken, "train")
	wantInvalid(t, err, "dataset.json: splits[0].records")
}

func TestRecordsDamage(t *testing.T) {
	store, d := bigDataset(t)
	records := must(closure.OpenSplit(t.Context(), store, d, "train"))(t)
	input := make([]byte, 1000)
	shard := d.Splits[0].Shards[2]
	good := store.Get(shard.Digest)
	bad := bytes.Clone(good)
	bad[17] ^= 1
	store.Set(shard.Digest, bad)
	wantDamaged(t, records.Read(t.Context(), []uint32{4000}, input, nil), "train/00002.records")
	store.Delete(shard.Digest)
	wantDamaged(t, records.Read(t.Context(), []uint32{4000}, input, nil), "train/00002.records")
	if err := records.Read(t.Context(), []uint32{0}, input, nil); err != nil {
		t.Errorf("another shard: %v", err)
	}
	store.Set(shard.Digest, good)
	if err := records.Read(t.Context(), []uint32{4000}, input, nil); err != nil {
		t.Errorf("an error is kept: %v", err)
	}
}

func TestRecordsCache(t *testing.T) {
	store, d := bigDataset(t)
	records := must(closure.OpenSplit(t.Context(), store, d, "train"))(t)
	records.SetCache(2 * d.Splits[0].Shards[0].Size)
	input := make([]byte, 1000)
	for i, step := range []struct {
		record uint32
		opens  int
	}{{0, 1}, {2000, 2}, {1, 2}, {4000, 3} /* forgets the second */, {2, 3}, {2001, 4}, {4001, 5}} {
		if err := records.Read(t.Context(), []uint32{step.record}, input, nil); err != nil {
			t.Fatal(err)
		}
		if store.Opens() != step.opens {
			t.Errorf("read %d: %d fetches, want %d", i, store.Opens(), step.opens)
		}
	}
	records.SetCache(0)
	if err := records.Read(t.Context(), []uint32{0, 2000, 4000, 6000}, make([]byte, 4000), nil); err != nil {
		t.Errorf("without a cache: %v", err)
	}
}

func TestRecordsConcurrently(t *testing.T) {
	store, d := bigDataset(t)
	records := must(closure.OpenSplit(t.Context(), store, d, "train"))(t)
	records.SetCache(d.Splits[0].Shards[0].Size)
	all := stored(store, d.Splits[0])
	var group sync.WaitGroup
	for worker := range uint32(8) {
		group.Go(func() {
			input, target := make([]byte, 16*1000), make([]byte, 16*2)
			indices := make([]uint32, 16)
			for round := range uint32(20) {
				for i := range indices {
					indices[i] = (worker*1013 + round*977 + uint32(i)*499) % 8000
				}
				if err := records.Read(t.Context(), indices, input, target); err != nil {
					t.Error(err)
					return
				}
				for i, index := range indices {
					if !bytes.Equal(target[2*i:][:2], all[int(index)*1002:][:2]) {
						t.Errorf("record %d differs", index)
						return
					}
				}
			}
		})
	}
	group.Wait()
}

// blockingBlobs holds its first Open back until its context ends; later ones pass.
type blockingBlobs struct {
	closure.Blobs
	once    sync.Once
	entered chan struct{}
}

func (b *blockingBlobs) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	blocked := false
	b.once.Do(func() { blocked = true })
	if blocked {
		close(b.entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return b.Blobs.Open(ctx, d)
}

// Who waits for another's fetch does not fail when the other is cancelled.
func TestRecordsCancelled(t *testing.T) {
	store, d := bigDataset(t)
	blobs := &blockingBlobs{Blobs: store, entered: make(chan struct{})}
	records := must(closure.OpenSplit(t.Context(), blobs, d, "train"))(t)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := records.Read(ctx, []uint32{0}, make([]byte, 1000), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	<-blobs.entered
	group.Go(func() {
		if err := records.Read(t.Context(), []uint32{0}, make([]byte, 1000), nil); err != nil {
			t.Errorf("got %v", err)
		}
	})
	cancel()
	group.Wait()
}
