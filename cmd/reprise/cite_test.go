package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestCite(t *testing.T) {
	d := withData(t)
	published := d.published()
	bibtex := d.done("show", "small", "--format", "bibtex").stdout
	if !strings.HasPrefix(bibtex, "@misc{small-"+published.Digest.Short()+",\n  title = {{Small}},\n  author = {{Ada Example}},\n") {
		t.Errorf("BibTeX:\n%s", bibtex)
	}
	if got := d.done("show", d.path("closure"), "--format", "bibtex").stdout; got != bibtex {
		t.Errorf("the directory is cited as\n%s", got)
	}
	if got := d.done("show", "small", "--format", "cff").stdout; got != d.read("closure/"+schema.PathCitation) {
		t.Errorf("CITATION.cff:\n%s", got)
	}
	// What authors wrote is what is shown.
	d.write("closure/"+schema.PathCitation, "cff-version: 1.2.0\n# by hand\n")
	if got := d.done("show", d.path("closure"), "--format", "cff").stdout; got != d.read("closure/"+schema.PathCitation) {
		t.Errorf("CITATION.cff by hand:\n%s", got)
	}
	croissant := d.done("show", "glyphs", "--format", "croissant").stdout
	if !strings.Contains(croissant, `"conformsTo": "http://mlcommons.org/croissant/1.0"`) || !strings.Contains(croissant, `"contentUrl": "blobs/sha256/`) {
		t.Errorf("Croissant:\n%s", croissant)
	}
	d.refused(exitInvalid, []string{"Croissant describes datasets"}, "show", "small", "--format", "croissant")
	d.refused(exitInvalid, []string{`"ris" is no form of citation`, "bibtex or cff"}, "show", "small", "--format", "ris")
	d.refused(exitInvalid, []string{"is no JSON"}, "show", "small", "--format", "cff", "--json")
	d.refused(exitInvalid, []string{"is a dataset, not a closure"}, "show", "glyphs", "--format", "bibtex")
	d.refused(exitFailed, []string{"not found"}, "show", "nothing", "--format", "bibtex")
}
