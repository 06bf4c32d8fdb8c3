package attestation_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair is a key pair in PEM.
type pair struct{ private, public []byte }

func pemOf(t testing.TB, kind string, der []byte, err error) []byte {
	t.Helper()
	check(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pairOf(t testing.TB, private crypto.Signer, err error) pair {
	t.Helper()
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	p := pair{private: pemOf(t, "PRIVATE KEY", der, err)}
	der, err = x509.MarshalPKIXPublicKey(private.Public())
	p.public = pemOf(t, "PUBLIC KEY", der, err)
	return p
}

func ed25519Pair(t testing.TB) pair {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return pairOf(t, private, err)
}

func ecdsaPair(t testing.TB, curve elliptic.Curve) pair {
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	return pairOf(t, private, err)
}

func noPassword() ([]byte, error) { return nil, errors.New("nobody knows the password") }

func signerOf(t testing.TB, p pair) *attestation.Signer {
	t.Helper()
	s, err := attestation.ReadSigner("key", p.private, noPassword)
	check(t, err)
	return s
}

func trusting(t testing.TB, keys map[string]pair) *attestation.Trust {
	t.Helper()
	trust := &attestation.Trust{}
	for name, p := range keys {
		check(t, trust.Add(name+".pub", name, p.public))
	}
	return trust
}

func publish(t testing.TB, s zoo.Store, name string) zoo.Resolved {
	t.Helper()
	e, err := zoo.Publish(t.Context(), s, storetest.Object(name, "1.0.0", name), zoo.PublishOptions{})
	check(t, err)
	return zoo.Resolved{Name: name, Version: "1.0.0", Entry: e}
}

func recordOf(d schema.Digest, verdict, created string) *schema.Verification {
	return schema.NewVerification("mnist", d, schema.VerificationPredicate{
		Mode: schema.ModeVerify, Verdict: verdict, Created: created, Claims: []schema.ObservedClaim{},
		Runtime: schema.VerifyingRuntime{Browser: "reprise", OS: "linux", Workers: 1},
	})
}

const day = "2026-02-03T04:05:06Z"

func TestSignedRecords(t *testing.T) {
	s := memory.New()
	r := publish(t, s, "mnist")
	ada, grace := ed25519Pair(t), ecdsaPair(t, elliptic.P256())
	trust := trusting(t, map[string]pair{"ada": ada, "grace": grace})
	for name, p := range map[string]pair{"ada": ada, "grace": grace} {
		e, err := signerOf(t, p).Put(t.Context(), s, r, recordOf(r.Entry.Digest, schema.VerdictReproduced, day))
		check(t, err)
		got, err := trust.Read(t.Context(), s, e, r.Entry.Digest)
		check(t, err)
		if got.State != attestation.Valid || got.By != name || !got.Vouches() || got.Predicate.Created != day {
			t.Errorf("%s: %+v", name, got)
		}
		stranger, err := trusting(t, map[string]pair{"emmy": ed25519Pair(t)}).Read(t.Context(), s, e, r.Entry.Digest)
		check(t, err)
		if stranger.State != attestation.Unknown || stranger.By != "" || stranger.Vouches() {
			t.Errorf("%s, whom nobody knows: %+v", name, stranger)
		}
		var nobody *attestation.Trust
		if got, err := nobody.Read(t.Context(), s, e, r.Entry.Digest); err != nil || got.State != attestation.Unknown {
			t.Errorf("%+v, %v", got, err)
		}
		// It is about this object only.
		if _, err := trust.Read(t.Context(), s, e, publish(t, s, "other-"+name).Entry.Digest); !isInvalid(err) {
			t.Errorf("about another object: %v", err)
		}
	}
	about, err := s.Referrers(t.Context(), r.Entry.Digest)
	if err != nil || len(about) != 2 || about[0].ArtifactType != attestation.MediaTypeBundle {
		t.Errorf("%v, %v", about, err)
	}
	if report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{}); err != nil || len(report.Damaged) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

func isInvalid(err error) bool {
	_, ok := errors.AsType[*schema.Invalid](err)
	return ok
}

// bundles are blobs in which the bundle was replaced.
type bundles struct {
	closure.Blobs
	replaced map[schema.Digest][]byte
}

func (b bundles) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	if text, ok := b.replaced[d]; ok {
		return io.NopCloser(bytes.NewReader(text)), nil
	}
	return b.Blobs.Open(ctx, d)
}

// changed is a record whose bundle somebody has changed, with the manifest around it.
func changed(t testing.TB, s zoo.Store, e zoo.Entry, change func(bundle map[string]any)) (closure.Blobs, zoo.Entry) {
	t.Helper()
	manifest := read(t, s, e.Digest)
	links, err := zoo.ReadLinks("manifest", manifest)
	check(t, err)
	layer := links.Blobs[1]
	var bundle map[string]any
	check(t, json.Unmarshal(read(t, s, layer.Digest), &bundle))
	change(bundle)
	text, err := json.Marshal(bundle)
	check(t, err)
	var m map[string]any
	check(t, json.Unmarshal(manifest, &m))
	first := m["layers"].([]any)[0].(map[string]any)
	first["digest"], first["size"] = schema.DigestOf(text).String(), len(text)
	manifest, err = json.Marshal(m)
	check(t, err)
	e.Digest, e.Size = schema.DigestOf(manifest), int64(len(manifest))
	return bundles{s, map[schema.Digest][]byte{schema.DigestOf(text): text, e.Digest: manifest}}, e
}

func read(t testing.TB, s closure.Blobs, d schema.Digest) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), d)
	check(t, err)
	defer r.Close()
	text, err := io.ReadAll(r)
	check(t, err)
	return text
}

