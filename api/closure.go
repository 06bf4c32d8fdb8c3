package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
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
	a.Verifications, a.Verified, err = s.verifications(ctx, o)
	a.Verified.Derivation = a.Derivation
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

// verifications reads the records about a closure, the newest first, and counts them. Those that cannot be read are left out.
func (s *Service) verifications(ctx context.Context, o *stored) ([]Verification, Verified, error) {
	about, err := zoo.ReferrersOf(s.store, o.name).Referrers(ctx, o.digest)
	if err != nil {
		return nil, Verified{}, err
	}
	list, counts := []Verification{}, Verified{}
	var signed []attestation.Record
	// Anybody may leave unsigned records: they do not keep signed ones from being looked at.
	for _, kind := range []string{attestation.MediaTypeBundle, schema.MediaTypeVerification} {
		looked := 0
		for _, e := range about {
			if e.ArtifactType != kind || looked >= maxRecordsLooked {
				continue
			}
			looked++
			r, err := s.record(ctx, o, e)
			if ctx.Err() != nil {
				return nil, Verified{}, ctx.Err()
			}
			if errors.Is(err, attestation.ErrOther) {
				continue
			}
			if err != nil {
				s.log.Warn("record left out", "digest", e.Digest, "error", err)
				continue
			}
			if r.signed != nil {
				signed = append(signed, *r.signed)
			} else {
				counts.Unsigned++
			}
			list = append(list, r.shown)
		}
	}
	counts.Signed = attestation.Vouching(signed)
	slices.SortStableFunc(list, func(a, b Verification) int {
		return cmp.Or(cmp.Compare(rankOf(a.Kind), rankOf(b.Kind)), strings.Compare(b.Created, a.Created))
	})
	return list[:min(len(list), maxRecordsShown)], counts, nil
}

// rankOf puts records whose signatures count before all others.
func rankOf(kind string) int {
	if kind == Signed {
		return 0
	}
	return 1
}

// readRecord is a verification record that was read.
type readRecord struct {
	shown  Verification
	signed *attestation.Record // nil if nobody says to have signed it
}

// kinds of signed records.
var kinds = map[attestation.State]string{attestation.Valid: Signed, attestation.Unknown: UnknownKey, attestation.Wrong: NotSignature}

func (s *Service) record(ctx context.Context, o *stored, e zoo.Entry) (readRecord, error) {
	if r, ok := s.records.get(e.Digest); ok {
		return r, nil
	}
	var r readRecord
	var v *schema.Verification
	if e.ArtifactType == attestation.MediaTypeBundle {
		signed, err := s.Trust.Read(ctx, o.blobs, e, o.digest)
		if err != nil {
			return readRecord{}, err
		}
		v, r.signed = signed.Verification, &signed
		r.shown.Kind, r.shown.By = kinds[signed.State], signed.By
	} else {
		var err error
		if v, err = unsignedRecord(ctx, o, e); err != nil {
			return readRecord{}, err
		}
		r.shown.Kind = Unsigned
	}
	p := v.Predicate
	r.shown.Digest, r.shown.Created, r.shown.Mode, r.shown.Verdict, r.shown.Claims = e.Digest, p.Created, p.Mode, p.Verdict, orEmpty(p.Claims)
	r.shown.Run, r.shown.Steps, r.shown.Runtime = p.Run, p.Steps, p.Runtime
	s.records.put(e.Digest, r, 500+200*int64(len(p.Claims)))
	return r, nil
}

func unsignedRecord(ctx context.Context, o *stored, e zoo.Entry) (*schema.Verification, error) {
	b, err := closure.ReadBlob(ctx, o.blobs, "record", e.Digest, e.Size, closure.MaxManifest)
	if err != nil {
		return nil, err
	}
	m, err := closure.ParseManifest(b)
	if err != nil {
		return nil, err
	}
	if m.Subject == nil || m.Subject.Digest != o.digest {
		return nil, schema.Invalidf(schema.PathVerification, "subject", "is another object")
	}
	document, err := closure.ReadBlob(ctx, o.blobs, m.Config.Path(), m.Config.Digest, m.Config.Size, maxRecord)
	if err != nil {
		return nil, err
	}
	return schema.ReadVerification(schema.PathVerification, document)
}

func isInvalid(err error) bool {
	_, ok := errors.AsType[*schema.Invalid](err)
	return ok
}

func isDamaged(err error) bool {
	_, ok := errors.AsType[*schema.Damaged](err)
	return ok
}
