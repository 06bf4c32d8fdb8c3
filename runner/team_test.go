package runner_test

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

var tinyData = runner.Data{Train: newTinyRecords(103), Test: newTinyRecords(41)}

// start makes a team that ends with the test.
func start(t testing.TB, wasm []byte, data runner.Data, o runner.TeamOptions) runner.Team {
	t.Helper()
	team, err := runner.Start(t.Context(), wasm, data, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := team.Close(); err != nil {
			t.Error(err)
		}
	})
	return team
}

// teams are the ways to run an engine, which must all give the same.
func teams() map[string]runner.TeamOptions {
	return map[string]runner.TeamOptions{
		"one worker":                 {},
		"two workers":                {Workers: 2},
		"eight workers":              {Workers: 8},
		"interpreter":                {Options: runner.Options{Interpreter: true}, Workers: 2},
		"child process":              {Child: &runner.ChildOptions{}, Workers: 2},
		"child process, interpreted": {Child: &runner.ChildOptions{}, Options: runner.Options{Interpreter: true}},
	}
}

// outcome is everything that a team computes.
type outcome struct {
	Counts      []runner.Counts
	Run         schema.Digest
	Accumulated []byte
	Correct     int64
	Metrics     []int64
	Outputs     []float32
}

func observe(t *testing.T, team runner.Team) outcome {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(team.Init(ctx, 42))
	must(team.Set(ctx, "rate", 0.003))
	var o outcome
	for step := range int64(4) {
		c, err := team.Step(ctx, step, runner.First(7))
		must(err)
		o.Counts = append(o.Counts, c)
	}
	var err error
	o.Accumulated, err = team.Accumulate(ctx, 4, 2, 6)
	must(err)
	c, err := team.Apply(ctx, 4, o.Accumulated)
	must(err)
	o.Counts = append(o.Counts, c)
	tensors, err := team.Save(ctx)
	must(err)
	_, o.Run, err = tensors.Digests()
	must(err)
	o.Correct, err = team.Correct(ctx, schema.RoleTest, 0, 41)
	must(err)
	o.Metrics, err = team.Metrics(ctx, schema.RoleTest, 3, 40)
	must(err)
	o.Outputs, err = team.Predict(ctx, newTinyRecords(6).inputs)
	must(err)
	// A state that was saved goes on as if nothing had been between.
	must(team.Init(ctx, 1))
	must(team.Load(ctx, tensors))
	again, err := team.Save(ctx)
	must(err)
	if diff := diff(tensors, again); diff != "" {
		t.Errorf("loaded and saved (-want +got):\n%s", diff)
	}
	return o
}

func TestTeamsAgree(t *testing.T) {
	wasm := tiny{}.wasm(t)
	want := observe(t, start(t, wasm, tinyData, runner.TeamOptions{}))
	if *want.Counts[0].Examples != 28 || want.Metrics[0] != 37 || want.Correct < 10 || len(want.Outputs) != 18 {
		t.Fatalf("%+v", want)
	}
	for name, o := range teams() {
		t.Run(name, func(t *testing.T) {
			got := observe(t, start(t, wasm, tinyData, o))
			if diff := diff(want, got); diff != "" {
				t.Errorf("(-one worker +%s):\n%s", name, diff)
			}
		})
	}
}

