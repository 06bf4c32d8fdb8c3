package runner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// tinyResolved is a specification of ten steps, evaluated every four.
func tinyResolved(steps int64) schema.Resolved {
	layout := tinyRecords{}.Layout()
	return schema.Resolved{
		Model:     schema.Model{Input: schema.Input{Shape: []int{4}, DType: "u8"}},
		Algorithm: schema.Algorithm{MicrobatchSize: 4, BatchSize: 20, Steps: steps, Seed: 42, Evaluate: &schema.Evaluate{Every: 4}},
		Datasets: []schema.ResolvedDataset{
			{Role: schema.RoleTest, Split: "test", Examples: 41, Classes: 3, Record: layout, Content: schema.DigestOf([]byte("tiny"))},
			{Role: schema.RoleTrain, Split: "train", Examples: 103, Classes: 3, Record: layout, Content: schema.DigestOf([]byte("tiny"))},
		},
	}
}

func tinyPlan(t testing.TB, wasm []byte, steps int64) runner.Plan {
	t.Helper()
	plan, err := runner.NewPlan(tinyResolved(steps), schema.DigestOf(wasm))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// run trains the tiny engine and returns journal and result.
func run(t testing.TB, plan runner.Plan, team runner.TeamOptions, o runner.TrainOptions) (string, *runner.TrainResult) {
	t.Helper()
	var journal bytes.Buffer
	o.Journal = &journal
	result, err := runner.Train(t.Context(), start(t, tiny{}.wasm(t), tinyData, team), plan, o)
	if err != nil {
		t.Fatal(err)
	}
	return journal.String(), result
}

func TestJournal(t *testing.T) {
	plan := tinyPlan(t, tiny{}.wasm(t), 10)
	journal, result := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{})
	var kinds []string
	for line := range strings.Lines(journal) {
		var l schema.JournalLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		canonical, err := schema.Canonical(l)
		if err != nil {
			t.Fatal(err)
		}
		if string(canonical)+"\n" != line {
			t.Errorf("not canonical: %s", line)
		}
		kinds = append(kinds, fmt.Sprintf("%s %d", l.Type, l.Step))
	}
	want := []string{
		"header 0", "step 1", "step 2", "step 3", "step 4", "evaluation 4", "checkpoint 4", "step 5", "step 6", "step 7", "step 8",
		"evaluation 8", "checkpoint 8", "step 9", "step 10", "evaluation 10", "checkpoint 10",
	}
	if d := diff(want, kinds); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
	if !strings.Contains(journal, `"run":"`+result.Run.String()) {
		t.Error("the last checkpoint has not the result's run digest")
	}
	if result.Steps != 10 || result.Test.Total != 41 || result.Test.Correct == nil || result.Test.Loss == nil {
		t.Errorf("result: %+v", result)
	}
	if got := result.Test.Results(schema.DigestOf(nil), "test", 10); len(got) != 2 || got[0].Metric != schema.MetricAccuracy || got[1].Metric != schema.MetricLoss {
		t.Errorf("claims: %+v", got)
	}
}

func TestTrainingIsTheSameEverywhere(t *testing.T) {
	plan := tinyPlan(t, tiny{}.wasm(t), 10)
	want, _ := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{})
	for name, team := range teams() {
		t.Run(name, func(t *testing.T) {
			got, _ := run(t, plan, team, runner.TrainOptions{})
			if d := diff(want, got); d != "" {
				t.Errorf("(-one worker +%s):\n%s", name, d)
			}
		})
	}
}

// TestInterrupted cancels after every step, and once within one, and continues.
func TestInterrupted(t *testing.T) {
	wasm := tiny{}.wasm(t)
	plan := tinyPlan(t, wasm, 10)
	want, wantResult := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{})
	for name, team := range map[string]runner.TeamOptions{"in process": {Workers: 2}, "child": {Child: &runner.ChildOptions{}}} {
		for stop := int64(1); stop < 10; stop++ {
			t.Run(fmt.Sprintf("%s, after step %d", name, stop), func(t *testing.T) {
				work := filepath.Join(t.TempDir(), "work")
				ctx, cancel := context.WithCancel(t.Context())
				o := runner.TrainOptions{Work: work, Progress: func(p runner.Progress) {
					if p.Step == stop {
						cancel()
					}
				}}
				_, err := runner.Train(ctx, start(t, wasm, tinyData, team), plan, o)
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("got %v, want context.Canceled", err)
				}
				steps := 0
				got, result := run(t, plan, team, runner.TrainOptions{Work: work, Progress: func(p runner.Progress) { steps++ }})
				if d := diff(want, got); d != "" {
					t.Errorf("journal (-uninterrupted +continued):\n%s", d)
				}
				if d := diff(wantResult, result); d != "" {
					t.Errorf("result (-uninterrupted +continued):\n%s", d)
				}
				if steps > 10-int(stop)+1 {
					t.Errorf("%d steps after an interruption at %d of 10: it did not continue", steps, stop)
				}
			})
		}
	}
}

