package closure

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"

	"github.com/reprise-ml/reprise/schema"
)

// DefaultCache is the number of bytes of shards that Records keeps in memory unless told otherwise.
const DefaultCache = 1 << 30

// Records reads one split of a dataset. Shards are fetched when they are first needed, checked against their digests, and
// kept in memory up to a limit, the longest unused going first. It is safe for concurrent use.
type Records struct {
	blobs   Blobs
	dataset string
	split   schema.Split
	layout  schema.RecordLayout
	input   int
	target  int
	first   []int64 // of each shard: the number of its first record

	mu     sync.Mutex
	limit  int64
	used   int64
	clock  int64
	shards map[int]*loadedShard
}

// loadedShard is a shard in memory, or on its way: ready is closed when data or err is set.
type loadedShard struct {
	ready chan struct{}
	data  []byte
	err   error
	kept  bool  // data counts in used; guarded by mu
	last  int64 // clock of the last use; guarded by mu
}

// OpenSplit prepares a split for reading; it fetches nothing yet.
func OpenSplit(_ context.Context, blobs Blobs, d *schema.Dataset, split string) (*Records, error) {
	if _, err := encodeDataset(d); err != nil {
		return nil, err
	}
	s, ok := d.Split(split)
	if !ok {
		names := make([]string, len(d.Splits))
		for i, s := range d.Splits {
			names[i] = s.Name
		}
		return nil, schema.Invalidf(d.Name, "splits", "there is no split %q; there are %q", split, names)
	}
	r := &Records{
		blobs: blobs, dataset: d.Name, split: s, layout: d.Record,
		input: d.Record.Input.Bytes(), target: d.Record.Target.Bytes(),
		limit: DefaultCache, shards: map[int]*loadedShard{},
	}
	at := int64(0)
	for _, shard := range s.Shards {
		r.first = append(r.first, at)
		at += shard.Records
	}
	return r, nil
}

// SetCache changes the number of bytes of shards that are kept. The shards in use stay whatever it is.
func (r *Records) SetCache(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = bytes
	r.evict(nil)
}

// Len is the number of records.
func (r *Records) Len() int64 { return r.split.Records }

// Layout is the layout of a record.
func (r *Records) Layout() schema.RecordLayout { return r.layout }

// Read copies the input field of record indices[i] to input[i·n:], n being the bytes of the field, and its target field
// likewise to target. A nil target is not wanted. An index beyond the split gives *schema.Invalid, a shard that is not
// what its digest says *schema.Damaged.
func (r *Records) Read(ctx context.Context, indices []uint32, input, target []byte) error {
	if len(input) < len(indices)*r.input || (target != nil && len(target) < len(indices)*r.target) {
		return fmt.Errorf("%d records do not fit the buffers of %d and %d bytes", len(indices), len(input), len(target))
	}
	// Records of a microbatch are mostly consecutive, so the shard of the one before is tried first.
	current, data := -1, []byte(nil)
	for i, index := range indices {
		n := int64(index)
		if n >= r.split.Records {
			return schema.Invalidf(r.dataset, "split "+r.split.Name, "record %d was asked for; there are %d", n, r.split.Records)
		}
		if current < 0 || n < r.first[current] || n >= r.first[current]+r.split.Shards[current].Records {
			current = sort.Search(len(r.first), func(k int) bool { return r.first[k] > n }) - 1
			var err error
			if data, err = r.shard(ctx, current); err != nil {
				return err
			}
		}
		record := data[(n-r.first[current])*int64(r.layout.Size):]
		copy(input[i*r.input:(i+1)*r.input], record[r.layout.Input.Offset:])
		if target != nil {
			copy(target[i*r.target:(i+1)*r.target], record[r.layout.Target.Offset:])
		}
	}
	return nil
}

// shard returns the bytes of a shard, fetching them once however many ask.
func (r *Records) shard(ctx context.Context, number int) ([]byte, error) {
	for {
		r.mu.Lock()
		s, ok := r.shards[number]
		if !ok {
			s = &loadedShard{ready: make(chan struct{})}
			r.shards[number] = s
		}
		r.clock++
		s.last = r.clock
		r.mu.Unlock()
		if !ok {
			r.load(ctx, number, s)
			return s.data, s.err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Another caller's cancellation is not this one's.
		if s.err != nil && (errors.Is(s.err, context.Canceled) || errors.Is(s.err, context.DeadlineExceeded)) && ctx.Err() == nil {
			continue
		}
		return s.data, s.err
	}
}

// load fetches a shard. Errors are not kept, so that the next caller tries again.
func (r *Records) load(ctx context.Context, number int, s *loadedShard) {
	shard := r.split.Shards[number]
	s.data, s.err = ReadBlob(ctx, r.blobs, shard.Path, shard.Digest, shard.Size, maxShard)
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.err != nil {
		delete(r.shards, number)
	} else {
		s.kept = true
		r.used += shard.Size
		r.evict(s)
	}
	close(s.ready)
}

// evict forgets the longest unused shards until the limit holds; those that are still being read by a caller live on
// until it is done. keep is never forgotten.
func (r *Records) evict(keep *loadedShard) {
	for r.used > r.limit {
		oldest := -1
		for number, s := range r.shards {
			if s != keep && s.kept && (oldest < 0 || s.last < r.shards[oldest].last) {
				oldest = number
			}
		}
		if oldest < 0 {
			return
		}
		r.used -= r.split.Shards[oldest].Size
		delete(r.shards, oldest)
	}
}
