package memory

import (
	"context"
	"iter"

	"github.com/reprise-ml/reprise/zoo"
)

// ScanVersions implements zoo.Scanner.
func (s *Store) ScanVersions(ctx context.Context) iter.Seq2[zoo.StampedVersion, error] {
	s.mu.Lock()
	var all []zoo.StampedVersion
	for path := range s.refs {
		if v, ok := zoo.ScannedVersion(path); ok {
			all = append(all, zoo.StampedVersion{NamedVersion: v})
		}
	}
	s.mu.Unlock()
	return each(ctx, all)
}

// ScanReferrers implements zoo.Scanner.
func (s *Store) ScanReferrers(ctx context.Context) iter.Seq2[zoo.Marker, error] {
	s.mu.Lock()
	var all []zoo.Marker
	for subject, about := range s.referrers {
		for referrer := range about {
			all = append(all, zoo.Marker{Subject: subject, Referrer: referrer})
		}
	}
	s.mu.Unlock()
	return each(ctx, all)
}

func each[T any](ctx context.Context, all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if ctx.Err() != nil || !yield(one, nil) {
				break
			}
		}
		if err := ctx.Err(); err != nil {
			var none T
			yield(none, err)
		}
	}
}
