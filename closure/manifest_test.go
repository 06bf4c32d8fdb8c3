package closure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// sampleManifest packs the sample closure.
func sampleManifest(t *testing.T) (*closure.Manifest, []byte) {
	t.Helper()
	_, c := sampleDirectory(t)
	m, config, err := closure.ClosureManifest(c)
	if err != nil {
		t.Fatal(err)
	}
	return m, config
}

func TestManifestRoundTrip(t *testing.T) {
	m, config := sampleManifest(t)
	got, err := closure.ParseManifest(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got, cmp.Comparer(func(a, b schema.Digest) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got.Digest() != schema.DigestOf(m.Bytes()) || m.Config.Digest != schema.DigestOf(config) {
		t.Error("digests differ")
	}
}

// The manifest of a fixed closure is the same on any machine and in any release.
func TestManifestLayout(t *testing.T) {
	m, _ := sampleManifest(t)
	var generic struct {
		SchemaVersion           int
		MediaType, ArtifactType string
		Config                  struct {
			MediaType   string
			Annotations map[string]string
		}
		Layers      []struct{ MediaType string }
		Annotations map[string]string
	}
	if err := json.Unmarshal(m.Bytes(), &generic); err != nil {
		t.Fatal(err)
	}
	if generic.SchemaVersion != 2 || generic.MediaType != "application/vnd.oci.image.manifest.v1+json" ||
		generic.ArtifactType != generic.Config.MediaType || generic.Config.Annotations["org.opencontainers.image.title"] != "closure.json" {
		t.Errorf("got %+v", generic)
	}
	var paths []string
	for _, l := range m.Layers {
		paths = append(paths, l.Path()+" "+l.MediaType)
	}
	want := []string{
		"CITATION.cff application/vnd.cncf.model.doc.v1.raw",
		"LICENSE application/vnd.cncf.model.doc.v1.raw",
		"README.md application/vnd.cncf.model.doc.v1.raw",
		"code/engine.wasm application/wasm",
		"journal/train.jsonl application/vnd.reprise.journal.v1+jsonl",
		"params/model.safetensors application/vnd.cncf.model.weight.v1.raw",
		"state/optimizer.safetensors application/vnd.reprise.state.v1+safetensors",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	wantAnnotations := map[string]string{
		"org.opencontainers.image.title":       "A tiny model",
		"org.opencontainers.image.version":     "1.2.0",
		"org.opencontainers.image.description": "Two weights.",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.created":     "2026-01-02T03:04:05Z",
		"org.opencontainers.image.authors":     "Ada Example <ada@example.org>",
	}
	if diff := cmp.Diff(wantAnnotations, generic.Annotations); diff != "" {
		t.Error(diff)
	}
	if _, ok := m.Layer(schema.PathEngine); !ok {
		t.Error("the engine is not found")
	}
	if len(m.Blobs()) != len(m.Layers)+1 {
		t.Error("blobs are the document and the layers")
	}
}

func TestManifestLeavesEmptyAnnotationsOut(t *testing.T) {
	_, c := sampleDirectory(t)
	c.Title, c.Description, c.License, c.Authors = "", "", "", nil
	m := first(must2(closure.ClosureManifest(c))(t))
	want := map[string]string{
		"org.opencontainers.image.title":   "ada/tiny",
		"org.opencontainers.image.version": "1.2.0",
		"org.opencontainers.image.created": "2026-01-02T03:04:05Z",
	}
	if diff := cmp.Diff(want, m.Annotations); diff != "" {
		t.Error(diff)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	m, _ := sampleManifest(t)
	good := string(m.Bytes())
	replace := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the manifest", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	rename := func(to string) string {
		quoted, err := json.Marshal(to)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(good, `"README.md"`, string(quoted))
	}
	for _, tc := range []struct{ name, manifest, want string }{
		{"not JSON", "hello", "not a manifest"},
		{"empty", "", "not a manifest"},
		{"another version", replace(`"schemaVersion":2`, `"schemaVersion":1`), "schema version 1"},
		{"an index", replace("image.manifest", "image.index"), "is needed"},
		{"a container image", strings.ReplaceAll(good, schema.MediaTypeClosure, "application/vnd.oci.image.config.v1+json"), "neither a closure nor a dataset"},
		{"types differ", replace(schema.MediaTypeClosure, schema.MediaTypeDataset), "config.mediaType"},
		{"title of the document", strings.ReplaceAll(good, "closure.json", "other.json"), `it must be "closure.json"`},
		{"parent folder", rename("../README.md"), "is not a path"},
		{"absolute", rename("/etc/passwd"), "is not a path"},
		{"inner ..", rename("code/../README.md"), "is not a path"},
		{"backslash", rename(`code\engine.wasm`), "is not a path"},
		{"drive", rename("C:README.md"), "is not a path"},
		{"control character", rename("READ\nME.md"), "is not a path"},
		{"no path", rename(""), "it has no path"},
		{"long path", rename(strings.Repeat("a", 300)), "longer than 255"},
		{"unknown file", rename("RUNME.sh"), "a closure does not hold RUNME.sh"},
		{"duplicate title", rename("LICENSE"), `"LICENSE" is there twice`},
		{"the document as a layer", rename("closure.json"), "closure.json"},
		{"media type", replace(`"application/wasm"`, `"application/x-sh"`), "of media type"},
		{"digest", replace(`"sha256:`, `"md5:`), "not a manifest"},
		{"no digest", replace(m.Config.Digest.String(), ""), "it has no digest"},
		{"negative size", replace(`"size":`, `"size":-`), "is not a size"},
		{"fractional size", replace(`"size":`, `"size":0.5,"x":`), "not a manifest"},
		{"another annotation", replace(`"org.cncf.model.filepath"`, `"x":"y","org.cncf.model.filepath"`), "and no other"},
		{"paths differ", replace(`"org.cncf.model.filepath":"README.md"`, `"org.cncf.model.filepath":"LICENSE"`), "with equal values"},
		{"no layers", good[:strings.Index(good, `"layers":[`)+10] + "]}", "there is none"},
		{"a subject", replace(`"layers":`, `"subject":{"mediaType":"a","digest":"`+m.Digest().String()+`","size":1},"layers":`), "about no other object"},
		{"white space", good + "\n", "not as Reprise writes"},
		{"unknown key", replace(`"layers":`, `"extra":1,"layers":`), "not as Reprise writes"},
		{"duplicate key", replace(`{"schemaVersion":2`, `{"schemaVersion":2,"schemaVersion":2`), "not as Reprise writes"},
		{"case of a key", replace(`"layers"`, `"Layers"`), "not as Reprise writes"},
		{"remote layer", replace(`"mediaType":"application/wasm"`, `"urls":["https://x"],"mediaType":"application/wasm"`), "not as Reprise writes"},
		{"too large", good + strings.Repeat(" ", closure.MaxManifest), "at most 4194304"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := closure.ParseManifest([]byte(tc.manifest))
			wantInvalid(t, err, tc.want)
		})
	}
}

func TestParseManifestRefusesOrder(t *testing.T) {
	m, _ := sampleManifest(t)
	m.Layers[0], m.Layers[1] = m.Layers[1], m.Layers[0]
	_, err := closure.ParseManifest(m.Bytes())
	wantInvalid(t, err, "layers are sorted by path")
}

func TestParseManifestRefusesFileAsFolder(t *testing.T) {
	_, d, m := sampleDataset(t)
	shard := m.Layers[0]
	file := shard
	file.Annotations = map[string]string{closure.AnnotationTitle: d.Splits[0].Name, closure.AnnotationFilepath: d.Splits[0].Name}
	m.Layers = append([]closure.Descriptor{file}, m.Layers...)
	_, err := closure.ParseManifest(m.Bytes())
	wantInvalid(t, err, "is a file and the folder of")
}

func TestClosureManifestRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*schema.Closure)
		want   string
	}{
		{"role", func(c *schema.Closure) { c.Files[3].Role = "document" }, `they must be "engine"`},
		{"media type", func(c *schema.Closure) { c.Files[3].MediaType = "text/plain" }, `"application/wasm"`},
		{"path", func(c *schema.Closure) { c.Files[3].Path = "../engine.wasm" }, "is not a path"},
		{"twice", func(c *schema.Closure) { c.Files = append(c.Files[:1], c.Files...) }, "twice"},
		{"no files", func(c *schema.Closure) { c.Files = []schema.File{} }, "there is none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, c := sampleDirectory(t)
			tc.change(c)
			_, _, err := closure.ClosureManifest(c)
			wantInvalid(t, err, tc.want)
		})
	}
}

