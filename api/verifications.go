package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Limits of records that anybody may leave.
const (
	maxRecord     = 64 << 10 // bytes
	maxPerClosure = 1000     // unsigned records of a closure; more would say no more
)

// postVerification keeps what a visitor says came out, as an unsigned record. It is checked for its form and never trusted.
func (s *Service) postVerification(c *gin.Context) error {
	if err := sameSite(c.Request); err != nil {
		return err
	}
	if problem := s.mayPost(c.Request); problem != nil {
		return problem
	}
	q, err := readRequest(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	subject, name, err := s.subject(ctx, q.Closure)
	if err != nil {
		return err
	}
	about, err := zoo.ReferrersOf(s.store, name).Referrers(ctx, q.Closure)
	if err != nil {
		return err
	}
	if len(about) >= maxPerClosure {
		return newProblem(http.StatusTooManyRequests, codeRate, "keep the report as a file instead", "there are %d records of this closure already", len(about))
	}
	record := schema.NewVerification(name, q.Closure, schema.VerificationPredicate{
		Mode: q.Mode, Verdict: q.Verdict, Claims: orEmpty(q.Claims), Run: q.Run, Steps: q.Steps, Runtime: q.Runtime,
		Created: s.now().UTC().Format(time.RFC3339),
	})
	m, document, err := closure.VerificationManifest(record, subject)
	if err != nil {
		return err
	}
	if _, err := zoo.PutRecord(ctx, s.store, name, m, document); err != nil {
		return err
	}
	s.catalogue.Changed(q.Closure)
	return answer(c, http.StatusCreated, VerificationReceipt{Digest: m.Digest()})
}

// sameSite refuses what another site makes a visitor's browser send.
func sameSite(r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return newProblem(http.StatusUnsupportedMediaType, codeMediaType, "send application/json", "the body is not application/json")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return newProblem(http.StatusForbidden, codeForeign, "", "records are taken from the site's own pages")
		}
	}
	return nil
}

// readRequest reads the body strictly. What the values may be is for the schema of records to say.
func readRequest(c *gin.Context) (*VerificationRequest, error) {
	body := http.MaxBytesReader(c.Writer, c.Request.Body, maxRecord)
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	q := &VerificationRequest{}
	err := decoder.Decode(q)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = errors.New("something follows the document")
		}
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, large
	}
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, codeInvalid, "the README of the API shows a record", "the body is no record: %s", err)
	}
	if q.Closure.IsZero() {
		return nil, newProblem(http.StatusBadRequest, codeInvalid, "", "closure: is missing")
	}
	return q, nil
}

// subject finds a closure of the store by its digest.
func (s *Service) subject(ctx context.Context, d schema.Digest) (closure.Descriptor, string, error) {
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return closure.Descriptor{}, "", err
	}
	o, ok, err := index.Object(ctx, d)
	if err != nil {
		return closure.Descriptor{}, "", err
	}
	if !ok || o.Entry.ArtifactType != schema.MediaTypeClosure {
		return closure.Descriptor{}, "", fmt.Errorf("closure %s: %w", d, zoo.ErrNotFound)
	}
	return closure.Descriptor{MediaType: closure.MediaTypeManifest, Digest: d, Size: o.Entry.Size}, o.Name, nil
}
