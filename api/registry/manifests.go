package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// getManifest answers GET and HEAD of a manifest, by version, tag or digest. What a client says that it takes is not looked at:
// a manifest has one form.
func (r *Registry) getManifest(c *gin.Context, p place) error {
	ctx := c.Request.Context()
	e, b, err := r.find(ctx, p.name, p.last)
	if err != nil {
		return err
	}
	tag := r.describe(c, e.Digest)
	if sameTag(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	if b == nil && c.Request.Method == http.MethodGet {
		if b, err = r.read(ctx, p.name, e.Digest, e.Size); err != nil {
			return err
		}
	}
	c.Header("Content-Type", e.MediaType)
	c.Header("Content-Length", strconv.FormatInt(e.Size, 10))
	c.Status(http.StatusOK)
	c.Writer.WriteHeaderNow()
	if c.Request.Method != http.MethodHead {
		_, _ = c.Writer.Write(b) // a client that is gone needs no answer
	}
	return nil
}

// find returns the entry that a reference leads to, and the manifest's bytes if it had to read them.
func (r *Registry) find(ctx context.Context, name, reference string) (zoo.Entry, []byte, error) {
	unknown := fail(http.StatusNotFound, codeManifestUnknown, "%s has no manifest %.150q", name, reference)
	if !strings.Contains(reference, ":") {
		e, err := r.selected(ctx, name, reference)
		if errors.Is(err, zoo.ErrNotFound) {
			err = unknown
		}
		return e, nil, err
	}
	d, err := parseDigest(reference)
	if err != nil {
		return zoo.Entry{}, nil, err
	}
	m, b, err := r.manifest(ctx, name, d)
	if errors.Is(err, zoo.ErrNotFound) {
		return zoo.Entry{}, nil, unknown
	}
	if err != nil {
		return zoo.Entry{}, nil, err
	}
	return m.entry(), b, nil
}

// selected returns the entry of a version or tag. What is neither is not there.
func (r *Registry) selected(ctx context.Context, name, selector string) (zoo.Entry, error) {
	if schema.CheckVersion(selector) == nil {
		return r.store.Version(ctx, name, selector)
	}
	if schema.CheckTag(selector) != nil {
		return zoo.Entry{}, zoo.ErrNotFound
	}
	return r.store.Tag(ctx, name, selector)
}

// manifest reads one by its digest. A blob that is none, and one that was deleted from the name, is zoo.ErrNotFound.
func (r *Registry) manifest(ctx context.Context, name string, d schema.Digest) (*manifest, []byte, error) {
	size, err := zoo.BlobsOf(r.store, name).Stat(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	deleted, err := r.deleted(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if size > closure.MaxManifest || deleted[d] {
		return nil, nil, zoo.ErrNotFound
	}
	b, err := r.read(ctx, name, d, size)
	if err != nil {
		return nil, nil, err
	}
	m, err := parseManifest(b, "")
	if err != nil {
		return nil, nil, zoo.ErrNotFound
	}
	return m, b, nil
}

func (r *Registry) read(ctx context.Context, name string, d schema.Digest, size int64) ([]byte, error) {
	return closure.ReadBlob(ctx, zoo.BlobsOf(r.store, name), "manifest "+d.String(), d, size, closure.MaxManifest)
}

// putManifest answers PUT of a manifest: to a version, which is published then and never changes; to a tag, which moves; or
// to its digest. With If-Match, or If-None-Match: *, a tag moves only from where the client saw it.
func (r *Registry) putManifest(c *gin.Context, p place) error {
	ctx := c.Request.Context()
	target, err := readTarget(c.Request, p.last)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, closure.MaxManifest))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return fail(http.StatusRequestEntityTooLarge, codeManifestInvalid, "a manifest has at most %d bytes: use fewer, larger files", closure.MaxManifest)
		}
		return err
	}
	m, err := parseManifest(b, target.mediaType)
	if err != nil {
		return err
	}
	if !target.digest.IsZero() && m.digest != target.digest {
		return fail(http.StatusBadRequest, codeDigestInvalid, "the manifest is %s, not %s", m.digest, target.digest)
	}
	if target.version != "" {
		have, err := r.store.Version(ctx, p.name, target.version)
		if err == nil {
			err = zoo.SameVersion(p.name, target.version, have, m.entry())
		}
		if err != nil && !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
	}
	if err := r.checkKind(ctx, p.name, m, b, target.version != ""); err != nil {
		return err
	}
	if err := r.checkBlobs(ctx, p.name, m); err != nil {
		return err
	}
	if err := r.publish(ctx, p.name, target, m, b); err != nil {
		return err
	}
	h := c.Writer.Header()
	if m.Subject != nil {
		h.Set("OCI-Subject", m.Subject.Digest.String())
	}
	r.describe(c, m.digest)
	h.Set("Location", "/v2/"+p.name+"/manifests/"+m.digest.String())
	c.Status(http.StatusCreated)
	c.Writer.WriteHeaderNow()
	return nil
}

