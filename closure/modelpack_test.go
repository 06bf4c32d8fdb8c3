package closure_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

func TestModelPack(t *testing.T) {
	_, c := sampleDirectory(t)
	original := first(must2(closure.ClosureManifest(c))(t))
	packed := must2(closure.ModelPack(c))(t)
	_, again := sampleDirectory(t)
	if diff := cmp.Diff(packed.a, must2(closure.ModelPack(again))(t).a); diff != "" {
		t.Errorf("the same closure gives another view: %s", diff)
	}
	var view struct {
		ArtifactType    string
		Config, Subject closure.Descriptor
		Layers          []closure.Descriptor
	}
	if err := json.Unmarshal(packed.a, &view); err != nil {
		t.Fatal(err)
	}
	if view.ArtifactType != "application/vnd.cncf.model.manifest.v1+json" || view.Config.MediaType != "application/vnd.cncf.model.config.v1+json" ||
		view.Config.Digest != schema.DigestOf(packed.b) || view.Subject.Digest != original.Digest() || view.Subject.Size != int64(len(original.Bytes())) {
		t.Errorf("%s", packed.a)
	}
	types := map[string]string{}
	var ids []string
	blobs := map[schema.Digest]int64{}
	for _, d := range original.Blobs() {
		blobs[d.Digest] = d.Size
	}
	for _, l := range view.Layers {
		types[l.Path()] = strings.TrimPrefix(l.MediaType, "application/vnd.cncf.model.")
		ids = append(ids, `"`+l.Digest.String()+`"`)
		if size, ok := blobs[l.Digest]; !ok || size != l.Size {
			t.Errorf("%s is no blob of the closure", l.Path())
		}
	}
	if diff := cmp.Diff(map[string]string{
		"CITATION.cff": "doc.v1.raw", "LICENSE": "doc.v1.raw", "README.md": "doc.v1.raw", "closure.json": "weight.config.v1.raw",
		"code/engine.wasm": "code.v1.raw", "journal/train.jsonl": "doc.v1.raw", "params/model.safetensors": "weight.v1.raw",
		"state/optimizer.safetensors": "weight.v1.raw",
	}, types); diff != "" {
		t.Error(diff)
	}
	want := `{"config":{"format":"safetensors","precision":"float32"},"descriptor":{"authors":["Ada Example <ada@example.org>"],"createdAt":"2026-01-02T03:04:05Z",` +
		`"description":"Two weights.","licenses":["Apache-2.0"],"name":"ada/tiny","title":"A tiny model","version":"1.2.0"},"modelfs":{"diffIds":[` +
		strings.Join(ids, ",") + `],"type":"layers"}}`
	if diff := cmp.Diff(want, string(packed.b)); diff != "" {
		t.Error(diff)
	}
	c.Name = "not a name"
	_, _, err := closure.ModelPack(c)
	wantInvalid(t, err, "name")
}
