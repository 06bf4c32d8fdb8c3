package directory_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  func(err error) bool
	}{
		{"nothing", nil, isNotFound},
		{"other files", map[string]string{"thesis.tex": ""}, isNotFound},
		{"a store", map[string]string{zoo.LayoutPath: zoo.LayoutDocument}, isNil},
		{"a layout by another tool", map[string]string{zoo.LayoutPath: "{\n \"imageLayoutVersion\": \"1.0.0\"}\n", "index.json": "{}"}, isNil},
		{"another version", map[string]string{zoo.LayoutPath: `{"imageLayoutVersion":"2.0.0"}`}, isInvalid},
		{"no JSON", map[string]string{zoo.LayoutPath: `hello`}, isInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			writeFiles(t, root, c.files)
			if _, err := directory.Open(root); !c.want(err) {
				t.Errorf("Open: unexpected error %v", err)
			}
			entries, err := os.ReadDir(root)
			check(t, err)
			if len(entries) != len(c.files) {
				t.Errorf("Open changed the directory: %v", entries)
			}
		})
	}
	if _, err := directory.Open(filepath.Join(t.TempDir(), "absent")); !isNotFound(err) {
		t.Errorf("absent: unexpected error %v", err)
	}
}

func TestCreate(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  func(err error) bool
	}{
		{"an empty directory", nil, isNil},
		{"a store", map[string]string{zoo.LayoutPath: zoo.LayoutDocument, "README": "mine"}, isNil},
		{"what an interrupted Create left", map[string]string{"uploads/tmp-x": "{"}, isNil},
		{"other files", map[string]string{"thesis.tex": ""}, isInvalid},
		{"another version", map[string]string{zoo.LayoutPath: `{"imageLayoutVersion":"2.0.0"}`}, isInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			writeFiles(t, root, c.files)
			if _, err := directory.Create(root); !c.want(err) {
				t.Errorf("Create: unexpected error %v", err)
			}
		})
	}
	root := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		_, err := directory.Create(root)
		check(t, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	if _, err := directory.Create(file); err == nil {
		t.Error("Create made a store of a file")
	}
}

func TestCopiedTreeIsAStore(t *testing.T) {
	root := t.TempDir()
	o := storetest.Object("alice/mnist", "1.0.0", "text")
	e, err := zoo.Publish(t.Context(), newStore(t, root), o, zoo.PublishOptions{Tags: []string{"best"}})
	check(t, err)
	mirror := filepath.Join(t.TempDir(), "mirror")
	check(t, os.CopyFS(mirror, os.DirFS(root)))
	s, err := directory.Open(mirror)
	check(t, err)
	r, err := zoo.Resolve(t.Context(), s, "alice/mnist:best")
	check(t, err)
	if r.Entry != e {
		t.Errorf("got %+v, want %+v", r.Entry, e)
	}
	wantClean(t, s)
}

// TestTree pins the tree that S3 prefixes share, and that a later release must still read.
func TestTree(t *testing.T) {
	root := t.TempDir()
	s := newStore(t, root)
	o := storetest.Object("alice/mnist", "1.0.0", "text")
	e, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{Tags: []string{"best"}})
	check(t, err)
	check(t, s.PutReferrer(t.Context(), e.Digest, storetest.EntryFor("record")))
	entry := `{"artifactType":"application/vnd.reprise.closure.v1+json","created":"2026-01-31T12:00:00Z","digest":"` +
		e.Digest.String() + `","mediaType":"application/vnd.oci.image.manifest.v1+json","size":` + strconv.FormatInt(e.Size, 10) + `}`
	for path, want := range map[string]string{
		"oci-layout":                      `{"imageLayoutVersion":"1.0.0"}`,
		"refs/alice/mnist/v/1.0.0.json":   entry,
		"refs/alice/mnist/tags/best.json": entry,
		"blobs/sha256/" + e.Digest.Hex():  string(o.Manifest.Bytes()),
		"referrers/sha256/" + e.Digest.Hex() + "/" + storetest.EntryFor("record").Digest.Hex() + ".json": string(storetest.EntryFor("record").Encode()),
	} {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		check(t, err)
		if string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", path, got, want)
		}
	}
}

func TestForeignFilesAreIgnored(t *testing.T) {
	root := t.TempDir()
	s := newStore(t, root)
	_, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
	check(t, err)
	writeFiles(t, root, map[string]string{
		"blobs/sha256/.DS_Store":         "x",
		"blobs/sha256/notes.txt":         "x",
		"refs/.DS_Store":                 "x",
		"refs/mnist/v/.1.0.0.json.swp":   "x",
		"refs/mnist/v/latest.json":       "x",
		"refs/mnist/tags/1.0.0.json":     "x",
		"refs/UPPER/v/1.0.0.json":        "x",
		"refs/a/b/c/v/1.0.0.json":        "x",
		"refs/empty/v/readme":            "x",
		"referrers/sha256/abc/x.json":    "x",
		"uploads/tmp-leftover":           "half a bl",
		"index/search.db":                "x",
		"index.json":                     "x",
		"refs/mnist/v/2.0.0.json/folder": "x",
	})
	names, err := s.Names(t.Context())
	check(t, err)
	versions, err := s.Versions(t.Context(), "mnist")
	check(t, err)
	if len(names) != 1 || len(versions) != 1 {
		t.Errorf("names %v, versions %v", names, versions)
	}
	wantClean(t, s)
}

func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  string // part of the error on reading
	}{
		{"one byte", func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			check(t, err)
			b[3] ^= 1
			check(t, os.WriteFile(path, b, 0o600))
		}, "its bytes are"},
		{"cut short", func(t *testing.T, path string) { check(t, os.Truncate(path, 3)) }, "its bytes are"},
		{"replaced by a folder", func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Mkdir(path, 0o700))
		}, "is no file"},
		{"removed", func(t *testing.T, path string) { check(t, os.Remove(path)) }, "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			s := newStore(t, root)
			o := storetest.Object("mnist", "1.0.0", "text")
			_, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{})
			check(t, err)
			engine, _ := o.Manifest.Layer(schema.PathEngine)
			c.spoil(t, filepath.Join(root, zoo.BlobPath(engine.Digest)))

			dir := filepath.Join(t.TempDir(), "pulled")
			_, err = zoo.Pull(t.Context(), s, "mnist", dir, zoo.PullOptions{})
			if damaged := new(*schema.Damaged); !errors.As(err, damaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Pull: got error %v, want damage with %q", err, c.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Error("Pull left something of a damaged object")
			}
			report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
			check(t, err)
			if len(report.Damaged) != 1 || report.Damaged[0].Path != zoo.BlobPath(engine.Digest) {
				t.Errorf("Fsck: %+v; want the engine's blob", report.Damaged)
			}
		})
	}
}

func TestPublishRepairsWhatIsMissingOrCutShort(t *testing.T) {
	root := t.TempDir()
	s := newStore(t, root)
	o := storetest.Object("mnist", "1.0.0", "text")
	_, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{})
	check(t, err)
	check(t, os.Truncate(filepath.Join(root, zoo.BlobPath(o.Manifest.Layers[0].Digest)), 3))
	check(t, os.Remove(filepath.Join(root, zoo.BlobPath(o.Manifest.Layers[1].Digest))))
	check(t, os.Truncate(filepath.Join(root, zoo.BlobPath(o.Manifest.Digest())), 3))
	_, err = zoo.Publish(t.Context(), s, o, zoo.PublishOptions{})
	check(t, err)
	wantClean(t, s)
}

func writeFiles(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for path, content := range files {
		path = filepath.Join(root, filepath.FromSlash(path))
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, []byte(content), 0o600))
	}
}

func wantClean(t *testing.T, s zoo.Store) {
	t.Helper()
	report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
	check(t, err)
	if len(report.Damaged) > 0 {
		t.Errorf("damaged: %+v", report.Damaged)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func isNil(err error) bool      { return err == nil }
func isNotFound(err error) bool { return errors.Is(err, zoo.ErrNotFound) }
func isInvalid(err error) bool  { return errors.As(err, new(*schema.Invalid)) }
