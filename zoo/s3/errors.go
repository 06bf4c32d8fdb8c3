package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/zoo"
)

// answered returns what the server said about a failed request, or the zero value if it did not answer.
func answered(err error) minio.ErrorResponse {
	var e minio.ErrorResponse
	errors.As(err, &e)
	return e
}

// absent reports that there is no such object.
func absent(err error) bool {
	e := answered(err)
	return e.StatusCode == http.StatusNotFound && e.Code != minio.NoSuchBucket && e.Code != codeNoUpload
}

// Codes of answers, https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
const (
	codeNoUpload = "NoSuchUpload"
	codeBadPart  = "InvalidPart"
)

// conditionFailed reports that an object is there which should not be, or is not the one that was read.
func conditionFailed(err error) bool {
	return answered(err).StatusCode == http.StatusPreconditionFailed
}

// conflict reports a request that met another one about the same object, and is to be made again.
func conflict(err error) bool {
	return slices.Contains([]string{"ConditionalRequestConflict", "OperationAborted"}, answered(err).Code)
}

// corrupted reports that the server received other bytes than those that were sent.
func corrupted(err error) bool {
	code := answered(err).Code
	return slices.Contains([]string{"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}, code)
}

// unsupported reports that the server has no such feature.
func unsupported(err error) bool { return answered(err).StatusCode == http.StatusNotImplemented }

// full reports that the server has no room for what was sent.
func full(e minio.ErrorResponse) bool {
	return e.StatusCode == http.StatusInsufficientStorage || strings.Contains(e.Code, "Quota") || strings.Contains(e.Code, "StorageFull")
}

// failure is a request that failed, in words for people.
type failure struct {
	text   string
	causes []error // what the server said, and what kind of error this is
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.causes }

// fail makes an error of a request clear: what was asked for, what came back, and what to do. Nothing of it is secret.
func (s *Store) fail(what string, write bool, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := answered(err)
	if e.Code == "" {
		return fmt.Errorf("%s: %s does not answer: %w%s", what, s.location.Endpoint, bare(err), connectionHint(err))
	}
	text, kind := s.explain(e, write)
	f := &failure{text: what + ": " + text, causes: []error{e}}
	if kind != nil {
		f.causes = append(f.causes, kind)
	}
	return f
}

// explain says what an answer means, what to do about it, and which error of package zoo or syscall it is.
func (s *Store) explain(e minio.ErrorResponse, write bool) (text string, kind error) {
	said := fmt.Sprintf("the server answers %s: %s", clean(e.Code), clean(e.Message))
	forbidden := e.StatusCode == http.StatusForbidden || e.StatusCode == http.StatusUnauthorized
	switch {
	case e.Code == minio.NoSuchBucket:
		return fmt.Sprintf("there is no bucket %s at %s: make it with the tools of the server", s.location.Bucket, s.location.Endpoint), nil
	case forbidden && !s.signed && write:
		return fmt.Sprintf("%s: no credentials were found: %s", zoo.ErrReadOnly, credentialsHint), zoo.ErrReadOnly
	case forbidden && !s.signed:
		return fmt.Sprintf("%s; no credentials were found: %s", said, credentialsHint), nil
	case slices.Contains([]string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "XAdminUserNotFound"}, e.Code):
		return fmt.Sprintf("the server does not accept the credentials (%s): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile", clean(e.Code)), nil
	case e.Code == "RequestTimeTooSkewed":
		return said + ": set this machine's clock", nil
	case full(e):
		return "the server is full: " + said, syscall.ENOSPC
	case forbidden && write:
		return fmt.Sprintf("%s: %s; writing needs s3:PutObject and s3:GetObject on the prefix, and s3:ListBucket on the bucket", zoo.ErrReadOnly, said), zoo.ErrReadOnly
	case forbidden:
		return said + "; reading needs s3:GetObject on the prefix, and s3:ListBucket on the bucket", nil
	}
	return said, nil
}

// bare takes the URL of a request off an error.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func connectionHint(err error) string {
	_, untrusted := errors.AsType[x509.UnknownAuthorityError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case untrusted:
		return "; if the server is yours, name the file of its certificate with ca=FILE or $AWS_CA_BUNDLE"
	case plain, strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "; if the server has no TLS, spell the endpoint with http://"
	}
	return ""
}

// clean makes a server's words fit for a terminal.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return text
}