// target is where a manifest is put: one of version, tag and digest is set.
type target struct {
	version, tag string
	digest       schema.Digest
	mediaType    string
	// conditional: the tag moves only if it is at seen; the zero digest is nowhere.
	conditional bool
	seen        schema.Digest
}

func readTarget(q *http.Request, reference string) (target, error) {
	var t target
	switch {
	case strings.Contains(reference, ":"):
		d, err := parseDigest(reference)
		if err != nil {
			return t, err
		}
		t.digest = d
	case schema.CheckVersion(reference) == nil:
		t.version = reference
	default:
		if err := schema.CheckTag(reference); err != nil {
			return t, fail(http.StatusBadRequest, codeManifestInvalid, "%s", err)
		}
		t.tag = reference
	}
	if header := q.Header.Get("Content-Type"); header != "" {
		kind, _, err := mime.ParseMediaType(header)
		if err != nil {
			return t, fail(http.StatusBadRequest, codeManifestInvalid, "the header Content-Type is no media type: %s", err)
		}
		if kind != "application/json" && kind != "application/octet-stream" { // which say nothing
			t.mediaType = kind
		}
	}
	match, none := q.Header.Get("If-Match"), q.Header.Get("If-None-Match")
	switch {
	case match == "" && none == "":
		return t, nil
	case t.tag == "":
		return t, fail(http.StatusBadRequest, codeUnsupported, "only tags move, so that only they can be put on conditions")
	case none == "*" && match == "":
	case match != "" && none == "":
		d, err := schema.ParseDigest(strings.Trim(match, `"`))
		if err != nil {
			return t, fail(http.StatusBadRequest, codeDigestInvalid, "the header If-Match is not the digest of a manifest between quotes")
		}
		t.seen = d
	default:
		return t, fail(http.StatusBadRequest, codeUnsupported, "the condition is neither If-Match with a digest nor If-None-Match: *")
	}
	t.conditional = true
	return t, nil
}

// publish stores a manifest, then what leads to it.
func (r *Registry) publish(ctx context.Context, name string, to target, m *manifest, b []byte) error {
	e := m.entry()
	if err := zoo.BlobsOf(r.store, name).Put(ctx, e.Digest, e.Size, bytes.NewReader(b)); err != nil {
		return fmt.Errorf("storing a manifest: %w", err)
	}
	if err := r.undelete(ctx, name, e.Digest); err != nil {
		return err
	}
	if m.Subject != nil {
		if err := zoo.ReferrersOf(r.store, name).PutReferrer(ctx, m.Subject.Digest, e); err != nil {
			return err
		}
		r.onChange(m.Subject.Digest)
	}
	switch {
	case to.version != "":
		if err := r.store.PutVersion(ctx, name, to.version, e); err != nil {
			return err
		}
		r.onChange(e.Digest)
	case to.conditional:
		return r.store.SwapTag(ctx, name, to.tag, to.seen, e)
	case to.tag != "":
		return zoo.MoveTag(ctx, r.store, name, to.tag, e)
	}
	return nil
}
