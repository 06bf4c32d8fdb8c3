package registry

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/transfer"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// getBlob answers GET and HEAD of a blob, also of a part.
func (r *Registry) getBlob(c *gin.Context, p place) error {
	d, err := parseDigest(p.last)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	blobs := zoo.BlobsOf(r.store, p.name)
	size, err := r.statBlob(c, p.name, d)
	if errors.Is(err, zoo.ErrNotFound) {
		return fail(http.StatusNotFound, codeBlobUnknown, "%s: there is no such blob", d)
	}
	if err != nil {
		return err
	}
	tag := r.describe(c, d)
	h := c.Writer.Header()
	h.Set("Accept-Ranges", "bytes")
	if sameTag(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	if r.redirect != nil && c.Request.Method == http.MethodGet {
		u, err := r.redirect(ctx, d)
		if err != nil {
			return err
		}
		h.Set("Cache-Control", "no-store")
		h.Set("Location", u)
		c.Status(http.StatusTemporaryRedirect)
		c.Writer.WriteHeaderNow()
		return nil
	}
	part, partial, err := transfer.Requested(c.Request, tag, size)
	if err != nil {
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return fail(http.StatusRequestedRangeNotSatisfiable, codeSizeInvalid, "%s; the blob has %d bytes", err, size)
	}
	status := transfer.Head(h, part, partial, size)
	if c.Request.Method == http.MethodHead {
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return nil
	}
	var content io.ReadCloser
	send := transfer.Send
	if partial {
		content, err = transfer.OpenPart(ctx, blobs, d, part)
	} else {
		content, err = blobs.Open(ctx, d)
		send = transfer.SendWhole
	}
	if err != nil {
		return err
	}
	defer content.Close()
	c.Status(status)
	c.Writer.WriteHeaderNow()
	return send(c.Writer, content, part.Length)
}

// statBlob returns the size of a blob. Whoever may push asks in order not to send it again, and so counts on it.
func (r *Registry) statBlob(c *gin.Context, name string, d schema.Digest) (int64, error) {
	ctx := c.Request.Context()
	if t, _ := c.MustGet(tokenKey).(*Token); t != nil && c.Request.Method == http.MethodHead && t.Scope.allows(ScopePush) {
		return r.use(ctx, name, d)
	}
	return zoo.BlobsOf(r.store, name).Stat(ctx, d)
}

// describe sets the headers of an answer that has a digest, and returns the entity tag.
func (r *Registry) describe(c *gin.Context, d schema.Digest) (tag string) {
	tag = `"` + d.String() + `"`
	h := c.Writer.Header()
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Etag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if r.AnonymousPull {
		h.Set("Cache-Control", "no-cache")
	}
	return tag
}

// sameTag compares the tags of a header If-Match or If-None-Match with one.
func sameTag(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
