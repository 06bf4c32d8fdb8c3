package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestDemo(t *testing.T) {
	d := newDesk(t)
	o := d.done("demo", "--no-serve", "--data", d.path("demo"))
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
	if len(again.Closures) != 3 || again.Replay.Verdict != schema.VerdictIdentical {
		t.Errorf("%+v", again)
	}
	for _, c := range again.Closures {
		if c.Train != nil || c.Verify.Verdict != schema.VerdictReproduced {
			t.Errorf("%+v", c)
		}
		if !strings.Contains(o.stdout, c.Closure.Digest.String()) {
			t.Errorf("%s changed", c.Closure.Name)
		}
	}
	// What the demonstration finds in the store is not taken on trust.
	flip(t, d.storePath()+"/blobs/sha256/"+again.Datasets[0].Digest.Hex())
	d.refused(exitDamaged, []string{again.Datasets[0].Digest.Hex()}, "demo", "--no-serve", "--data", d.path("demo"))
}
