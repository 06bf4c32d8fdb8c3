package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/reprise-ml/reprise/zoo"
)

// statusError is an answer that a registry should not have given.
type statusError struct {
	host    string
	what    string // was asked for
	status  int
	code    string // of the specification, such as DENIED
	message string
}

// Is makes an answer of 404 what zoo calls not found.
func (e *statusError) Is(target error) bool {
	return target == zoo.ErrNotFound && e.status == http.StatusNotFound
}

// Error names neither query nor headers: both can carry secrets.
func (e *statusError) Error() string {
	switch {
	case e.status != http.StatusNotFound:
	case e.message == "" || e.code == "BLOB_UNKNOWN" || e.code == "MANIFEST_UNKNOWN" || e.code == "BLOB_UPLOAD_UNKNOWN":
		return fmt.Sprintf("%s: %v", e.what, zoo.ErrNotFound)
	default:
		return fmt.Sprintf("%s: %v: %s answers %s: %s", e.what, zoo.ErrNotFound, e.host, e.code, e.message)
	}
	said := http.StatusText(e.status)
	if e.message != "" {
		said = e.message
	}
	if e.code != "" {
		said = e.code + ": " + said
	}
	return fmt.Sprintf("%s: %s answers %d (%s)", e.what, e.host, e.status, said)
}

// maxProblem is the longest error document that is read.
const maxProblem = 64 << 10

// problem reads the error of an answer, and closes it.
func (c *client) problem(what string, resp *http.Response) error {
	defer resp.Body.Close()
	e := &statusError{host: c.location.Host, what: what, status: resp.StatusCode}
	var document struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err == nil && json.Unmarshal(b, &document) == nil && len(document.Errors) > 0 {
		e.code, e.message = document.Errors[0].Code, printable(document.Errors[0].Message)
	}
	return c.explain(e)
}

// printable makes a line of what a server wrote.
func printable(s string) string {
	const longest = 300
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

// explain adds to a refusal what it means here.
func (c *client) explain(e *statusError) error {
	switch {
	case e.status == http.StatusUnauthorized && !c.signedIn:
		return fmt.Errorf("%w; there are no credentials for it: reprise login %s", e, c.login())
	case e.status == http.StatusUnauthorized:
		return fmt.Errorf("%w; the credentials stored for it do not suffice: reprise login %s", e, c.login())
	case e.status == http.StatusForbidden && !c.signedIn:
		return fmt.Errorf("%w; perhaps it needs credentials: reprise login %s", e, c.login())
	case e.code == "UNSUPPORTED" || e.status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: %w", e, zoo.ErrReadOnly)
	}
	return e
}

// login is how the place is named to reprise login.
func (c *client) login() string {
	if c.location.Scheme == "oci" {
		return c.location.Host
	}
	return c.location.String()
}

// statusOf is the status of an answer that became an error, or 0.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return 0
}

// isDenied reports whether an error is a refusal of access.
func isDenied(err error) bool {
	status := statusOf(err)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// lineError says what is wrong with a connection, without the URL, whose query can carry secrets.
func (c *client) lineError(what string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return c.tokenError(what, e)
	}
	err = fmt.Errorf("%s: %s: %w", what, c.location.Host, err)
	switch {
	case isCertificate(err):
		return fmt.Errorf("%w; a certificate of your own goes into the store's URL: ?ca=FILE", err)
	case errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("%w; it may speak plain HTTP, which is for this machine only", err)
	}
	return err
}

// tokenError is an answer of the ping or of the server that gives out tokens.
func (c *client) tokenError(what string, err *transport.Error) error {
	e := &statusError{host: c.location.Host, what: what, status: err.StatusCode}
	if len(err.Errors) > 0 {
		e.code, e.message = string(err.Errors[0].Code), printable(err.Errors[0].Message)
	}
	return c.explain(e)
}

func isCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
}

// isPassing reports whether trying again may help.
func isPassing(ctx context.Context, err error) bool {
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, errRefused), isCertificate(err), errors.As(err, new(tls.RecordHeaderError)):
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false
	}
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return passingStatus(e.StatusCode)
	}
	return true
}

func passingStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
