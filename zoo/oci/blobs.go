package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// A registry keeps manifests and other blobs apart, while to zoo both are blobs. So what is not found as one is looked for as the
// other, and what is put is looked at.

// either looks for a blob, then for a manifest. Some registries answer 500 where a manifest is asked for that is another blob,
// which it may have become since: so each attempt asks for both.
func (r *repository) either(ctx context.Context, d schema.Digest, blob, manifest func() error) error {
	for failures := 1; ; failures++ {
		err := blob()
		if !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
		if err = manifest(); errors.Is(err, zoo.ErrNotFound) {
			return fmt.Errorf("%s: %w", d, zoo.ErrNotFound)
		}
		status := statusOf(err)
		if err == nil || failures >= r.s.c.pauses.attempts || !isPassing(ctx, err) || status != 0 && !passingStatus(status) {
			return err
		}
		if err := r.s.c.pauses.wait(ctx, failures, 0); err != nil {
			return err
		}
	}
}

// Stat implements zoo.Blobs.
func (r *repository) Stat(ctx context.Context, d schema.Digest) (size int64, err error) {
	if err := r.checkDigest(ctx, d); err != nil {
		return 0, err
	}
	err = r.either(ctx, d,
		func() (err error) { size, err = r.statBlob(ctx, d); return err },
		func() (err error) { size, err = r.statManifest(ctx, d); return err })
	if errors.Is(err, zoo.ErrNotFound) {
		r.s.where.missed(blobKey{r.path, d})
	}
	return size, err
}

func (r *repository) statBlob(ctx context.Context, d schema.Digest) (int64, error) {
	resp, err := r.s.c.do(ctx, request{what: d.String(), method: http.MethodHead, url: r.blobURL(d), scopes: r.pull()})
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, r.s.c.problem(d.String(), resp)
	}
	resp.Body.Close()
	if resp.ContentLength < 0 {
		return 0, fmt.Errorf("%s: %s does not say how large it is", d, r.s.c.location.Host)
	}
	r.s.where.found(blobKey{r.path, d})
	return resp.ContentLength, nil
}

func (r *repository) blobURL(d schema.Digest) string { return r.path + "/blobs/" + d.String() }

// Open implements zoo.Blobs.
func (r *repository) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	if err := r.checkDigest(ctx, d); err != nil {
		return nil, err
	}
	if m, ok := r.s.cache.get(blobKey{r.path, d}); ok {
		return io.NopCloser(bytes.NewReader(m.content)), nil
	}
	return r.reading(ctx, d,
		func() (io.ReadCloser, error) { return r.openKept(ctx, d) },
		func(content []byte) []byte { return content })
}

// reading opens a blob by open, or the part of a manifest.
func (r *repository) reading(ctx context.Context, d schema.Digest, open func() (io.ReadCloser, error), part func([]byte) []byte) (b io.ReadCloser, err error) {
	err = r.either(ctx, d,
		func() (err error) { b, err = open(); return err },
		func() error {
			m, err := r.fetch(ctx, d.String(), attemptOnce)
			if err == nil {
				b = io.NopCloser(bytes.NewReader(part(m.content)))
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// OpenRange implements zoo.RangeReader.
func (r *repository) OpenRange(ctx context.Context, d schema.Digest, offset, length int64) (io.ReadCloser, error) {
	size, err := r.Stat(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := zoo.CheckRange(d, size, offset, length); err != nil {
		return nil, err
	}
	if length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return r.reading(ctx, d,
		func() (io.ReadCloser, error) { return r.download(ctx, d, offset, offset+length) },
		func(content []byte) []byte { return content[offset : offset+length] })
}

// Put implements zoo.Blobs.
func (r *repository) Put(ctx context.Context, d schema.Digest, size int64, src io.Reader) error {
	if err := zoo.CheckPut(ctx, d, size); err != nil {
		return err
	}
	if err := zoo.CheckNameOf(ctx, r.name); err != nil {
		return err
	}
	// Of several at a time, one sends and the others find it sent.
	unlock, err := r.s.keys.lock(ctx, r.path+"@"+d.String())
	if err != nil {
		return err
	}
	defer unlock()
	key := blobKey{r.path, d}
	if !r.s.where.takeAbsent(key) {
		have, err := r.Stat(ctx, d)
		if err != nil && !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
		if err == nil && have == size {
			return nil
		}
	}
	verified := zoo.VerifyUpload(ctx, src, d, size)
	if size > max(closure.MaxManifest, int64(r.s.opts.Chunk)) {
		if err := r.upload(ctx, d, size, verified); err != nil {
			return err
		}
		r.s.where.found(key)
		return nil
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(verified, content); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, verified); err != nil { // the verdict comes with the end of the stream
		return err
	}
	if mediaType, ok := looksLikeManifest(content); ok && size <= closure.MaxManifest {
		err := r.pushManifest(ctx, d.String(), &cachedManifest{key: key, mediaType: mediaType, content: content}, nil)
		if !errors.Is(err, errManifestRefused) {
			return err
		}
		// It may be a file that only looks like one; if it is none, PutVersion will say so.
	}
	if err := r.uploadWhole(ctx, d, content); err != nil {
		return err
	}
	r.s.where.found(key)
	return nil
}
