package attestation

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Types of a bundle, of what is in it and of the manifest around it.
const (
	MediaTypeBundle = "application/vnd.dev.sigstore.bundle.v0.3+json"

	mediaTypeEmpty    = "application/vnd.oci.empty.v1+json"
	payloadType       = "application/vnd.in-toto+json"
	olderStatement    = "https://in-toto.io/Statement/v0.1" // which releases of cosign before 3 write
	annotationContent = "dev.sigstore.bundle.content"
	annotationType    = "dev.sigstore.bundle.predicateType"
)

// maxBundle is the largest bundle that is read, in bytes.
const maxBundle = 256 << 10

var emptyConfig = []byte("{}")

// bundle is the part of a bundle that matters for a signature by a key.
type bundle struct {
	MediaType string         `json:"mediaType"`
	Material  material       `json:"verificationMaterial"`
	Envelope  *dsse.Envelope `json:"dsseEnvelope,omitempty"`
}

type material struct {
	PublicKey *publicKey `json:"publicKey,omitempty"`
}

type publicKey struct {
	Hint string `json:"hint"`
}

// Put signs a record about an object of a name and keeps it as a referrer of it.
func (s *Signer) Put(ctx context.Context, store zoo.Store, r zoo.Resolved, v *schema.Verification) (zoo.Entry, error) {
	statement, err := schema.Canonical(v)
	if err != nil {
		return zoo.Entry{}, err
	}
	if _, err := schema.ReadVerification(schema.PathVerification, statement); err != nil {
		return zoo.Entry{}, err
	}
	if v.Closure() != r.Entry.Digest {
		return zoo.Entry{}, schema.Invalidf(schema.PathVerification, "subject", "is %s, not %s", v.Closure(), r.Entry.Digest)
	}
	signer, err := dsse.NewEnvelopeSigner(s)
	if err != nil {
		return zoo.Entry{}, err
	}
	envelope, err := signer.SignPayload(ctx, payloadType, statement)
	if err != nil {
		return zoo.Entry{}, err
	}
	document, err := json.Marshal(bundle{MediaTypeBundle, material{&publicKey{s.hint}}, envelope})
	if err != nil {
		return zoo.Entry{}, err
	}
	m := &closure.Manifest{
		ArtifactType: MediaTypeBundle,
		Config:       closure.Descriptor{MediaType: mediaTypeEmpty, Digest: schema.DigestOf(emptyConfig), Size: int64(len(emptyConfig))},
		Layers:       []closure.Descriptor{{MediaType: MediaTypeBundle, Digest: schema.DigestOf(document), Size: int64(len(document))}},
		Subject:      &closure.Descriptor{MediaType: r.Entry.MediaType, Digest: r.Entry.Digest, Size: r.Entry.Size},
		Annotations: map[string]string{
			annotationContent: "dsse-envelope", annotationType: v.PredicateType, "org.opencontainers.image.created": v.Predicate.Created,
		},
	}
	return zoo.PutRecord(ctx, store, r.Name, m, emptyConfig, document)
}

// open reads the bundle of a referrer of an object, and the statement in it, which nobody has checked yet. Both are nil where the
// bundle holds anything but a verification record.
func open(ctx context.Context, blobs closure.Blobs, e zoo.Entry, subject schema.Digest) (*bundle, *schema.Verification, error) {
	text, err := closure.ReadBlob(ctx, blobs, "record", e.Digest, e.Size, closure.MaxManifest)
	if err != nil {
		return nil, nil, err
	}
	links, err := zoo.ReadLinks("record", text)
	if err != nil {
		return nil, nil, err
	}
	if links.Subject != subject {
		return nil, nil, schema.Invalidf("record", "subject", "is another object")
	}
	if len(links.Blobs) != 2 || links.Blobs[1].MediaType != MediaTypeBundle {
		return nil, nil, schema.Invalidf("record", "layers", "is not one bundle")
	}
	layer := links.Blobs[1]
	if text, err = closure.ReadBlob(ctx, blobs, "bundle", layer.Digest, layer.Size, maxBundle); err != nil {
		return nil, nil, err
	}
	b := &bundle{}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, nil, schema.Invalidf("bundle", "", "%v", err)
	}
	if b.Envelope == nil || b.Envelope.PayloadType != payloadType {
		return nil, nil, nil
	}
	v, err := readStatement(b.Envelope, subject)
	if v == nil {
		return nil, nil, err
	}
	return b, v, nil
}

// readStatement reads the record of an envelope; nil is a statement of another kind.
func readStatement(e *dsse.Envelope, subject schema.Digest) (*schema.Verification, error) {
	text, err := e.DecodeB64Payload()
	if err != nil {
		return nil, schema.Invalidf("bundle", "payload", "%v", err)
	}
	var s struct {
		Type    string `json:"_type"`
		Subject []struct {
			Name   string            `json:"name"`
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
		PredicateType string          `json:"predicateType"`
		Predicate     json.RawMessage `json:"predicate"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, schema.Invalidf("statement", "", "%v", err)
	}
	if s.PredicateType != schema.PredicateTypeVerification || s.Type != schema.StatementType && s.Type != olderStatement {
		return nil, nil
	}
	about := false
	for _, of := range s.Subject {
		about = about || of.Digest["sha256"] == subject.Hex()
	}
	if !about {
		return nil, schema.Invalidf("statement", "subject", "is another object than that of its manifest")
	}
	// The record is read as strictly as one that is not signed. What a tool calls its subject does not matter.
	var whole bytes.Buffer
	err = json.NewEncoder(&whole).Encode(map[string]any{
		"_type": schema.StatementType, "predicateType": s.PredicateType, "predicate": s.Predicate,
		"subject": []schema.VerificationSubject{{Name: "closure", Digest: schema.VerificationDigest{SHA256: subject.Hex()}}},
	})
	if err != nil {
		return nil, schema.Invalidf("statement", "predicate", "%v", err)
	}
	return schema.ReadVerification("statement", whole.Bytes())
}
