package s3

import (
	"bytes"
	"context"
	"crypto/md5" // the entity tags of servers without checksums
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// upload is a multipart upload under way. Its document lies under uploads/, so that any process can go on with it.
type upload struct {
	ID       string `json:"uploadId"`
	Size     int64  `json:"size"`
	PartSize int64  `json:"partSize"`
}

// uploadPath is where the document of a blob's upload lies.
func uploadPath(d schema.Digest) string { return zoo.UploadsPath + "/" + d.Hex() + uploadSuffix }

const uploadSuffix = ".json"

// usable reports whether the parts of an upload can be those of a blob.
func (u upload) usable(size int64) bool {
	return u.ID != "" && u.Size == size && u.PartSize >= minPartSize && u.PartSize <= maxPartSize && u.PartSize*maxParts >= size
}

// partSizeFor is the size of a new upload's parts, all but the last: as few as there may be, and no smaller than wished.
func (s *Store) partSizeFor(size int64) (int64, error) {
	const unit = 1 << 20
	least := (size + maxParts - 1) / maxParts
	part := max(s.partSize, (least+unit-1)/unit*unit)
	if part > maxPartSize {
		return 0, schema.Invalidf("blob", "size", "%d bytes are more than an object of S3 can have", size)
	}
	return part, nil
}

// putParts sends a blob in parts, of which the server may have some from an earlier attempt.
func (s *Store) putParts(ctx context.Context, d schema.Digest, size int64, r io.Reader, c condition) error {
	if c.create {
		honours, err := s.completesConditionally(ctx)
		if err != nil {
			return err
		}
		c.create = honours
	}
	u, there, err := s.resume(ctx, d, size)
	if err != nil {
		return err
	}
	parts, err := s.sendParts(ctx, d, u, there, r)
	if err != nil {
		if _, wrong := errors.AsType[*schema.Damaged](err); wrong && len(there) == 0 {
			s.abandon(ctx, d, u) // parts of what is not the blob
		}
		if answered(err).Code == codeNoUpload {
			return s.ended(ctx, d, size, err) // somebody else may have completed it
		}
		return err
	}
	return s.complete(ctx, d, u, parts, c)
}

// resume finds the upload of a blob and its parts, or begins one.
func (s *Store) resume(ctx context.Context, d schema.Digest, size int64) (upload, map[int]minio.ObjectPart, error) {
	path := uploadPath(d)
	for range attempts {
		doc, etag, err := s.get(ctx, path)
		if err != nil && !absent(err) {
			return upload{}, nil, s.fail(path, false, err)
		}
		if err == nil {
			var u upload
			if json.Unmarshal(doc, &u) == nil && u.usable(size) {
				parts, err := s.listParts(ctx, d, u)
				if err == nil {
					return u, parts, nil
				}
				if answered(err).Code != codeNoUpload {
					return upload{}, nil, s.fail(path, false, err)
				}
			}
			// It has ended, or is none. A new one takes its place.
		}
		u := upload{Size: size}
		if u.PartSize, err = s.partSizeFor(size); err != nil {
			return upload{}, nil, err
		}
		o := partedOptions(blobType)
		o.CacheControl = blobCache
		if u.ID, err = s.beginUpload(ctx, zoo.BlobPath(d), o); err != nil {
			return upload{}, nil, s.fail(zoo.BlobPath(d), true, err)
		}
		doc, err = json.Marshal(u)
		if err != nil {
			return upload{}, nil, err
		}
		_, err = s.put(ctx, path, doc, documentType, s.replacing(etag))
		if conditionFailed(err) {
			// Somebody else began one, unless it was this very write, whose answer was lost.
			var now upload
			if now, err = s.readUpload(ctx, d); err == nil && now != u {
				s.abort(ctx, d, u)
				continue
			}
		}
		if err != nil {
			s.abort(ctx, d, u)
			return upload{}, nil, s.fail(path, true, err)
		}
		return u, nil, nil
	}
	return upload{}, nil, fmt.Errorf("%s: other programs begin to upload it again and again: try later", zoo.BlobPath(d))
}

// replacing is the condition that an object is still the one that was read, or absent as it was for an empty tag.
func (s *Store) replacing(etag string) condition {
	if !s.puts.proven() {
		return condition{}
	}
	return condition{create: etag == "", etag: etag}
}

// listParts returns the parts that the server has, by number.
func (s *Store) listParts(ctx context.Context, d schema.Digest, u upload) (map[int]minio.ObjectPart, error) {
	parts := map[int]minio.ObjectPart{}
	for marker := 0; ; {
		page, err := s.core.ListObjectParts(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), u.ID, marker, 1000)
		if err != nil {
			return nil, err
		}
		for _, p := range page.ObjectParts {
			parts[p.PartNumber] = p
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			return parts, nil
		}
		marker = page.NextPartNumberMarker
	}
}

