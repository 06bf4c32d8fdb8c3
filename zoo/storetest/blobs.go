package storetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

var blobTests = []test{
	{"what is put is read", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		for _, text := range []string{"", "a", strings.Repeat("reprise", 200_000)} {
			d := put(t, s, text)
			size, err := s.Stat(t.Context(), d)
			check(t, err)
			if size != int64(len(text)) {
				t.Errorf("Stat: got %d bytes, want %d", size, len(text))
			}
			r, err := s.Open(t.Context(), d)
			check(t, err)
			got, err := io.ReadAll(r)
			check(t, err)
			check(t, r.Close())
			if string(got) != text {
				t.Errorf("got %d other bytes than the %d put", len(got), len(text))
			}
		}
	}},
	{"what is not there is not found", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		d := schema.DigestOf([]byte("absent"))
		_, err := s.Open(t.Context(), d)
		wantErr(t, "Open", err, zoo.ErrNotFound)
		_, err = s.Stat(t.Context(), d)
		wantErr(t, "Stat", err, zoo.ErrNotFound)
	}},
	{"putting again succeeds", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		d := put(t, s, "twice")
		put(t, s, "twice")
		check(t, s.Put(t.Context(), d, 5, failingReader{errors.New("need not be read")}))
	}},
	{"wrong bytes are refused", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		for _, c := range []struct {
			name, bytes, named string
			size               int64
		}{
			{"other bytes", "abcd", "abce", 4},
			{"too short", "abc", "abcd", 4},
			{"too long", "abcde", "abcd", 4},
			{"nothing", "", "abcd", 4},
			{"size too small", "abcd", "abcd", 3},
			{"size too large", "abcd", "abcd", 5},
		} {
			t.Run(c.name, func(t *testing.T) {
				d := schema.DigestOf([]byte(c.named))
				wantDamaged(t, "Put", s.Put(t.Context(), d, c.size, strings.NewReader(c.bytes)))
				wantAbsent(t, s, d)
			})
		}
		if put(t, s, "abcd"); t.Failed() {
			t.Log("a refused Put must not spoil a later one")
		}
	}},
	{"an error of the reader is passed on", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		broken := errors.New("the line was cut")
		d := schema.DigestOf([]byte("abcd"))
		err := s.Put(t.Context(), d, 4, io.MultiReader(strings.NewReader("ab"), failingReader{broken}))
		wantErr(t, "Put", err, broken)
		wantAbsent(t, s, d)
	}},
	{"a done context stops everything", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		ctx := cancelled(t)
		d := schema.DigestOf([]byte("abcd"))
		wantErr(t, "Put", s.Put(ctx, d, 4, strings.NewReader("abcd")), context.Canceled)
		wantAbsent(t, s, d)
		put(t, s, "abcd")
		_, err := s.Open(ctx, d)
		wantErr(t, "Open", err, context.Canceled)
		_, err = s.Stat(ctx, d)
		wantErr(t, "Stat", err, context.Canceled)
	}},
	{"a context that ends during Put leaves nothing", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		ctx, cancel := context.WithCancel(t.Context())
		text := strings.Repeat("x", 1<<20)
		d := schema.DigestOf([]byte(text))
		half := strings.NewReader(text[:1<<19])
		rest := strings.NewReader(text[1<<19:])
		err := s.Put(ctx, d, 1<<20, io.MultiReader(half, readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }), rest))
		wantErr(t, "Put", err, context.Canceled)
		wantAbsent(t, s, d)
	}},
	{"manifests are blobs too", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		o := Object(name, "1.0.0", "text")
		for _, d := range o.Manifest.Blobs() {
			put(t, s, string(o.Blobs.(Bytes)[d.Digest]))
		}
		want := string(o.Manifest.Bytes())
		d := put(t, s, want)
		size, err := s.Stat(t.Context(), d)
		check(t, err)
		r, err := s.Open(t.Context(), d)
		check(t, err)
		got, err := io.ReadAll(r)
		check(t, err)
		check(t, r.Close())
		if string(got) != want || size != int64(len(want)) {
			t.Errorf("got %d bytes %q, want %q", size, got, want)
		}
	}},
}

var abilityTests = []test{
	{"AllBlobs lists each blob once", func(t *testing.T, s zoo.Store) {
		lister, ok := s.(zoo.BlobLister)
		if !ok {
			return
		}
		want, got := map[schema.Digest]int{}, map[schema.Digest]int{}
		for _, text := range []string{"a", "b", "c", "a"} {
			want[put(t, s, text)] = 1
		}
		for d, err := range lister.AllBlobs(t.Context()) {
			check(t, err)
			got[d]++
		}
		if diff := cmp.Diff(hexes(want), hexes(got)); diff != "" {
			t.Errorf("blobs (-want +got):\n%s", diff)
		}
		for _, err := range lister.AllBlobs(t.Context()) {
			check(t, err)
			break // a caller may stop at any time
		}
		for d, err := range lister.AllBlobs(cancelled(t)) {
			wantErr(t, "AllBlobs", err, context.Canceled)
			if !d.IsZero() {
				t.Errorf("an error came with the digest %s", d)
			}
		}
	}},
	{"DeleteBlob forgets", func(t *testing.T, s zoo.Store) {
		deleter, ok := s.(zoo.BlobDeleter)
		if !ok {
			return
		}
		kept, d := put(t, s, "kept"), put(t, s, "gone")
		check(t, deleter.DeleteBlob(t.Context(), d))
		wantAbsent(t, s, d)
		check(t, deleter.DeleteBlob(t.Context(), d))
		_, err := s.Stat(t.Context(), kept)
		check(t, err)
		put(t, s, "gone")
	}},
	{"OpenRange reads a part", func(t *testing.T, s zoo.Store) {
		blobs := zoo.BlobsOf(s, name)
		ranger, ok := blobs.(zoo.RangeReader)
		if !ok {
			return
		}
		d := put(t, blobs, "0123456789")
		for _, c := range []struct {
			offset, length int64
			want           string
			invalid        bool
		}{
			{0, 10, "0123456789", false},
			{3, 4, "3456", false},
			{9, 1, "9", false},
			{10, 0, "", false},
			{-1, 2, "", true},
			{0, 11, "", true},
			{11, 0, "", true},
			{5, -1, "", true},
			{2, 1<<63 - 1, "", true},
		} {
			r, err := ranger.OpenRange(t.Context(), d, c.offset, c.length)
			if c.invalid {
				wantInvalid(t, "OpenRange outside the blob", err)
				continue
			}
			check(t, err)
			got, err := io.ReadAll(r)
			check(t, err)
			check(t, r.Close())
			if string(got) != c.want {
				t.Errorf("%d bytes at %d: got %q, want %q", c.length, c.offset, got, c.want)
			}
		}
		_, err := ranger.OpenRange(t.Context(), schema.DigestOf([]byte("absent")), 0, 1)
		wantErr(t, "OpenRange", err, zoo.ErrNotFound)
	}},
	{"Path is a file with the bytes", func(t *testing.T, s zoo.Store) {
		finder, ok := s.(zoo.PathFinder)
		if !ok {
			return
		}
		d := put(t, s, "local")
		path, err := finder.Path(t.Context(), d)
		check(t, err)
		checkFile(t, path, "local")
		_, err = finder.Path(t.Context(), schema.DigestOf([]byte("absent")))
		wantErr(t, "Path", err, zoo.ErrNotFound)
	}},
}

func hexes(m map[schema.Digest]int) map[string]int {
	out := map[string]int{}
	for d, n := range m {
		out[d.Hex()] = n
	}
	return out
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
