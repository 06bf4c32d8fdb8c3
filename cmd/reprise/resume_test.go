package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// A resumed closure is that of a training of all the steps at once, but for its name and parent.
func TestResume(t *testing.T) {
	d := withData(t)
	d.published()
	child := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "resume", "small:1.0.0", "--steps", "7", "-o", d.path("longer"))
	d.write("closure.yaml", strings.Replace(specification, "steps: 12", "steps: 19", 1))
	_, whole := d.trained("whole")
	if child.Run != whole.Run || child.Steps != 19 {
		t.Errorf("resumed %+v\nat once %+v", child, whole)
	}
	if (&desk{t, d.path("longer")}).read(schema.PathJournal) != (&desk{t, d.path("whole")}).read(schema.PathJournal) {
		t.Error("the journals differ")
	}
	opened, err := closure.Open(d.path("longer"))
	if err != nil {
		t.Fatal(err)
	}
	parent := report[[]schema.ListEntry](d, schema.KindListReport, exitDone, "history", "small")
	want := []schema.Parent{{Digest: (*parent)[0].Digest, Relation: schema.RelationResumed}}
	if diff := cmp.Diff(want, opened.Closure.Parents, compareDigests); diff != "" || opened.Closure.Version != "1.1.0" {
		t.Errorf("version %s, parents %s", opened.Closure.Version, diff)
	}
	d.done("publish", d.path("longer"))
	d.done("verify", "small:1.1.0")
	d.done("replay", "small:1.1.0")
	d.refused(exitInvalid, []string{"--version"}, "resume", "small", "--steps", "1", "--version", "one", "-o", d.path("x"))
	d.refused(exitFailed, []string{"the versions 1.1.0, 1.0.0"}, "resume", "small:7.0.0", "--steps", "1", "-o", d.path("x"))
	d.refused(exitInvalid, []string{"is a dataset, not a closure"}, "resume", "glyphs:1.0.0", "--steps", "1", "-o", d.path("x"))
}

func TestNextMinor(t *testing.T) {
	for version, want := range map[string]string{
		"1.0.0": "1.1.0", "0.9.7": "0.10.0", "2.3.4-rc.1": "2.4.0", "1.99999999999999999999.0": "1.99999999999999999999.0",
	} {
		if got := nextMinor(version); got != want {
			t.Errorf("after %s comes %s, want %s", version, got, want)
		}
	}
}
