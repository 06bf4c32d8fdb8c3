package s3

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// reader reads an object, or a part of it, and goes on where a connection was cut.
type reader struct {
	ctx     context.Context // that of Open, as with a request's body
	store   *Store
	digest  schema.Digest
	etag    string
	at, end int64
	body    io.ReadCloser // nil before the first request and after a cut
	cuts    int           // since bytes came
	err     error
}

// maxCuts is how often in a row a connection may be cut before anything came.
const maxCuts = 8

// open opens a blob at its beginning.
func (s *Store) open(ctx context.Context, d schema.Digest) (*reader, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return nil, err
	}
	body, info, _, err := s.core.GetObject(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), minio.GetObjectOptions{})
	if err != nil {
		return nil, s.blobError(d, err)
	}
	return &reader{ctx: ctx, store: s, digest: d, etag: info.ETag, end: info.Size, body: body}, nil
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		switch {
		case r.err != nil:
			return 0, r.err
		case r.at == r.end:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		if r.body == nil {
			if r.err = r.reopen(); r.err != nil {
				continue
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.at)])
		r.at += int64(n)
		if n > 0 {
			r.cuts = 0
		}
		if err != nil && r.at < r.end {
			r.err = r.cut(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// cut takes note of a connection that ended too early.
func (r *reader) cut(err error) error {
	r.body.Close()
	r.body = nil
	if ctxErr := r.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	if r.cuts++; r.cuts > maxCuts {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return r.store.fail(zoo.BlobPath(r.digest), false, err)
	}
	return pause(r.ctx, time.Duration(r.cuts-1)*50*time.Millisecond)
}

// reopen asks for the rest, of the same object.
func (r *reader) reopen() error {
	var o minio.GetObjectOptions
	if err := o.SetRange(r.at, r.end-1); err != nil {
		return err
	}
	if r.etag != "" {
		if err := o.SetMatchETag(r.etag); err != nil {
			return err
		}
	}
	body, _, _, err := r.store.core.GetObject(r.ctx, r.store.location.Bucket, r.store.key(zoo.BlobPath(r.digest)), o)
	if err != nil {
		return r.store.blobError(r.digest, err)
	}
	r.body = body
	return nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}
