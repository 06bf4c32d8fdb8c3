package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
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
	part, partial, err := requestedRange(c.Request, tag, size)
	if err != nil {
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return newProblem(http.StatusRequestedRangeNotSatisfiable, codeRange, "the blob has "+strconv.FormatInt(size, 10)+" bytes", "%s", err)
	}
	// Never a type that a browser would show.
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Length", strconv.FormatInt(part.length, 10))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.offset, part.offset+part.length-1, size))
	}
	if c.Request.Method == http.MethodHead {
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return nil
	}
	r, err := openPart(c.Request.Context(), s.store, d, part, size)
	if err != nil {
		return err
	}
	defer r.Close()
	c.Status(status)
	return copyOut(c.Writer, r, part.length)
}

// span is a part of a blob.
type span struct{ offset, length int64 }

// requestedRange reads the header Range (RFC 9110 §14): one range of bytes. Several at once, which nobody needs, get the whole
// blob. What is no range, or lies outside, is an error.
func requestedRange(r *http.Request, tag string, size int64) (part span, partial bool, err error) {
	whole := span{0, size}
	header := r.Header.Get("Range")
	text, ok := strings.CutPrefix(header, "bytes=")
	if header == "" || r.Method == http.MethodHead || strings.Contains(text, ",") {
		return whole, false, nil
	}
	if condition := r.Header.Get("If-Range"); condition != "" && condition != tag {
		return whole, false, nil
	}
	first, last, dash := strings.Cut(strings.TrimSpace(text), "-")
	if !ok || !dash {
		return whole, false, fmt.Errorf("the range %q is not of the form bytes=FIRST-LAST", shorten(header, 64))
	}
	if first == "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil || n == 0 || size == 0 {
			return whole, false, fmt.Errorf("the range %q names no bytes", shorten(header, 64))
		}
		n = min(n, uint64(size))
		return span{size - int64(n), int64(n)}, true, nil
	}
	from, err := strconv.ParseUint(first, 10, 63)
	if err != nil || from >= uint64(size) {
		return whole, false, fmt.Errorf("the range %q begins beyond the end", shorten(header, 64))
	}
	to := uint64(size - 1)
	if last != "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil || n < from {
			return whole, false, fmt.Errorf("the range %q ends before it begins", shorten(header, 64))
		}
		to = min(n, to)
	}
	return span{int64(from), int64(to - from + 1)}, true, nil
}

// openPart opens a part of a blob; a store that cannot do that is read from the beginning.
func openPart(ctx context.Context, s zoo.Store, d schema.Digest, part span, size int64) (io.ReadCloser, error) {
	if ranges, ok := s.(zoo.RangeReader); ok {
		return ranges.OpenRange(ctx, d, part.offset, part.length)
	}
	r, err := s.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, r, part.offset); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	return r, nil
}

// Writing is given up when a client takes no piece of this size for this long, however large the whole is.
const (
	pieceSize    = 256 << 10
	pieceTimeout = 60 * time.Second
)

// copyOut sends n bytes. An error of the reader ends the connection: what was promised cannot be kept any more.
func copyOut(w http.ResponseWriter, r io.Reader, n int64) error {
	control := http.NewResponseController(w)
	for n > 0 {
		if err := control.SetWriteDeadline(time.Now().Add(pieceTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		copied, err := io.CopyN(w, r, min(n, pieceSize))
		n -= copied
		if err != nil {
			return err
		}
	}
	return nil
}