// TestRangesAddUp cuts a step and an evaluation in pieces, as leases do.
func TestRangesAddUp(t *testing.T) {
	team := start(t, tiny{}.wasm(t), tinyData, runner.TeamOptions{Workers: 2})
	ctx := t.Context()
	if err := team.Init(ctx, 1); err != nil {
		t.Fatal(err)
	}
	whole, err := team.Correct(ctx, schema.RoleTest, 0, 41)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, r := range [][2]int64{{0, 1}, {1, 17}, {17, 17}, {17, 41}} {
		n, err := team.Correct(ctx, schema.RoleTest, r[0], r[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != whole {
		t.Errorf("the pieces have %d correct, the whole %d", sum, whole)
	}
}

func TestLowestFailureIsReported(t *testing.T) {
	data := tinyData
	bad := newTinyRecords(103)
	// With seed 0, microbatch u of step 1 reads the records 7+4u …
	for _, u := range []int{3, 4, 5, 11} {
		copy(bad.inputs[4*(7+4*u):], []byte{255, 255})
	}
	data.Train = bad
	for name, o := range teams() {
		t.Run(name, func(t *testing.T) {
			team := start(t, tiny{}.wasm(t), data, o)
			if err := team.Init(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			_, err := team.Step(t.Context(), 1, runner.First(20))
			want := &runner.MicrobatchError{Step: 1, Microbatch: 3, Err: &runner.EngineError{Export: "accumulate", Status: 1, Text: "a record is marked"}}
			if diff := diff(error(want), err); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// A status leaves the engine usable.
			if _, err := team.Step(t.Context(), 1, runner.First(2)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTrapsEndTeams(t *testing.T) {
	wasm := tiny{body: map[string]func(*module.Code){engine.ExportApply: func(c *module.Code) { c.Op(module.Unreachable) }}}.wasm(t)
	for name, o := range teams() {
		t.Run(name, func(t *testing.T) {
			team := start(t, wasm, tinyData, o)
			if err := team.Init(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			_, err := team.Step(t.Context(), 1, runner.First(2))
			want := &runner.StepError{Step: 1, Err: &runner.TrapError{Export: "apply", Reason: "unreachable"}}
			if diff := diff(error(want), err); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := team.Step(t.Context(), 1, runner.First(2)); !errors.Is(err, runner.ErrDead) {
				t.Errorf("after the trap: %v, want ErrDead", err)
			}
		})
	}
}

func TestTeamRefuses(t *testing.T) {
	ctx := t.Context()
	tests := []struct {
		name string
		call func(team runner.Team) error
	}{
		{"more microbatches than sums can hold", func(team runner.Team) error { _, err := team.Step(ctx, 1, runner.First(1001)); return err }},
		{"no microbatches", func(team runner.Team) error { _, err := team.Step(ctx, 1, runner.First(0)); return err }},
		{"accumulators of another engine", func(team runner.Team) error { _, err := team.Apply(ctx, 1, []byte{1}); return err }},
		{"records beyond the end", func(team runner.Team) error { _, err := team.Correct(ctx, schema.RoleTest, 0, 42); return err }},
		{"inputs that are not whole", func(team runner.Team) error { _, err := team.Predict(ctx, []byte{1, 2, 3}); return err }},
		{"a hyper-parameter out of range", func(team runner.Team) error { return team.Set(ctx, "rate", -1) }},
		{"no tensors", func(team runner.Team) error { return team.Load(ctx, runner.Tensors{}) }},
	}
	for name, o := range teams() {
		team := start(t, tiny{}.wasm(t), tinyData, o)
		for _, test := range tests {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				err := test.call(team)
				if _, ok := errors.AsType[*schema.Invalid](err); !ok {
					t.Errorf("got %v, want *schema.Invalid", err)
				}
			})
		}
	}
}

func TestStartRefuses(t *testing.T) {
	wide := tiny{edit: func(s *schema.EngineSection) {
		s.Regions[schema.RegionInput] = schema.Region{Offset: atInput, Size: 8, DType: "u8", Shape: []int{4, 2}}
	}}
	for name, o := range teams() {
		t.Run(name, func(t *testing.T) {
			for what, wasm := range map[string][]byte{"no engine": []byte("x"), "records that do not fit": wide.wasm(t)} {
				_, err := runner.Start(t.Context(), wasm, tinyData, o)
				if _, ok := errors.AsType[*schema.Invalid](err); !ok {
					t.Errorf("%s: got %v, want *schema.Invalid", what, err)
				}
			}
		})
	}
}

// cancelling cancels a context when records are read for the n-th time.
type cancelling struct {
	tinyRecords
	left   *atomic.Int64
	cancel context.CancelFunc
}

func (c cancelling) Read(ctx context.Context, indices []uint32, input, target []byte) error {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
	return c.tinyRecords.Read(ctx, indices, input, target)
}

// cancelAfter are the test records, with a cancel when they are read for the n-th time.
func cancelAfter(n int64, cancel context.CancelFunc) runner.Records {
	c := cancelling{newTinyRecords(41), new(atomic.Int64), cancel}
	c.left.Store(n)
	return c
}

func TestCancelBetweenMicrobatches(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	records := cancelling{newTinyRecords(103), new(atomic.Int64), cancel}
	records.left.Store(5)
	team := start(t, tiny{}.wasm(t), runner.Data{Train: records}, runner.TeamOptions{Workers: 2})
	if err := team.Init(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := team.Step(ctx, 1, runner.First(100)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestArgmax(t *testing.T) {
	nan := float32(0)
	nan /= nan
	tests := []struct {
		name   string
		values []float32
		want   int
	}{
		{"the largest", []float32{-1, 3, 2}, 1},
		{"a tie", []float32{-1, 2, 2}, 1},
		{"all equal", []float32{-5, -5}, 0},
		{"zeros of both signs", []float32{-1, negativeZero(), 0}, 1},
		{"not a number", []float32{nan, -3}, 1},
		{"nothing but not a number", []float32{nan, nan}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := runner.Argmax(test.values); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
}

func negativeZero() float32 { return float32(math.Copysign(0, -1)) }
