package zoo_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestFsck(t *testing.T) {
	o := storetest.Object("mnist", "1.0.0", "text")
	engine, _ := o.Manifest.Layer(schema.PathEngine)
	version, tag := zoo.VersionPath("mnist", "1.0.0"), zoo.TagPath("mnist", "best")
	manifest := zoo.BlobPath(o.Manifest.Digest())
	record := storetest.EntryFor("record") // about the object, and never stored
	write := func(path, content string) func(root string) error {
		return func(root string) error { return os.WriteFile(filepath.Join(root, path), []byte(content), 0o600) }
	}
	for _, c := range []struct {
		name  string
		spoil func(root string) error
		want  []string // paths, with what is said about them
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"a blob that nobody names", write(zoo.BlobPath(schema.DigestOf([]byte("x"))), "x"), nil},
		{"another blob under its name", write(zoo.BlobPath(engine.Digest), "other bytes"), []string{zoo.BlobPath(engine.Digest) + ": its bytes are"}},
		{"a blob gone", func(root string) error { return os.Remove(filepath.Join(root, zoo.BlobPath(engine.Digest))) }, []string{zoo.BlobPath(engine.Digest) + ": missing"}},
		{"the manifest spoilt", write(manifest, "{}"), []string{manifest + ": its bytes are"}},
		{"the manifest gone", func(root string) error { return os.Remove(filepath.Join(root, manifest)) }, []string{manifest + ": missing"}},
		{"an entry spoilt", write(version, "{"), []string{version + ": is not an entry"}},
		{"a tag spoilt", write(tag, ""), []string{tag + ": is not an entry"}},
		{"an entry that states another size", func(root string) error {
			e := zoo.EntryOf(o.Manifest)
			e.Size++
			return write(version, string(e.Encode()))(root)
		}, []string{version + ": states"}},
		{"an entry that points to no manifest", func(root string) error {
			e := zoo.EntryOf(o.Manifest)
			e.Digest, e.Size = engine.Digest, engine.Size
			return write(version, string(e.Encode()))(root)
		}, []string{version + ": points to what is no manifest"}},
		{"a marker spoilt", write(zoo.ReferrerPath(o.Manifest.Digest(), record.Digest), "{"), []string{zoo.ReferrerPath(o.Manifest.Digest(), record.Digest) + ": is not an entry"}},
		{"a marker for what is missing", write(zoo.ReferrerPath(o.Manifest.Digest(), record.Digest), string(record.Encode())), []string{zoo.BlobPath(record.Digest) + ": missing"}},
		{"a marker under another name", write(zoo.ReferrerPath(o.Manifest.Digest(), engine.Digest), string(record.Encode())), []string{zoo.ReferrerPath(o.Manifest.Digest(), engine.Digest) + ": digest"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			s, err := directory.Create(root)
			if err != nil {
				t.Fatal(err)
			}
			publish(t, s, o, zoo.PublishOptions{Tags: []string{"best"}})
			if err := os.MkdirAll(filepath.Join(root, zoo.SubjectPath(o.Manifest.Digest())), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(root); err != nil {
				t.Fatal(err)
			}
			var checked int64
			report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{Progress: func(n int64) { checked = n }})
			if err != nil {
				t.Fatal(err)
			}
			if report.Checked != checked || checked < 4 {
				t.Errorf("%d blobs checked, progress said %d", report.Checked, checked)
			}
			var got []string
			for i, b := range report.Damaged {
				line := strings.TrimPrefix((&schema.Damaged{Blobs: []schema.DamagedBlob{b}}).Error(), "damaged: ")
				if i < len(c.want) && strings.HasPrefix(line, c.want[i]) {
					line = c.want[i]
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("damage (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFsckWithoutListing checks a store that cannot list its blobs: it follows the entries.
func TestFsckWithoutListing(t *testing.T) {
	blobs := memory.New()
	s := struct{ zoo.Store }{blobs}
	o := storetest.Object("mnist", "1.0.0", "text")
	publish(t, s, o, zoo.PublishOptions{})
	report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{Jobs: 1})
	if err != nil || report.Checked != 5 || len(report.Damaged) != 0 {
		t.Fatalf("got %+v, %v", report, err)
	}
	engine, _ := o.Manifest.Layer(schema.PathEngine)
	if err := blobs.DeleteBlob(t.Context(), engine.Digest); err != nil {
		t.Fatal(err)
	}
	report, err = zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
	if err != nil || len(report.Damaged) != 1 || report.Damaged[0].Expected != engine.Digest {
		t.Errorf("got %+v, %v; want the engine missing", report, err)
	}
}

func TestFsckStops(t *testing.T) {
	s := memory.New()
	publish(t, s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := zoo.Fsck(ctx, s, zoo.FsckOptions{}); err == nil {
		t.Error("a check that was stopped reported a sound store")
	}
}
