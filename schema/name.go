package schema

import (
	"fmt"
	"regexp"
	"strings"
)

// MaxName is the longest name, in bytes: a registry limits the whole of host, prefix and name to 255.
const MaxName = 128

var (
	namePart = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
	tagText  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	// digestText is a digest as some clients of registries spell it in a tag, or without its algorithm.
	digestText = regexp.MustCompile(`^(sha256-)?[0-9a-f]{64}$`)
)

// CheckName says why s is not the name of a closure or dataset, `[owner/]part`, or nil. Parts are those of repositories
// in an OCI registry; "v", "tags" and what ends in ".json" would be taken for other things in a store.
func CheckName(s string) error {
	parts := strings.Split(s, "/")
	switch {
	case s == "":
		return fmt.Errorf("a name is missing")
	case len(s) > MaxName:
		return fmt.Errorf("%q is too long for a name: it has %d characters, more than %d", shorten(s), len(s), MaxName)
	case len(parts) > 2:
		return fmt.Errorf("%q is not a name: it has %d parts, a name is PART or OWNER/PART", s, len(parts))
	}
	for _, p := range parts {
		switch {
		case !namePart.MatchString(p):
			return fmt.Errorf("%q is not a name: use lower-case letters and digits, with single . _ or - between them", shorten(s))
		case p == "v" || p == "tags" || strings.HasSuffix(p, ".json"):
			return fmt.Errorf("%q is not a name: v, tags and what ends in .json are reserved", s)
		}
	}
	return nil
}

// CheckTag says why s is not a tag, or nil. A tag may be neither a version nor a digest; v1.0.0, which images often have, is a
// tag like any other.
func CheckTag(s string) error {
	switch {
	case !tagText.MatchString(s):
		return fmt.Errorf("%q is not a tag: use up to 128 letters, digits and . _ - and begin with a letter, a digit or _", shorten(s))
	case CheckVersion(s) == nil:
		return fmt.Errorf("%q is not a tag: it is a version", s)
	case digestText.MatchString(s):
		return fmt.Errorf("%q is not a tag: it looks like a digest", s)
	}
	return nil
}

// Reference names a closure or dataset in a store: `name`, the highest release; `name:label`, the version of that label
// or else the tag; `name@sha256:…`, exactly that object.
type Reference struct {
	Name   string
	Label  string // a version or a tag, or empty
	Digest Digest // or zero
}

// ParseReference reads the written form. The error is an *Invalid.
func ParseReference(s string) (Reference, error) {
	fail := func(err error) (Reference, error) {
		return Reference{}, Invalidf("reference "+fmt.Sprintf("%q", shorten(s)), "", "%s", err)
	}
	if name, digest, ok := strings.Cut(s, "@"); ok {
		if err := CheckName(name); err != nil {
			return fail(err)
		}
		d, err := ParseDigest(digest)
		if err != nil {
			return fail(err)
		}
		return Reference{Name: name, Digest: d}, nil
	}
	name, label, labelled := strings.Cut(s, ":")
	if err := CheckName(name); err != nil {
		return fail(err)
	}
	if labelled && CheckVersion(label) != nil {
		if err := CheckTag(label); err != nil {
			return fail(fmt.Errorf("%q is neither a version, such as 1.0.0, nor a tag", shorten(label)))
		}
	}
	return Reference{Name: name, Label: label}, nil
}

// String is the written form.
func (r Reference) String() string {
	switch {
	case !r.Digest.IsZero():
		return r.Name + "@" + r.Digest.String()
	case r.Label != "":
		return r.Name + ":" + r.Label
	}
	return r.Name
}

// IsVersion reports whether the label is a version; else it is a tag or there is none.
func (r Reference) IsVersion() bool { return CheckVersion(r.Label) == nil }
