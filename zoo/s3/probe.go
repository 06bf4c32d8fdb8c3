package s3

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// conditions is what is known of whether the server decides a kind of write by its condition.
type conditions struct {
	mu      sync.Mutex
	tried   bool
	honours bool
}

// known returns what try found, which is run once; its errors are not remembered.
func (c *conditions) known(try func() (bool, error)) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tried {
		return c.honours, nil
	}
	honours, err := try()
	if err != nil {
		return false, err
	}
	c.tried, c.honours = true, honours
	return honours, nil
}

func (c *conditions) proven() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tried && c.honours
}

// layoutDocument is what the conditions are tried on: whoever overwrites it writes the same bytes.
var layoutDocument = []byte(zoo.LayoutDocument)

// noETag is the entity tag of nothing.
const noETag = "00000000000000000000000000000000"

// putsConditionally reports whether the server decides a PUT by If-None-Match and If-Match. There is an oci-layout afterwards.
func (s *Store) putsConditionally(ctx context.Context) (bool, error) {
	return s.puts.known(func() (bool, error) {
		create := func() (bool, error) { return s.refused(s.putLayout(ctx, condition{create: true})) }
		created, err := create()
		if err == nil && !created {
			// The first to come here creates it; the second must be told that it is there.
			created, err = create()
		}
		if err != nil {
			return false, err
		}
		swapped, err := s.refused(s.putLayout(ctx, condition{etag: noETag}))
		if err != nil {
			return false, err
		}
		if created && swapped {
			return true, nil
		}
		// A server that does not know a condition may have refused the write as a whole.
		if err := s.putLayout(ctx, condition{}); err != nil {
			return false, s.fail("writing "+zoo.LayoutPath, true, err)
		}
		s.warn(fmt.Sprintf("%s ignores conditional writes: of several programs that publish one version or move one tag at the same "+
			"time, more than one may be told that it did. Let one program at a time write to this store.", s.location.Endpoint))
		return false, nil
	})
}

func (s *Store) putLayout(ctx context.Context, c condition) error {
	_, err := s.put(ctx, zoo.LayoutPath, layoutDocument, documentType, c)
	return err
}

// refused tells a refusal by condition from success and from a server that has no conditions.
func (s *Store) refused(err error) (bool, error) {
	switch {
	case err == nil, unsupported(err):
		return false, nil
	case conditionFailed(err):
		return true, nil
	}
	return false, s.fail("trying conditional writes on "+zoo.LayoutPath, true, err)
}

// completesConditionally reports whether the server decides the completion of a multipart upload by If-None-Match.
func (s *Store) completesConditionally(ctx context.Context) (bool, error) {
	return s.parts.known(func() (bool, error) {
		if puts, err := s.putsConditionally(ctx); err != nil || !puts {
			return false, err
		}
		key := s.key(zoo.LayoutPath)
		id, err := s.beginUpload(ctx, zoo.LayoutPath, partedOptions(documentType))
		if err != nil {
			return false, s.fail("trying a multipart upload", true, err)
		}
		// Whatever comes: nothing is left of it.
		defer func() {
			_ = s.core.AbortMultipartUpload(context.WithoutCancel(ctx), s.location.Bucket, key, id)
		}()
		var part minio.ObjectPart
		err = again(ctx, func() (err error) {
			part, err = s.core.PutObjectPart(ctx, s.location.Bucket, key, id, 1, bytes.NewReader(layoutDocument), int64(len(layoutDocument)), s.partOptions(schema.DigestOf(layoutDocument)))
			return err
		})
		if err != nil {
			return false, s.fail("trying a multipart upload", true, err)
		}
		o := partedOptions(documentType)
		o.SetMatchETagExcept("*")
		refused, err := s.refused(again(ctx, func() error {
			_, err := s.core.CompleteMultipartUpload(ctx, s.location.Bucket, key, id, []minio.CompletePart{completed(part)}, o)
			return err
		}))
		if err != nil {
			return false, err
		}
		if !refused {
			s.warn(fmt.Sprintf("%s ignores conditions at the end of a multipart upload: two programs that upload one large file "+
				"at the same time both store it, with the same bytes.", s.location.Endpoint))
		}
		return refused, nil
	})
}

// beginUpload begins a multipart upload of an object. Errors are the server's.
func (s *Store) beginUpload(ctx context.Context, path string, o minio.PutObjectOptions) (id string, err error) {
	err = again(ctx, func() (err error) {
		id, err = s.core.NewMultipartUpload(ctx, s.location.Bucket, s.key(path), o)
		return err
	})
	return id, err
}

// partedOptions begin, and end, a multipart upload whose parts are checked by their SHA-256.
func partedOptions(contentType string) minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType:  contentType,
		UserMetadata: map[string]string{"X-Amz-Checksum-Algorithm": "SHA256"},
	}
}

// signedDigest is the digest of a body as its signature has it. TLS keeps a body whole anyway, and the server, which compares the
// checksum, need not hash it twice.
func (s *Store) signedDigest(d schema.Digest) string {
	if strings.HasPrefix(s.location.Endpoint, "https:") {
		return ""
	}
	return d.Hex()
}

// partOptions send a part that has a digest.
func (s *Store) partOptions(d schema.Digest) minio.PutObjectPartOptions {
	return minio.PutObjectPartOptions{
		Sha256Hex: s.signedDigest(d), DisableContentSha256: true,
		CustomHeader: http.Header{http.CanonicalHeaderKey(checksumHeader): {base64Of(d)}},
	}
}

// completed is what the end of an upload says of a part.
func completed(p minio.ObjectPart) minio.CompletePart {
	return minio.CompletePart{PartNumber: p.PartNumber, ETag: p.ETag, ChecksumSHA256: p.ChecksumSHA256}
}
