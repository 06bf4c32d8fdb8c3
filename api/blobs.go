package api

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/transfer"
	"github.com/reprise-ml/reprise/schema"
)

// blob answers GET /blobs/sha256/<hex>: bytes that never change. They are passed on as they are stored; who asked for a digest
// compares it, and so finds damage that the server would have to hide.
func (s *Service) blob(c *gin.Context) error {
	d, err := schema.DigestFromHex(c.Param("hex"))
	if err != nil {
		return newProblem(http.StatusNotFound, codeNotFound, "", "%s", err)
	}
	size, err := s.store.Stat(c.Request.Context(), d)
	if err != nil {
		return err
	}
	if s.Presign != nil && c.Request.Method == http.MethodGet {
		return s.Presign.redirect(c, d)
	}
	h := c.Writer.Header()
	tag := `"` + d.String() + `"`
	h.Set("Etag", tag)
	h.Set("Cache-Control", cacheForever)
	h.Set("Accept-Ranges", "bytes")
	if sameTag(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	part, partial, err := transfer.Requested(c.Request, tag, size)
	if err != nil {
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return newProblem(http.StatusRequestedRangeNotSatisfiable, codeRange, "the blob has "+strconv.FormatInt(size, 10)+" bytes", "%s", err)
	}
	status := transfer.Head(h, part, partial, size)
	if c.Request.Method == http.MethodHead {
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return nil
	}
	r, err := transfer.OpenPart(c.Request.Context(), s.store, d, part)
	if err != nil {
		return err
	}
	defer r.Close()
	c.Status(status)
	return transfer.Send(c.Writer, r, part.Length)
}
