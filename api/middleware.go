package api

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// contentSecurityPolicy lets a page load nothing but the site's own files, and run no script that is not one of them.
const contentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
	"img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; font-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// securityHeaders are on every answer. The cross-origin ones make the page isolated: workers get precise clocks, and no other
// site can embed or read what is served.
var securityHeaders = [...][2]string{
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Embedder-Policy", "require-corp"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
}

// secure sets them. Pages may connect to the place to which blobs are redirected.
func (s *Service) secure() gin.HandlerFunc {
	policy := contentSecurityPolicy
	if s.Presign != nil {
		policy = strings.Replace(policy, "connect-src 'self'", "connect-src 'self' "+s.Presign.Origin, 1)
	}
	return func(c *gin.Context) {
		h := c.Writer.Header()
		for _, header := range securityHeaders {
			h.Set(header[0], header[1])
		}
		h.Set("Content-Security-Policy", policy)
	}
}

// record logs each request when it is done: no query, no body, no address of a client.
func record(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		c.Next()
		attributes := []any{
			"method", c.Request.Method, "path", c.Request.URL.Path, "status", c.Writer.Status(),
			"bytes", max(0, c.Writer.Size()), "ms", time.Since(start).Milliseconds(),
		}
		if len(c.Errors) > 0 {
			attributes = append(attributes, "error", c.Errors.Last().Err.Error())
		}
		switch {
		case c.Writer.Status() >= http.StatusInternalServerError:
			log.Error("request", attributes...)
		default:
			log.Info("request", attributes...)
		}
	}
}

// survive answers a panic of a handler with a problem, and logs it.
func survive(log *slog.Logger) gin.HandlerFunc {
	return gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, reason any) {
		log.Error("panic", "path", c.Request.URL.Path, "reason", reason)
		if !c.Writer.Written() {
			writeProblem(c.Writer, problemOf(errors.New("panic")))
		}
		c.Abort()
	})
}

// handler answers a request. An error that it returns before it has written anything becomes a problem.
type handler func(c *gin.Context) error

func handle(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := h(c)
		if err == nil {
			return
		}
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			_ = c.Error(err) // only notes it for the log
		}
		if !c.Writer.Written() {
			writeProblem(c.Writer, p)
		}
	}
}
