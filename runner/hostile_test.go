package runner_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// glyphRecords are records for the engines of fixtures.
type glyphRecords struct{ images, labels []byte }

func newGlyphRecords(seed int64, n int) glyphRecords {
	images, labels := fixtures.Glyphs(seed, n)
	return glyphRecords{images, labels}
}

func (g glyphRecords) Len() int64 { return int64(len(g.labels)) }

func (g glyphRecords) Layout() schema.RecordLayout {
	n := len(g.images) / len(g.labels)
	return schema.RecordLayout{
		Size:  n + 1,
		Input: schema.Field{DType: "u8", Shape: []int{28, 28, 1}}, Target: schema.Field{Offset: n, DType: "u8", Shape: []int{}},
	}
}

func (g glyphRecords) Read(_ context.Context, indices []uint32, input, target []byte) error {
	n := len(g.images) / len(g.labels)
	for k, i := range indices {
		copy(input[k*n:(k+1)*n], g.images[int(i)*n:])
		if target != nil {
			target[k] = g.labels[i]
		}
	}
	return nil
}

// patient is a host without a cap on fuel, so that only the process's deadline ends an endless engine.
var patient = runner.Options{Fuel: -1}

func glyphData() runner.Data {
	return runner.Data{Train: newGlyphRecords(1, 40), Test: newGlyphRecords(2, 20)}
}

// TestHostileEngines runs every engine of the collection in a child: refused or stopped, with its reason.
func TestHostileEngines(t *testing.T) {
	reasons := map[string]string{
		fixtures.Endless:       runner.OutOfFuel,
		fixtures.EndlessGreedy: runner.OutOfFuel,
		fixtures.Trapping:      "unreachable",
		fixtures.Overflowing:   runner.OutOfFuel,
		fixtures.WildSelect:    "it chose example",
	}
	for _, h := range fixtures.Hostile() {
		for way, team := range ways() {
			t.Run(h.Name+", "+way, func(t *testing.T) {
				team.Options = runner.Options{Fuel: 1 << 20}
				x, err := runner.Start(t.Context(), h.Wasm, glyphData(), team)
				if h.Refused {
					if _, ok := errors.AsType[*schema.Invalid](err); !ok {
						t.Fatalf("got %v, want *schema.Invalid", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer x.Close()
				if err := x.Init(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				_, err = x.Step(t.Context(), 1, runner.First(2))
				trap, trapped := errors.AsType[*runner.TrapError](err)
				want, ok := reasons[h.Name]
				if ok && (!trapped || len(trap.Reason) < len(want) || trap.Reason[:len(want)] != want) {
					t.Errorf("got %v, want a trap: %s", err, want)
				}
				if h.Name == fixtures.UnknownStatus {
					if _, ok := errors.AsType[*runner.EngineError](err); !ok {
						t.Errorf("got %v, want *EngineError", err)
					}
				}
			})
		}
	}
}

// TestParentAnswers serves requests, collecting garbage for each, while a child is stuck. In the parent's own process the
// first collection would wait for the engine for ever.
func TestParentAnswers(t *testing.T) {
	team := start(t, fixtures.HostileNamed(fixtures.EndlessGreedy), glyphData(), runner.TeamOptions{
		Options: patient, Child: &runner.ChildOptions{Deadline: time.Hour, Grace: time.Millisecond},
	})
	if err := team.Init(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := team.Step(ctx, 1, runner.First(2))
		ended <- err
	}()
	requests, served := make(chan int), 0
	go func() {
		defer close(requests)
		for k := range 100 {
			requests <- k
		}
	}()
	for range requests {
		runtime.GC()
		served++
		select {
		case err := <-ended:
			t.Fatalf("the engine ended: %v", err)
		default:
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || served != 100 {
		t.Errorf("%d requests served, then %v", served, err)
	}
}

func TestDeadline(t *testing.T) {
	team := start(t, fixtures.HostileNamed(fixtures.EndlessGreedy), glyphData(), runner.TeamOptions{
		Options: patient, Child: &runner.ChildOptions{Deadline: 5 * time.Second}, // which opening is held to, too
	})
	if err := team.Init(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and it stays so
		if _, err := team.Step(t.Context(), 1, runner.First(2)); !errors.Is(err, runner.ErrDeadline) {
			t.Errorf("got %v, want ErrDeadline", err)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	const pages = 8192 // 512 MB
	_, err := runner.Start(t.Context(), tiny{pages: pages}.wasm(t), tinyData, runner.TeamOptions{
		Child: &runner.ChildOptions{Memory: 128 << 20},
	})
	if !errors.Is(err, runner.ErrChild) {
		t.Errorf("got %v, want ErrChild", err)
	}
	_, err = runner.Start(t.Context(), tiny{pages: pages}.wasm(t), tinyData, runner.TeamOptions{
		Options: runner.Options{Memory: 256 << 20}, Child: &runner.ChildOptions{},
	})
	if _, ok := errors.AsType[*schema.Invalid](err); !ok {
		t.Errorf("got %v, want *schema.Invalid", err)
	}
}
