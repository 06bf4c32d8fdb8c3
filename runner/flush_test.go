//go:build amd64 || arm64

package runner_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/runner/internal/ftz"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// silent makes many weights fall silent, so that their momentum decays towards subnormal numbers for hundreds of steps.
func silent(optimizer schema.Component) func(*schema.Specification) {
	return func(spec *schema.Specification) {
		a := &spec.Algorithm
		a.MicrobatchSize, a.BatchSize, a.Steps, a.Epochs = 4, 4, 1500, nil
		a.Evaluate = &schema.Evaluate{Every: 500}
		a.Optimizer = optimizer
	}
}

func component(kind string, attributes map[string]any) schema.Component {
	return schema.Component{Kind: kind, Attributes: attributes}
}

// TestFlushedSubnormals trains 1,500 steps on a thread that flushes subnormals, by an engine that does not check it, and
// on one that does not: the parameters are the same bits, since apply leaves no number that small.
func TestFlushedSubnormals(t *testing.T) {
	optimizers := map[string]schema.Component{
		"momentum": component("sgd", map[string]any{"learningRate": 0.05, "momentum": 0.9}),
		"adam":     component("adam", map[string]any{"learningRate": 0.001}),
	}
	for name, optimizer := range optimizers {
		t.Run(name, func(t *testing.T) {
			c := compile(t, "mlp", wasm.Options{NoCanary: true}, silent(optimizer))
			want, _ := trained(t, c, runner.TeamOptions{})
			var journal strings.Builder
			var err error
			team := start(t, c.wasm, c.data, runner.TeamOptions{}) // one worker, which runs on the caller's thread
			plan := c.plan(t)
			ftz.Do(func() { _, err = runner.Train(t.Context(), team, plan, runner.TrainOptions{Journal: &journal}) })
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(lastLines(want), lastLines(journal.String())); d != "" {
				t.Errorf("(-kept +flushed):\n%s", d)
			}
			if want != journal.String() {
				t.Error("the journals differ")
			}
		})
	}
}

// lastLines keeps reports of a difference short.
func lastLines(s string) string { return s[max(0, len(s)-500):] }

// TestCanary: an engine as closures have it refuses a thread that flushes.
func TestCanary(t *testing.T) {
	c := compile(t, "mlp", wasm.Options{}, shortened)
	team := start(t, c.wasm, c.data, runner.TeamOptions{})
	var initial, accumulate, apply error
	ftz.Do(func() {
		initial = team.Init(t.Context(), 1)
		_, accumulate = team.Accumulate(t.Context(), 1, 0, 1)
	})
	if initial != nil {
		t.Fatal(initial)
	}
	sums, err := team.Accumulate(t.Context(), 0, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	ftz.Do(func() { _, apply = team.Apply(t.Context(), 0, sums) })
	for name, err := range map[string]error{"accumulate": accumulate, "apply": apply} {
		status, ok := errors.AsType[*runner.EngineError](err)
		if !ok || status.Export != name || !strings.Contains(status.Text, "subnormal") {
			t.Errorf("%s: got %v, want a status about subnormal numbers", name, err)
		}
	}
}
