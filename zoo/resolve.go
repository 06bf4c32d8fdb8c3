package zoo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Resolved is the object that a reference means.
type Resolved struct {
	Name    string
	Version string // empty unless the reference led to a version
	Tag     string // empty unless the reference led to a tag
	Entry   Entry
}

// Reference spells the object exactly: name@sha256:….
func (r Resolved) Reference() string { return r.Name + "@" + r.Entry.Digest.String() }

// Resolve finds the object that a reference means: name:x is version x, else tag x; name alone is the highest release, or
// the highest pre-release where there is no release; name@sha256:… is that object, whether or not a version names it.
//
// A malformed reference is *schema.Invalid. What is not there is ErrNotFound, in an error that says what there is.
func Resolve(ctx context.Context, s Store, reference string) (Resolved, error) {
	ref, err := schema.ParseReference(reference)
	if err != nil {
		return Resolved{}, err
	}
	switch {
	case !ref.Digest.IsZero():
		return resolveDigest(ctx, s, ref.Name, ref.Digest)
	case ref.Label != "":
		return resolveSelector(ctx, s, ref.Name, ref.Label)
	}
	versions, err := s.Versions(ctx, ref.Name)
	if err != nil {
		return Resolved{}, err
	}
	if len(versions) == 0 {
		return Resolved{}, unknownName(ctx, s, ref.Name)
	}
	version := Latest(versions)
	e, err := s.Version(ctx, ref.Name, version)
	return Resolved{Name: ref.Name, Version: version, Entry: e}, err
}

// Manifest reads the manifest of a resolved object. Bytes that are not those of its digest, or that are missing, are
// *schema.Damaged.
func Manifest(ctx context.Context, s Store, r Resolved) (*closure.Manifest, error) {
	b, err := closure.ReadBlob(ctx, BlobsOf(s, r.Name), BlobPath(r.Entry.Digest), r.Entry.Digest, r.Entry.Size, closure.MaxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", r.Name, err)
	}
	return closure.ParseManifest(b)
}

func resolveDigest(ctx context.Context, s Store, name string, d schema.Digest) (Resolved, error) {
	blobs := BlobsOf(s, name)
	size, err := blobs.Stat(ctx, d)
	if errors.Is(err, ErrNotFound) {
		return Resolved{}, fmt.Errorf("%s@%s: %w", name, d, ErrNotFound)
	}
	if err != nil {
		return Resolved{}, err
	}
	r := Resolved{Name: name, Entry: Entry{Digest: d, Size: size}}
	m, err := Manifest(ctx, s, r)
	if err != nil {
		return Resolved{}, err
	}
	r.Entry = EntryOf(m)
	return r, nil
}

func resolveSelector(ctx context.Context, s Store, name, selector string) (Resolved, error) {
	if schema.CheckVersion(selector) == nil {
		e, err := s.Version(ctx, name, selector)
		if err == nil {
			return Resolved{Name: name, Version: selector, Entry: e}, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return Resolved{}, err
		}
	} else {
		e, err := s.Tag(ctx, name, selector)
		if err == nil {
			return Resolved{Name: name, Tag: selector, Entry: e}, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return Resolved{}, err
		}
	}
	return Resolved{}, unknownSelector(ctx, s, name, selector)
}

// unknownSelector is the error for a version or tag that is not there; it says which are.
func unknownSelector(ctx context.Context, s Store, name, selector string) error {
	versions, err := s.Versions(ctx, name)
	if err != nil {
		return err
	}
	tags, err := s.Tags(ctx, name)
	if err != nil {
		return err
	}
	var has []string
	if len(versions) > 0 {
		slices.Reverse(versions)
		has = append(has, "the versions "+some(versions))
	}
	if len(tags) > 0 {
		has = append(has, "the tags "+some(tags))
	}
	if len(has) == 0 {
		return unknownName(ctx, s, name)
	}
	return fmt.Errorf("%s:%s: %w: %s has %s", name, selector, ErrNotFound, name, strings.Join(has, " and "))
}

// Latest is what a name alone means, of its versions in ascending order: the highest release, else the highest pre-release. Of none
// it is the empty string.
func Latest(versions []string) string {
	for _, v := range slices.Backward(versions) {
		if !schema.IsPrerelease(v) {
			return v
		}
	}
	if len(versions) == 0 {
		return ""
	}
	return versions[len(versions)-1]
}

// some lists the first few of many for an error message.
func some(list []string) string {
	const few = 8
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}
