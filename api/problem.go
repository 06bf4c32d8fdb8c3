package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/zoo"
)

// Problem is an error as a client sees it (RFC 9457). Codes are stable; texts are for people.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Hint   string `json:"hint"`

	cause error // for the log
}

func (p *Problem) Error() string { return p.Detail }

func (p *Problem) Unwrap() error { return p.cause }

// Codes of problems.
const (
	codeNotFound     = "not-found"
	codeMethod       = "method-not-allowed"
	codeInvalid      = "invalid"
	codeDamaged      = "damaged"
	codeRange        = "range-not-satisfiable"
	codeTooLarge     = "too-large"
	codeMediaType    = "unsupported-media-type"
	codeForeign      = "cross-origin"
	codeRate         = "too-many-requests"
	codeReadOnly     = "read-only"
	codeNotATable    = "not-a-table"
	codeNotImages    = "not-images"
	codeNotAClosure  = "not-a-closure"
	codeNotADataset  = "not-a-dataset"
	codeUnavailable  = "unavailable"
	codeInternal     = "internal"
	problemTypeStart = schema.Base + "problems/"
)

func newProblem(status int, code, hint, format string, args ...any) *Problem {
	return &Problem{
		Type: problemTypeStart + code, Title: http.StatusText(status), Status: status,
		Detail: fmt.Sprintf(format, args...), Code: code, Hint: hint,
	}
}

// problemOf makes of any error what a client may know.
func problemOf(err error) *Problem {
	var (
		problem *Problem
		invalid *schema.Invalid
		damaged *schema.Damaged
		large   *http.MaxBytesError
	)
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &damaged):
		// Before "not found", which a missing blob of an object wraps as well.
		problem = newProblem(http.StatusInternalServerError, codeDamaged, "reprise fsck names every damaged file of the store", "%s", damaged)
	case errors.Is(err, zoo.ErrNotFound):
		problem = newProblem(http.StatusNotFound, codeNotFound, "/api/v1/closures and /api/v1/datasets list what there is", "%s", err)
	case errors.As(err, &invalid):
		hint := ""
		if len(invalid.Problems) == 1 {
			hint = invalid.Problems[0].Hint
		}
		problem = newProblem(http.StatusBadRequest, codeInvalid, hint, "%s", invalid)
	case errors.As(err, &large):
		problem = newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "", "the body has more than %d bytes", large.Limit)
	case errors.Is(err, zoo.ErrReadOnly):
		problem = newProblem(http.StatusForbidden, codeReadOnly, "keep the report as a file instead", "this store takes no records")
	case errors.Is(err, trainer.ErrUnsaved):
		problem = newProblem(http.StatusServiceUnavailable, codeUnavailable, "", "%s", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		problem = newProblem(http.StatusServiceUnavailable, codeUnavailable, "try again in a moment", "it took too long")
	default:
		problem = newProblem(http.StatusInternalServerError, codeInternal, "the server's log says more", "something went wrong in the server")
	}
	problem.cause = err
	return problem
}

// writeProblem answers with a problem.
func writeProblem(w http.ResponseWriter, p *Problem) {
	h := w.Header()
	for _, name := range []string{"Etag", "Content-Encoding", "Content-Disposition", "Accept-Ranges"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	// Strings and integers encode; a client that is gone needs no answer.
	_ = json.NewEncoder(w).Encode(p)
}
