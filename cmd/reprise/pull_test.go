package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

func TestPull(t *testing.T) {
	d := withData(t)
	published := d.published()
	pulled := report[schema.PullReport](d, schema.KindPullReport, exitDone, "pull", "small", "-o", d.path("pulled"))
	if pulled.Digest != published.Digest || pulled.Version != "1.0.0" {
		t.Errorf("%+v", pulled)
	}
	d.done("verify", d.path("pulled"))
	d.done("pull", "glyphs", "-o", d.path("data"))
	if diff := cmp.Diff((&desk{t, d.path("closure")}).read(schema.PathClosure), (&desk{t, d.path("pulled")}).read(schema.PathClosure)); diff != "" {
		t.Error(diff)
	}
	d.refused(exitInvalid, []string{"empty"}, "pull", "small", "-o", d.path("pulled"))
	d.refused(exitFailed, []string{"not found"}, "pull", "nothing", "-o", d.path("x"))
}
