package s3

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// buffers are the memory of what is being sent. All uploads of a store share them, so that one large blob gets as many parts on
// their way at a time as many blobs together. A holder never waits for a second one before its first is sent or given up, so
// somebody always goes on.
type buffers struct {
	room  *semaphore.Weighted // bytes
	most  int64
	whole int64     // size of a pooled buffer
	pool  sync.Pool // of *[]byte, each of that size
}

func newBuffers(count int, size int64) *buffers {
	most := int64(count) * size
	return &buffers{room: semaphore.NewWeighted(most), most: most, whole: size}
}

// buffer is size bytes to be filled.
type buffer struct {
	bytes  []byte
	of     *buffers
	pooled *[]byte // nil if it is of its own size
}

// take waits until there is room for size bytes. More than there can ever be room for waits until nobody else has any.
func (b *buffers) take(ctx context.Context, size int64) (*buffer, error) {
	if err := b.room.Acquire(ctx, min(size, b.most)); err != nil {
		return nil, err
	}
	if size <= b.whole/2 || size > b.whole {
		return &buffer{bytes: make([]byte, size), of: b}, nil
	}
	pooled, ok := b.pool.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, b.whole)
		pooled = &fresh
	}
	return &buffer{bytes: (*pooled)[:size], of: b, pooled: pooled}, nil
}

// give ends the use of a buffer. After a request that failed its transport may still be reading, so that such a buffer is not
// filled again.
func (b *buffer) give(failed bool) {
	if b.pooled != nil && !failed {
		b.of.pool.Put(b.pooled)
	}
	b.of.room.Release(min(int64(len(b.bytes)), b.of.most))
}
