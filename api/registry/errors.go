package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/reprise-ml/reprise/api/transfer"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Codes of the distribution specification, and two of our own for errors of the server.
const (
	codeBlobUnknown         = "BLOB_UNKNOWN"
	codeUploadInvalid       = "BLOB_UPLOAD_INVALID"
	codeUploadUnknown       = "BLOB_UPLOAD_UNKNOWN"
	codeDigestInvalid       = "DIGEST_INVALID"
	codeManifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
	codeManifestInvalid     = "MANIFEST_INVALID"
	codeManifestUnknown     = "MANIFEST_UNKNOWN"
	codeNameInvalid         = "NAME_INVALID"
	codeNameUnknown         = "NAME_UNKNOWN"
	codeSizeInvalid         = "SIZE_INVALID"
	codeUnauthorized        = "UNAUTHORIZED"
	codeDenied              = "DENIED"
	codeUnsupported         = "UNSUPPORTED"
	codeTooMany             = "TOOMANYREQUESTS"
	codeUnavailable         = "UNAVAILABLE"
	codeUnknown             = "UNKNOWN"
)

// Error is an error as a client sees it.
type Error struct {
	Status        int
	Code, Message string
	// Detail is for programs; nil is none.
	Detail any

	cause error         // for the log
	wait  time.Duration // after which it may be tried again
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.cause }

func fail(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// errorOf makes of any error what a client may know.
func errorOf(err error) *Error {
	var (
		e       *Error
		invalid *schema.Invalid
		damaged *schema.Damaged
		large   *http.MaxBytesError
		network net.Error
	)
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &damaged):
		// Before "not found", which a missing blob of an object wraps as well.
		e = fail(http.StatusInternalServerError, codeUnknown, "%s; reprise fsck names every damaged file of the store", damaged)
	case errors.Is(err, zoo.ErrNotFound):
		e = fail(http.StatusNotFound, codeManifestUnknown, "%s", err)
	case errors.Is(err, zoo.ErrVersionExists):
		e = fail(http.StatusConflict, codeDenied, "%s", err)
	case errors.Is(err, zoo.ErrTagMoved):
		e = fail(http.StatusPreconditionFailed, codeDenied, "%s", err)
	case errors.As(err, &invalid):
		e = fail(http.StatusBadRequest, codeManifestInvalid, "%s", invalid)
	case errors.As(err, &large):
		e = fail(http.StatusRequestEntityTooLarge, codeSizeInvalid, "the body has more than %d bytes", large.Limit)
	case errors.Is(err, zoo.ErrReadOnly):
		e = fail(http.StatusForbidden, codeDenied, "this store takes no writes")
	case errors.Is(err, zoo.ErrUnsupported):
		e = fail(http.StatusMethodNotAllowed, codeUnsupported, "%s", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e = fail(http.StatusInsufficientStorage, codeUnavailable, "the server's disk is full; what it has received is kept: free space there, then go on")
	case errors.Is(err, transfer.ErrInterrupted):
		e = fail(http.StatusConflict, codeUploadInvalid, "another request goes on with this upload")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = fail(http.StatusServiceUnavailable, codeUnavailable, "it took too long; try again in a moment")
	case errors.As(err, &network) && network.Timeout():
		e = fail(http.StatusRequestTimeout, codeUploadInvalid, "nothing came for too long; what has arrived is kept: ask for the upload's status and go on")
	case errors.Is(err, io.ErrUnexpectedEOF):
		e = fail(http.StatusBadRequest, codeUploadInvalid, "the body ended early; what has arrived is kept: ask for the upload's status and go on")
	default:
		e = fail(http.StatusInternalServerError, codeUnknown, "something went wrong in the server; its log says more")
	}
	e.cause = err
	return e
}

// write answers with the error. HEAD has no body.
func (e *Error) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for _, name := range []string{"Etag", "Accept-Ranges", "Docker-Content-Digest", "Content-Length"} {
		h.Del(name)
	}
	if e.wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(e.wait.Seconds())+1))
	}
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  any    `json:"detail,omitempty"`
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		// Strings encode; a client that is gone needs no answer.
		_ = json.NewEncoder(w).Encode(map[string][]one{"errors": {{e.Code, strings.ToValidUTF8(e.Message, "?"), e.Detail}}})
	}
}
