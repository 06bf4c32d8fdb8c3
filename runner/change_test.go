package runner_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// numbered is a tensor of u16 whose elements count from a number on.
func numbered(name string, from uint16, shape ...int) closure.Tensor {
	t := closure.Tensor{Name: name, DType: "u16", Shape: shape}
	for k := range schema.Elements(shape) {
		t.Data = binary.LittleEndian.AppendUint16(t.Data, from+uint16(k))
	}
	return t
}

func values(t closure.Tensor) []uint16 {
	var v []uint16
	for part := range slices.Chunk(t.Data, 2) {
		v = append(v, binary.LittleEndian.Uint16(part))
	}
	return v
}

// numbers describes a tensor of u16 in testdata/carryover.json: x, unless it says otherwise.
type numbers struct {
	Name, DType string
	Shape       []int
}

func (n numbers) tensor(from uint16) closure.Tensor {
	t := numbered(cmp.Or(n.Name, "x"), from, n.Shape...)
	t.DType = cmp.Or(n.DType, t.DType)
	return t
}

// TestCarryOver holds to the examples that the browser's side shares: a new tensor counts from 100 on, an old one from 0.
func TestCarryOver(t *testing.T) {
	text, err := os.ReadFile("testdata/carryover.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []struct {
		Name       string
		Fresh, Old numbers
		Want       []uint16
	}
	if err := json.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	if len(tests) < 11 {
		t.Errorf("%d examples", len(tests))
	}
	for _, test := range tests {
		t.Run(test.Name, func(t *testing.T) {
			fresh := test.Fresh.tensor(100)
			before := slices.Clone(fresh.Data)
			got := runner.CarryOver(
				runner.Tensors{Parameters: []closure.Tensor{fresh}, State: []closure.Tensor{numbered("s", 9, 1)}},
				// A tensor of the state may have become a parameter.
				runner.Tensors{State: []closure.Tensor{test.Old.tensor(0), numbered("gone", 1, 4)}},
			)
			if len(got.Parameters) != 1 || len(got.State) != 1 || got.State[0].Name != "s" || !slices.Equal(values(got.State[0]), []uint16{9}) {
				t.Fatalf("%+v", got)
			}
			if v := values(got.Parameters[0]); !slices.Equal(v, test.Want) || !slices.Equal(got.Parameters[0].Shape, fresh.Shape) {
				t.Errorf("got %v, want %v", v, test.Want)
			}
			if !bytes.Equal(fresh.Data, before) {
				t.Error("what init wrote was changed in place")
			}
		})
	}
}

// grown are two compiled engines for the same records: a net, and the same one with a wider layer, more microbatches in a
// step and other evaluations.
func grown(t *testing.T) (before, after compiled) {
	t.Helper()
	net := func(units float64, batch int, every int64) func(*schema.Specification) {
		return func(s *schema.Specification) {
			a := &s.Algorithm
			a.Epochs, a.Steps, a.MicrobatchSize, a.BatchSize, a.Evaluate = nil, 8, 4, batch, &schema.Evaluate{Every: every}
			for _, l := range s.Model.Layers {
				if _, hidden := l.Attributes["activation"]; hidden {
					l.Attributes["units"] = units
				}
			}
		}
	}
	return compile(t, "mlp", wasm.Options{}, net(4, 8, 2)), compile(t, "mlp", wasm.Options{}, net(6, 12, 3))
}

// at is the change to an engine before a step.
func (c compiled) at(t *testing.T, step int64) runner.Change {
	t.Helper()
	return runner.Change{Step: step, Plan: c.plan(t), Start: func(ctx context.Context) (runner.Team, error) {
		return runner.Start(ctx, c.wasm, c.data, runner.TeamOptions{})
	}}
}