func TestChangedRecords(t *testing.T) {
	s := memory.New()
	r := publish(t, s, "mnist")
	ada := ed25519Pair(t)
	trust := trusting(t, map[string]pair{"ada": ada})
	e, err := signerOf(t, ada).Put(t.Context(), s, r, recordOf(r.Entry.Digest, schema.VerdictDiffers, day))
	check(t, err)
	payload := func(bundle map[string]any, old, with string) {
		envelope := bundle["dsseEnvelope"].(map[string]any)
		text, err := base64.StdEncoding.DecodeString(envelope["payload"].(string))
		check(t, err)
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("no %q in %s", old, text)
		}
		envelope["payload"] = base64.StdEncoding.EncodeToString(bytes.ReplaceAll(text, []byte(old), []byte(with)))
	}
	for _, c := range []struct {
		name   string
		change func(bundle map[string]any)
		want   attestation.State
		err    func(error) bool
	}{
		{name: "nothing", change: func(map[string]any) {}, want: attestation.Valid},
		{name: "the verdict", change: func(b map[string]any) { payload(b, "differs", "reproduced") }, want: attestation.Wrong},
		{name: "the verdict, and whose it is", change: func(b map[string]any) {
			payload(b, "differs", "reproduced")
			delete(b, "verificationMaterial")
		}, want: attestation.Unknown},
		{name: "no signature", change: func(b map[string]any) { b["dsseEnvelope"].(map[string]any)["signatures"] = []any{} }, want: attestation.Wrong},
		{name: "a verdict that there is not", change: func(b map[string]any) { payload(b, "differs", "splendid") }, err: isInvalid},
		{name: "the subject", change: func(b map[string]any) {
			payload(b, r.Entry.Digest.Hex(), schema.DigestOf(nil).Hex())
		}, err: isInvalid},
		{name: "another statement", change: func(b map[string]any) { payload(b, "verification/v1", "else/v1") }, err: isOther},
		{name: "another payload", change: func(b map[string]any) { b["dsseEnvelope"].(map[string]any)["payloadType"] = "text/plain" }, err: isOther},
		{name: "a bare signature", change: func(b map[string]any) { delete(b, "dsseEnvelope") }, err: isOther},
	} {
		t.Run(c.name, func(t *testing.T) {
			blobs, entry := changed(t, s, e, c.change)
			got, err := trust.Read(t.Context(), blobs, entry, r.Entry.Digest)
			if c.err != nil {
				if !c.err(err) {
					t.Errorf("got error %v", err)
				}
				return
			}
			if err != nil || got.State != c.want || (got.By != "") != (c.want == attestation.Valid) || got.Vouches() {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func isOther(err error) bool { return errors.Is(err, attestation.ErrOther) }

func TestKeys(t *testing.T) {
	ada := ed25519Pair(t)
	block, _ := pem.Decode(ada.private)
	sealed, err := encrypted.Encrypt(block.Bytes, []byte("open"))
	check(t, err)
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: sealed})
	if _, err := attestation.ReadSigner("cosign.key", locked, func() ([]byte, error) { return []byte("open"), nil }); err != nil {
		t.Error(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 1024)
	other := pairOf(t, large, err)
	for _, c := range []struct {
		name, want string
		read       func() error
	}{
		{"another password", "its password is another one", func() error {
			_, err := attestation.ReadSigner("key", locked, func() ([]byte, error) { return []byte("shut"), nil })
			return err
		}},
		{"no password", "nobody knows the password", func() error { _, err := attestation.ReadSigner("key", locked, noPassword); return err }},
		{"a public key", "is no private key but PUBLIC KEY", func() error { _, err := attestation.ReadSigner("key", ada.public, noPassword); return err }},
		{"no PEM", "no private key in PEM", func() error { _, err := attestation.ReadSigner("key", []byte("secret"), noPassword); return err }},
		{"RSA", "another kind; Ed25519", func() error { _, err := attestation.ReadSigner("key", other.private, noPassword); return err }},
		{"another curve", "another kind; Ed25519", func() error {
			return (&attestation.Trust{}).Add("key", "ada", ecdsaPair(t, elliptic.P384()).public)
		}},
		{"a private key", "is no public key but PRIVATE KEY", func() error { return (&attestation.Trust{}).Add("key", "ada", ada.private) }},
		{"no key", "is no public key but no PEM", func() error { return (&attestation.Trust{}).Add("key", "ada", nil) }},
		{"a key twice", "ada is trusted already", func() error { return trusting(t, map[string]pair{"ada": ada}).Add("key", "eve", ada.public) }},
		{"a name twice", "ada is trusted already", func() error {
			return trusting(t, map[string]pair{"ada": ada}).Add("key", "ada", ed25519Pair(t).public)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.read(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got error %v", err)
			}
		})
	}
	if one, two := trusting(t, map[string]pair{"ada": ada}), trusting(t, map[string]pair{"eve": ada}); one.Digest() == two.Digest() {
		t.Error("another name, the same trust")
	}
}

func TestRefusedRecords(t *testing.T) {
	s := memory.New()
	r := publish(t, s, "mnist")
	signer := signerOf(t, ed25519Pair(t))
	if _, err := signer.Put(t.Context(), s, r, recordOf(schema.DigestOf(nil), schema.VerdictReproduced, day)); !isInvalid(err) {
		t.Errorf("about another object: %v", err)
	}
	if _, err := signer.Put(t.Context(), s, r, recordOf(r.Entry.Digest, "splendid", day)); !isInvalid(err) {
		t.Errorf("a verdict that there is not: %v", err)
	}
	if about, err := s.Referrers(t.Context(), r.Entry.Digest); err != nil || len(about) != 0 {
		t.Errorf("%v, %v", about, err)
	}
}

// Keys vouch by their newest records.
func TestVouching(t *testing.T) {
	record := func(state attestation.State, by, verdict, created string) attestation.Record {
		return attestation.Record{Verification: recordOf(schema.DigestOf(nil), verdict, created), State: state, By: by}
	}
	const later = "2026-03-01T00:00:00Z"
	good, bad := schema.VerdictReproduced, schema.VerdictDiffers
	for name, c := range map[string]struct {
		records []attestation.Record
		want    int
	}{
		"nobody":            {nil, 0},
		"twice":             {[]attestation.Record{record(attestation.Valid, "ada", good, day), record(attestation.Valid, "ada", good, later)}, 1},
		"two":               {[]attestation.Record{record(attestation.Valid, "ada", good, day), record(attestation.Valid, "eve", good, day)}, 2},
		"unknown and wrong": {[]attestation.Record{record(attestation.Unknown, "", good, day), record(attestation.Wrong, "", good, day)}, 0},
		"no more":           {[]attestation.Record{record(attestation.Valid, "ada", bad, later), record(attestation.Valid, "ada", good, day)}, 0},
		"again":             {[]attestation.Record{record(attestation.Valid, "ada", good, later), record(attestation.Valid, "ada", bad, day)}, 1},
		"both at once":      {[]attestation.Record{record(attestation.Valid, "ada", good, day), record(attestation.Valid, "ada", bad, day)}, 0},
	} {
		if got := attestation.Vouching(c.records); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}
