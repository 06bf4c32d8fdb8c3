package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"testing"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/schema"
)

// keys writes a key pair and returns the names of its files.
func (d *desk) keys(name string) (private, public string) {
	d.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		d.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		d.Fatal(err)
	}
	d.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if der, err = x509.MarshalPKIXPublicKey(pub); err != nil {
		d.Fatal(err)
	}
	d.write(name+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	return d.path(name + ".pem"), d.path(name + ".pub")
}

// The outcomes of verify and replay are signed; a server counts those of the keys that it trusts.
func TestSignedRecords(t *testing.T) {
	d := withData(t)
	published := d.published()
	ada, adaPublic := d.keys("ada")
	eve, _ := d.keys("eve")
	verified := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDone, "verify", "small", "--sign", ada)
	replayed := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", "small", "--sign", ada)
	stranger := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDone, "verify", "small", "--sign", eve)
	site := d.serving("--trust", "Ada of the laboratory="+adaPublic)
	get := func(path string, v any) {
		t.Helper()
		r, err := http.Get(site + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if err := json.NewDecoder(r.Body).Decode(v); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, r.Status, err)
		}
	}
	var answer api.ClosureAnswer
	get("api/v1/closure?ref=small@"+published.Digest.String(), &answer)
	if answer.Verified.Signed != 1 || answer.Verified.Unsigned != 0 || len(answer.Verifications) != 3 {
		t.Fatalf("%+v, %d records", answer.Verified, len(answer.Verifications))
	}
	seen := map[schema.Digest]api.Verification{}
	for _, v := range answer.Verifications {
		seen[v.Digest] = v
	}
	for _, want := range []struct {
		record              schema.Digest
		kind, by, mode, out string
	}{
		{verified.Record, api.Signed, "Ada of the laboratory", schema.ModeVerify, schema.VerdictReproduced},
		{replayed.Record, api.Signed, "Ada of the laboratory", schema.ModeReplay, schema.VerdictIdentical},
		{stranger.Record, api.UnknownKey, "", schema.ModeVerify, schema.VerdictReproduced},
	} {
		if v := seen[want.record]; v.Kind != want.kind || v.By != want.by || v.Mode != want.mode || v.Verdict != want.out || v.Runtime.Workers < 1 {
			t.Errorf("%s: %+v", want.record, v)
		}
	}
	if v := answer.Verifications[2]; v.Kind != api.UnknownKey {
		t.Errorf("the last is %+v", v)
	}
	var list api.ClosureList
	get("api/v1/closures?verified=signed", &list)
	if list.Total != 1 || list.Items[0].Verified.Signed != 1 || list.Items[0].Verified.Unsigned != 0 {
		t.Errorf("%+v", list)
	}
	// They go where the closure goes, and are whole.
	d.done("copy", "small", "--to", d.path("elsewhere"))
	d.done("fsck", "--store", d.path("elsewhere"))
	again := d.serving("--store", d.path("elsewhere"), "--tokens", d.path("tokens"), "--trust", adaPublic)
	site = again
	get("api/v1/closure?ref=small", &answer)
	if answer.Verified.Signed != 1 || answer.Verifications[0].By != "ada" {
		t.Errorf("copied: %+v", answer.Verifications)
	}
}

func TestSigningIsRefused(t *testing.T) {
	d := newDesk(t)
	t.Setenv(passwordVariable, "")
	if err := os.Unsetenv(passwordVariable); err != nil { // until the test has ended
		t.Fatal(err)
	}
	private, public := d.keys("ada")
	d.write("locked.pem", string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: []byte("{}")})))
	d.refused(exitInvalid, []string{"is a folder", "publish the closure"}, "verify", d.dir, "--sign", private)
	d.refused(exitFailed, []string{"--sign", "openssl genpkey"}, "verify", "small", "--sign", d.path("absent.pem"))
	d.refused(exitInvalid, []string{"is no private key but PUBLIC KEY"}, "verify", "small", "--sign", public)
	d.refused(exitInvalid, []string{"no terminal", "$COSIGN_PASSWORD"}, "verify", "small", "--sign", d.path("locked.pem"))
	d.refused(exitInvalid, []string{"a part of a training"}, "replay", "small", "--sign", private, "--to", "3")
	d.refused(exitInvalid, []string{"is no public key but PRIVATE KEY"}, "serve", "--trust", private)
	d.refused(exitInvalid, []string{"trusted already"}, "serve", "--trust", public, "--trust", "again="+public)
	d.refused(exitInvalid, []string{"has no name that can be shown"}, "serve", "--trust", "="+public)
	d.refused(exitFailed, []string{"--trust", "cosign.pub"}, "serve", "--trust", d.path("absent.pub"))
}
