package main

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/fixtures/enginetest"
	"github.com/reprise-ml/reprise/schema"
)

// An engine of another language, for another algorithm, goes all the way: it conforms, trains on any number of workers with
// one result, is published, passes by what is counted blindly, and replays. (Browsers replay the same closures in web/e2e.)
func TestForeignEngines(t *testing.T) {
	t.Setenv(mainVariable, "1")
	config(t)
	tests := []struct {
		name, closure string
		imports       func(d *desk)
		// correct is what the accuracy must exceed, of the test records: by far more than guessing gives.
		correct int64
	}{
		{"kmeans", "glyphs-kmeans", func(d *desk) {
			if err := fixtures.WriteIDX(d.dir, 1, 640, 100); err != nil {
				d.Fatal(err)
			}
			d.done("dataset", "import", "idx", d.dir, "--name", "glyphs:1.0.0")
		}, 25},
		{"lda", "documents-lda", func(d *desk) {
			var csv bytes.Buffer
			if err := fixtures.WriteDocuments(&csv, 1, 1000); err != nil {
				d.Fatal(err)
			}
			d.done("dataset", "import", "csv", d.write("documents.csv", csv.String()), "--name", "documents:1.0.0", "--header", "--test-fraction", "0.2")
		}, 160},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wasm := enginetest.Built(t, test.name)
			d := newDesk(t)
			file := d.write(test.name+".wasm", string(wasm))
			checked := report[schema.CheckReport](d, schema.KindCheckReport, exitDone, "engine", "check", file)
			if !checked.Passed {
				t.Errorf("%+v", checked.Tests)
			}
			test.imports(d)
			spec := d.write("closure.yaml", string(fixtures.Specification(test.name)))
			alone := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "train", spec, "-o", d.path("alone"), "--workers", "1")
			three := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "train", spec, "-o", d.path("three"), "--workers", "3")
			if alone.Run != three.Run {
				t.Errorf("one worker gives run %s, three give %s", alone.Run, three.Run)
			}
			d.done("publish", d.path("three"))
			v := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDone, "verify", test.closure)
			if v.Derivation != schema.Foreign || v.Claims[0].Metric != schema.MetricAccuracy || v.Claims[0].Verdict != schema.VerdictReproduced {
				t.Fatalf("%+v", v)
			}
			if correct := *v.Claims[0].Observed.Correct; correct < test.correct {
				t.Errorf("%d of %d are right, want at least %d", correct, v.Claims[0].Observed.Total, test.correct)
			}
			if o := d.done("verify", test.closure); !strings.Contains(o.stdout, "Engine: foreign.") {
				t.Errorf("%s", o.stdout)
			}
			r := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", test.closure, "--workers", "2")
			if r.Verdict != schema.VerdictIdentical {
				t.Errorf("%+v", r)
			}
			// In a session of three participants, too.
			server := d.serving()
			s := d.started(server, test.closure)
			var group sync.WaitGroup
			joined := d.joining(&group, s.Join, 3)
			over := d.over(server, s.ID)
			group.Wait()
			if over.Run != alone.Run {
				t.Errorf("alone the run is %s, in a session %s", alone.Run, over.Run)
			}
			for _, j := range joined {
				if j == nil || !j.Ended {
					t.Errorf("%+v", j)
				}
			}
			r = report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", over.Closure)
			if r.Verdict != schema.VerdictIdentical || r.Run != alone.Run {
				t.Errorf("%+v", r)
			}
			// It goes on as if it had never stopped.
			resumed := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "resume", test.closure, "--steps", "2", "-o", d.path("more"))
			whole := report[schema.TrainReport](d, schema.KindTrainReport, exitDone, "train", spec, "-o", d.path("whole"), "--steps", strconv.FormatInt(alone.Steps+2, 10))
			if resumed.Run != whole.Run {
				t.Errorf("resumed, the run is %s; at once it is %s", resumed.Run, whole.Run)
			}
		})
	}
}
