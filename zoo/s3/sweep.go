package s3

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// A blob was last used when it was stored, or at the date of its note under uploads/used/. Nothing can lock it, so who is
// about to delete it says so under uploads/doomed/ first and then looks at its age; who notes a use looks for that afterwards.
// In whatever order the two come, one of them sees the other.

func usedPath(d schema.Digest) string   { return zoo.UploadsPath + "/used/" + d.Hex() }
func doomedPath(d schema.Digest) string { return zoo.UploadsPath + "/doomed/" + d.Hex() }

const (
	// maxDoom is how long a sweep may take from its note to its deletion.
	maxDoom = time.Minute
	// staleDoom is when a note of doom is one of a program that was killed.
	staleDoom = 10 * time.Minute
	doomWait  = 200 * time.Millisecond
)

// Uses implements zoo.Sweeper.
func (s *Store) Uses(ctx context.Context) iter.Seq2[zoo.BlobUse, error] {
	return func(yield func(zoo.BlobUse, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		noted := map[schema.Digest]time.Time{}
		folder := zoo.UploadsPath + "/used/"
		for o, err := range s.list(ctx, folder) {
			if err != nil {
				yield(zoo.BlobUse{}, s.fail(folder, false, err))
				return
			}
			if d, err := schema.DigestFromHex(strings.TrimPrefix(o.path, folder)); err == nil {
				noted[d] = o.LastModified
			}
		}
		for u, err := range s.allBlobs(ctx) {
			if at, ok := noted[u.Digest]; ok && at.After(u.Last) {
				u.Last = at
			}
			if !yield(u, err) {
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
	o, err := s.use(ctx, d)
	return o.Size, err
}

// use looks whether a blob is there, and notes that somebody counts on it, unless it is too young to be swept soon.
func (s *Store) use(ctx context.Context, d schema.Digest) (minio.ObjectInfo, error) {
	o, err := s.stat(ctx, d)
	if err != nil || time.Since(o.LastModified) < zoo.Fresh {
		return o, err
	}
	at, err := s.dated(ctx, usedPath(d))
	if err != nil || time.Since(at) < zoo.Fresh {
		return o, err
	}
	if _, err := s.put(ctx, usedPath(d), nil, blobType, condition{}); err != nil {
		return o, s.fail(usedPath(d), true, err)
	}
	for {
		at, err := s.dated(ctx, doomedPath(d))
		if err != nil {
			return o, err
		}
		if time.Since(at) > staleDoom {
			return s.stat(ctx, d)
		}
		if err := pause(ctx, doomWait); err != nil {
			return o, err
		}
	}
}

// dated returns when an object was written; the zero time if there is none.
func (s *Store) dated(ctx context.Context, path string) (time.Time, error) {
	o, err := s.core.StatObject(ctx, s.location.Bucket, s.key(path), minio.StatObjectOptions{})
	if absent(err) {
		return time.Time{}, nil
	}
	return o.LastModified, s.fail(path, false, err)
}

// Sweep implements zoo.Sweeper.
func (s *Store) Sweep(ctx context.Context, d schema.Digest, unusedSince time.Time) (swept bool, err error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return false, err
	}
	if old, err := s.unused(ctx, d, unusedSince); !old || err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxDoom)
	defer cancel()
	if _, err := s.put(ctx, doomedPath(d), nil, blobType, condition{}); err != nil {
		return false, s.fail(doomedPath(d), true, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_ = s.remove(ctx, doomedPath(d)) // what is left becomes stale
	}()
	if old, err := s.unused(ctx, d, unusedSince); !old || err != nil {
		return false, err
	}
	if err := s.remove(ctx, zoo.BlobPath(d)); err != nil {
		return false, s.fail(zoo.BlobPath(d), true, err)
	}
	return true, s.fail(usedPath(d), true, s.remove(ctx, usedPath(d)))
}

// unused reports whether a blob is there and was neither stored nor used after a time.
func (s *Store) unused(ctx context.Context, d schema.Digest, since time.Time) (bool, error) {
	for _, path := range []string{zoo.BlobPath(d), usedPath(d)} {
		at, err := s.dated(ctx, path)
		if err != nil || at.After(since) {
			return false, err
		}
		if at.IsZero() && path == zoo.BlobPath(d) {
			return false, nil
		}
	}
	return true, nil
}

// DropReferrer implements zoo.Sweeper.
func (s *Store) DropReferrer(ctx context.Context, subject, referrer schema.Digest) error {
	if err := zoo.CheckDigest(ctx, subject); err != nil {
		return err
	}
	if err := zoo.CheckDigest(ctx, referrer); err != nil {
		return err
	}
	path := zoo.ReferrerPath(subject, referrer)
	return s.fail(path, true, s.remove(ctx, path))
}

// SweepUploads implements zoo.Sweeper. A leftover file is an upload that began and did not end; its bytes are those of the
// parts that the server keeps.
func (s *Store) SweepUploads(ctx context.Context, unusedSince time.Time, countOnly bool) (zoo.Leftovers, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var left zoo.Leftovers
	for o, err := range s.list(ctx, zoo.UploadsPath+"/") {
		if err != nil {
			return left, s.fail(zoo.UploadsPath, false, err)
		}
		if o.LastModified.After(unusedSince) {
			continue
		}
		hex, ok := strings.CutSuffix(strings.TrimPrefix(o.path, zoo.UploadsPath+"/"), uploadSuffix)
		d, err := schema.DigestFromHex(hex)
		if !ok || err != nil {
			if countOnly {
				continue
			}
			if err := s.sweepNote(ctx, o.path); err != nil {
				return left, err
			}
			continue
		}
		bytes, last, err := s.uploaded(ctx, d)
		if err != nil {
			return left, err
		}
		if last.After(unusedSince) {
			continue
		}
		if !countOnly {
			if err := s.sweepUpload(ctx, d); err != nil {
				return left, err
			}
		}
		left.Files++
		left.Bytes += bytes
	}
	return left, nil
}

// sweepNote removes an old note about a blob that is gone. One about a blob that is there may be written again at any moment.
func (s *Store) sweepNote(ctx context.Context, path string) error {
	folder, file, _ := cutLast(path)
	d, err := schema.DigestFromHex(file)
	if err != nil || path != usedPath(d) && path != doomedPath(d) {
		return nil // it is somebody else's
	}
	if at, err := s.dated(ctx, zoo.BlobPath(d)); err != nil || !at.IsZero() && path == usedPath(d) {
		return err
	}
	return s.fail(folder, true, s.remove(ctx, path))
}

// uploaded is how much of a blob's upload the server keeps, and when the last of it came.
func (s *Store) uploaded(ctx context.Context, d schema.Digest) (bytes int64, last time.Time, err error) {
	u, err := s.readUpload(ctx, d)
	if err != nil || u.ID == "" {
		return 0, last, err
	}
	parts, err := s.listParts(ctx, d, u)
	if err != nil && answered(err).Code != codeNoUpload {
		return 0, last, s.fail(uploadPath(d), false, err)
	}
	for _, p := range parts {
		bytes += p.Size
		if p.LastModified.After(last) {
			last = p.LastModified
		}
	}
	return bytes, last, nil
}

func (s *Store) sweepUpload(ctx context.Context, d schema.Digest) error {
	u, err := s.readUpload(ctx, d)
	if err != nil {
		return err
	}
	if u.ID != "" {
		err := s.core.AbortMultipartUpload(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), u.ID)
		if err != nil && answered(err).Code != codeNoUpload {
			return s.fail(uploadPath(d), true, err)
		}
	}
	return s.fail(uploadPath(d), true, s.remove(ctx, uploadPath(d)))
}

// readUpload reads the document of an upload; what is none, or gone, is the zero value.
func (s *Store) readUpload(ctx context.Context, d schema.Digest) (upload, error) {
	doc, _, err := s.get(ctx, uploadPath(d))
	if absent(err) {
		return upload{}, nil
	}
	if err != nil {
		return upload{}, s.fail(uploadPath(d), false, err)
	}
	var u upload
	if err := json.Unmarshal(doc, &u); err != nil {
		return upload{}, nil // it is none, and is swept as such
	}
	return u, nil
}

// WriteIndex implements zoo.IndexWriter.
func (s *Store) WriteIndex(ctx context.Context, index []byte) error {
	_, err := s.put(ctx, zoo.IndexPath, index, "application/json", condition{})
	return s.fail(zoo.IndexPath, true, err)
}
