package closure_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

func TestWriteIsDeterministic(t *testing.T) {
	dirA, a := sampleDirectory(t)
	_, b := sampleDirectory(t)
	ma, mb := first(must2(closure.ClosureManifest(a))(t)), first(must2(closure.ClosureManifest(b))(t))
	if ma.Digest() != mb.Digest() {
		t.Errorf("two manifests of one closure: %s and %s", ma.Digest(), mb.Digest())
	}
	if left, _ := filepath.Glob(filepath.Join(dirA, "*", ".partial*")); left != nil {
		t.Errorf("left over: %q", left)
	}
}

func TestWriteKeepsDocuments(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "LICENSE", []byte("Do as you like.\n"))
	writeFile(t, dir, ".work/snapshot.wasm", []byte("unfinished"))
	writeFile(t, dir, "closure.yaml", []byte("name: x"))
	c, contents := closuretest.Closure()
	if err := closure.Write(dir, c, contents...); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "LICENSE")); string(b) != "Do as you like.\n" {
		t.Errorf("LICENSE became %q", b)
	}
	for _, f := range c.Files {
		if strings.HasPrefix(f.Path, ".work") || f.Path == "closure.yaml" {
			t.Errorf("%s is listed", f.Path)
		}
	}
	if len(c.Files) != 7 {
		t.Errorf("got %d files", len(c.Files))
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	c, contents := closuretest.Closure()
	wantInvalid(t, closure.Write(dir, c, closure.Bytes("run.sh", nil)), `a closure has no place for "run.sh"`)
	wantInvalid(t, closure.Write(dir, c, closure.Bytes("code/../../x.wasm", nil)), "is not a path")
	broken := errors.New("disk full")
	err := closure.Write(dir, c, closure.Content{Path: schema.PathEngine, Write: func(io.Writer) error { return broken }})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "code", "host.wasm")); err != nil {
		t.Fatal(err)
	}
	wantInvalid(t, closure.Write(dir, c, contents...), "code/host.wasm is not a regular file")
	if _, err := os.Stat(filepath.Join(dir, schema.PathClosure)); err == nil {
		t.Error("a failed Write leaves a closure.json")
	}
}

func TestOpen(t *testing.T) {
	dir, want := sampleDirectory(t)
	d := must(closure.Open(dir))(t)
	if got := must(schema.DigestOfDocument(d.Closure))(t); got != must(schema.DigestOfDocument(want))(t) {
		t.Error("the document changed")
	}
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}

	// Any spelling of the same JSON is the same closure.
	path := filepath.Join(dir, schema.PathClosure)
	b := must(os.ReadFile(path))(t)
	var indented bytes.Buffer
	if err := json.Indent(&indented, b, "", "    "); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, schema.PathClosure, indented.Bytes())
	m := first(must2(must(closure.Open(dir))(t).Pack(t.Context()))(t))
	if m.Config.Digest != schema.DigestOf(b) {
		t.Error("the spelling of closure.json matters")
	}
}

func TestOpenRefuses(t *testing.T) {
	_, err := closure.Open(t.TempDir())
	wantInvalid(t, err, "it is not a closure directory, or an unfinished one")
	for _, tc := range []struct{ name, old, with, want string }{
		{"not JSON", "{", "[", "closure.json"},
		{"unknown field", `"name":`, `"nickname":`, "closure.json"},
		{"path", `"README.md"`, `"../../x"`, "closure.json"},
		{"role", `"role":"engine"`, `"role":"document"`, "closure.json: files[3]"},
		{"size", `"size":`, `"size":-`, "closure.json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, _ := sampleDirectory(t)
			b := must(os.ReadFile(filepath.Join(dir, schema.PathClosure)))(t)
			if !bytes.Contains(b, []byte(tc.old)) {
				t.Fatalf("%q is not there", tc.old)
			}
			writeFile(t, dir, schema.PathClosure, bytes.Replace(b, []byte(tc.old), []byte(tc.with), 1))
			_, err := closure.Open(dir)
			wantInvalid(t, err, tc.want)
		})
	}
}

func TestCheckNamesEveryDamagedFile(t *testing.T) {
	dir, c := sampleDirectory(t)
	for _, f := range c.Files {
		t.Run(f.Path, func(t *testing.T) {
			dir, _ := sampleDirectory(t)
			d := must(closure.Open(dir))(t)
			b := must(os.ReadFile(d.Path(f.Path)))(t)
			b[len(b)/2] ^= 1
			writeFile(t, dir, f.Path, b)
			_, _, err := d.Pack(t.Context())
			if f.Role == closure.RoleDocument {
				if err != nil || d.Check(t.Context()) != nil {
					t.Fatalf("an edited document is refused: %v", err)
				}
				if now, _ := closure.FindFile(d.Closure, f.Path); now.Digest != schema.DigestOf(b) {
					t.Error("an edited document keeps its digest")
				}
			} else {
				wantDamaged(t, err, f.Path)
				wantDamaged(t, d.Check(t.Context()), f.Path)
			}
			if err := os.Remove(d.Path(f.Path)); err != nil {
				t.Fatal(err)
			}
			wantDamaged(t, d.Check(t.Context()), f.Path)
		})
	}
	t.Run("several", func(t *testing.T) {
		d := must(closure.Open(dir))(t)
		writeFile(t, dir, schema.PathState, []byte("x"))
		writeFile(t, dir, schema.PathEngine, []byte("y"))
		wantDamaged(t, d.Check(t.Context()), schema.PathEngine, schema.PathState)
	})
}

