package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
)

// passwordVariable is where cosign looks for the password of its keys.
const passwordVariable = "COSIGN_PASSWORD"

// signFlag is how the verbs that recompute are told to sign what came out.
const signFlag = "sign the outcome with this private key, and keep it in the store as a record about the closure"

// signing reads the key of --sign, before anything takes long. An empty file is no signature.
func (a *app) signing(in io.Reader, file, arg string) (*attestation.Signer, error) {
	if file == "" {
		return nil, nil
	}
	if isDirectory(arg) {
		return nil, usagef("publish the closure, then name it by its reference", "--sign: records are kept in stores, and %s is a folder", arg)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, withHint(fmt.Errorf("--sign: %w", err), "make a key with: openssl genpkey -algorithm ed25519 -out key.pem")
	}
	return attestation.ReadSigner(file, text, func() ([]byte, error) { return a.keyPassword(in, file) })
}

// keyPassword asks for the password of a key, unless the environment has it.
func (a *app) keyPassword(in io.Reader, file string) ([]byte, error) {
	if password, ok := os.LookupEnv(passwordVariable); ok {
		return []byte(password), nil
	}
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, usagef("put it into $"+passwordVariable, "%s has a password, and there is no terminal to ask for it", file)
	}
	fmt.Fprintf(a.stderr, "password of %s: ", file)
	defer fmt.Fprintln(a.stderr)
	return term.ReadPassword(int(f.Fd()))
}

// keep signs what came out of a closure and keeps it as a record about it.
func (a *app) keep(ctx context.Context, signer *attestation.Signer, arg string, closure schema.Digest, workers int, p schema.VerificationPredicate) (schema.Digest, error) {
	ref, err := schema.ParseReference(arg)
	if err != nil {
		return schema.Digest{}, err
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return schema.Digest{}, err
	}
	r, err := zoo.Resolve(ctx, s, fmt.Sprintf("%s@%s", ref.Name, closure))
	if err != nil {
		return schema.Digest{}, err
	}
	if p.Created, err = createdNow(); err != nil {
		return schema.Digest{}, err
	}
	if p.Claims == nil {
		p.Claims = []schema.ObservedClaim{}
	}
	p.Runtime = schema.VerifyingRuntime{
		Browser: "reprise " + versionReport(version, debug.ReadBuildInfo).Version, OS: runtime.GOOS + "/" + runtime.GOARCH, Workers: max(1, workers),
	}
	e, err := signer.Put(ctx, s, r, schema.NewVerification(ref.Name, closure, p))
	return e.Digest, err
}

func (a *app) printRecord(w io.Writer, record schema.Digest) {
	if !record.IsZero() {
		fmt.Fprintf(w, "\nSigned, and kept in the store as %s\n", record)
	}
}

// observedClaims are the claims of a report as records have them.
func observedClaims(reports []schema.ClaimReport) []schema.ObservedClaim {
	claims := []schema.ObservedClaim{}
	for _, c := range reports {
		o := schema.ObservedClaim{Metric: c.Metric, Split: c.Split, Claimed: &c.Claimed, Verdict: c.Verdict}
		if c.Observed.Total > 0 {
			o.Observed = &c.Observed
		}
		claims = append(claims, o)
	}
	return claims
}

// maxKeyName is how long the name of a trusted key may be, in bytes.
const maxKeyName = 80

// readTrust reads the keys of --trust, each [NAME=]FILE; without a name a key has that of its file.
func readTrust(list []string) (*attestation.Trust, error) {
	t := &attestation.Trust{}
	for _, item := range list {
		name, file, ok := strings.Cut(item, "=")
		if !ok || strings.ContainsRune(name, filepath.Separator) {
			file = item
			name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		}
		if name == "" || len(name) > maxKeyName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil, usagef("--trust NAME=FILE names it", "--trust %q: the key has no name that can be shown", item)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, withHint(fmt.Errorf("--trust: %w", err), "name a public key in PEM, such as cosign.pub")
		}
		if err := t.Add(file, name, text); err != nil {
			return nil, err
		}
	}
	return t, nil
}
