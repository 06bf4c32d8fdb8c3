package memory

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Uses implements zoo.Sweeper.
func (s *Store) Uses(ctx context.Context) iter.Seq2[zoo.BlobUse, error] {
	return func(yield func(zoo.BlobUse, error) bool) {
		s.mu.Lock()
		uses := make([]zoo.BlobUse, 0, len(s.blobs))
		for d, b := range s.blobs {
			uses = append(uses, zoo.BlobUse{Digest: d, Size: int64(len(b.bytes)), Last: b.used})
		}
		s.mu.Unlock()
		for _, u := range uses {
			if err := ctx.Err(); err != nil {
				yield(zoo.BlobUse{}, err)
				return
			}
			if !yield(u, nil) {
				return
			}
		}
	}
}

// Use implements zoo.Sweeper.
func (s *Store) Use(ctx context.Context, d schema.Digest) (int64, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[d]
	if !ok {
		return 0, fmt.Errorf("%s: %w", d, zoo.ErrNotFound)
	}
	b.used = time.Now()
	return int64(len(b.bytes)), nil
}

// Sweep implements zoo.Sweeper.
func (s *Store) Sweep(ctx context.Context, d schema.Digest, unusedSince time.Time) (bool, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[d]
	if !ok || b.used.After(unusedSince) {
		return false, nil
	}
	delete(s.blobs, d)
	return true, nil
}

// DropReferrer implements zoo.Sweeper.
func (s *Store) DropReferrer(ctx context.Context, subject, referrer schema.Digest) error {
	if err := zoo.CheckDigest(ctx, subject); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.referrers[subject], referrer)
	return nil
}

// SweepUploads implements zoo.Sweeper: a write that ends leaves nothing.
func (s *Store) SweepUploads(ctx context.Context, _ time.Time, _ bool) (zoo.Leftovers, error) {
	return zoo.Leftovers{}, ctx.Err()
}
