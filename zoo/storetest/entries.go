package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// digests lets cmp compare entries.
var digests = cmp.Comparer(func(a, b schema.Digest) bool { return a == b })

var versionTests = []test{
	{"a version is what was published", func(t *testing.T, s zoo.Store) {
		for _, name := range []string{name, "alice/mnist", "a.b_c__d--e/f"} {
			want := stored(t, s, name, name)
			check(t, s.PutVersion(t.Context(), name, "1.0.0", want))
			got, err := s.Version(t.Context(), name, "1.0.0")
			check(t, err)
			if diff := cmp.Diff(want, got, digests); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}},
	{"an entry without a date is kept so", func(t *testing.T, s zoo.Store) {
		m, blobs := undated("a")
		want := keep(t, zoo.BlobsOf(s, name), m, blobs)
		check(t, s.PutVersion(t.Context(), name, "1.0.0", want))
		got, err := s.Version(t.Context(), name, "1.0.0")
		check(t, err)
		if diff := cmp.Diff(want, got, digests); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}},
	{"publishing again succeeds and changes nothing", func(t *testing.T, s zoo.Store) {
		first := stored(t, s, name, "a")
		check(t, s.PutVersion(t.Context(), name, "1.0.0", first))
		again := first
		again.Created = "2027-01-01T00:00:00Z"
		check(t, s.PutVersion(t.Context(), name, "1.0.0", again))
		got, err := s.Version(t.Context(), name, "1.0.0")
		check(t, err)
		if got != first {
			t.Errorf("got %+v, want %+v", got, first)
		}
	}},
	{"another digest is refused", func(t *testing.T, s zoo.Store) {
		a, b := stored(t, s, name, "a"), stored(t, s, name, "b")
		check(t, s.PutVersion(t.Context(), name, "1.0.0", a))
		err := s.PutVersion(t.Context(), name, "1.0.0", b)
		wantErr(t, "PutVersion", err, zoo.ErrVersionExists)
		for _, part := range []string{"mnist:1.0.0", a.Digest.String(), b.Digest.String()} {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("the error %q does not name %s", err, part)
			}
		}
		got, err := s.Version(t.Context(), name, "1.0.0")
		check(t, err)
		if got != a {
			t.Errorf("got %+v, want %+v", got, a)
		}
	}},
	{"what is not there is not found", func(t *testing.T, s zoo.Store) {
		_, err := s.Version(t.Context(), name, "1.0.0")
		wantErr(t, "Version of an unknown name", err, zoo.ErrNotFound)
		check(t, s.PutVersion(t.Context(), name, "1.0.0", stored(t, s, name, "a")))
		_, err = s.Version(t.Context(), name, "1.0.1")
		wantErr(t, "Version", err, zoo.ErrNotFound)
		_, err = s.Version(t.Context(), name, "1.0.0-rc.1")
		wantErr(t, "Version", err, zoo.ErrNotFound)
	}},
	{"versions are listed by precedence", func(t *testing.T, s zoo.Store) {
		want := []string{
			"0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
			"1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "10.0.0",
		}
		for i := range want {
			v := want[(i*5)%len(want)] // in another order; 5 and the length have no common factor
			check(t, s.PutVersion(t.Context(), name, v, stored(t, s, name, v)))
		}
		check(t, s.PutVersion(t.Context(), "mnist2", "3.0.0", stored(t, s, "mnist2", "other")))
		check(t, s.PutVersion(t.Context(), "mnist/sub", "4.0.0", stored(t, s, "mnist/sub", "owned")))
		got, err := s.Versions(t.Context(), name)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("versions (-want +got):\n%s", diff)
		}
	}},
	{"an unknown name has no versions", func(t *testing.T, s zoo.Store) {
		got, err := s.Versions(t.Context(), name)
		check(t, err)
		if len(got) != 0 {
			t.Errorf("got %v", got)
		}
	}},
	{"a done context stops everything", func(t *testing.T, s zoo.Store) {
		ctx := cancelled(t)
		wantErr(t, "PutVersion", s.PutVersion(ctx, name, "1.0.0", stored(t, s, name, "a")), context.Canceled)
		_, err := s.Version(t.Context(), name, "1.0.0")
		wantErr(t, "Version", err, zoo.ErrNotFound)
		_, err = s.Version(ctx, name, "1.0.0")
		wantErr(t, "Version", err, context.Canceled)
		_, err = s.Versions(ctx, name)
		wantErr(t, "Versions", err, context.Canceled)
	}},
}

