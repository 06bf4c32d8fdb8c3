package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

const (
	documentType = "application/json"
	blobType     = "application/octet-stream"
	// blobCache lets caches keep what never changes, where browsers read blobs from the bucket.
	blobCache      = "public, max-age=31536000, immutable"
	checksumHeader = "x-amz-checksum-sha256"
)

// condition is what must hold for a write: nothing, that there is no object, or that it is the one that was read.
type condition struct {
	create bool
	etag   string
}

// attempts is how often a write is made that meets others, or that arrives changed.
const attempts = 8

// put writes an object in one request; the server checks the digest of what arrives. Errors are the server's.
func (s *Store) put(ctx context.Context, path string, b []byte, contentType string, c condition) (etag string, err error) {
	d := schema.DigestOf(b)
	o := minio.PutObjectOptions{
		ContentType: contentType, DisableContentSha256: true,
		UserMetadata: map[string]string{checksumHeader: base64Of(d)},
	}
	if contentType == blobType {
		o.CacheControl = blobCache
	}
	switch {
	case c.create:
		o.SetMatchETagExcept("*")
	case c.etag != "":
		o.SetMatchETag(c.etag)
	}
	err = again(ctx, func() error {
		info, err := s.core.PutObject(ctx, s.location.Bucket, s.key(path), bytes.NewReader(b), int64(len(b)), "", d.Hex(), o)
		etag = info.ETag
		return err
	})
	if c.etag != "" && absent(err) {
		// Some say so, instead of that the condition failed.
		return "", minio.ErrorResponse{Code: minio.PreconditionFailed, StatusCode: 412, Message: "the object is gone"}
	}
	return etag, err
}

// again makes a write until it neither meets another nor arrives changed. What else can pass is tried again by the client.
func again(ctx context.Context, write func() error) error {
	for attempt := 1; ; attempt++ {
		err := write()
		if attempt == attempts || !conflict(err) && !corrupted(err) {
			return err
		}
		if err := pause(ctx, time.Duration(attempt)*20*time.Millisecond); err != nil {
			return err
		}
	}
}

// base64Of spells a digest as S3 does.
func base64Of(d schema.Digest) string {
	b, err := hex.DecodeString(d.Hex())
	if err != nil {
		panic(err) // a digest is made of hexadecimal digits
	}
	return base64.StdEncoding.EncodeToString(b)
}

// Put implements zoo.Blobs. A blob that is there with another size was put there by something else than this package, and is
// replaced.
func (s *Store) Put(ctx context.Context, d schema.Digest, size int64, r io.Reader) error {
	if err := zoo.CheckPut(ctx, d, size); err != nil {
		return err
	}
	conditional, err := s.putsConditionally(ctx)
	if err != nil {
		return err
	}
	have, err := s.use(ctx, d)
	var c condition
	switch {
	case err == nil && have.Size == size:
		return nil
	case err != nil && !errors.Is(err, zoo.ErrNotFound):
		return err
	case !conditional:
	case err == nil:
		c.etag = have.ETag
	default:
		c.create = true
	}
	verified := zoo.VerifyUpload(ctx, r, d, size)
	if size > s.partSize {
		err = s.putParts(ctx, d, size, verified, c)
	} else {
		err = s.putWhole(ctx, d, size, verified, c)
	}
	if err != nil {
		return err
	}
	if !conditional {
		return s.readBack(ctx, d, size)
	}
	return nil
}

// putWhole sends a blob in one request.
func (s *Store) putWhole(ctx context.Context, d schema.Digest, size int64, r io.Reader, c condition) error {
	b, err := s.buffers.take(ctx, size)
	if err != nil {
		return err
	}
	defer func() { b.give(err != nil) }()
	if _, err = io.ReadFull(r, b.bytes); err != nil {
		return err
	}
	if _, err = io.Copy(io.Discard, r); err != nil { // the verdict comes with the end of the stream
		return err
	}
	_, err = s.put(ctx, zoo.BlobPath(d), b.bytes, blobType, c)
	if conditionFailed(err) {
		return s.readBack(ctx, d, size)
	}
	return s.fail(zoo.BlobPath(d), true, err)
}

// readBack looks whether the blob is there, whoever put it there, and counts as a use of it.
func (s *Store) readBack(ctx context.Context, d schema.Digest, size int64) error {
	have, err := s.use(ctx, d)
	switch {
	case errors.Is(err, zoo.ErrNotFound):
		return fmt.Errorf("%s: it was removed while it was stored: try again", zoo.BlobPath(d))
	case err != nil:
		return err
	case have.Size != size:
		return fmt.Errorf("%s: another program stored %d bytes in its place: try again", zoo.BlobPath(d), have.Size)
	}
	return nil
}
