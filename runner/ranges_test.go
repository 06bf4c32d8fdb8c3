package runner_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/wasm"
)

// A run whose steps merged what a timed session gave them is repeated by any number of workers, here and in a child.
func TestTrainOfRecordedRanges(t *testing.T) {
	c := compile(t, "mlp", wasm.Options{}, shortened)
	plan := c.plan(t)
	merged := map[int64]runner.Ranges{2: {{0, 3}, {5, 9}}, 3: {{7, 8}}}
	var want string
	for _, team := range []runner.TeamOptions{{}, {Workers: 3}, {Workers: 2, Child: &runner.ChildOptions{}}} {
		var journal bytes.Buffer
		started, err := runner.Start(t.Context(), c.wasm, c.data, team)
		if err != nil {
			t.Fatal(err)
		}
		_, err = runner.Train(t.Context(), started, plan, runner.TrainOptions{Journal: &journal, Merged: merged})
		if err != nil {
			t.Fatal(err)
		}
		if err := started.Close(); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = journal.String()
		}
		if diff := cmp.Diff(want, journal.String()); diff != "" {
			t.Errorf("%+v: %s", team, diff)
		}
	}
	for _, text := range []string{`"microbatches":[[0,3],[5,9]],"step":2`, `"microbatches":[[7,8]],"step":3`} {
		if !strings.Contains(want, text) {
			t.Errorf("the journal lacks %s:\n%s", text, want)
		}
	}
}

func TestRangesAreChecked(t *testing.T) {
	c := compile(t, "mlp", wasm.Options{}, shortened)
	team, err := runner.Start(t.Context(), c.wasm, c.data, runner.TeamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer team.Close()
	if err := team.Init(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []runner.Ranges{nil, {}, {{-1, 2}}, {{3, 3}}, {{0, 2}, {1, 3}}, {{0, 2}, {2, 3}}, {{4, 5}, {0, 1}}} {
		if _, err := team.Step(t.Context(), 0, bad); err == nil {
			t.Errorf("%v was a step", bad)
		}
	}
}
