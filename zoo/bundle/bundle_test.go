package bundle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/bundle"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// filled is a directory store with a closure on a dataset, a record about the closure, and a tag.
func filled(t *testing.T) (zoo.Store, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "store")
	s, err := directory.Create(root)
	check(t, err)
	d, err := zoo.Publish(t.Context(), s, storetest.Dataset("digits", "1.0.0", "digits"), zoo.PublishOptions{})
	check(t, err)
	o := storetest.Closure("alice/mnist", "1.0.0", "mnist", storetest.On("digits", d.Digest))
	c, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{Tags: []string{"best"}})
	check(t, err)
	e, blobs := storetest.Referrer(c, "a signature")
	for d, b := range blobs {
		check(t, s.Put(t.Context(), d, int64(len(b)), bytes.NewReader(b)))
	}
	check(t, s.PutReferrer(t.Context(), c.Digest, e))
	return s, root
}

func pack(t *testing.T, s zoo.Store) []byte {
	t.Helper()
	all, err := zoo.SelectAll(t.Context(), s)
	check(t, err)
	var b bytes.Buffer
	check(t, bundle.Write(t.Context(), &b, all, bundle.WriteOptions{}))
	return b.Bytes()
}

func written(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "bundle.tar")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t *testing.T, content []byte) *bundle.Store {
	t.Helper()
	b, err := bundle.Open(written(t, content))
	check(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func unpack(t *testing.T, content []byte) string {
	t.Helper()
	root := t.TempDir()
	for tr := tar.NewReader(bytes.NewReader(content)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		check(t, err)
		name := filepath.Join(root, filepath.FromSlash(h.Name))
		check(t, os.MkdirAll(filepath.Dir(name), 0o700))
		b, err := io.ReadAll(tr)
		check(t, err)
		check(t, os.WriteFile(name, b, 0o600))
	}
}

func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(name, zoo.UploadsPath) {
			return err
		}
		rel, err := filepath.Rel(root, name)
		check(t, err)
		b, err := os.ReadFile(name)
		files[rel] = string(b)
		return err
	}))
	return files
}

func TestRoundTrip(t *testing.T) {
	s, root := filled(t)
	packed := pack(t, s)
	all, err := open(t, packed).Select(t.Context())
	check(t, err)
	again := filepath.Join(t.TempDir(), "again")
	to, err := directory.Create(again)
	check(t, err)
	_, err = zoo.Copy(t.Context(), all, to, zoo.CopyOptions{})
	check(t, err)
	want := tree(t, root)
	if diff := cmp.Diff(want, tree(t, again)); diff != "" {
		t.Errorf("the imported tree (-want +got):\n%s", diff)
	}
	want[zoo.IndexPath] = string(mustIndex(t, s))
	if diff := cmp.Diff(want, tree(t, unpack(t, packed))); diff != "" {
		t.Errorf("the unpacked bundle (-want +got):\n%s", diff)
	}
	if !bytes.Equal(pack(t, to), packed) {
		t.Error("the same objects in another store give another bundle")
	}
	memoryStore := memory.New()
	_, err = zoo.Copy(t.Context(), all, memoryStore, zoo.CopyOptions{})
	check(t, err)
	if !bytes.Equal(pack(t, memoryStore), packed) {
		t.Error("the same objects in a store of another kind give another bundle")
	}
}

func mustIndex(t *testing.T, s zoo.Store) []byte {
	t.Helper()
	all, err := zoo.SelectAll(t.Context(), s)
	check(t, err)
	return all.Index()
}

