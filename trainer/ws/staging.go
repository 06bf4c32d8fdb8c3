package ws

import (
	"context"
	"math/bits"
	"sync"

	"golang.org/x/sync/semaphore"
)

// staging is the memory for vectors on their way in: a budget that all connections share, and buffers that are used again.
type staging struct {
	total   int64
	budget  *semaphore.Weighted
	buffers [64]sync.Pool // of *[]byte, by the power of two that is their capacity
}

func newStaging(total int64) *staging {
	return &staging{total: total, budget: semaphore.NewWeighted(total)}
}

// acquire waits until so many bytes are free, first come, first served.
func (s *staging) acquire(ctx context.Context, size int64) (*[]byte, error) {
	if err := s.budget.Acquire(ctx, min(size, s.total)); err != nil {
		return nil, err
	}
	class := bits.Len64(uint64(size - 1))
	b, ok := s.buffers[class].Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 1<<class)
		b = &fresh
	}
	*b = (*b)[:size]
	return b, nil
}

func (s *staging) release(b *[]byte) {
	size := int64(len(*b))
	s.buffers[bits.Len64(uint64(size-1))].Put(b)
	s.budget.Release(min(size, s.total))
}
