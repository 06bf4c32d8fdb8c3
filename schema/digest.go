package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest is a sha256, written "sha256:<64 lower-case hex digits>". The zero Digest means "none"; every other value
// comes from a validating constructor, so that code which holds a Digest need not check it. Digests are comparable.
type Digest struct{ hex string }

const digestPrefix = "sha256:"

// ParseDigest reads the written form. Upper-case digits, other algorithms and other lengths are refused.
func ParseDigest(s string) (Digest, error) {
	h, ok := strings.CutPrefix(s, digestPrefix)
	if !ok {
		return Digest{}, fmt.Errorf("%q is not a digest: it must start with %q", s, digestPrefix)
	}
	return DigestFromHex(h)
}

// DigestFromHex reads the 64 hexadecimal digits alone, as file names in a store carry them.
func DigestFromHex(h string) (Digest, error) {
	if len(h) != 2*sha256.Size || strings.Trim(h, "0123456789abcdef") != "" {
		return Digest{}, fmt.Errorf("%q is not a digest: 64 lower-case hexadecimal digits are needed", h)
	}
	return Digest{hex: h}, nil
}

// DigestOf hashes bytes.
func DigestOf(b []byte) Digest { return DigestFromSum(sha256.Sum256(b)) }

// DigestFromSum makes a Digest of a finished sha256.
func DigestFromSum(sum [sha256.Size]byte) Digest { return Digest{hex: hex.EncodeToString(sum[:])} }

// String returns the written form, or the empty string for the zero Digest.
func (d Digest) String() string {
	if d.hex == "" {
		return ""
	}
	return digestPrefix + d.hex
}

// Hex returns the digits alone.
func (d Digest) Hex() string { return d.hex }

// Short returns the first twelve digits, for people.
func (d Digest) Short() string { return d.hex[:min(12, len(d.hex))] }

// IsZero reports whether there is no digest.
func (d Digest) IsZero() bool { return d.hex == "" }

// MarshalText writes the written form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the written form; the empty string is the zero Digest.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = Digest{}
		return nil
	}
	v, err := ParseDigest(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}
