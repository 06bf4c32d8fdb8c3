package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestDiff(t *testing.T) {
	d := withData(t)
	d.published()
	d.write("closure.yaml", strings.Replace(specification, "version: 1.0.0", "version: 1.1.0", 1))
	dir, _ := d.trained("longer", "--steps", "9")
	d.done("publish", dir)

	r := report[schema.DiffReport](d, schema.KindDiffReport, exitDone, "diff", "small:1.0.0", "small:1.1.0")
	fields := map[string]schema.FieldDifference{}
	for _, f := range r.Fields {
		fields[f.Path] = f
	}
	if r.Same || string(fields["algorithm.steps"].B) != "9" || string(fields["version"].A) != `"1.0.0"` {
		t.Errorf("%+v", r)
	}
	if len(r.Tensors) == 0 || r.Tensors[0].Equal || r.Tensors[0].Max == nil || *r.Tensors[0].Max <= 0 || *r.Tensors[0].Mean > *r.Tensors[0].Max {
		t.Errorf("%+v", r.Tensors)
	}
	if r.Journal == nil || r.Journal.Line < 2 {
		t.Errorf("%+v", r.Journal)
	}
	text := d.done("diff", "small:1.0.0", dir).stdout
	for _, want := range []string{"small:1.1.0", "steps", "accuracy on test", "parameters", "params/model.safetensors", "journal: line"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}

	// Across stores.
	other := d.path("other")
	d.done("copy", "small:1.0.0", "--to", other)
	if r := report[schema.DiffReport](d, schema.KindDiffReport, exitDone, "diff", "small:1.0.0", "small", "--with", other); !r.Same {
		t.Errorf("%+v", r)
	}
	if text := d.done("diff", "glyphs", "glyphs", "--with", other).stdout; !strings.Contains(text, "They are the same.") {
		t.Error(text)
	}
	d.refused(exitInvalid, []string{"only objects of one kind are compared"}, "diff", "small", "glyphs")
	d.refused(exitFailed, []string{"not found"}, "diff", "small", "nobody")
	d.refused(exitInvalid, []string{"REF|DIR"}, "diff", "small")
}
