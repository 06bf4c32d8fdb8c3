package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
)

// minGzip is where compressing begins to pay.
const minGzip = 1 << 10

// How long an answer may be kept.
const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheAsk     = "no-cache" // keep it, and ask whether it is still so
)

// answer writes v as JSON.
func answer(c *gin.Context, status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // nosniff and the content type keep it from being taken for HTML
	if err := e.Encode(v); err != nil {
		return err
	}
	c.Header("Cache-Control", cacheAsk)
	return send(c, status, "application/json", b.Bytes())
}

// send writes a whole body, compressed if the client takes that, unless the client has it already. The header Cache-Control is
// the caller's.
func send(c *gin.Context, status int, contentType string, body []byte) error {
	h := c.Writer.Header()
	h.Set("Content-Type", contentType)
	h.Add("Vary", "Accept-Encoding")
	if status == http.StatusOK {
		tag := `W/"` + schema.DigestOf(body).Hex()[:32] + `"`
		h.Set("Etag", tag)
		if sameTag(c.GetHeader("If-None-Match"), tag) {
			c.Status(http.StatusNotModified)
			c.Writer.WriteHeaderNow()
			return nil
		}
	}
	if len(body) >= minGzip && compressible(contentType) && takesGzip(c.Request) {
		h.Set("Content-Encoding", "gzip")
		body = compress(body, gzip.BestSpeed)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Status(status)
	c.Writer.WriteHeaderNow()
	if c.Request.Method != http.MethodHead {
		_, _ = c.Writer.Write(body) // a client that is gone needs no answer
	}
	return nil
}

// sameTag compares entity tags weakly, as If-None-Match does (RFC 9110 §13.1.2).
func sameTag(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

func compressible(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	switch kind {
	case "application/json", "application/javascript", "text/javascript", "application/wasm", "image/svg+xml", "application/manifest+json":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// takesGzip reads Accept-Encoding; "gzip;q=0" is a refusal.
func takesGzip(r *http.Request) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
		if coding == "gzip" {
			weight = strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return weight == "" || strings.Trim(weight, "0.") != ""
		}
	}
	return false
}

var writers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant of the package
	}
	return w
}}

func compress(body []byte, level int) []byte {
	var b bytes.Buffer
	if level != gzip.BestSpeed {
		w, err := gzip.NewWriterLevel(&b, level)
		if err != nil {
			panic(err) // levels are constants of the package
		}
		finish(w, body)
		return b.Bytes()
	}
	w := writers.Get().(*gzip.Writer)
	defer writers.Put(w)
	w.Reset(&b)
	finish(w, body)
	return b.Bytes()
}

// finish writes to a buffer in memory, which does not fail.
func finish(w *gzip.Writer, body []byte) {
	_, _ = w.Write(body)
	_ = w.Close()
}
