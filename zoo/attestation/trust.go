package attestation

import (
	"context"
	"errors"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Trust is the public keys whose signatures count, by name. nil trusts nobody.
type Trust struct{ keys []key }

// Add trusts another public key, in PEM. Signatures are shown under its name, which belongs to one key. file is what errors call it.
func (t *Trust) Add(file, name string, text []byte) error {
	k, err := readPublicKey(file, name, text)
	if err != nil {
		return err
	}
	for _, known := range t.keys {
		if known.name == name || known.hint == k.hint {
			return schema.Invalidf(file, "", "%s is trusted already: each key has one name, and each name one key", known.name)
		}
	}
	t.keys = append(t.keys, k)
	return nil
}

// Digest is equal for equal keys under equal names.
func (t *Trust) Digest() schema.Digest {
	var text []byte
	if t != nil {
		for _, k := range t.keys {
			text = append(text, k.hint+" "+k.name+"\n"...)
		}
	}
	return schema.DigestOf(text)
}

// State is what is known of a signature.
type State int

// States of signatures.
const (
	Unknown State = iota // by none of the keys
	Wrong                // said to be by one of the keys, and is not
	Valid                // by one of the keys
)

// Record is a signed verification record.
type Record struct {
	*schema.Verification
	State State
	By    string // the name of the key; empty unless State is Valid
}

// ErrOther is a bundle that holds no verification record, such as a bare signature.
var ErrOther = errors.New("holds no verification record")

// Read reads the signed record that is a referrer of an object. What it says counts for nothing unless its State is Valid.
func (t *Trust) Read(ctx context.Context, blobs closure.Blobs, e zoo.Entry, subject schema.Digest) (Record, error) {
	b, v, err := open(ctx, blobs, e, subject)
	if err != nil {
		return Record{}, err
	}
	if v == nil {
		return Record{}, ErrOther
	}
	r := Record{Verification: v}
	if t == nil {
		return r, nil
	}
	for _, k := range t.keys {
		verifier, err := dsse.NewEnvelopeVerifier(k)
		if err != nil {
			return Record{}, err
		}
		if _, err := verifier.Verify(ctx, b.Envelope); err == nil {
			r.State, r.By = Valid, k.name
			return r, nil
		}
		if b.Material.PublicKey != nil && b.Material.PublicKey.Hint == k.hint {
			r.State = Wrong
		}
	}
	return r, nil
}

// Vouches reports whether a record says that the closure holds.
func (r Record) Vouches() bool {
	return r.State == Valid && (r.Predicate.Verdict == schema.VerdictReproduced || r.Predicate.Verdict == schema.VerdictIdentical)
}

// Vouching counts the keys whose newest records say that the closure holds.
func Vouching(records []Record) int {
	newest := map[string]Record{}
	for _, r := range records {
		if r.State != Valid {
			continue
		}
		if known, ok := newest[r.By]; !ok || known.Predicate.Created < r.Predicate.Created || known.Predicate.Created == r.Predicate.Created && !r.Vouches() {
			newest[r.By] = r
		}
	}
	n := 0
	for _, r := range newest {
		if r.Vouches() {
			n++
		}
	}
	return n
}