// TestOtherToolsReadIt reads a bundle with the package that crane is made of.
func TestOtherToolsReadIt(t *testing.T) {
	s, _ := filled(t)
	l, err := layout.FromPath(unpack(t, pack(t, s)))
	check(t, err)
	index, err := l.ImageIndex()
	check(t, err)
	manifest, err := index.IndexManifest()
	check(t, err)
	names := map[string]bool{}
	for _, d := range manifest.Manifests {
		names[d.Annotations["org.opencontainers.image.ref.name"]] = true
		image, err := index.Image(d.Digest)
		check(t, err)
		m, err := image.Manifest()
		check(t, err)
		for _, blob := range append(m.Layers, m.Config) {
			r, err := l.Blob(blob.Digest)
			check(t, err)
			b, err := io.ReadAll(r)
			check(t, errors.Join(err, r.Close()))
			if got := schema.DigestOf(b).String(); got != blob.Digest.String() || int64(len(b)) != blob.Size {
				t.Errorf("%s: has %d bytes of %s", blob.Digest, len(b), got)
			}
		}
	}
	if diff := cmp.Diff(map[string]bool{"alice/mnist:1.0.0": true, "alice/mnist:best": true, "digits:1.0.0": true, "": true}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestTarOfAStore reads what tar makes of a directory store, with its folders and unfinished uploads.
func TestTarOfAStore(t *testing.T) {
	command, err := exec.LookPath("tar")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("needs tar")
	}
	_, root := filled(t)
	check(t, os.WriteFile(filepath.Join(root, zoo.UploadsPath, "tmp-x"), []byte("half"), 0o600))
	name := filepath.Join(t.TempDir(), "store.tar")
	if out, err := exec.CommandContext(t.Context(), command, "-C", root, "-cf", name, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := bundle.Open(name)
	check(t, err)
	defer b.Close()
	_, err = b.Select(t.Context())
	check(t, err)
	if r, err := zoo.Resolve(t.Context(), b, "alice/mnist:best"); err != nil || r.Tag != "best" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestIsReadOnly(t *testing.T) {
	s, _ := filled(t)
	b := open(t, pack(t, s))
	e := storetest.EntryFor("a")
	for what, err := range map[string]error{
		"Put":         b.Put(t.Context(), e.Digest, 1, strings.NewReader("a")),
		"PutVersion":  b.PutVersion(t.Context(), "x", "1.0.0", e),
		"SwapTag":     b.SwapTag(t.Context(), "x", "best", schema.Digest{}, e),
		"PutReferrer": b.PutReferrer(t.Context(), e.Digest, e),
	} {
		if !errors.Is(err, zoo.ErrReadOnly) {
			t.Errorf("%s: got error %v", what, err)
		}
	}
}

func TestReadsLikeAStore(t *testing.T) {
	s, _ := filled(t)
	b := open(t, pack(t, s))
	report, err := zoo.Fsck(t.Context(), b, zoo.FsckOptions{})
	if err != nil || len(report.Damaged) > 0 || report.Checked == 0 {
		t.Errorf("fsck: %+v, %v", report, err)
	}
	if _, err := zoo.Pull(t.Context(), b, "alice/mnist", filepath.Join(t.TempDir(), "x"), zoo.PullOptions{}); err != nil {
		t.Error(err)
	}
	r, err := zoo.Resolve(t.Context(), b, "alice/mnist")
	check(t, err)
	part, err := b.OpenRange(t.Context(), r.Entry.Digest, 0, 1)
	check(t, err)
	if text, err := io.ReadAll(part); err != nil || string(text) != "{" {
		t.Errorf("a part: got %q, %v", text, err)
	}
	absent := schema.DigestOf([]byte("absent"))
	_, err = b.Open(t.Context(), absent)
	_, rangeErr := b.OpenRange(t.Context(), absent, 0, 1)
	if !errors.Is(err, zoo.ErrNotFound) || !errors.Is(rangeErr, zoo.ErrNotFound) {
		t.Errorf("what is not there: got errors %v, %v", err, rangeErr)
	}
	if _, err := b.OpenRange(t.Context(), r.Entry.Digest, 0, 1<<40); !errors.As(err, new(*schema.Invalid)) {
		t.Errorf("a range beyond the end: got error %v", err)
	}
}

func TestWriteStopsAtDamage(t *testing.T) {
	s, root := filled(t)
	all, err := zoo.SelectAll(t.Context(), s)
	check(t, err)
	engine := ""
	for _, o := range all.Objects {
		for _, d := range o.Links.Blobs {
			if d.Path() == schema.PathEngine {
				engine = filepath.Join(root, zoo.BlobPath(d.Digest))
			}
		}
	}
	check(t, os.WriteFile(engine, []byte("Engine of mnist"), 0o600))
	err = bundle.Write(t.Context(), io.Discard, all, bundle.WriteOptions{})
	if !errors.As(err, new(*schema.Damaged)) || !strings.Contains(err.Error(), schema.PathEngine) {
		t.Errorf("got error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bundle.Write(ctx, io.Discard, all, bundle.WriteOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a done context: got error %v", err)
	}
}