func TestInterruptedEvaluation(t *testing.T) {
	wasm := tiny{}.wasm(t)
	plan := tinyPlan(t, wasm, 10)
	want, _ := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{})
	// The test split is read eleven times for an evaluation: stop in the second one.
	ctx, cancel := context.WithCancel(t.Context())
	data := runner.Data{Train: tinyData.Train, Test: cancelAfter(14, cancel)}
	work := filepath.Join(t.TempDir(), "work")
	if _, err := runner.Train(ctx, start(t, wasm, data, runner.TeamOptions{}), plan, runner.TrainOptions{Work: work}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	got, _ := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{Work: work})
	if d := diff(want, got); d != "" {
		t.Errorf("journal (-uninterrupted +continued):\n%s", d)
	}
}

// TestKilled continues from what is on disk at every step: what a process leaves that is killed there. Its buffers are
// lost, and a snapshot that it was writing is a torso.
func TestKilled(t *testing.T) {
	wasm := tiny{}.wasm(t)
	plan := tinyPlan(t, wasm, 10)
	work := filepath.Join(t.TempDir(), "work")
	copies := t.TempDir()
	want, wantResult := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{Work: work, SnapshotSteps: 3, Progress: func(p runner.Progress) {
		if err := os.CopyFS(filepath.Join(copies, fmt.Sprint(p.Step)), os.DirFS(work)); err != nil {
			t.Fatal(err)
		}
	}})
	for step := 1; step <= 10; step++ {
		t.Run(fmt.Sprintf("after step %d", step), func(t *testing.T) {
			left := filepath.Join(copies, fmt.Sprint(step))
			torso := filepath.Join(left, fmt.Sprintf("step-%016d.partial", step))
			if err := errors.Join(os.Mkdir(torso, 0o777), os.WriteFile(filepath.Join(torso, "parameters.safetensors"), []byte("x"), 0o666)); err != nil {
				t.Fatal(err)
			}
			first := int64(-1)
			got, result := run(t, plan, runner.TeamOptions{Workers: 2}, runner.TrainOptions{Work: left, Progress: func(p runner.Progress) {
				if first < 0 {
					first = p.Step
				}
			}})
			if d := diff(want, got); d != "" {
				t.Errorf("journal (-uninterrupted +continued):\n%s", d)
			}
			if d := diff(wantResult, result); d != "" {
				t.Errorf("result (-uninterrupted +continued):\n%s", d)
			}
			if step >= 3 && first < 3 {
				t.Errorf("it went on at step %d though there was a snapshot", first)
			}
		})
	}
}

func TestWorkOfAnotherRun(t *testing.T) {
	wasm := tiny{}.wasm(t)
	work := t.TempDir()
	run(t, tinyPlan(t, wasm, 10), runner.TeamOptions{}, runner.TrainOptions{Work: work})
	_, err := runner.Train(t.Context(), start(t, wasm, tinyData, runner.TeamOptions{}), tinyPlan(t, wasm, 11), runner.TrainOptions{Work: work})
	if !errors.Is(err, runner.ErrOtherWork) {
		t.Errorf("got %v, want ErrOtherWork", err)
	}
}

func TestBrokenWork(t *testing.T) {
	wasm := tiny{}.wasm(t)
	plan := tinyPlan(t, wasm, 10)
	tests := []struct {
		name, file, content string
	}{
		{"run.json", "run.json", "{"},
		{"a short journal", "journal.jsonl", "{}"},
		{"a snapshot without document", "step-0000000000000009/snapshot.json", "?"},
		{"other tensors", "step-0000000000000009/parameters.safetensors", "hello, world"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			work := t.TempDir()
			run(t, plan, runner.TeamOptions{}, runner.TrainOptions{Work: work, SnapshotSteps: 3})
			if err := os.WriteFile(filepath.Join(work, test.file), []byte(test.content), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := runner.Train(t.Context(), start(t, wasm, tinyData, runner.TeamOptions{}), plan, runner.TrainOptions{Work: work})
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Errorf("got %v, want *schema.Invalid", err)
			}
		})
	}
}

// TestMoreSteps continues a finished run: the journal and the digests are those of a run that did all steps at once, though
// the first one was evaluated at its end, which the other was not.
func TestMoreSteps(t *testing.T) {
	wasm := tiny{}.wasm(t)
	want, wantResult := run(t, tinyPlan(t, wasm, 17), runner.TeamOptions{}, runner.TrainOptions{})
	for _, steps := range []int64{1, 8, 10, 16, 17} {
		t.Run(fmt.Sprintf("from step %d", steps), func(t *testing.T) {
			journal, result := run(t, tinyPlan(t, wasm, steps), runner.TeamOptions{}, runner.TrainOptions{})
			from := &runner.From{Step: steps, Tensors: result.Tensors, Journal: strings.NewReader(journal)}
			got, gotResult := run(t, tinyPlan(t, wasm, 17), runner.TeamOptions{}, runner.TrainOptions{From: from, Work: t.TempDir()})
			if d := diff(want, got); d != "" {
				t.Errorf("journal (-at once +continued):\n%s", d)
			}
			if d := diff(wantResult, gotResult); d != "" {
				t.Errorf("result (-at once +continued):\n%s", d)
			}
		})
	}
}

