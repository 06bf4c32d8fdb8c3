package closure_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

const sampleMetadata = `---
license: "apache-2.0"
library_name: "reprise"
pipeline_tag: "tabular-regression"
tags:
- "reprise"
- "research-closure"
- "tiny"
datasets:
- "points"
model-index:
- name: "A tiny model"
  results:
  - task:
      type: "tabular-regression"
    dataset:
      name: "points"
      type: "points"
      split: "train"
      revision: "DATASET"
    metrics:
    - type: "accuracy"
      value: 0.9375
      name: "accuracy at step 10: 15 of 16 (93.75 %)"
      args:
        correct: 15
        total: 16
---
`

func TestWriteHuggingFace(t *testing.T) {
	source, c := sampleDirectory(t)
	d := must(closure.Open(source))(t)
	digest := first(must2(closure.ClosureManifest(c))(t)).Digest()
	dir := filepath.Join(t.TempDir(), "model")
	size := must(closure.WriteHuggingFace(t.Context(), dir, c, digest, d.Blobs()))(t)
	got := map[string]string{}
	total := int64(0)
	for _, e := range must(os.ReadDir(dir))(t) {
		b := must(os.ReadFile(filepath.Join(dir, e.Name())))(t)
		got[e.Name()] = schema.DigestOf(b).String()
		total += int64(len(b))
	}
	card := string(must(os.ReadFile(filepath.Join(dir, schema.PathReadme)))(t))
	config, _ := closure.FindFile(c, schema.PathParameters)
	license, _ := closure.FindFile(c, schema.PathLicense)
	document := must(schema.Canonical(c))(t)
	want := map[string]string{
		"README.md": schema.DigestOf([]byte(card)).String(), "LICENSE": license.Digest.String(),
		"model.safetensors": config.Digest.String(), "config.json": c.Specification.String(), "closure.json": schema.DigestOf(document).String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if size != total {
		t.Errorf("%d bytes, said to be %d", total, size)
	}
	metadata := strings.Replace(sampleMetadata, "DATASET", c.Datasets[0].Digest.String(), 1)
	wantCard := metadata + "\n" + strings.TrimSpace(closure.Card(c)) + "\n\n## Origin\n\nExported from the research closure `ada/tiny:1.2.0`, `" + digest.String() +
		"`. `config.json` is its resolved specification,\n`" + c.Specification.String() + "`; the parameters have the content digest\n`" + c.Parameters.Digest.String() + "`.\n"
	if diff := cmp.Diff(wantCard, card); diff != "" {
		t.Error(diff)
	}

	_, err := closure.WriteHuggingFace(t.Context(), dir, c, digest, d.Blobs())
	wantInvalid(t, err, "the directory is not empty")
	_, err = closure.WriteHuggingFace(t.Context(), filepath.Join(dir, "LICENSE"), c, digest, d.Blobs())
	wantInvalid(t, err, "LICENSE: it is not a directory")
	empty := t.TempDir()
	if _, err := closure.WriteHuggingFace(t.Context(), empty, c, digest, d.Blobs()); err != nil {
		t.Errorf("an empty directory is refused: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(empty, ".partial*")); left != nil {
		t.Errorf("left over: %q", left)
	}

	// Parameters that are not what closure.json says never appear.
	writeFile(t, source, schema.PathParameters, []byte("other bytes"))
	again := filepath.Join(t.TempDir(), "model")
	_, err = closure.WriteHuggingFace(t.Context(), again, c, digest, must(closure.Open(source))(t).Blobs())
	wantDamaged(t, err, schema.PathParameters)
	if left, _ := os.ReadDir(filepath.Dir(again)); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	c.Files = nil
	_, err = closure.WriteHuggingFace(t.Context(), again, c, digest, d.Blobs())
	wantInvalid(t, err, "there is no model to export")
	if _, err := os.Stat(again); !errors.Is(err, os.ErrNotExist) {
		t.Error("a failed export leaves a directory")
	}
}

// A README.md that has metadata of its own gets ours in its place.
func TestWriteHuggingFaceReplacesMetadata(t *testing.T) {
	for readme, want := range map[string]string{
		"---\nlicense: mit\n---\n# Mine\n":         "# Mine",
		"---\r\nlicense: mit\r\n---\r\n# Mine\r\n": "# Mine",
		"---\n---\n# Mine\n":                       "# Mine",
		"---\n# Mine\n":                            "---\n# Mine",
		"# Mine\n\n---\nyours\n":                   "# Mine\n\n---\nyours",
	} {
		source, _ := sampleDirectory(t)
		writeFile(t, source, schema.PathReadme, []byte(readme))
		d := must(closure.Open(source))(t)
		if _, _, err := d.Pack(t.Context()); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if _, err := closure.WriteHuggingFace(t.Context(), dir, d.Closure, schema.DigestOf(nil), d.Blobs()); err != nil {
			t.Fatal(err)
		}
		card := string(must(os.ReadFile(filepath.Join(dir, schema.PathReadme)))(t))
		_, card, _ = strings.Cut(card, "total: 16\n---\n\n")
		card, _, _ = strings.Cut(card, "\n\n## Origin")
		if card != want {
			t.Errorf("%q became %q, want %q", readme, card, want)
		}
	}
}

func TestModelMetadata(t *testing.T) {
	_, c := sampleDirectory(t)
	sum := int64(3 << 20)
	c.Results = []schema.Result{
		{Metric: schema.MetricLoss, Dataset: schema.DigestOf([]byte("another")), Split: "te\"st", Step: 7, Sum: &sum, Total: 9},
		{Metric: schema.MetricLoss, Dataset: schema.DigestOf([]byte("another")), Split: "none"},
	}
	c.Keywords = []string{"reprise", "50 %: #1\n- x"}
	c.Title = "ünï\t\"x\": [y]"
	read := func() map[string]any {
		text := closure.ModelMetadata(c)
		var m map[string]any
		if err := yaml.Unmarshal([]byte(strings.TrimSuffix(text, "---\n")), &m); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return m
	}
	m := read()
	if diff := cmp.Diff([]any{"reprise", "research-closure", c.Keywords[1]}, m["tags"]); diff != "" {
		t.Error(diff)
	}
	another := schema.DigestOf([]byte("another")).String()
	if diff := cmp.Diff([]any{map[string]any{"name": c.Title, "results": []any{map[string]any{
		"task":    map[string]any{"type": "tabular-regression"},
		"dataset": map[string]any{"name": another, "type": another, "revision": another, "split": "te\"st"},
		"metrics": []any{map[string]any{
			"type": "loss", "value": 1.0 / 3, "name": "loss at step 7: 0.333333 on average over 9", "args": map[string]any{"sum": 3 << 20, "total": 9},
		}},
	}}}}, m["model-index"]); diff != "" {
		t.Error(diff)
	}
	for license, want := range map[string][3]any{
		"MIT": {"mit", nil, nil}, "GPL-3.0-or-later": {"gpl-3.0", nil, nil}, "LGPL-2.1-only": {"lgpl-2.1", nil, nil},
		"ODbL-1.0": {"odbl", nil, nil}, "": {nil, nil, nil}, "MIT OR Apache-2.0": {"other", "MIT OR Apache-2.0", "LICENSE"},
	} {
		c.License = license
		m := read()
		if got := [3]any{m["license"], m["license_name"], m["license_link"]}; got != want {
			t.Errorf("%s: %v", license, got)
		}
	}
	for _, tt := range []struct {
		task, dtype, loss string
		shape             []int
		want              any
	}{
		{"text-generation", "f32", "softmax-cross-entropy", []int{2}, "text-generation"},
		{"telling digits apart", "u8", "softmax-cross-entropy", []int{28, 28, 1}, "image-classification"},
		{"", "f32", "softmax-cross-entropy", []int{4}, "tabular-classification"},
		{"", "f32", "mean-squared-error", []int{4}, "tabular-regression"},
		{"", "u8", "mean-squared-error", []int{28, 28, 1}, nil},
	} {
		c.Task, c.Model.Loss.Kind, c.Model.Input = tt.task, tt.loss, schema.Input{DType: tt.dtype, Shape: tt.shape}
		if got := read()["pipeline_tag"]; got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