var tagTests = []test{
	{"a tag moves from where it was seen", func(t *testing.T, s zoo.Store) {
		a, b := stored(t, s, name, "a"), stored(t, s, name, "b")
		check(t, s.SwapTag(t.Context(), name, "latest", schema.Digest{}, a))
		check(t, s.SwapTag(t.Context(), name, "latest", a.Digest, b))
		got, err := s.Tag(t.Context(), name, "latest")
		check(t, err)
		if got != b {
			t.Errorf("got %+v, want %+v", got, b)
		}
	}},
	{"a tag that was not seen there does not move", func(t *testing.T, s zoo.Store) {
		a, b, c := stored(t, s, name, "a"), stored(t, s, name, "b"), stored(t, s, name, "c")
		err := s.SwapTag(t.Context(), name, "latest", a.Digest, b)
		wantErr(t, "SwapTag of a tag that does not exist", err, zoo.ErrTagMoved)
		_, err = s.Tag(t.Context(), name, "latest")
		wantErr(t, "Tag", err, zoo.ErrNotFound)

		check(t, s.SwapTag(t.Context(), name, "latest", schema.Digest{}, a))
		for _, old := range []schema.Digest{{}, c.Digest} {
			err = s.SwapTag(t.Context(), name, "latest", old, b)
			wantErr(t, "SwapTag", err, zoo.ErrTagMoved)
			if err != nil && !strings.Contains(err.Error(), a.Digest.String()) {
				t.Errorf("the error %q does not say where the tag is", err)
			}
		}
		got, err := s.Tag(t.Context(), name, "latest")
		check(t, err)
		if got != a {
			t.Errorf("got %+v, want %+v", got, a)
		}
	}},
	{"moving to where it is succeeds", func(t *testing.T, s zoo.Store) {
		a, b := stored(t, s, name, "a"), stored(t, s, name, "b")
		check(t, s.SwapTag(t.Context(), name, "latest", schema.Digest{}, a))
		for _, old := range []schema.Digest{{}, a.Digest, b.Digest} {
			check(t, s.SwapTag(t.Context(), name, "latest", old, a))
		}
	}},
	{"tags are listed in byte order", func(t *testing.T, s zoo.Store) {
		want := []string{"B", "_x", "best", "latest", "v1"}
		for _, i := range []int{3, 0, 4, 2, 1} {
			check(t, s.SwapTag(t.Context(), name, want[i], schema.Digest{}, stored(t, s, name, "a")))
		}
		check(t, s.SwapTag(t.Context(), "cifar", "other", schema.Digest{}, stored(t, s, "cifar", "a")))
		got, err := s.Tags(t.Context(), name)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tags (-want +got):\n%s", diff)
		}
		got, err = s.Tags(t.Context(), "unknown")
		check(t, err)
		if len(got) != 0 {
			t.Errorf("an unknown name has the tags %v", got)
		}
	}},
	{"a tag is deleted where it was seen", func(t *testing.T, s zoo.Store) {
		deleter, ok := s.(zoo.TagDeleter)
		if !ok {
			t.Fatal("every store that can be written deletes tags, or says that its place does not")
		}
		first, second := stored(t, s, name, "a"), stored(t, s, name, "b")
		wantErr(t, "DeleteTag of no tag", deleter.DeleteTag(t.Context(), name, "latest", first.Digest), zoo.ErrNotFound)
		check(t, s.SwapTag(t.Context(), name, "latest", schema.Digest{}, second))
		wantErr(t, "DeleteTag of a moved tag", deleter.DeleteTag(t.Context(), name, "latest", first.Digest), zoo.ErrTagMoved)
		wantErr(t, "DeleteTag, cancelled", deleter.DeleteTag(cancelled(t), name, "latest", second.Digest), context.Canceled)
		wantInvalid(t, "DeleteTag of a version", deleter.DeleteTag(t.Context(), name, "1.0.0", second.Digest))
		if e, err := s.Tag(t.Context(), name, "latest"); err != nil || e.Digest != second.Digest {
			t.Errorf("what was refused has changed the tag: %+v, %v", e, err)
		}
		err := deleter.DeleteTag(t.Context(), name, "latest", second.Digest)
		if errors.Is(err, zoo.ErrUnsupported) && !s.Capabilities().ConditionalWrites {
			if e, err := s.Tag(t.Context(), name, "latest"); err != nil || e.Digest != second.Digest {
				t.Errorf("what is not supported has changed the tag: %+v, %v", e, err)
			}
			t.Logf("not by this registry: %v", err)
			return
		}
		check(t, err)
		_, err = s.Tag(t.Context(), name, "latest")
		wantErr(t, "Tag", err, zoo.ErrNotFound)
		if names, err := s.Names(t.Context()); err == nil && slices.Contains(names, name) {
			t.Error("a name without any tag is still listed")
		}
		if tags, err := s.Tags(t.Context(), name); err != nil || len(tags) > 0 {
			t.Errorf("tags: %q, %v", tags, err)
		}
		wantErr(t, "DeleteTag of a deleted tag", deleter.DeleteTag(t.Context(), name, "latest", second.Digest), zoo.ErrNotFound)
		wantErr(t, "SwapTag of a deleted tag", s.SwapTag(t.Context(), name, "latest", second.Digest, first), zoo.ErrTagMoved)
		check(t, s.SwapTag(t.Context(), name, "latest", schema.Digest{}, first))
	}},
	{"a done context stops everything", func(t *testing.T, s zoo.Store) {
		ctx := cancelled(t)
		wantErr(t, "SwapTag", s.SwapTag(ctx, name, "latest", schema.Digest{}, stored(t, s, name, "a")), context.Canceled)
		_, err := s.Tag(t.Context(), name, "latest")
		wantErr(t, "Tag", err, zoo.ErrNotFound)
		_, err = s.Tag(ctx, name, "latest")
		wantErr(t, "Tag", err, context.Canceled)
		_, err = s.Tags(ctx, name)
		wantErr(t, "Tags", err, context.Canceled)
	}},
}