// sendParts reads the whole blob and sends the parts that are not there, as many at a time as there are buffers. A part that was on its
// way when the process died is sent again; those that had arrived are compared.
func (s *Store) sendParts(ctx context.Context, d schema.Digest, u upload, there map[int]minio.ObjectPart, r io.Reader) ([]minio.CompletePart, error) {
	parts := make([]minio.CompletePart, (u.Size+u.PartSize-1)/u.PartSize)
	group, inner := errgroup.WithContext(ctx)
	var readErr error
	for i := range parts {
		b, err := s.buffers.take(inner, min(u.PartSize, u.Size-int64(i)*u.PartSize))
		if err != nil {
			break // the group, or ctx, has the reason
		}
		if _, readErr = io.ReadFull(r, b.bytes); readErr != nil {
			b.give(false)
			break
		}
		group.Go(func() (err error) {
			defer func() { b.give(err != nil) }()
			sum := schema.DigestOf(b.bytes)
			if p, ok := there[i+1]; ok && same(p, b.bytes, sum) {
				parts[i] = completed(p)
				return nil
			}
			parts[i], err = s.sendPart(inner, d, u, i+1, b.bytes, sum)
			return err
		})
	}
	if readErr == nil && inner.Err() == nil {
		_, readErr = io.Copy(io.Discard, r) // the verdict comes with the end of the stream
	}
	err := group.Wait()
	switch {
	case readErr != nil:
		return nil, readErr
	case err != nil:
		return nil, s.fail(zoo.BlobPath(d), true, err)
	}
	return parts, ctx.Err()
}

// same reports whether a part on the server has these bytes. Servers that keep no checksums mostly have an MD5 as entity tag.
func same(p minio.ObjectPart, b []byte, sum schema.Digest) bool {
	if p.Size != int64(len(b)) {
		return false
	}
	if p.ChecksumSHA256 != "" {
		return p.ChecksumSHA256 == base64Of(sum)
	}
	h := md5.Sum(b) // not against attackers: the server holds what we sent it, or somebody who may write there
	return strings.Trim(p.ETag, `"`) == hex.EncodeToString(h[:])
}

func (s *Store) sendPart(ctx context.Context, d schema.Digest, u upload, number int, b []byte, sum schema.Digest) (part minio.CompletePart, err error) {
	err = again(ctx, func() error {
		p, err := s.core.PutObjectPart(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), u.ID, number, bytes.NewReader(b), int64(len(b)), s.partOptions(sum))
		part = completed(p)
		return err
	})
	return part, err
}

// complete makes the parts the blob.
func (s *Store) complete(ctx context.Context, d schema.Digest, u upload, parts []minio.CompletePart, c condition) error {
	o := partedOptions(blobType)
	switch {
	case c.create:
		o.SetMatchETagExcept("*")
	case c.etag != "":
		o.SetMatchETag(c.etag)
	}
	err := again(ctx, func() error {
		_, err := s.assembling.CompleteMultipartUpload(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), u.ID, parts, o)
		return err
	})
	switch {
	case err == nil:
		s.forget(ctx, d)
		return nil
	case conditionFailed(err), answered(err).Code == codeNoUpload, conflict(err):
		// The blob is there: by somebody else, or by our own request whose answer was lost.
		if err := s.ended(ctx, d, u.Size, err); err != nil {
			return err
		}
		s.abandon(ctx, d, u)
		return nil
	case answered(err).Code == codeBadPart:
		s.abandon(ctx, d, u)
		return fmt.Errorf("%s: another program changed its parts while they were sent: try again", zoo.BlobPath(d))
	}
	return s.fail(zoo.BlobPath(d), true, err)
}

// ended is what an upload that is no more comes to: success if the blob is there, else why. Who completes an upload may take the
// upload away a moment before the blob appears, so it is looked for a few times.
func (s *Store) ended(ctx context.Context, d schema.Digest, size int64, why error) error {
	const looks = 6
	for n := range looks {
		have, err := s.use(ctx, d)
		if err == nil && have.Size == size {
			return nil
		}
		if err != nil && !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(n) * 100 * time.Millisecond):
		}
	}
	return fmt.Errorf("%w: the upload was ended by another program: try again", s.fail(zoo.BlobPath(d), true, why))
}

// abandon ends an upload that nobody should go on with.
func (s *Store) abandon(ctx context.Context, d schema.Digest, u upload) {
	s.abort(ctx, d, u)
	s.forget(ctx, d)
}

// abort and forget clean up, also when ctx has ended. What they leave is swept later, so their errors do not matter.

func (s *Store) abort(ctx context.Context, d schema.Digest, u upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	_ = s.core.AbortMultipartUpload(ctx, s.location.Bucket, s.key(zoo.BlobPath(d)), u.ID)
}

func (s *Store) forget(ctx context.Context, d schema.Digest) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	_ = s.remove(ctx, uploadPath(d))
}

const cleanupTimeout = 10 * time.Second

// remove deletes an object; one that is not there is success. Errors are the server's.
func (s *Store) remove(ctx context.Context, path string) error {
	err := s.core.RemoveObject(ctx, s.location.Bucket, s.key(path), minio.RemoveObjectOptions{})
	if answered(err).StatusCode == http.StatusNotFound && absent(err) {
		return nil
	}
	return err
}
