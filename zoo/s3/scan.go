package s3

import (
	"context"
	"iter"

	"github.com/reprise-ml/reprise/zoo"
)

// ScanVersions implements zoo.Scanner.
func (s *Store) ScanVersions(ctx context.Context) iter.Seq2[zoo.StampedVersion, error] {
	return scan(ctx, s, zoo.RefsPath+"/", func(o listed) (zoo.StampedVersion, bool) {
		v, ok := zoo.ScannedVersion(o.path)
		return zoo.StampedVersion{NamedVersion: v, Stamp: o.ETag}, ok
	})
}

// ScanReferrers implements zoo.Scanner.
func (s *Store) ScanReferrers(ctx context.Context) iter.Seq2[zoo.Marker, error] {
	return scan(ctx, s, zoo.ReferrersPath+"/", func(o listed) (zoo.Marker, bool) { return zoo.ScannedMarker(o.path) })
}

// scan yields what the objects under a folder stand for: a request for each thousand.
func scan[T any](ctx context.Context, s *Store, folder string, of func(o listed) (T, bool)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o, err := range s.list(ctx, folder) {
			if err != nil {
				var none T
				yield(none, s.fail(folder, false, err))
				return
			}
			if one, ok := of(o); ok && !yield(one, nil) {
				return
			}
		}
	}
}
