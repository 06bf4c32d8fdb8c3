package storetest

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

var hostileNames = []string{
	"", "/", ".", "..", "../x", "a/../b", "/etc/passwd", "a/", "/a", "a//b", "a/b/c", "v", "tags", "a/v", "tags/a", "x.json",
	"A", "a b", "a\x00b", "a\nb", `a\b`, "ä", "a%2fb", "-a", "a-", ".a", "a..b", strings.Repeat("a", 300),
}

var hostileVersions = []string{
	"", "1", "1.0", "01.0.0", "1.0.0+build", "v1.0.0", "../1.0.0", "1.0.0/..", "1.0.0-", "1.0.0-a..b", "1.0.0-01", "latest",
	"1.0.0\x00", "1.0.0-" + strings.Repeat("a", 300),
}

var hostileTags = []string{
	"", ".", "..", "../x", "a/b", ".hidden", "-x", "1.0.0", "1.0.0-rc.1", "a b", "a\x00", "ä",
	"sha256-" + strings.Repeat("0", 64), strings.Repeat("a", 129),
}

var argumentTests = []test{
	{"hostile names are refused", func(t *testing.T, s zoo.Store) {
		e := EntryFor("a")
		for _, name := range hostileNames {
			wantInvalid(t, name, s.PutVersion(t.Context(), name, "1.0.0", e))
			wantInvalid(t, name, s.SwapTag(t.Context(), name, "latest", schema.Digest{}, e))
			_, err := s.Version(t.Context(), name, "1.0.0")
			wantInvalid(t, name, err)
			_, err = s.Tag(t.Context(), name, "latest")
			wantInvalid(t, name, err)
			_, err = s.Versions(t.Context(), name)
			wantInvalid(t, name, err)
			_, err = s.Tags(t.Context(), name)
			wantInvalid(t, name, err)
			if _, ok := s.(zoo.Scoped); ok {
				_, err = zoo.BlobsOf(s, name).Stat(t.Context(), e.Digest)
				wantInvalid(t, name, err)
				_, err = zoo.ReferrersOf(s, name).Referrers(t.Context(), e.Digest)
				wantInvalid(t, name, err)
			}
		}
		wantEmpty(t, s)
	}},
	{"hostile versions are refused", func(t *testing.T, s zoo.Store) {
		for _, version := range hostileVersions {
			wantInvalid(t, version, s.PutVersion(t.Context(), "mnist", version, EntryFor("a")))
			_, err := s.Version(t.Context(), "mnist", version)
			wantInvalid(t, version, err)
		}
		wantEmpty(t, s)
	}},
	{"hostile tags are refused", func(t *testing.T, s zoo.Store) {
		for _, tag := range hostileTags {
			wantInvalid(t, tag, s.SwapTag(t.Context(), "mnist", tag, schema.Digest{}, EntryFor("a")))
			_, err := s.Tag(t.Context(), "mnist", tag)
			wantInvalid(t, tag, err)
		}
		wantEmpty(t, s)
	}},
	{"incomplete entries are refused", func(t *testing.T, s zoo.Store) {
		for _, c := range []struct {
			name  string
			spoil func(e *zoo.Entry)
		}{
			{"no digest", func(e *zoo.Entry) { e.Digest = schema.Digest{} }},
			{"no media type", func(e *zoo.Entry) { e.MediaType = "" }},
			{"bad media type", func(e *zoo.Entry) { e.MediaType = "text" }},
			{"no artifact type", func(e *zoo.Entry) { e.ArtifactType = "" }},
			{"markup in the artifact type", func(e *zoo.Entry) { e.ArtifactType = "a/<script>" }},
			{"no size", func(e *zoo.Entry) { e.Size = 0 }},
			{"negative size", func(e *zoo.Entry) { e.Size = -1 }},
			{"huge size", func(e *zoo.Entry) { e.Size = 1 << 40 }},
			{"bad date", func(e *zoo.Entry) { e.Created = "yesterday" }},
		} {
			e := EntryFor("a")
			c.spoil(&e)
			wantInvalid(t, c.name, s.PutVersion(t.Context(), "mnist", "1.0.0", e))
			wantInvalid(t, c.name, s.SwapTag(t.Context(), "mnist", "latest", schema.Digest{}, e))
			wantInvalid(t, c.name, zoo.ReferrersOf(s, name).PutReferrer(t.Context(), schema.DigestOf(nil), e))
		}
		wantEmpty(t, s)
	}},
	{"the zero digest is refused", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		var zero schema.Digest
		_, err := s.Open(t.Context(), zero)
		wantInvalid(t, "Open", err)
		_, err = s.Stat(t.Context(), zero)
		wantInvalid(t, "Stat", err)
		wantInvalid(t, "Put", s.Put(t.Context(), zero, 1, strings.NewReader("a")))
		about := zoo.ReferrersOf(store, name)
		wantInvalid(t, "PutReferrer", about.PutReferrer(t.Context(), zero, EntryFor("a")))
		_, err = about.Referrers(t.Context(), zero)
		wantInvalid(t, "Referrers", err)
	}},
	{"a negative size is refused", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		d := schema.DigestOf([]byte("a"))
		wantInvalid(t, "Put", s.Put(t.Context(), d, -1, strings.NewReader("a")))
		wantAbsent(t, s, d)
	}},
}

func wantEmpty(t *testing.T, s zoo.Store) {
	t.Helper()
	if !s.Capabilities().Catalogue {
		return
	}
	names, err := s.Names(t.Context())
	check(t, err)
	if len(names) != 0 {
		t.Errorf("refused arguments made the names %q", names)
	}
}