func TestCheckRefusesWrongSize(t *testing.T) {
	dir, _ := sampleDirectory(t)
	d := must(closure.Open(dir))(t)
	d.Closure.Files[3].Size++
	wantInvalid(t, d.Check(t.Context()), "files[3].size")
}

func TestDirectoryBlobs(t *testing.T) {
	dir, c := sampleDirectory(t)
	d := must(closure.Open(dir))(t)
	f, _ := closure.FindFile(c, schema.PathParameters)
	tensors := must(closure.LoadTensors(t.Context(), d.Blobs(), f))(t)
	if got := must(closure.ContentDigest(tensors))(t); got != c.Parameters.Digest {
		t.Errorf("got %s", got)
	}
	m := first(must2(d.Pack(t.Context()))(t))
	if c, err := closure.LoadClosure(t.Context(), d.Blobs(), m); err != nil || c.Name != "ada/tiny" {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := d.Blobs().Open(t.Context(), schema.DigestOf([]byte("other"))); !errors.Is(err, closure.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	b := must(os.ReadFile(d.Path(f.Path)))(t)
	b[len(b)-1] ^= 1
	writeFile(t, dir, f.Path, b)
	_, err := closure.LoadTensors(t.Context(), d.Blobs(), f)
	wantDamaged(t, err, f.Path)
	if _, ok := closure.FindFile(c, "nothing"); ok {
		t.Error("found nothing")
	}
}

func TestPackIntoAStore(t *testing.T) {
	dir, _ := sampleDirectory(t)
	d := must(closure.Open(dir))(t)
	packed := must2(d.Pack(t.Context()))(t)
	m, blobs := packed.a, packed.b
	var store closuretest.Memory
	if err := closure.PutAll(t.Context(), &store, blobs); err != nil {
		t.Fatal(err)
	}
	if blobs[0].Path() != schema.PathClosure || len(blobs) != len(m.Blobs()) {
		t.Errorf("got %d blobs, first %s", len(blobs), blobs[0].Path())
	}
	c, err := closure.LoadClosure(t.Context(), &store, m)
	if err != nil || c.Name != "ada/tiny" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestCitation(t *testing.T) {
	c, _ := closuretest.Closure()
	hostile := "a \"title\": #1 \\ é 💡\nb\tc\x07\u0085"
	c.Title, c.Keywords, c.Authors[0].Name = hostile, []string{"- x", "y: z"}, "no"
	var got struct {
		CFFVersion                                       string `yaml:"cff-version"`
		Message, Type, Title, Abstract, Version, License string
		Date                                             string `yaml:"date-released"`
		Authors                                          []struct{ Name, Email, ORCID string }
		Keywords                                         []string
	}
	if err := yaml.Unmarshal([]byte(closure.Citation(c)), &got); err != nil {
		t.Fatalf("%v in\n%s", err, closure.Citation(c))
	}
	if got.CFFVersion != "1.2.0" || got.Title != hostile || got.Keywords[1] != "y: z" || got.Date != "2026-01-02" || got.License != "Apache-2.0" ||
		got.Authors[0].Name != "no" || got.Authors[0].ORCID != "https://orcid.org/0000-0002-1825-0097" || got.Message == "" {
		t.Errorf("got %+v", got)
	}

	c.Authors, c.License = nil, "MIT OR Apache-2.0"
	text := closure.Citation(c)
	if !strings.Contains(text, `name: "The authors of ada/tiny"`) || strings.Contains(text, "license:") {
		t.Errorf("got %s", text)
	}
}

func TestCard(t *testing.T) {
	c, _ := closuretest.Closure()
	sum := int64(3 << 19)
	c.Results = append(c.Results, schema.Result{Metric: schema.MetricLoss, Split: "train", Sum: &sum, Total: 16})
	c.License = "MIT | <b>"
	card := closure.Card(c)
	for _, want := range []string{
		"# A tiny model\n", "15 of 16 (93.75 %)", "0.093750 on average over 16", "reprise verify ada/tiny:1.2.0", "`points:1.0.0`", `MIT \| &lt;b>`,
	} {
		if !strings.Contains(card, want) {
			t.Errorf("%q is missing in\n%s", want, card)
		}
	}
}