// A manifest may not list other files than its document.
func TestLoadClosureComparesFiles(t *testing.T) {
	ctx := context.Background()
	m, config := sampleManifest(t)
	var store closuretest.Memory
	store.Set(m.Config.Digest, config)
	if _, err := closure.LoadClosure(ctx, &store, m); err != nil {
		t.Fatal(err)
	}
	_, err := closure.LoadDataset(ctx, &store, m)
	wantInvalid(t, err, schema.MediaTypeDataset)

	swapped := *m
	swapped.Layers = append([]closure.Descriptor{}, m.Layers...)
	swapped.Layers[3].Digest = schema.DigestOf([]byte("another engine"))
	_, err = closure.LoadClosure(ctx, &store, &swapped)
	wantInvalid(t, err, "closure.json: files: its manifest has code/engine.wasm")
	swapped.Layers = swapped.Layers[1:]
	_, err = closure.LoadClosure(ctx, &store, &swapped)
	wantInvalid(t, err, "names 7 files, but its manifest has 6")

	store.Set(m.Config.Digest, bytes.ReplaceAll(config, []byte("15"), []byte("16")))
	_, err = closure.LoadClosure(ctx, &store, m)
	wantDamaged(t, err, "closure.json")
}

func FuzzManifest(f *testing.F) {
	c, _ := closuretest.Closure()
	c.Files = []schema.File{{Path: schema.PathReadme, Role: closure.RoleDocument, MediaType: schema.MediaTypeDocument, Digest: schema.DigestOf(nil)}}
	m, _, err := closure.ClosureManifest(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Bytes())
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.reprise.dataset.v1+json"}`))
	f.Add([]byte(`{"layers":[{"annotations":{"org.opencontainers.image.title":"../x"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := closure.ParseManifest(b)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		if !bytes.Equal(m.Bytes(), b) {
			t.Error("an accepted manifest has another spelling")
		}
		for _, d := range m.Blobs() {
			if err := closure.CheckPath(d.Path()); err != nil {
				t.Error(err)
			}
		}
	})
}
