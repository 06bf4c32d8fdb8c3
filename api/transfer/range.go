package transfer

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Span is a part of a blob, in bytes.
type Span struct{ Offset, Length int64 }

// Requested reads the header Range (RFC 9110 §14) of a request for a blob of that entity tag and size: one range of bytes.
// Several at once, which nobody needs, get the whole blob. What is no range, or lies outside, is an error.
func Requested(r *http.Request, tag string, size int64) (part Span, partial bool, err error) {
	whole := Span{0, size}
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
		return whole, false, fmt.Errorf("the range %.64q is not of the form bytes=FIRST-LAST", header)
	}
	if first == "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil || n == 0 || size == 0 {
			return whole, false, fmt.Errorf("the range %.64q names no bytes", header)
		}
		n = min(n, uint64(size))
		return Span{size - int64(n), int64(n)}, true, nil
	}
	from, err := strconv.ParseUint(first, 10, 63)
	if err != nil || from >= uint64(size) {
		return whole, false, fmt.Errorf("the range %.64q begins beyond the end", header)
	}
	to := uint64(size - 1)
	if last != "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil || n < from {
			return whole, false, fmt.Errorf("the range %.64q ends before it begins", header)
		}
		to = min(n, to)
	}
	return Span{int64(from), int64(to - from + 1)}, true, nil
}

// Sent reads the header Content-Range of a chunk of an upload, as the OCI distribution specification spells it: FIRST-LAST,
// both inclusive. An empty header says nothing: ok is false.
func Sent(header string) (part Span, ok bool, err error) {
	if header == "" {
		return Span{}, false, nil
	}
	first, last, dash := strings.Cut(header, "-")
	if !dash || !isNumber(first) || !isNumber(last) {
		return Span{}, false, fmt.Errorf("the content range %.64q is not of the form FIRST-LAST", header)
	}
	from, err := strconv.ParseUint(first, 10, 62)
	if err != nil {
		return Span{}, false, fmt.Errorf("the content range %.64q is too large", header)
	}
	to, err := strconv.ParseUint(last, 10, 62)
	switch {
	case err != nil:
		return Span{}, false, fmt.Errorf("the content range %.64q is too large", header)
	case to < from:
		return Span{}, false, fmt.Errorf("the content range %.64q ends before it begins", header)
	}
	return Span{int64(from), int64(to - from + 1)}, true, nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Head writes the headers of an answer with a blob of that size, or a part of it, and returns the status. The type is never one that a
// browser would show.
func Head(h http.Header, part Span, partial bool, size int64) int {
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Length", strconv.FormatInt(part.Length, 10))
	if !partial {
		return http.StatusOK
	}
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.Offset, part.Offset+part.Length-1, size))
	return http.StatusPartialContent
}
