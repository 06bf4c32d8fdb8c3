package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// A blob's modification time is when it was last stored or used. Use and Sweep hold the lock between looking at it and acting
// on it, so neither can come in between.

// Uses implements zoo.Sweeper.
func (s *Store) Uses(ctx context.Context) iter.Seq2[zoo.BlobUse, error] {
	return func(yield func(zoo.BlobUse, error) bool) {
		for d, err := range s.AllBlobs(ctx) {
			if err != nil {
				yield(zoo.BlobUse{}, err)
				return
			}
			info, err := os.Lstat(s.disk.abs(zoo.BlobPath(d)))
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted since it was listed
			}
			if err != nil {
				yield(zoo.BlobUse{}, readError(zoo.BlobPath(d), err))
				return
			}
			if !yield(zoo.BlobUse{Digest: d, Size: info.Size(), Last: info.ModTime()}, nil) {
				return
			}
		}
	}
}

// Use implements zoo.Sweeper.
func (s *Store) Use(ctx context.Context, d schema.Digest) (int64, error) {
	size, err := s.Stat(ctx, d)
	if err != nil {
		return 0, err
	}
	path := s.disk.abs(zoo.BlobPath(d))
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) < zoo.Fresh {
		return size, nil
	}
	unlock, err := s.disk.lock(ctx)
	if errors.Is(err, zoo.ErrUnsupported) {
		return size, nil // such a system has no sweeps either
	}
	if err != nil {
		return 0, err
	}
	defer unlock()
	switch err := s.disk.do(opTouch, zoo.BlobPath(d), func() error { return touch(path) }); {
	case errors.Is(err, fs.ErrNotExist):
		return 0, blobError(d, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		// The file is somebody else's, in a folder that is ours too: a file of our own can take its place.
		return 0, fmt.Errorf("%s: %w as one whose use could be noted", d, zoo.ErrNotFound)
	case err != nil:
		return 0, err
	}
	return size, nil
}

// Sweep implements zoo.Sweeper. A sweep that a crash undoes is made again by the next, so nothing is synced.
func (s *Store) Sweep(ctx context.Context, d schema.Digest, unusedSince time.Time) (bool, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return false, err
	}
	unlock, err := s.disk.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	return s.sweepFile(zoo.BlobPath(d), unusedSince)
}

// sweepFile removes a file that was last modified at that time or before.
func (s *Store) sweepFile(rel string, unusedSince time.Time) (bool, error) {
	info, err := os.Lstat(s.disk.abs(rel))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, readError(rel, err)
	}
	if info.ModTime().After(unusedSince) {
		return false, nil
	}
	err = s.disk.do(opRemove, rel, func() error { return os.Remove(s.disk.abs(rel)) })
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// DropReferrer implements zoo.Sweeper.
func (s *Store) DropReferrer(ctx context.Context, subject, referrer schema.Digest) error {
	if err := zoo.CheckDigest(ctx, subject); err != nil {
		return err
	}
	rel := zoo.ReferrerPath(subject, referrer)
	err := s.disk.do(opRemove, rel, func() error { return os.Remove(s.disk.abs(rel)) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// SweepUploads implements zoo.Sweeper.
func (s *Store) SweepUploads(ctx context.Context, unusedSince time.Time, countOnly bool) (zoo.Leftovers, error) {
	var left zoo.Leftovers
	files, err := s.readDir(zoo.UploadsPath)
	if err != nil {
		return left, err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return left, err
		}
		if f.IsDir() || !strings.HasPrefix(f.Name(), tempPrefix) {
			continue
		}
		info, err := f.Info()
		if err != nil || info.ModTime().After(unusedSince) {
			continue // it got its name, or is being written
		}
		swept := true
		if !countOnly {
			if swept, err = s.sweepFile(zoo.UploadsPath+"/"+f.Name(), unusedSince); err != nil {
				return left, err
			}
		}
		if swept {
			left.Files++
			left.Bytes += info.Size()
		}
	}
	return left, nil
}
