package main

import (
	"image/png"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
)

func TestDatasetShow(t *testing.T) {
	d := withData(t)
	r := report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, "dataset", "show", "glyphs")
	o := d.done("dataset", "show", "glyphs", "--sheet", d.path("sheet.png"))
	for _, text := range []string{"28×28×1", "320 records", fixtures.TrainImages, r.Digest.String()} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("%q is missing:\n%s", text, o.stdout)
		}
	}
	if _, err := png.Decode(strings.NewReader(d.read("sheet.png"))); err != nil {
		t.Error(err)
	}
	d.refused(exitFailed, []string{"sheet.png", "no such file"}, "dataset", "show", "glyphs", "--sheet", d.path("no/sheet.png"))
	d.refused(exitFailed, []string{"the store has glyphs"}, "dataset", "show", "nothing")
	d.published()
	d.refused(exitInvalid, []string{"is a closure, not a dataset"}, "dataset", "show", "small")
}
