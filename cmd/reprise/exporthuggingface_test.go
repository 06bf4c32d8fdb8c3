package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestExportHuggingFace(t *testing.T) {
	d := withData(t)
	published := d.published()
	dir := d.path("model")
	r := report[schema.ExportReport](d, schema.KindExportReport, exitDone, "export", "small", "--format", "huggingface", "-o", dir)
	size := int64(0)
	for _, name := range []string{"README.md", "LICENSE", "model.safetensors", "config.json", "closure.json"} {
		size += int64(len(d.read("model/" + name)))
	}
	if r.Digest != published.Digest || r.Size != size || len(r.Exported) != 1 || r.Exported[0].Digest != published.Digest {
		t.Errorf("%+v; %d bytes", r, size)
	}
	if d.read("model/model.safetensors") != d.read("closure/"+schema.PathParameters) {
		t.Error("the parameters are other bytes")
	}
	if card := d.read("model/README.md"); !strings.HasPrefix(card, "---\nlicense: \"mit\"\n") || !strings.Contains(card, published.Digest.String()) {
		t.Errorf("the card:\n%s", card)
	}
	c := report[schema.Closure](d, schema.KindClosure, exitDone, "show", "small")
	if got := schema.DigestOf([]byte(d.read("model/config.json"))); got != c.Specification {
		t.Errorf("config.json is %s, the specification %s", got, c.Specification)
	}
	d.done("export", d.path("closure"), "--format", "huggingface", "-o", d.path("beside"))
	if d.read("beside/README.md") != d.read("model/README.md") {
		t.Error("a directory is exported with another card than the same closure in the store")
	}

	d.refused(exitInvalid, []string{"the directory is not empty"}, "export", "small", "--format", "huggingface", "-o", dir)
	d.refused(exitInvalid, []string{"is a dataset, not a closure"}, "export", "glyphs", "--format", "huggingface", "-o", d.path("other"))
	d.refused(exitInvalid, []string{"-o DIR is missing"}, "export", "small", "--format", "huggingface")
	d.refused(exitInvalid, []string{"takes one reference"}, "export", "small", "glyphs", "--format", "huggingface", "-o", d.path("other"))
	d.refused(exitInvalid, []string{"takes one reference"}, "export", "--all", "--format", "huggingface", "-o", d.path("other"))
	d.refused(exitInvalid, []string{`"onnx" is not known`}, "export", "small", "--format", "onnx", "-o", d.path("other"))

	d.done("withdraw", "small", "--reason", "a mistake")
	if o := d.done("export", "small", "--format", "huggingface", "-o", d.path("withdrawn")); !strings.Contains(o.stderr, "a mistake") {
		t.Errorf("a withdrawn closure is exported in silence: %q", o.stderr)
	}
	blob := filepath.Join(d.storePath(), "blobs", "sha256")
	for _, f := range c.Files {
		if f.Path == schema.PathParameters {
			blob = filepath.Join(blob, f.Digest.Hex())
		}
	}
	if err := os.Chmod(blob, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blob, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.refused(exitDamaged, []string{schema.PathParameters}, "export", "small", "--format", "huggingface", "-o", d.path("damaged"))
	if _, err := os.Stat(d.path("damaged")); err == nil {
		t.Error("a damaged closure was exported")
	}
}
