package closure_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

func sampleVerification(t *testing.T) (*schema.Verification, closure.Descriptor) {
	t.Helper()
	m, _ := sampleManifest(t)
	correct := int64(15)
	v := schema.NewVerification("ada/tiny", m.Digest(), schema.VerificationPredicate{
		Mode: schema.ModeVerify, Verdict: schema.VerdictReproduced, Created: "2026-01-02T03:04:05Z",
		Claims: []schema.ObservedClaim{{
			Metric: schema.MetricAccuracy, Split: "train", Verdict: schema.VerdictReproduced, Observed: &schema.ClaimValue{Correct: &correct, Total: 16},
		}},
		Runtime: schema.VerifyingRuntime{Browser: "Firefox 140", OS: "Linux", Workers: 4},
	})
	return v, closure.Descriptor{MediaType: closure.MediaTypeManifest, Digest: m.Digest(), Size: int64(len(m.Bytes()))}
}

// A record is read back from its manifest, which is the same whenever the record is.
func TestVerificationManifest(t *testing.T) {
	v, subject := sampleVerification(t)
	m, document, err := closure.VerificationManifest(v, subject)
	if err != nil {
		t.Fatal(err)
	}
	got, err := closure.ParseManifest(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject == nil || got.Subject.Digest != subject.Digest || got.ArtifactType != schema.MediaTypeVerification {
		t.Errorf("read as %+v", got)
	}
	if !bytes.Equal(got.Bytes(), m.Bytes()) || m.Config.Digest != schema.DigestOf(document) {
		t.Error("the manifest changes when it is read")
	}
	record, err := schema.ReadVerification(schema.PathVerification, document)
	if err != nil {
		t.Fatal(err)
	}
	if record.Closure() != subject.Digest || record.Predicate.Verdict != v.Predicate.Verdict {
		t.Errorf("read as %+v", record)
	}
	// It is no closure.
	var store closuretest.Memory
	store.Set(m.Config.Digest, document)
	_, err = closure.LoadClosure(context.Background(), &store, m)
	wantInvalid(t, err, schema.MediaTypeVerification)
}

func TestVerificationManifestRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*schema.Verification, *closure.Descriptor)
		want   string
	}{
		{"another subject", func(_ *schema.Verification, s *closure.Descriptor) { s.Digest = schema.DigestOf(nil) }, "subject: is sha256:"},
		{"no manifest", func(_ *schema.Verification, s *closure.Descriptor) { s.MediaType = "text/plain" }, "subject.mediaType"},
		{"no size", func(_ *schema.Verification, s *closure.Descriptor) { s.Size = 0 }, "digest and size"},
		{"verdict of the other mode", func(v *schema.Verification, _ *closure.Descriptor) { v.Predicate.Verdict = schema.VerdictIdentical }, "no verdict of verify"},
		{"run of a verification", func(v *schema.Verification, _ *closure.Descriptor) { v.Predicate.Run = schema.DigestOf(nil) }, "belongs to a replay"},
		{"unknown mode", func(v *schema.Verification, _ *closure.Descriptor) { v.Predicate.Mode = "guess" }, "mode"},
		{"long text", func(v *schema.Verification, _ *closure.Descriptor) { v.Predicate.Runtime.OS = strings.Repeat("a", 201) }, "runtime.os"},
		{"no claims", func(v *schema.Verification, _ *closure.Descriptor) { v.Predicate.Claims = nil }, "claims"},
		{"another statement", func(v *schema.Verification, _ *closure.Descriptor) { v.Type = "x" }, "_type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, subject := sampleVerification(t)
			tc.change(v, &subject)
			_, _, err := closure.VerificationManifest(v, subject)
			wantInvalid(t, err, tc.want)
		})
	}
}

func TestParseManifestRefusesReferrers(t *testing.T) {
	v, subject := sampleVerification(t)
	m, _, err := closure.VerificationManifest(v, subject)
	if err != nil {
		t.Fatal(err)
	}
	alone := *m
	alone.Subject = nil
	_, err = closure.ParseManifest(alone.Bytes())
	wantInvalid(t, err, "subject: is missing")
	layered := *m
	layered.Layers = []closure.Descriptor{m.Config}
	_, err = closure.ParseManifest(layered.Bytes())
	wantInvalid(t, err, "a record has no files")
}