func TestFewerStepsThanDone(t *testing.T) {
	wasm := tiny{}.wasm(t)
	journal, result := run(t, tinyPlan(t, wasm, 10), runner.TeamOptions{}, runner.TrainOptions{})
	from := &runner.From{Step: 10, Tensors: result.Tensors, Journal: strings.NewReader(journal)}
	_, err := runner.Train(t.Context(), start(t, wasm, tinyData, runner.TeamOptions{}), tinyPlan(t, wasm, 9), runner.TrainOptions{From: from})
	if _, ok := errors.AsType[*schema.Invalid](err); !ok {
		t.Errorf("got %v, want *schema.Invalid", err)
	}
}

func TestEvents(t *testing.T) {
	plan := tinyPlan(t, tiny{}.wasm(t), 10)
	plain, _ := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{})
	value := 0.5
	events := []schema.JournalLine{{Type: schema.LineEvent, Step: 5, Event: "hyperparameter", Name: "rate", Value: &value}}
	want, wantResult := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{Events: events})
	if !strings.Contains(want, `"name":"rate"`) || want == plain {
		t.Error("the event did nothing")
	}
	// The rate still holds when the run is continued after the event.
	kept := map[int64]runner.Tensors{}
	run(t, plan, runner.TeamOptions{}, runner.TrainOptions{Events: events, KeepEvery: 3, Keep: func(step int64, x runner.Tensors) error {
		kept[step] = x
		return nil
	}})
	if len(kept) != 3 {
		t.Errorf("%d snapshots were kept, want those of steps 3, 6 and 9", len(kept))
	}
	from := &runner.From{Step: 6, Tensors: kept[6], Journal: strings.NewReader(want)}
	got, gotResult := run(t, plan, runner.TeamOptions{}, runner.TrainOptions{From: from, Events: events})
	if d := diff(want, got); d != "" {
		t.Errorf("journal (-at once +continued):\n%s", d)
	}
	if d := diff(wantResult, gotResult); d != "" {
		t.Errorf("result (-at once +continued):\n%s", d)
	}
}

func TestTrainRefusesPlans(t *testing.T) {
	wasm := tiny{}.wasm(t)
	tests := []struct {
		name   string
		change func(a *schema.Algorithm)
	}{
		{"no steps", func(a *schema.Algorithm) { a.Steps = 0 }},
		{"no microbatches", func(a *schema.Algorithm) { a.MicrobatchSize = 0 }},
		{"parts of a microbatch", func(a *schema.Algorithm) { a.BatchSize = 21 }},
		{"sums that may overflow", func(a *schema.Algorithm) { a.BatchSize = 4004 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan := tinyPlan(t, wasm, 10)
			test.change(&plan.Resolved.Algorithm)
			_, err := runner.Train(t.Context(), start(t, wasm, tinyData, runner.TeamOptions{}), plan, runner.TrainOptions{})
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Errorf("got %v, want *schema.Invalid", err)
			}
		})
	}
}

func TestProgressAndTelemetry(t *testing.T) {
	var telemetry bytes.Buffer
	var seen []runner.Progress
	plan := tinyPlan(t, tiny{}.wasm(t), 10)
	run(t, plan, runner.TeamOptions{}, runner.TrainOptions{Telemetry: &telemetry, Progress: func(p runner.Progress) { seen = append(seen, p) }})
	if len(seen) != 10 {
		t.Fatalf("%d reports of 10 steps", len(seen))
	}
	p := seen[7]
	if p.Step != 8 || p.Steps != 10 || p.Examples != 8*20 || p.Evaluation == nil || math.IsNaN(p.Loss) || seen[6].Evaluation != nil {
		t.Errorf("%+v", p)
	}
	d := json.NewDecoder(&telemetry)
	n := 0
	for {
		var line runner.TelemetryLine
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < 3 {
		t.Errorf("%d lines of telemetry, want one for each evaluation at least", n)
	}
}

func TestJournalWriterFails(t *testing.T) {
	wasm := tiny{}.wasm(t)
	_, err := runner.Train(t.Context(), start(t, wasm, tinyData, runner.TeamOptions{}), tinyPlan(t, wasm, 10), runner.TrainOptions{Journal: failing{}})
	if !errors.Is(err, errFull) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

var errFull = errors.New("disk full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }
