package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/bundle"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// member is a file of an archive that is made by hand.
type member struct {
	header  tar.Header
	content string
}

func regular(name, content string) member {
	return member{tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644}, content}
}

func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		if err := w.WriteHeader(&m.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// good are the members of an acceptable bundle.
func good() []member {
	o := storetest.Object("mnist", "1.0.0", "text")
	e := zoo.EntryOf(o.Manifest)
	members := []member{
		regular(zoo.LayoutPath, zoo.LayoutDocument),
		regular(zoo.VersionPath("mnist", "1.0.0"), string(e.Encode())),
		regular(zoo.BlobPath(e.Digest), string(o.Manifest.Bytes())),
	}
	for d, content := range o.Blobs.(storetest.Bytes) {
		members = append(members, regular(zoo.BlobPath(d), string(content)))
	}
	return members
}

func TestOpenRefuses(t *testing.T) {
	add := func(more ...member) []byte { return archive(t, append(good(), more...)...) }
	entry := string(storetest.EntryFor("a").Encode())
	d := schema.DigestOf([]byte("x"))
	whole := archive(t, good()...)
	for _, c := range []struct {
		name    string
		content []byte
		says    string
	}{
		{"nothing", nil, "this is no bundle"},
		{"text", []byte(strings.Repeat("no archive ", 1000)), "is no tar archive"},
		{"cut in a header", whole[:len(whole)-1024-700], "cut short"},
		{"cut in a blob", whole[:512*7+3], "cut short"},
		{"compressed", gzipped(t, whole), "gunzip"},
		{"compressed otherwise", []byte("\x28\xb5\x2f\xfd...."), "unzstd"},
		{"no layout", archive(t, good()[1:]...), zoo.LayoutPath + ": is missing"},
		{"another layout", archive(t, append([]member{regular(zoo.LayoutPath, `{"imageLayoutVersion":"2.0.0"}`)}, good()[1:]...)...), "only 1.0.0"},
		{"a huge layout", archive(t, regular(zoo.LayoutPath, strings.Repeat(" ", 1<<20))), "cannot be read"},
		{"a layout alone", archive(t, good()[0]), "not a bundle of reprise export"},
		{"a referrer alone", archive(t, good()[0], regular(zoo.ReferrerPath(d, storetest.EntryFor("a").Digest), entry)), "not a bundle of reprise export"},
		{"traversal", add(regular("../evil", "x")), "leads out"},
		{"traversal inside", add(regular("blobs/sha256/../../../evil", "x")), "leads out"},
		{"traversal in a folder", add(member{tar.Header{Typeflag: tar.TypeDir, Name: "../evil/"}, ""}), "leads out"},
		{"absolute", add(regular("/etc/passwd", "x")), "leads out"},
		{"backslashes", add(regular(`refs\..\x`, "x")), "leads out"},
		{"a long spelling", add(regular("refs//x", "x")), "leads out"},
		{"a symbolic link", add(member{tar.Header{Typeflag: tar.TypeSymlink, Name: "blobs/sha256/" + d.Hex(), Linkname: "/etc/passwd"}, ""}), "link or device"},
		{"a hard link", add(member{tar.Header{Typeflag: tar.TypeLink, Name: "blobs/sha256/" + d.Hex(), Linkname: "oci-layout"}, ""}), "link or device"},
		{"a device", add(member{tar.Header{Typeflag: tar.TypeChar, Name: "x"}, ""}), "link or device"},
		{"a file twice", add(good()[1]), "twice"},
		{"an unknown file", add(regular("run.sh", "x")), "is no file of a bundle"},
		{"a blob of another name", add(regular("blobs/sha256/x", "x")), "not named by a sha256"},
		{"a blob of another algorithm", add(regular("blobs/sha512/x", "x")), "is no file of a bundle"},
		{"a blob in a folder", add(regular("blobs/sha256/x/"+d.Hex(), "x")), "is no file of a bundle"},
		{"a version that is none", add(regular("refs/mnist/v/one.json", entry)), "neither a version nor a tag"},
		{"a name that is none", add(regular("refs/a/b/c/v/1.0.0.json", entry)), "name"},
		{"a tag in capitals of a name", add(regular("refs/Mnist/tags/best.json", entry)), "name"},
		{"no entry", add(regular("refs/mnist/v/2.0.0.json", "{")), "is not an entry"},
		{"a huge entry", add(regular("refs/mnist/v/2.0.0.json", strings.Repeat(" ", 1<<20))), "too many"},
		{"a referrer of another digest", add(regular(zoo.ReferrerPath(d, d), entry)), "not that of its subject"},
		{"a referrer of nothing", add(regular("referrers/sha256/x/"+d.Hex()+".json", entry)), "not that of its subject"},
		{"a long path", add(regular("refs/"+strings.Repeat("a", 4000)+"/v/1.0.0.json", entry)), "no path of a bundle is that long"},
		{"a huge header", hugeHeader(t), "cut short"},
		{"a lying size", lyingSize(t), "cut short, or lies"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := bundle.Open(written(t, c.content))
			if err == nil {
				b.Close()
			}
			if !errors.As(err, new(*schema.Invalid)) || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 400 {
				t.Errorf("got error %v, want *schema.Invalid that says %q", err, c.says)
			}
		})
	}
	if _, err := bundle.Open("no such file"); !errors.Is(err, zoo.ErrNotFound) {
		t.Errorf("no file: got error %v", err)
	}
	if _, err := bundle.Open(t.TempDir()); !errors.As(err, new(*schema.Invalid)) {
		t.Errorf("a folder: got error %v", err)
	}
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hugeHeader has an extended header of 2 GB, by its own word.
func hugeHeader(t *testing.T) []byte {
	t.Helper()
	b := archive(t, member{tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("a/", 200) + "x", PAXRecords: map[string]string{"comment": "x"}}, ""})
	copy(b[124:136], "17777777777\x00")
	return checksummed(b)
}

