package directory

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"strconv"

	"github.com/reprise-ml/reprise/zoo"
)

// ScanVersions implements zoo.Scanner.
func (s *Store) ScanVersions(ctx context.Context) iter.Seq2[zoo.StampedVersion, error] {
	return scan(ctx, s.disk, zoo.RefsPath, func(path string, f fs.DirEntry) (zoo.StampedVersion, bool) {
		v, ok := zoo.ScannedVersion(path)
		if !ok {
			return zoo.StampedVersion{}, false
		}
		info, err := f.Info()
		if err != nil {
			return zoo.StampedVersion{}, false // it went a moment ago
		}
		return zoo.StampedVersion{NamedVersion: v, Stamp: strconv.FormatInt(info.ModTime().UnixNano(), 36)}, true
	})
}

// ScanReferrers implements zoo.Scanner.
func (s *Store) ScanReferrers(ctx context.Context) iter.Seq2[zoo.Marker, error] {
	return scan(ctx, s.disk, zoo.ReferrersPath, func(path string, _ fs.DirEntry) (zoo.Marker, bool) { return zoo.ScannedMarker(path) })
}

// errEnough ends a walk whose caller has enough.
var errEnough = errors.New("enough")

// scan yields what the files under a folder stand for.
func scan[T any](ctx context.Context, d disk, folder string, of func(path string, f fs.DirEntry) (T, bool)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := filepath.WalkDir(d.abs(folder), func(path string, f fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it went since its folder was read, or there is nothing yet
			}
			if err = errors.Join(err, ctx.Err()); err != nil || f.IsDir() {
				return err
			}
			rel, err := filepath.Rel(d.root, path)
			if err != nil {
				return err
			}
			if one, ok := of(filepath.ToSlash(rel), f); ok && !yield(one, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			var none T
			yield(none, readError(folder, err))
		}
	}
}
