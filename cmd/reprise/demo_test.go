package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestDemo(t *testing.T) {
	d := newDesk(t)
	o := d.done("demo", "--data", d.path("demo"))
	for _, text := range []string{"reprise dataset import idx", "reprise train", "reprise publish", "reprise verify", "reprise replay"} {
		if !strings.Contains(o.stderr, "$ "+text) {
			t.Errorf("%q is not told:\n%s", text, o.stderr)
		}
	}
	for _, text := range []string{"/1000 = ", "reproduced", "Next:", d.storePath()} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("%q is not in the summary:\n%s", text, o.stdout)
		}
	}
	again := report[schema.DemoReport](d, schema.KindDemoReport, exitDone, "demo", "--data", d.path("demo"))
	if again.Train != nil || again.Verify.Verdict != schema.VerdictReproduced || again.Replay.Verdict != schema.VerdictIdentical {
		t.Errorf("%+v", again)
	}
	if !strings.Contains(o.stdout, again.Closure.Digest.String()) {
		t.Error("the closure changed")
	}
	// What the demonstration finds in the store is not taken on trust.
	flip(t, d.storePath()+"/blobs/sha256/"+again.Dataset.Digest.Hex())
	d.refused(exitDamaged, []string{again.Dataset.Digest.Hex()}, "demo", "--data", d.path("demo"))
}