var referrerTests = []test{
	{"referrers are listed by subject, in order", func(t *testing.T, s zoo.Store) {
		about := zoo.ReferrersOf(s, name)
		subject, other := schema.DigestOf([]byte("subject")), schema.DigestOf([]byte("other"))
		var want []zoo.Entry
		for _, text := range []string{"a", "b", "c", "d"} {
			e := record(t, s, name, subject, text)
			check(t, about.PutReferrer(t.Context(), subject, e))
			check(t, about.PutReferrer(t.Context(), subject, e))
			want = append(want, e)
		}
		check(t, about.PutReferrer(t.Context(), other, record(t, s, name, other, "e")))
		slices.SortFunc(want, func(a, b zoo.Entry) int { return strings.Compare(a.Digest.Hex(), b.Digest.Hex()) })
		got, err := about.Referrers(t.Context(), subject)
		check(t, err)
		if diff := cmp.Diff(want, got, digests); diff != "" {
			t.Errorf("referrers (-want +got):\n%s", diff)
		}
	}},
	{"a subject that nobody refers to has none", func(t *testing.T, s zoo.Store) {
		got, err := zoo.ReferrersOf(s, name).Referrers(t.Context(), schema.DigestOf([]byte("subject")))
		check(t, err)
		if len(got) != 0 {
			t.Errorf("got %v", got)
		}
	}},
	{"a done context stops everything", func(t *testing.T, s zoo.Store) {
		ctx, subject, about := cancelled(t), schema.DigestOf([]byte("subject")), zoo.ReferrersOf(s, name)
		wantErr(t, "PutReferrer", about.PutReferrer(ctx, subject, EntryFor("a")), context.Canceled)
		_, err := about.Referrers(ctx, subject)
		wantErr(t, "Referrers", err, context.Canceled)
	}},
}

var catalogueTests = []test{
	{"names are listed in byte order", func(t *testing.T, s zoo.Store) {
		names := []string{"a", "a-b", "a/b", "a0", "b/c", "z"}
		for _, i := range []int{4, 1, 5, 0, 3, 2} {
			check(t, s.PutVersion(t.Context(), names[i], "1.0.0", stored(t, s, names[i], "a")))
		}
		check(t, s.PutVersion(t.Context(), "a", "2.0.0", stored(t, s, "a", "a")))
		check(t, s.SwapTag(t.Context(), "tagged", "best", schema.Digest{}, stored(t, s, "tagged", "a")))
		want := []string{"a", "a-b", "a/b", "a0", "b/c", "tagged", "z"}
		got, err := s.Names(t.Context())
		if !s.Capabilities().Catalogue {
			wantErr(t, "Names of a store without a catalogue", err, zoo.ErrUnsupported)
			return
		}
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		_, err = s.Names(cancelled(t))
		wantErr(t, "Names", err, context.Canceled)
	}},
	{"an empty store has no names", func(t *testing.T, s zoo.Store) {
		if !s.Capabilities().Catalogue {
			return
		}
		put(t, zoo.BlobsOf(s, name), "a blob is no name")
		got, err := s.Names(t.Context())
		check(t, err)
		if len(got) != 0 {
			t.Errorf("got %v", got)
		}
	}},
}