// train runs an engine from its start, or from o.From on.
func (c compiled) train(t *testing.T, o runner.TrainOptions) (string, *runner.TrainResult) {
	t.Helper()
	var journal bytes.Buffer
	o.Journal = &journal
	result, err := runner.Train(t.Context(), start(t, c.wasm, c.data, runner.TeamOptions{Workers: 2}), c.plan(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return journal.String(), result
}

func TestChange(t *testing.T) {
	before, after := grown(t)
	rate := 0.03
	events := []schema.JournalLine{{Type: schema.LineEvent, Step: 3, Event: "hyperparameter", Name: "learningRate", Value: &rate}}
	journal, result := before.train(t, runner.TrainOptions{Changes: []runner.Change{after.at(t, 5)}, Events: events})

	// By hand: the first engine to step 4, its state carried over, the second one from there.
	team := start(t, before.wasm, before.data, runner.TeamOptions{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	steps := func(team runner.Team, from, to int64, p runner.Plan) {
		for step := from; step <= to; step++ {
			if step == 3 {
				must(team.Set(t.Context(), "learningRate", rate))
			}
			_, err := team.Step(t.Context(), step, runner.First(p.Microbatches()))
			must(err)
		}
	}
	must(team.Init(t.Context(), before.resolved.Algorithm.Seed))
	steps(team, 0, 4, before.plan(t))
	old, err := team.Save(t.Context())
	must(err)
	next := start(t, after.wasm, after.data, runner.TeamOptions{})
	must(next.Init(t.Context(), after.resolved.Algorithm.Seed))
	fresh, err := next.Save(t.Context())
	must(err)
	must(next.Load(t.Context(), runner.CarryOver(fresh, old)))
	must(next.Set(t.Context(), "learningRate", rate))
	steps(next, 5, 8, after.plan(t))
	last, err := next.Save(t.Context())
	must(err)
	_, run, err := last.Digests()
	must(err)
	if run != result.Run {
		t.Errorf("the run is %s, and by hand %s", result.Run.Short(), run.Short())
	}

	lines, err := schema.ReadJournal("journal", strings.NewReader(journal))
	must(err)
	var what []string
	for _, l := range lines {
		what = append(what, fmt.Sprintf("%s%s %d", l.Type, l.Event, l.Step))
	}
	want := "header 0,step 1,step 2,evaluation 2,checkpoint 2,eventhyperparameter 3,step 3,step 4,evaluation 4,checkpoint 4,eventengine 5," +
		"step 5,step 6,evaluation 6,checkpoint 6,step 7,step 8,evaluation 8,checkpoint 8"
	if d := diff(want, strings.Join(what, ",")); d != "" {
		t.Errorf("journal (-want +got):\n%s", d)
	}
	if h := lines[0]; h.Engine != before.plan(t).Engine || h.Specification != after.plan(t).Specification {
		t.Errorf("the header is %+v", h)
	}

	// Continued after any step, with or without the change before it, it is the same run.
	kept := map[int64]runner.Tensors{}
	before.train(t, runner.TrainOptions{Changes: []runner.Change{after.at(t, 5)}, Events: events, KeepEvery: 1, Keep: func(step int64, x runner.Tensors) error {
		kept[step] = x
		return nil
	}})
	for _, step := range []int64{2, 4, 5, 6} {
		from := &runner.From{Step: step, Tensors: kept[step], Journal: strings.NewReader(journal)}
		o := runner.TrainOptions{From: from, Changes: []runner.Change{after.at(t, 5)}, Events: events, Work: t.TempDir()}
		got, gotResult := before.train(t, o)
		if got != journal || gotResult.Run != run {
			t.Errorf("from step %d:\n%s", step, diff(journal, got))
		}
		if step < 5 {
			continue
		}
		o.Changes, o.First, o.From.Journal, o.Work = nil, before.plan(t).Engine, strings.NewReader(journal), ""
		if got, gotResult := after.train(t, o); got != journal || gotResult.Run != run {
			t.Errorf("with the last engine from step %d:\n%s", step, diff(journal, got))
		}
	}
}

// TestChangeInterrupted stops the run after every step, and lets it go on from its work folder.
func TestChangeInterrupted(t *testing.T) {
	before, after := grown(t)
	o := runner.TrainOptions{Changes: []runner.Change{after.at(t, 5)}}
	want, wantResult := before.train(t, o)
	o.Work, o.SnapshotSteps = t.TempDir(), 1
	for done := int64(1); done < 8; done++ {
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(p runner.Progress) {
			if p.Step == done {
				cancel()
			}
		}
		_, err := runner.Train(ctx, start(t, before.wasm, before.data, runner.TeamOptions{}), before.plan(t), o)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after step %d: %v", done, err)
		}
	}
	o.Progress = nil
	if got, result := before.train(t, o); got != want || result.Run != wantResult.Run {
		t.Errorf("journal (-want +got):\n%s", diff(want, got))
	}
}

func TestChangesAreRefused(t *testing.T) {
	before, after := grown(t)
	other := after.at(t, 5)
	other.Plan.Resolved.Algorithm.Seed++
	large := after.at(t, 5)
	large.Plan.Resolved.Algorithm.BatchSize = 4 << 30
	for name, changes := range map[string][]runner.Change{
		"before step 0":        {after.at(t, 0)},
		"twice at a step":      {after.at(t, 5), before.at(t, 5)},
		"after the end":        {after.at(t, 9)},
		"another seed":         {other},
		"too large a step":     {large},
		"an engine that fails": {{Step: 5, Plan: after.plan(t), Start: func(context.Context) (runner.Team, error) { return nil, schema.Invalidf("engine", "", "no") }}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runner.Train(t.Context(), start(t, before.wasm, before.data, runner.TeamOptions{}), before.plan(t), runner.TrainOptions{Changes: changes})
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Errorf("got %v, want *schema.Invalid", err)
			}
		})
	}
}

func TestHolding(t *testing.T) {
	s := &schema.EngineSection{Hyperparameters: []schema.Hyperparameter{{Name: "a", Min: 0, Max: 1}, {Name: "b", Min: 0, Max: 1}}}
	got := runner.Holding(s, map[string]float64{"a": 0.5, "b": 2, "c": 0.5})
	if d := diff(map[string]float64{"a": 0.5}, got); d != "" {
		t.Error(d)
	}
}

// changedBundle is a closure whose engine was replaced before step 5.
func changedBundle(t *testing.T) (*bundle, runner.Derivation) {
	t.Helper()
	before, after := grown(t)
	b := archived(t, after.wasm, after.resolved, after.data)
	stored, err := b.archive().Data(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before.data, after.data = stored, stored
	for _, c := range []compiled{before, after} {
		for k := range c.resolved.Datasets {
			c.resolved.Datasets[k].Content = b.dataset.Content
		}
	}
	plan := before.plan(t)
	b.closure.Earlier = []schema.EarlierEngine{{
		Engine:        schema.EngineReference{Digest: plan.Engine, ABI: schema.ABI, Compiler: "test 1"},
		Specification: plan.Specification, Model: plan.Resolved.Model, Algorithm: plan.Resolved.Algorithm, Datasets: b.closure.Datasets,
	}}
	b.put(t, closure.Bytes(schema.PathEarlierEngine(plan.Engine), before.wasm))
	journal, result := before.train(t, runner.TrainOptions{
		Changes: []runner.Change{after.at(t, 5)}, KeepEvery: 3,
		Keep: func(step int64, x runner.Tensors) error {
			parameters, state := runner.SnapshotPaths(step)
			b.put(t, closure.Safetensors(parameters, x.Parameters))
			b.put(t, closure.Safetensors(state, x.State))
			return nil
		},
	})
	b.put(t, closure.Safetensors(schema.PathParameters, result.Tensors.Parameters))
	b.put(t, closure.Safetensors(schema.PathState, result.Tensors.State))
	b.put(t, closure.Bytes(schema.PathJournal, []byte(journal)))
	b.closure.Parameters = schema.ParametersClaim{Step: result.Steps, Digest: result.Parameters}
	b.closure.Run.Digest = result.Run
	b.closure.Results = result.Test.Results(b.closure.Datasets[0].Digest, "test", result.Steps)
	return b, runner.Derivation{Compiler: "test 1", Compile: func(r schema.Resolved) ([]byte, error) {
		if d, err := schema.DigestOfDocument(r); err != nil || d == plan.Specification {
			return before.wasm, err
		}
		return after.wasm, nil
	}}
}

func TestReplayOfAChange(t *testing.T) {
	for way, team := range ways() {
		for _, from := range []int64{0, 3, 6} {
			t.Run(fmt.Sprintf("%s, from step %d", way, from), func(t *testing.T) {
				b, derivation := changedBundle(t)
				report, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{Derivation: derivation, Team: team, From: from})
				if err != nil {
					t.Fatal(err)
				}
				if report.Verdict != schema.VerdictIdentical || report.Steps != 8 || report.Derivation != schema.Derived || report.Run != b.closure.Run.Digest {
					t.Errorf("%+v", report)
				}
			})
		}
	}
}

func TestReplayRefusesChanges(t *testing.T) {
	edit := func(from, to string) func(*testing.T, *bundle) {
		return func(t *testing.T, b *bundle) {
			journal := strings.Replace(string(b.bytes(t, schema.PathJournal)), from, to, 1)
			b.put(t, closure.Bytes(schema.PathJournal, []byte(journal)))
		}
	}
	b, _ := changedBundle(t)
	own, earlier := b.closure.Engine.Digest.String(), b.closure.Earlier[0].Engine.Digest.String()
	line := `{"engine":"` + own + `","event":"engine","step":5,"type":"event"}` + "\n"
	for name, test := range map[string]struct {
		change func(*testing.T, *bundle)
		reason string // of a verdict; empty for a refusal
	}{
		"an engine that never ran":              {change: edit(line, "")},
		"an engine that the closure lacks":      {change: edit(line, strings.Replace(line, own[:20], "sha256:0000000000000", 1))},
		"a change back":                         {change: edit(line, line+strings.Replace(line, own, earlier, 1))},
		"a change at another step":              {change: edit(line, strings.Replace(line, ":5", ":6", 1)), reason: "step 5"},
		"an earlier engine that is not derived": {change: func(_ *testing.T, b *bundle) { b.closure.Earlier[0].Algorithm.BatchSize = 16 }, reason: "ran before"},
		"an earlier engine of another release": {reason: "compiler test 0", change: func(_ *testing.T, b *bundle) {
			b.closure.Earlier[0].Engine.Compiler, b.closure.Earlier[0].Algorithm.Steps = "test 0", 7
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b, derivation := changedBundle(t)
			test.change(t, b)
			report, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{Derivation: derivation})
			if test.reason == "" {
				if _, ok := errors.AsType[*schema.Invalid](err); !ok {
					t.Errorf("got %v, want *schema.Invalid", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(report.Reason, test.reason) {
				t.Errorf("the reason is %q, want one with %q", report.Reason, test.reason)
			}
		})
	}
}

func TestVerifyOfAChange(t *testing.T) {
	for name, test := range map[string]struct {
		change              func(*bundle)
		verdict, derivation string
	}{
		"an honest closure":              {func(*bundle) {}, schema.VerdictReproduced, schema.Derived},
		"an engine that is not derived":  {func(b *bundle) { b.closure.Earlier[0].Algorithm.BatchSize = 16 }, schema.VerdictDiffers, schema.Foreign},
		"another specification's digest": {func(b *bundle) { b.closure.Earlier[0].Specification = schema.DigestOf(nil) }, schema.VerdictDiffers, schema.Derived},
		"an engine that is damaged":      {func(b *bundle) { b.files.Set(b.closure.Earlier[0].Engine.Digest, []byte("x")) }, schema.VerdictDamaged, schema.Derived},
		"an engine of another release": {func(b *bundle) {
			b.closure.Earlier[0].Engine.Compiler = "test 0"
			b.closure.Earlier[0].Algorithm.BatchSize = 16
			b.closure.Earlier[0].Specification, _ = schema.DigestOfDocument(b.closure.Earlier[0].Resolved())
		}, schema.VerdictReproduced, schema.OtherCompiler},
	} {
		t.Run(name, func(t *testing.T) {
			b, derivation := changedBundle(t)
			test.change(b)
			report, err := runner.Verify(t.Context(), b.archive(), runner.VerifyOptions{Derivation: derivation})
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != test.verdict || report.Derivation != test.derivation {
				t.Errorf("%s, %s because %q; want %s, %s", report.Verdict, report.Derivation, report.Reason, test.verdict, test.derivation)
			}
		})
	}
}
