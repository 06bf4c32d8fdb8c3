package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestSearch(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	d := withData(t)
	published := d.published()
	for range 2 { // the second time, from the index that the first left
		r := report[schema.SearchReport](d, schema.KindSearchReport, exitDone, "search", "sma", "--dataset", "glyphs", "--architecture", "linear")
		if r.Total != 1 || r.Items[0].Digest != published.Digest || r.Facets["license"][0] != (schema.FacetValue{Value: "MIT", Count: 1}) {
			t.Errorf("%+v", r)
		}
	}
	if text := d.done("search").stdout; !strings.Contains(text, "1 of 1") || !strings.Contains(text, "MIT (1)") {
		t.Errorf("it says %q", text)
	}
	d.done("withdraw", "small", "--reason", "wrong labels")
	if r := report[schema.SearchReport](d, schema.KindSearchReport, exitDone, "search", "zebra"); r.Total != 0 {
		t.Errorf("%+v", r)
	}
	t.Setenv("XDG_CACHE_HOME", "/dev/null/no such folder")
	if text := d.done("search", "small").stdout; !strings.Contains(text, "withdrawn: wrong labels") {
		t.Errorf("it says %q", text)
	}
	d.refused(exitInvalid, []string{"is no order"}, "search", "--sort", "beauty")
	d.refused(exitInvalid, []string{"--limit"}, "search", "--limit", "0")
}
