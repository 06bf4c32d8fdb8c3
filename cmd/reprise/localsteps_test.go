package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

// Closures with local steps are closures like any other: any number of workers, epochs, verify, replay, resume.
func TestLocalSteps(t *testing.T) {
	d := withData(t)
	local := strings.NewReplacer(
		"microbatchSize: 8", "microbatchSize: 32", "batchSize: 32", "batchSize: 64", "steps: 12", "epochs: 2",
		"seed: 42", "seed: 42\n  aggregation: {mode: local-steps, steps: 4}",
	).Replace(specification)
	d.write("closure.yaml", local)
	dir, one := d.trained("one", "--workers", "1")
	if _, three := d.trained("three", "--workers", "3"); three.Run != one.Run {
		t.Errorf("run %s from three workers, %s from one", three.Run, one.Run)
	}
	verdict := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDone, "verify", dir)
	if verdict.Verdict != schema.VerdictReproduced || verdict.Derivation != schema.Derived {
		t.Errorf("%+v", verdict)
	}
	if r := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", dir, "--workers", "2"); r.Run != one.Run {
		t.Errorf("%+v, trained %s", r, one.Run)
	}
	d.done("publish", dir)
	o := d.done("show", "small")
	for _, text := range []string{"steps of 64 examples (microbatches of 32)", "4 of 8 examples in a microbatch"} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("%q is missing:\n%s", text, o.stdout)
		}
	}
	resumed := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "resume", "small", "--steps", "3", "-o", d.path("more"))
	d.write("closure.yaml", strings.Replace(local, "epochs: 2", fmt.Sprintf("steps: %d", one.Steps+3), 1))
	if _, once := d.trained("once"); once.Run != resumed.Run {
		t.Errorf("resumed %s, trained at once %s", resumed.Run, once.Run)
	}
	d.write("closure.yaml", strings.Replace(local, "{sgd: {learningRate: 0.1, momentum: 0.9}}", "adam", 1))
	d.refused(exitInvalid, []string{"algorithm.optimizer", "adam", "4 local steps", "at least 64"}, "train", d.path("closure.yaml"), "-o", d.path("adam"))
	d.write("closure.yaml", strings.Replace(local, "steps: 4}", "steps: 5}", 1))
	d.refused(exitInvalid, []string{"algorithm.microbatchSize", "32 examples are not 5 equal local steps"}, "train", d.path("closure.yaml"), "-o", d.path("five"))
}
