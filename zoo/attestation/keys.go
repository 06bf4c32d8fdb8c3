package attestation

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/reprise-ml/reprise/schema"
)

// Blocks of key files. Cosign encrypts a key in PKCS #8 with its password.
const (
	blockPublic    = "PUBLIC KEY"
	blockPrivate   = "PRIVATE KEY"
	blockEncrypted = "ENCRYPTED SIGSTORE PRIVATE KEY"
)

// Whoever has other keys is told how to make these.
const keyRemedy = "Ed25519 and ECDSA on P-256 are known: openssl genpkey -algorithm ed25519, or cosign generate-key-pair"

// key is a public key.
type key struct {
	name   string
	public crypto.PublicKey
	hint   string // as bundles name it
}

var errSignature = errors.New("the signature is not of this key")

// Verify implements dsse.Verifier.
func (k key) Verify(_ context.Context, data, signature []byte) error {
	ok := false
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(public, data, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(data)
		ok = ecdsa.VerifyASN1(public, sum[:], signature)
	}
	if !ok {
		return errSignature
	}
	return nil
}

// KeyID implements dsse.Verifier. Envelopes name no key, so each is tried.
func (k key) KeyID() (string, error) { return "", nil }

// Public implements dsse.Verifier.
func (k key) Public() crypto.PublicKey { return k.public }

// newKey makes a key of what x509 has read; file is what errors call it.
func newKey(file, name string, public crypto.PublicKey) (key, error) {
	curve, isECDSA := public.(*ecdsa.PublicKey)
	_, isEd25519 := public.(ed25519.PublicKey)
	if !isEd25519 && (!isECDSA || curve.Curve != elliptic.P256()) {
		return key{}, schema.Invalidf(file, "", "holds a key of another kind; %s", keyRemedy)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return key{}, schema.Invalidf(file, "", "%v", err)
	}
	sum := sha256.Sum256(der)
	return key{name: name, public: public, hint: base64.StdEncoding.EncodeToString(sum[:])}, nil
}

// readPublicKey reads a public key in PEM.
func readPublicKey(file, name string, text []byte) (key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != blockPublic {
		what := "no PEM"
		if block != nil {
			what = block.Type
		}
		return key{}, schema.Invalidf(file, "", "is no public key but %s; it begins with -----BEGIN %s-----", what, blockPublic)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return key{}, schema.Invalidf(file, "", "no public key: %v", err)
	}
	return newKey(file, name, public)
}

// Signer signs records with a private key.
type Signer struct {
	key
	private crypto.Signer
}

// ReadSigner reads a private key in PEM, of PKCS #8 or of cosign, for which password is asked. file is what errors call it; they show
// nothing of the key.
func ReadSigner(file string, text []byte, password func() ([]byte, error)) (*Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, schema.Invalidf(file, "", "is no private key in PEM; %s", keyRemedy)
	}
	der := block.Bytes
	switch block.Type {
	case blockPrivate:
	case blockEncrypted:
		secret, err := password()
		if err != nil {
			return nil, err
		}
		if der, err = encrypted.Decrypt(der, secret); err != nil {
			return nil, schema.Invalidf(file, "", "its password is another one")
		}
	default:
		return nil, schema.Invalidf(file, "", "is no private key but %s; %s", block.Type, keyRemedy)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, schema.Invalidf(file, "", "no private key of PKCS #8")
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, schema.Invalidf(file, "", "holds a key that signs nothing; %s", keyRemedy)
	}
	k, err := newKey(file, "", private.Public())
	return &Signer{key: k, private: private}, err
}

// Sign implements dsse.Signer.
func (s *Signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	if _, ok := s.private.(ed25519.PrivateKey); ok {
		return s.private.Sign(rand.Reader, data, crypto.Hash(0))
	}
	sum := sha256.Sum256(data)
	return s.private.Sign(rand.Reader, sum[:], crypto.SHA256)
}
