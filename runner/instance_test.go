package runner_test

import (
	"context"
	"errors"
	"testing"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

func instance(t testing.TB, v tiny, o runner.Options) *runner.Instance {
	t.Helper()
	r := runner.Open(t.Context(), o)
	t.Cleanup(func() { r.Close(context.Background()) })
	e, err := r.Load(t.Context(), v.wasm(t))
	if err != nil {
		t.Fatal(err)
	}
	i, err := e.Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Init(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestInstance(t *testing.T) {
	i := instance(t, tiny{}, runner.Options{})
	indices, err := i.Select(t.Context(), 1, 2, 9, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := diff([]uint32{2, 3, 4, 5}, indices); diff != "" {
		t.Errorf("select (-want +got):\n%s", diff)
	}
	copy(i.Region(schema.RegionInput), []byte{1, 2, 3, 4})
	if err := i.Predict(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := i.Accumulate(t.Context(), 1, 2, 1); err != nil {
		t.Fatal(err)
	}
	if err := i.Apply(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	saved := i.Save()
	if err := i.Init(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	if err := i.Load(saved); err != nil {
		t.Fatal(err)
	}
	if diff := diff(saved, i.Save()); diff != "" {
		t.Errorf("saved and loaded (-want +got):\n%s", diff)
	}
}

func TestCallsAllocateNothing(t *testing.T) {
	i := instance(t, tiny{}, runner.Options{})
	indices := make([]uint32, 0, tinyCapacity)
	ctx := t.Context()
	allocations := testing.AllocsPerRun(100, func() {
		var err error
		indices, err = i.Select(ctx, 1, 2, 9, indices)
		err = errors.Join(err, i.Accumulate(ctx, 1, 2, 4), i.Apply(ctx, 1))
		if err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations a step, want none", allocations)
	}
}

// endless is a body that never ends, and one result.
func endless(c *module.Code) {
	c.Repeat(1, func() { c.I32(1) })
	c.I32(0)
}

func TestErrorsOfEngines(t *testing.T) {
	tests := []struct {
		name    string
		variant tiny
		options runner.Options
		call    func(ctx context.Context, i *runner.Instance) error
		want    error
	}{
		{
			name: "a status has its text",
			call: func(ctx context.Context, i *runner.Instance) error {
				copy(i.Region(schema.RegionInput), []byte{255, 255})
				return i.Accumulate(ctx, 1, 0, 1)
			},
			want: &runner.EngineError{Export: "accumulate", Status: 1, Text: "a record is marked"},
		},
		{
			name:    "a status that has no text",
			variant: tiny{body: map[string]func(*module.Code){engine.ExportApply: func(c *module.Code) { c.I32(-7) }}},
			call:    func(ctx context.Context, i *runner.Instance) error { return i.Apply(ctx, 1) },
			want:    &runner.EngineError{Export: "apply", Status: -7, Text: "a status that the engine's section does not name"},
		},
		{
			name:    "unreachable",
			variant: tiny{body: map[string]func(*module.Code){engine.ExportApply: func(c *module.Code) { c.Op(module.Unreachable) }}},
			call:    func(ctx context.Context, i *runner.Instance) error { return i.Apply(ctx, 1) },
			want:    &runner.TrapError{Export: "apply", Reason: "unreachable"},
		},
		{
			name: "out of bounds",
			variant: tiny{body: map[string]func(*module.Code){engine.ExportApply: func(c *module.Code) {
				c.I32(-4)
				c.Mem(module.I32Load, 0)
			}}},
			call: func(ctx context.Context, i *runner.Instance) error { return i.Apply(ctx, 1) },
			want: &runner.TrapError{Export: "apply", Reason: "out of bounds memory access"},
		},
		{
			name: "out of the fuel that the section states",
			variant: tiny{
				body: map[string]func(*module.Code){engine.ExportApply: endless},
				edit: func(s *schema.EngineSection) { s.Fuel[engine.ExportApply] = 5000 },
			},
			call: func(ctx context.Context, i *runner.Instance) error { return i.Apply(ctx, 1) },
			want: &runner.TrapError{Export: "apply", Reason: runner.OutOfFuel, Fuel: 5000},
		},
		{
			name: "out of the fuel that the host gives",
			variant: tiny{
				body: map[string]func(*module.Code){engine.ExportPredict: endless},
				edit: func(s *schema.EngineSection) { s.Fuel[engine.ExportPredict] = 1 << 50 },
			},
			options: runner.Options{Fuel: 1000},
			call:    func(ctx context.Context, i *runner.Instance) error { return i.Predict(ctx, 1) },
			want:    &runner.TrapError{Export: "predict", Reason: runner.OutOfFuel, Fuel: 1000},
		},
		{
			name:    "select chooses too many",
			variant: tiny{body: map[string]func(*module.Code){engine.ExportSelect: func(c *module.Code) { c.I32(5) }}},
			call: func(ctx context.Context, i *runner.Instance) error {
				_, err := i.Select(ctx, 1, 0, 9, nil)
				return err
			},
			want: &runner.TrapError{Export: "select", Reason: "it chose 5 examples, of a capacity of 4"},
		},
		{
			name: "select chooses an example that is not there",
			variant: tiny{body: map[string]func(*module.Code){engine.ExportSelect: func(c *module.Code) {
				c.I32(atIndices)
				c.I32(9)
				c.Mem(module.I32Store, 0)
				c.I32(1)
			}}},
			call: func(ctx context.Context, i *runner.Instance) error {
				_, err := i.Select(ctx, 1, 0, 9, nil)
				return err
			},
			want: &runner.TrapError{Export: "select", Reason: "it chose example 9 of 9"},
		},
	}
	for _, test := range tests {
		for _, interpreter := range []bool{false, true} {
			name := test.name
			if interpreter {
				name += ", interpreted"
			}
			t.Run(name, func(t *testing.T) {
				o := test.options
				o.Interpreter = interpreter
				i := instance(t, test.variant, o)
				err := test.call(t.Context(), i)
				if diff := diff(test.want, err); diff != "" {
					t.Fatalf("(-want +got):\n%s", diff)
				}
				_, trapped := errors.AsType[*runner.TrapError](err)
				if next := i.Restore(t.Context()); trapped != errors.Is(next, runner.ErrDead) {
					t.Errorf("after %v, the next call gives %v", err, next)
				}
			})
		}
	}
}

func TestSet(t *testing.T) {
	i := instance(t, tiny{}, runner.Options{})
	if err := i.Set("rate", 0.5); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		name  string
		value float64
	}{{"rate", 2}, {"speed", 1}} {
		err := i.Set(test.name, test.value)
		if _, ok := errors.AsType[*schema.Invalid](err); !ok {
			t.Errorf("Set(%s, %v) gives %v, want *schema.Invalid", test.name, test.value, err)
		}
	}
}

func TestLoadRefusesOtherTensors(t *testing.T) {
	i := instance(t, tiny{}, runner.Options{})
	tests := []struct {
		name   string
		change func(*runner.Tensors)
	}{
		{"a missing one", func(x *runner.Tensors) { x.State = x.State[1:] }},
		{"an unknown one", func(x *runner.Tensors) { x.State[0].Name = "weights2" }},
		{"another shape", func(x *runner.Tensors) { x.Parameters[0].Shape = []int{12} }},
		{"one twice", func(x *runner.Tensors) { x.State = append(x.State, x.State[0]) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tensors := i.Save()
			test.change(&tensors)
			err := i.Load(tensors)
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Errorf("got %v, want *schema.Invalid", err)
			}
		})
	}
}

func TestLoadRefusesEngines(t *testing.T) {
	huge := tiny{edit: func(s *schema.EngineSection) { s.Capacity = 5 }}
	r := runner.Open(t.Context(), runner.Options{Memory: 1000})
	defer r.Close(context.Background())
	for name, wasm := range map[string][]byte{
		"no module": []byte("hello"), "a section that lies": huge.wasm(t), "more memory than is given": tiny{}.wasm(t),
	} {
		_, err := r.Load(t.Context(), wasm)
		if _, ok := errors.AsType[*schema.Invalid](err); !ok {
			t.Errorf("%s: got %v, want *schema.Invalid", name, err)
		}
	}
}
