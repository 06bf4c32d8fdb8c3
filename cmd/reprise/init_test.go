package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
)

// The specification that init writes can be trained as it is, given the data that it names; so can what its notes suggest.
func TestInit(t *testing.T) {
	d := newDesk(t)
	if err := fixtures.WriteIDX(d.dir, 1, 256, 32); err != nil {
		t.Fatal(err)
	}
	r := report[schema.InitReport](d, schema.KindInitReport, exitDone, "init", d.path("project"))
	if len(r.Files) != 2 {
		t.Errorf("%+v", r)
	}
	d.done("dataset", "import", "idx", d.dir, "--name", "mnist:1.0.0")
	project := &desk{t, d.path("project")}
	d.done("train", r.Files[0], "-o", d.path("closure"))
	if (&desk{t, d.path("closure")}).read("README.md") != project.read("README.md") {
		t.Error("README.md was not taken along")
	}
	text := project.read(specificationFile)
	for _, note := range []string{"schedule: {step: {every: 200, factor: 0.5}}", "- dropout: {rate: 0.3}", "description: What it is for", "keywords: [digits, cnn]", "orcid: 0000-0002-1825-0097"} {
		if !strings.Contains(text, "# "+note) {
			t.Errorf("there is no note %q", note)
		}
		text = strings.Replace(text, "# "+note, note, 1)
	}
	d.done("compile", d.write("notes.yaml", text))
	d.refused(exitInvalid, []string{"is already there"}, "init", d.path("project"))
}
