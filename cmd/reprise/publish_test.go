package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestPublishAndFind(t *testing.T) {
	d := withData(t)
	dir, _ := d.trained("closure")
	first := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", dir, "--tag", "best")
	if again := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", dir); *again != *first {
		t.Errorf("published again: %+v, before %+v", again, first)
	}
	if o := d.done("publish", dir); !strings.Contains(o.stdout, "already published") {
		t.Errorf("%q", o.stdout)
	}
	list := *report[[]schema.ListEntry](d, schema.KindListReport, exitDone, "list")
	if len(list) != 2 || list[0].Name != "glyphs" || list[0].Kind != "dataset" || list[1].Kind != "closure" || list[1].Digest != first.Digest {
		t.Errorf("%+v", list)
	}
	if o := d.done("list", "-v"); !strings.Contains(o.stdout, first.Digest.String()) {
		t.Errorf("%s", o.stdout)
	}
	tagged := report[schema.TagReport](d, schema.KindTagReport, exitDone, "tag", "small", "newest")
	if tagged.Digest != first.Digest {
		t.Errorf("%+v", tagged)
	}
	for _, ref := range []string{"small", "small:1.0.0", "small:best", "small:newest", "small@" + first.Digest.String(), dir} {
		if got := report[schema.Closure](d, schema.KindClosure, exitDone, "show", ref); got.Name != "small" {
			t.Errorf("%s: %+v", ref, got)
		}
	}
	if got := report[schema.Dataset](d, schema.KindDataset, exitDone, "show", "glyphs"); len(got.Classes) != 10 {
		t.Errorf("%+v", got)
	}
	if o := d.done("show", "small", "-v"); !strings.Contains(o.stdout, "code/engine.wasm") || !strings.Contains(o.stdout, "loss of each step") {
		t.Errorf("%s", o.stdout)
	}
	d.refused(exitFailed, []string{"nothing: not found: the store has glyphs, small"}, "show", "nothing")
	d.refused(exitFailed, []string{"not found"}, "history", "nothing")
	d.refused(exitInvalid, []string{"reference"}, "show", "No Such:Thing")
}

func TestPublishRefuses(t *testing.T) {
	d := withData(t)
	dir, _ := d.trained("closure")
	d.done("publish", dir)
	t.Run("a version that is there", func(t *testing.T) {
		d := &desk{t, d.dir}
		other, _ := d.trained("other", "--steps", "3")
		d.refused(exitFailed, []string{"small:1.0.0", "already published", "another version"}, "publish", other)
	})
	t.Run("damage", func(t *testing.T) {
		d := &desk{t, d.dir}
		other, _ := d.trained("damaged")
		flip(t, filepath.Join(other, schema.PathParameters))
		d.refused(exitDamaged, []string{schema.PathParameters}, "publish", other)
	})
	t.Run("a store without the data", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.refused(exitFailed, []string{"the dataset glyphs:1.0.0 is not in the store", "import"}, "publish", dir, "--store", d.path("another"))
	})
	t.Run("a folder that is no store", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.refused(exitInvalid, []string{"is no store, and not empty"}, "publish", dir, "--store", dir)
	})
	t.Run("edited documents are taken", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.write("closure.yaml", strings.Replace(specification, "version: 1.0.0", "version: 2.0.0", 1))
		other, _ := d.trained("edited")
		(&desk{t, other}).write("README.md", "# Better\n")
		d.done("verify", other)
		d.done("publish", other)
		d.done("pull", "small:2.0.0", "-o", d.path("pulled"))
		if got := (&desk{t, d.path("pulled")}).read("README.md"); got != "# Better\n" {
			t.Errorf("README.md: %q", got)
		}
	})
}
