package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Limits of what a closure's page shows.
const (
	maxText          = 256 << 10 // of a README or citation
	maxRecordsShown  = 50
	maxRecordsLooked = 500 // records whose bytes are read to find the newest
)

func (s *Service) closureDetail(c *gin.Context) error {
	ctx := c.Request.Context()
	o, err := s.closureAt(ctx, c.Query("ref"))
	if err != nil {
		return err
	}
	a, err := s.describe(ctx, o)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, a)
}

// describe gathers what there is to know about a closure.
func (s *Service) describe(ctx context.Context, o *stored) (*ClosureAnswer, error) {
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return nil, err
	}
	versions, err := index.Versions(ctx, o.name)
	if err != nil {
		return nil, err
	}
	a := &ClosureAnswer{
		Reference: o.reference(), Manifest: o.manifestSummary(), Closure: o.document, Model: tableOf(o.closure),
		Versions: []VersionEntry{}, Derivation: s.derivations.known(o.digest, o.closure),
	}
	if a.Parents, err = relatives(ctx, index, o.closure.Parents); err != nil {
		return nil, err
	}
	if a.Children, err = s.childrenOf(ctx, index, o.digest); err != nil {
		return nil, err
	}
	if a.Withdrawn, err = s.withdrawn(ctx, o); err != nil {
		return nil, err
	}
	if a.Readme, err = s.text(ctx, o, schema.PathReadme); err != nil {
		return nil, err
	}
	if a.Citation.CFF, err = s.text(ctx, o, schema.PathCitation); err != nil {
		return nil, err
	}
	if a.Citation.CFF == "" {
		a.Citation.CFF = closure.Citation(o.closure)
	}
	a.Citation.BibTeX = closure.BibTeX(o.closure, o.digest)
	for _, v := range objects(versions) {
		a.Versions = append(a.Versions, VersionEntry{Version: v.Version, Digest: v.Entry.Digest, Created: v.Entry.Created, Withdrawn: withdrawalOf(v)})
	}
	a.Verifications, err = s.verifications(ctx, o)
	return a, err
}

// withdrawn is the latest withdrawal of an object, or nil.
func (s *Service) withdrawn(ctx context.Context, o *stored) (*Withdrawal, error) {
	list, err := zoo.Withdrawals(ctx, s.store, o.name, o.digest)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &Withdrawal{Reason: list[0].Reason, Created: list[0].Created}, nil
}

// text reads a document of the closure. It is empty where there is none, and cut where it is long; it is UTF-8 in any case.
func (s *Service) text(ctx context.Context, o *stored, path string) (string, error) {
	f, ok := closure.FindFile(o.closure, path)
	if !ok {
		return "", nil
	}
	if f.Size > maxText {
		return "*" + path + " is too long to be shown here.*\n", nil
	}
	b, err := closure.ReadBlob(ctx, o.blobs, f.Path, f.Digest, f.Size, maxText)
	if isDamaged(err) {
		// The page goes on to say what is damaged, in its list of files.
		s.log.Warn("not shown", "name", o.name, "error", err)
		return "*" + path + " is damaged or missing in this store.*\n", nil
	}
	if err != nil {
		return "", err
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}

// verifications reads the records about a closure, the newest first. Those that cannot be read are left out.
func (s *Service) verifications(ctx context.Context, o *stored) ([]Verification, error) {
	about, err := zoo.ReferrersOf(s.store, o.name).Referrers(ctx, o.digest)
	if err != nil {
		return nil, err
	}
	list := []Verification{}
	for _, e := range about[:min(len(about), maxRecordsLooked)] {
		if e.ArtifactType != schema.MediaTypeVerification {
			continue
		}
		v, err := s.verification(ctx, o, e.Digest, e.Size)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			s.log.Warn("record left out", "digest", e.Digest, "error", err)
			continue
		}
		list = append(list, v)
	}
	slices.SortStableFunc(list, func(a, b Verification) int { return strings.Compare(b.Created, a.Created) })
	return list[:min(len(list), maxRecordsShown)], nil
}

func (s *Service) verification(ctx context.Context, o *stored, d schema.Digest, size int64) (Verification, error) {
	if v, ok := s.records.get(d); ok {
		return v, nil
	}
	b, err := closure.ReadBlob(ctx, o.blobs, "record", d, size, closure.MaxManifest)
	if err != nil {
		return Verification{}, err
	}
	m, err := closure.ParseManifest(b)
	if err != nil {
		return Verification{}, err
	}
	if m.Subject == nil || m.Subject.Digest != o.digest {
		return Verification{}, schema.Invalidf(schema.PathVerification, "subject", "is another object")
	}
	document, err := closure.ReadBlob(ctx, o.blobs, m.Config.Path(), m.Config.Digest, m.Config.Size, maxRecord)
	if err != nil {
		return Verification{}, err
	}
	r, err := schema.ReadVerification(schema.PathVerification, document)
	if err != nil {
		return Verification{}, err
	}
	p := r.Predicate
	v := Verification{
		Kind: Unsigned, Digest: d, Created: p.Created, Mode: p.Mode, Verdict: p.Verdict, Claims: orEmpty(p.Claims),
		Run: p.Run, Steps: p.Steps, Runtime: p.Runtime,
	}
	s.records.put(d, v, int64(len(document)))
	return v, nil
}

func isInvalid(err error) bool {
	_, ok := errors.AsType[*schema.Invalid](err)
	return ok
}

func isDamaged(err error) bool {
	_, ok := errors.AsType[*schema.Damaged](err)
	return ok
}
