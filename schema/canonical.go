package schema

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/gowebpki/jcs"
)

// Canonical writes v as canonical JSON (RFC 8785): equal documents have equal bytes. An integer of magnitude 2⁵³ or
// more, an infinity or a NaN is an error.
func Canonical(v any) ([]byte, error) {
	const document = "canonical JSON"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%s: %w", document, err)
	}
	if _, err := parseJSON(document, b.Bytes(), b.Len()); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", document, err)
	}
	return out, nil
}

// DigestOfDocument is the digest of v's canonical JSON.
func DigestOfDocument(v any) (Digest, error) {
	b, err := Canonical(v)
	if err != nil {
		return Digest{}, err
	}
	return DigestOf(b), nil
}
