package zoo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// archive fills a store with a closure on a dataset, a signed record about the closure, another closure, and tags.
func archive(t *testing.T, s zoo.Store) {
	t.Helper()
	d := publish(t, s, storetest.Dataset("digits", "1.0.0", "digits"), zoo.PublishOptions{})
	before := publish(t, s, storetest.Dataset("letters", "1.0.0", "letters"), zoo.PublishOptions{})
	earlier := storetest.Use{Name: "letters", Digest: before.Digest, Earlier: true}
	c := publish(t, s, storetest.Closure("alice/mnist", "1.0.0", "mnist", storetest.On("digits", d.Digest), earlier), zoo.PublishOptions{Tags: []string{"best"}})
	publish(t, s, storetest.Object("cifar", "2.0.0", "cifar"), zoo.PublishOptions{Tags: []string{"best", "latest"}})
	record := refer(t, s, "alice/mnist", c, "a record")
	refer(t, s, "alice/mnist", record, "its signature")
}

// refer stores what another tool would have: a manifest about an object, with an empty config and a file without a title.
func refer(t *testing.T, s zoo.Store, name string, about zoo.Entry, text string) zoo.Entry {
	t.Helper()
	e, blobs := storetest.Referrer(about, text)
	for d, b := range blobs {
		if err := zoo.BlobsOf(s, name).Put(t.Context(), d, int64(len(b)), bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zoo.ReferrersOf(s, name).PutReferrer(t.Context(), about.Digest, e); err != nil {
		t.Fatal(err)
	}
	return e
}

func newDirectory(t *testing.T) (*directory.Store, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "store")
	s, err := directory.Create(root)
	if err != nil {
		t.Fatal(err)
	}
	return s, root
}

func copyAll(t *testing.T, from, to zoo.Store, opts zoo.CopyOptions) zoo.Copied {
	t.Helper()
	all, err := zoo.SelectAll(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	done, err := zoo.Copy(t.Context(), all, to, opts)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// treeOf reads the files of a store but for what is unfinished.
func treeOf(t *testing.T, root string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || strings.HasPrefix(rel, zoo.UploadsPath) {
			return err
		}
		b, err := os.ReadFile(path)
		tree[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestCopyThereAndBackGivesTheSameTree(t *testing.T) {
	first, firstRoot := newDirectory(t)
	archive(t, first)
	between := memory.New()
	copyAll(t, first, between, zoo.CopyOptions{})
	last, lastRoot := newDirectory(t)
	copyAll(t, between, last, zoo.CopyOptions{})
	if diff := cmp.Diff(treeOf(t, firstRoot), treeOf(t, lastRoot)); diff != "" {
		t.Errorf("trees (-first +last):\n%s", diff)
	}
}

func TestCopyTakesAlongWhatBelongsToIt(t *testing.T) {
	from, to := memory.New(), memory.New()
	archive(t, from)
	selected, err := zoo.Select(t.Context(), from, []string{"alice/mnist:1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	done, err := zoo.Copy(t.Context(), selected, to, zoo.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"digits:1.0.0", "letters:1.0.0", "alice/mnist:1.0.0"}
	if diff := cmp.Diff(want, refNames(done)); diff != "" {
		t.Errorf("copied (-want +got):\n%s", diff)
	}
	names, err := to.Names(t.Context())
	if diff := cmp.Diff([]string{"alice/mnist", "digits", "letters"}, names); err != nil || diff != "" {
		t.Errorf("names: %v (-want +got):\n%s", err, diff)
	}
	r, err := zoo.Resolve(t.Context(), to, "alice/mnist")
	if err != nil {
		t.Fatal(err)
	}
	about, err := to.Referrers(t.Context(), r.Entry.Digest)
	if err != nil || len(about) != 1 {
		t.Fatalf("the record: got %v, %v", about, err)
	}
	if about, err = to.Referrers(t.Context(), about[0].Digest); err != nil || len(about) != 1 {
		t.Errorf("the record's signature: got %v, %v", about, err)
	}
	if report, err := zoo.Fsck(t.Context(), to, zoo.FsckOptions{}); err != nil || len(report.Damaged) > 0 {
		t.Errorf("the copy is not whole: %+v, %v", report, err)
	}
}

func TestCopyReferences(t *testing.T) {
	from := memory.New()
	archive(t, from)
	best, err := from.Tag(t.Context(), "cifar", "best")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reference string
		want      []string
	}{
		{"cifar", []string{"cifar:2.0.0"}},
		{"cifar:best", []string{"cifar:2.0.0", "cifar:best"}},
		{"cifar@" + best.Digest.String(), []string{"cifar:2.0.0", "cifar:best", "cifar:latest"}},
	} {
		to := memory.New()
		selected, err := zoo.Select(t.Context(), from, []string{c.reference})
		if err != nil {
			t.Fatal(err)
		}
		done, err := zoo.Copy(t.Context(), selected, to, zoo.CopyOptions{})
		if diff := cmp.Diff(c.want, refNames(done)); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.reference, err, diff)
		}
		if _, err := zoo.Resolve(t.Context(), to, c.reference); err != nil {
			t.Errorf("%s does not mean anything in the copy: %v", c.reference, err)
		}
	}
}

func TestCopySendsOnlyWhatIsMissing(t *testing.T) {
	from, to := memory.New(), memory.New()
	archive(t, from)
	var last zoo.Progress
	files := map[string]int64{}
	first := copyAll(t, from, to, zoo.CopyOptions{Progress: func(p zoo.Progress) {
		if p.Path == "" {
			last = p
			return
		}
		if p.Sent < last.Sent || p.Done > p.Size {
			t.Errorf("progress went from %+v to %+v", last, p)
		}
		last = p
		files[p.Path] = p.Done
	}})
	if first.Blobs == 0 || last.Sent != first.Bytes || last.Total != first.Bytes {
		t.Errorf("sent %+v, the last progress was %+v", first.Sent, last)
	}
	if files["alice/mnist "+schema.PathEngine] != int64(len("engine of mnist")) {
		t.Errorf("files were reported as %v", files)
	}
	again := copyAll(t, from, to, zoo.CopyOptions{})
	if again.Blobs != 0 || again.PresentBytes != first.Bytes+first.PresentBytes {
		t.Errorf("copying again sent %+v after %+v", again.Sent, first.Sent)
	}
	for _, ref := range again.Refs {
		if ref.Version != "" && !ref.Present {
			t.Errorf("%s:%s was there and is not said to be", ref.Name, ref.Version)
		}
	}
	publish(t, from, storetest.Closure("alice/mnist", "1.0.1", "mnist"), zoo.PublishOptions{})
	if more := copyAll(t, from, to, zoo.CopyOptions{}); more.Blobs != 1 {
		t.Errorf("a version with another document alone sent %d blobs", more.Blobs)
	}
}

func TestCopyRepairs(t *testing.T) {
	from, to := memory.New(), memory.New()
	o := storetest.Object("mnist", "1.0.0", "text")
	publish(t, from, o, zoo.PublishOptions{})
	copyAll(t, from, to, zoo.CopyOptions{})
	engine, _ := o.Manifest.Layer(schema.PathEngine)
	for _, d := range []schema.Digest{engine.Digest, o.Manifest.Digest()} {
		if err := to.DeleteBlob(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	copyAll(t, from, to, zoo.CopyOptions{})
	if report, err := zoo.Fsck(t.Context(), to, zoo.FsckOptions{}); err != nil || len(report.Damaged) > 0 {
		t.Errorf("not repaired: %+v, %v", report, err)
	}
}

func TestCopyRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, from, to *memory.Store)
		is    func(error) bool
		says  string
	}{
		{"another version", func(t *testing.T, _, to *memory.Store) {
			publish(t, to, storetest.Object("cifar", "2.0.0", "other"), zoo.PublishOptions{})
		}, isVersionExists, "cifar:2.0.0"},
		{"another dataset", func(t *testing.T, _, to *memory.Store) {
			publish(t, to, storetest.Dataset("digits", "1.0.0", "other"), zoo.PublishOptions{})
		}, isVersionExists, "digits:1.0.0"},
		{"another kind", func(t *testing.T, _, to *memory.Store) {
			publish(t, to, storetest.Object("digits", "0.1.0", "other"), zoo.PublishOptions{})
		}, isInvalid, "the name belongs to a closure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := memory.New(), memory.New()
			archive(t, from)
			c.spoil(t, from, to)
			before := blobCount(t, to)
			all, err := zoo.SelectAll(t.Context(), from)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = zoo.Copy(t.Context(), all, to, zoo.CopyOptions{}); !c.is(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got error %v", err)
			}
			if after := blobCount(t, to); after != before {
				t.Errorf("%d blobs were sent", after-before)
			}
		})
	}
}

func TestCopyFromDamage(t *testing.T) {
	from, root := newDirectory(t)
	archive(t, from)
	e, err := from.Version(t.Context(), "cifar", "2.0.0")
	if err != nil {
		t.Fatal(err)
	}
	m, err := zoo.Manifest(t.Context(), from, zoo.Resolved{Name: "cifar", Entry: e})
	if err != nil {
		t.Fatal(err)
	}
	engine, _ := m.Layer(schema.PathEngine)
	if err := os.WriteFile(filepath.Join(root, zoo.BlobPath(engine.Digest)), []byte("Engine of cifar"), 0o600); err != nil {
		t.Fatal(err)
	}
	selected, err := zoo.Select(t.Context(), from, []string{"cifar"})
	if err != nil {
		t.Fatal(err)
	}
	to := memory.New()
	_, err = zoo.Copy(t.Context(), selected, to, zoo.CopyOptions{})
	if !isDamaged(err) || !strings.Contains(err.Error(), "cifar "+schema.PathEngine) {
		t.Errorf("got error %v, want damage that names the file", err)
	}
	if versions, _ := to.Versions(t.Context(), "cifar"); len(versions) > 0 {
		t.Error("a version of a damaged object was written")
	}
}

func TestSelectRefuses(t *testing.T) {
	s := memory.New()
	archive(t, s)
	lost := schema.DigestOf([]byte("a dataset that is elsewhere"))
	publish(t, s, storetest.Closure("lost", "1.0.0", "lost", storetest.On("digits", lost)), zoo.PublishOptions{})
	orphan := storetest.Object("orphan", "1.0.0", "orphan")
	manifest := orphan.Manifest.Bytes()
	if err := s.Put(t.Context(), orphan.Manifest.Digest(), int64(len(manifest)), bytes.NewReader(manifest)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reference string
		is        func(error) bool
		says      string
	}{
		{"lost", isNotFound, "lost: its dataset digits: digits@" + lost.String()},
		{"nothing", isNotFound, "nothing"},
		{"orphan@" + orphan.Manifest.Digest().String(), isInvalid, "no version or tag is this object"},
	} {
		if _, err := zoo.Select(t.Context(), s, []string{c.reference}); !c.is(err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got error %v", c.reference, err)
		}
	}
	// A mirror takes what there is.
	copyAll(t, s, memory.New(), zoo.CopyOptions{})
}

// TestCopyGoesOn cuts a copy off after every blob in turn, until one comes through.
func TestCopyGoesOn(t *testing.T) {
	from, to := memory.New(), memory.New()
	archive(t, from)
	all, err := zoo.SelectAll(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	cut := errors.New("the line was cut")
	sent := int64(0)
	for attempt := 0; ; attempt++ {
		if attempt > 100 {
			t.Fatal("no copy comes through")
		}
		all.From = &cutting{Store: from, left: 1, err: cut}
		done, err := zoo.Copy(t.Context(), all, to, zoo.CopyOptions{Jobs: 1})
		if err == nil {
			if done.Blobs > 1 || attempt == 0 {
				t.Errorf("attempt %d sent %d blobs", attempt, done.Blobs)
			}
			break
		}
		if !errors.Is(err, cut) {
			t.Fatal(err)
		}
		if now := blobCount(t, to); now <= int(sent) {
			t.Fatalf("attempt %d brought nothing", attempt)
		} else {
			sent = int64(now)
		}
		if names, _ := to.Names(t.Context()); len(names) > 0 {
			t.Fatalf("an unfinished copy shows %v", names)
		}
	}
	if report, err := zoo.Fsck(t.Context(), to, zoo.FsckOptions{}); err != nil || len(report.Damaged) > 0 {
		t.Errorf("not whole: %+v, %v", report, err)
	}
}

// cutting lets so many blobs be opened.
type cutting struct {
	zoo.Store
	left int
	err  error
}

func (c *cutting) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	if c.left--; c.left < 0 {
		return nil, c.err
	}
	return c.Store.Open(ctx, d)
}

func TestCopyStopsWithItsContext(t *testing.T) {
	from := memory.New()
	archive(t, from)
	all, err := zoo.SelectAll(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = zoo.Copy(ctx, all, memory.New(), zoo.CopyOptions{Progress: func(zoo.Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

// TestCopyIndex copies what a registry may hold: an index, whose manifests come along.
func TestCopyIndex(t *testing.T) {
	from, to := memory.New(), memory.New()
	o := storetest.Object("image", "1.0.0", "amd64")
	publish(t, from, o, zoo.PublishOptions{})
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		closure.MediaTypeManifest, o.Manifest.Digest(), len(o.Manifest.Bytes()))
	d := schema.DigestOf([]byte(index))
	if err := from.Put(t.Context(), d, int64(len(index)), strings.NewReader(index)); err != nil {
		t.Fatal(err)
	}
	e := zoo.Entry{ArtifactType: "application/vnd.oci.image.index.v1+json", Digest: d, MediaType: "application/vnd.oci.image.index.v1+json", Size: int64(len(index))}
	if err := from.SwapTag(t.Context(), "multi", "latest", schema.Digest{}, e); err != nil {
		t.Fatal(err)
	}
	selected, err := zoo.Select(t.Context(), from, []string{"multi:latest"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zoo.Copy(t.Context(), selected, to, zoo.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Stat(t.Context(), o.Manifest.Digest()); err != nil {
		t.Errorf("a manifest of the index: %v", err)
	}
}

func TestReadLinksRefuses(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "{}", `{"schemaVersion":1,"config":{}}`, `{"schemaVersion":2}`,
		`{"schemaVersion":2,"config":{"digest":"sha512:ab","size":1}}`, `{"schemaVersion":2,"config":{"size":1}}`,
		`{"schemaVersion":2,"config":{"digest":"` + schema.DigestOf(nil).String() + `","size":-1}}`,
	} {
		if _, err := zoo.ReadLinks("manifest", []byte(text)); !isInvalid(err) {
			t.Errorf("%q: got error %v", text, err)
		}
	}
}

func refNames(done zoo.Copied) []string {
	var names []string
	for _, r := range done.Refs {
		names = append(names, r.Name+":"+r.Version+r.Tag)
	}
	return names
}

func blobCount(t *testing.T, s zoo.BlobLister) int {
	t.Helper()
	n := 0
	for _, err := range s.AllBlobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
