package s3

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Open implements zoo.Blobs.
func (s *Store) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	r, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	return verified{closure.VerifyReader(r, zoo.BlobPath(d), d, -1), r}, nil
}

type verified struct {
	io.Reader
	io.Closer
}

// OpenRange implements zoo.RangeReader.
func (s *Store) OpenRange(ctx context.Context, d schema.Digest, offset, length int64) (io.ReadCloser, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return nil, err
	}
	// The server would shorten a range that goes beyond the end, and refuses an empty one.
	o, err := s.stat(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := zoo.CheckRange(d, o.Size, offset, length); err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, store: s, digest: d, etag: o.ETag, at: offset, end: offset + length}, nil
}

// Stat implements zoo.Blobs.
func (s *Store) Stat(ctx context.Context, d schema.Digest) (int64, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return 0, err
	}
	o, err := s.stat(ctx, d)
	return o.Size, err
}

func (s *Store) stat(ctx context.Context, d schema.Digest) (minio.ObjectInfo, error) {
	o, err := s.core.StatObject(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), minio.StatObjectOptions{})
	return o, s.blobError(d, err)
}

func (s *Store) blobError(d schema.Digest, err error) error {
	if absent(err) {
		return fmt.Errorf("%s: %w", d, zoo.ErrNotFound)
	}
	return s.fail(zoo.BlobPath(d), false, err)
}

// AllBlobs implements zoo.BlobLister.
func (s *Store) AllBlobs(ctx context.Context) iter.Seq2[schema.Digest, error] {
	return func(yield func(schema.Digest, error) bool) {
		for u, err := range s.allBlobs(ctx) {
			if !yield(u.Digest, err) {
				return
			}
		}
	}
}

// allBlobs lists the blobs with their sizes and when they were stored.
func (s *Store) allBlobs(ctx context.Context) iter.Seq2[zoo.BlobUse, error] {
	return func(yield func(zoo.BlobUse, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o, err := range s.list(ctx, zoo.BlobsPath+"/") {
			if err != nil {
				yield(zoo.BlobUse{}, s.fail(zoo.BlobsPath, false, err))
				return
			}
			d, err := schema.DigestFromHex(strings.TrimPrefix(o.path, zoo.BlobsPath+"/"))
			if err == nil && !yield(zoo.BlobUse{Digest: d, Size: o.Size, Last: o.LastModified}, nil) {
				return
			}
		}
	}
}

// listed is an object and its path in the tree.
type listed struct {
	minio.ObjectInfo
	path string
}

// list yields the objects whose paths begin with a prefix, in the order of their names. Errors are the server's.
func (s *Store) list(ctx context.Context, prefix string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(listed{}, err)
			return
		}
		owner := false
		for o := range s.core.ListObjectsIter(ctx, s.location.Bucket, minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true, FetchOwner: &owner}) {
			if o.Err != nil {
				yield(listed{}, o.Err)
				return
			}
			if !yield(listed{o, s.path(o.Key)}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(listed{}, err)
		}
	}
}

// DeleteBlob implements zoo.BlobDeleter.
func (s *Store) DeleteBlob(ctx context.Context, d schema.Digest) error {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return err
	}
	return s.fail(zoo.BlobPath(d), true, s.remove(ctx, zoo.BlobPath(d)))
}

// PresignBlob implements zoo.Presigner.
func (s *Store) PresignBlob(ctx context.Context, d schema.Digest, ttl time.Duration) (string, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return "", err
	}
	if !s.signed {
		return "", fmt.Errorf("signing a URL: no credentials were found: %s", credentialsHint)
	}
	// Never a type that a browser would show.
	answer := url.Values{"response-content-type": {blobType}, "response-content-disposition": {"attachment"}, "response-cache-control": {blobCache}}
	u, err := s.core.PresignedGetObject(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), ttl, answer)
	if err != nil {
		return "", s.fail("signing a URL", false, err)
	}
	return u.String(), nil
}

// PresignOrigin implements zoo.Presigner.
func (s *Store) PresignOrigin(ctx context.Context) (string, error) {
	text, err := s.PresignBlob(ctx, schema.DigestOf(nil), time.Minute)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host, nil
}