// lyingSize has a blob that is longer than the file.
func lyingSize(t *testing.T) []byte {
	t.Helper()
	b := archive(t, regular(zoo.BlobPath(schema.DigestOf(nil)), ""))
	copy(b[124:136], "17777777777\x00")
	return checksummed(b)
}

// checksummed makes the first header of an archive right again.
func checksummed(b []byte) []byte {
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// TestDamagedBundles imports bundles whose headers are right and whose contents are not: no version may appear.
func TestDamagedBundles(t *testing.T) {
	o := storetest.Object("mnist", "1.0.0", "text")
	engine, _ := o.Manifest.Layer(schema.PathEngine)
	for _, c := range []struct {
		name  string
		spoil func(m *member) bool // whether the member stays
	}{
		{"a blob with another byte", func(m *member) bool {
			if m.header.Name == zoo.BlobPath(engine.Digest) {
				m.content = "E" + m.content[1:]
			}
			return true
		}},
		{"a blob that is too short", func(m *member) bool {
			if m.header.Name == zoo.BlobPath(engine.Digest) {
				*m = regular(m.header.Name, m.content[1:])
			}
			return true
		}},
		{"no blob", func(m *member) bool { return m.header.Name != zoo.BlobPath(engine.Digest) }},
		{"no manifest", func(m *member) bool { return m.header.Name != zoo.BlobPath(o.Manifest.Digest()) }},
		{"another manifest", func(m *member) bool {
			if m.header.Name == zoo.BlobPath(o.Manifest.Digest()) {
				m.content = strings.Replace(m.content, "2026", "2027", 1)
			}
			return true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var members []member
			for _, m := range good() {
				if c.spoil(&m) {
					members = append(members, m)
				}
			}
			b := open(t, archive(t, members...))
			to := memory.New()
			all, err := b.Select(t.Context())
			if err == nil {
				_, err = zoo.Copy(t.Context(), all, to, zoo.CopyOptions{})
			}
			if !errors.As(err, new(*schema.Damaged)) {
				t.Errorf("got error %v, want *schema.Damaged", err)
			}
			if names, _ := to.Names(t.Context()); len(names) > 0 {
				t.Errorf("it left %v", names)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(archive(f, good()...))
	f.Add(archive(f, regular("../x", "y")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		name := written(t, content)
		b, err := bundle.Open(name)
		if err != nil {
			if !errors.As(err, new(*schema.Invalid)) {
				t.Fatalf("got error %v, want *schema.Invalid", err)
			}
			return
		}
		defer b.Close()
		if _, err := b.Select(t.Context()); err != nil && !errors.As(err, new(*schema.Invalid)) && !errors.As(err, new(*schema.Damaged)) {
			t.Fatalf("got error %v", err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	})
}
