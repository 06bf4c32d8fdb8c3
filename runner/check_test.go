package runner_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

// failures are the names of the tests that an engine fails.
func failures(t *testing.T, wasm []byte) []string {
	t.Helper()
	report, err := runner.Check(t.Context(), wasm, runner.TeamOptions{Options: runner.Options{Fuel: 1 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range report.Tests {
		if r.Problem != "" {
			names = append(names, r.Name)
		}
	}
	if report.Passed() != (len(names) == 0) {
		t.Errorf("passed %v with the failures %q", report.Passed(), names)
	}
	return names
}

func TestConformance(t *testing.T) {
	for name, wasm := range map[string][]byte{
		"tiny": tiny{}.wasm(t), "idle": fixtures.Idle(),
	} {
		t.Run(name, func(t *testing.T) {
			if names := failures(t, wasm); names != nil {
				t.Errorf("fails %q", names)
			}
		})
	}
}

// then is a body that does something more before the tiny one's.
func then(export string, more, body func(c *module.Code)) tiny {
	return tiny{body: map[string]func(*module.Code){export: func(c *module.Code) {
		more(c)
		body(c)
	}}}
}

// bump adds one to the i32 at an address.
func bump(address int) func(c *module.Code) {
	return func(c *module.Code) {
		c.I32(address)
		c.I32(address)
		c.Mem(module.I32Load, 0)
		c.I32(1)
		c.Op(module.I32Add)
		c.Mem(module.I32Store, 0)
	}
}

// spill adds the i32 at an address to another.
func spill(from, to int) func(c *module.Code) {
	return func(c *module.Code) {
		c.I32(to)
		c.I32(from)
		c.Mem(module.I32Load, 0)
		c.I32(to)
		c.Mem(module.I32Load, 0)
		c.Op(module.I32Add)
		c.Mem(module.I32Store, 0)
	}
}

// bumpExamples ends an accumulate that counts its examples.
func bumpExamples(c *module.Code) {
	addI64(c, atExamples, func() {
		c.Get(2)
		c.Op(module.I64ExtU)
	})
	c.I32(0)
}

func TestConformanceFinds(t *testing.T) {
	const hidden = 1024 // memory that no region names
	tests := []struct {
		name    string
		variant tiny
		want    string
	}{
		{"another default", tiny{edit: func(s *schema.EngineSection) { s.Hyperparameters[0].Default = 0.5 }}, "hyper-parameters have their defaults, and stay as the host sets them"},
		{
			"an apply that traps",
			tiny{body: map[string]func(*module.Code){engine.ExportApply: func(c *module.Code) { c.Op(module.Unreachable) }}},
			"every export ends within the stated fuel, without a trap",
		},
		{"a restore without the fuel that it needs", tiny{
			body: map[string]func(*module.Code){engine.ExportRestore: func(c *module.Code) {
				c.Repeat(100, func() { c.I32(0) })
				k := c.Local(module.I32)
				c.For(k, 0, 100, 1, func() {})
			}},
			edit: func(s *schema.EngineSection) { s.Fuel[engine.ExportRestore] = 50 },
		}, "every export ends within the stated fuel, without a trap"},
		{"an apply that lowers its rate", then(engine.ExportApply, func(c *module.Code) {
			c.I32(atRate)
			c.F32(0.001)
			c.Mem(module.F32Store, 0)
		}, tinyApply), "hyper-parameters have their defaults, and stay as the host sets them"},
		{"an init that sets the rate", then(engine.ExportInit, func(c *module.Code) {
			c.I32(atRate)
			c.F32(0.01)
			c.Mem(module.F32Store, 0)
		}, tinyInit), "hyper-parameters have their defaults, and stay as the host sets them"},
		{"an init that remembers", then(engine.ExportInit, spill(atSeen, atSeen), func(c *module.Code) {
			k := c.Local(module.I32)
			c.SetI32(k, 0)
			c.I32(atSeed)
			c.Get(0)
			c.Mem(module.I64Store, 0)
		}), "init gives the same from the same seed, whatever was before"},
		{"a select that counts its calls", then(engine.ExportSelect, bump(atSeed), tinySelect), "select is a function of its arguments, and changes nothing"},
		{"a select that knows how many examples there are", then(engine.ExportSelect, func(c *module.Code) {
			c.Get(2)
			c.I64(1000)
			c.Op(module.I64GtU)
			c.If(func() {
				c.I32(0)
				c.Return()
			})
		}, tinySelect), "select is a function of its arguments, and changes nothing"},
		{"an accumulate that writes metrics", then(engine.ExportAccumulate, bump(atMetrics), tinyAccumulate), "accumulate changes nothing but accumulators"},
		{"an accumulate that changes its records", then(engine.ExportAccumulate, bump(atInput), tinyAccumulate), "accumulate changes nothing but accumulators"},
		{"an accumulate that changes a parameter", then(engine.ExportAccumulate, bump(atWeights), tinyAccumulate), "accumulate changes nothing but accumulators"},
		{"an accumulate that reads hidden memory", then(engine.ExportAccumulate, func(c *module.Code) {
			bump(hidden)(c)
			spill(hidden, atSums)(c)
		}, tinyAccumulate), "accumulate does not depend on what ran before, nor on scratch memory"},
		{"an accumulate that reads scratch memory", then(engine.ExportAccumulate, spill(atScratch, atSums), tinyAccumulate), "accumulate does not depend on what ran before, nor on scratch memory"},
		{"accumulators that do not add up", then(engine.ExportAccumulate, spill(atSums, atSums), tinyAccumulate), "accumulators add up in any order, within the stated bound"},
		{"accumulators that remember the last microbatch", then(engine.ExportAccumulate, func(*module.Code) {}, func(c *module.Code) {
			c.I32(atSums)
			c.I32(atInput)
			c.Mem(module.I32Load8U, 0)
			c.Mem(module.I32Store, 0)
			bumpExamples(c)
		}), "accumulators add up in any order, within the stated bound"},
		{"accumulators that saturate", then(engine.ExportAccumulate, func(*module.Code) {}, func(c *module.Code) {
			// sums[0] = min(sums[0] + 100, 250)
			sum := c.Local(module.I32)
			c.I32(atSums)
			c.Mem(module.I32Load, 0)
			c.I32(100)
			c.Op(module.I32Add)
			c.Set(sum)
			c.I32(atSums)
			c.Get(sum)
			c.I32(250)
			c.Get(sum)
			c.I32(250)
			c.Op(module.I32LtS, module.Select)
			c.Mem(module.I32Store, 0)
			bumpExamples(c)
		}), "two instances that share a step merge to what one adds up"},
		{"a bound that is too low", tiny{edit: func(s *schema.EngineSection) { s.Bound = 10 }}, "accumulators add up in any order, within the stated bound"},
		{"a negative maximum", then(engine.ExportAccumulate, func(*module.Code) {}, func(c *module.Code) {
			c.I32(atPeak)
			c.I32(-5)
			c.Mem(module.I32Store, 0)
			c.I32(0)
		}), "accumulators add up in any order, within the stated bound"},
		{"a predict that fails for one record", tiny{body: map[string]func(*module.Code){engine.ExportPredict: func(c *module.Code) {
			c.Get(0)
			c.I32(1)
			c.Op(module.I32Eq)
		}}}, "every number of records up to the capacity is legal"},
		{"an apply that reads scratch memory", then(engine.ExportApply, spill(atScratch, atSums), tinyApply), "apply is the same on every replica"},
		{"state that is not in the tables", then(engine.ExportApply, func(c *module.Code) {
			bump(hidden)(c)
			spill(hidden, atSums)(c)
		}, tinyApply), "parameters and state carry everything over"},
		{"a restore that is not idempotent", tiny{body: map[string]func(*module.Code){engine.ExportRestore: bump(atSeen)}}, "parameters and state carry everything over"},
		{"a predict that reads targets", then(engine.ExportPredict, func(c *module.Code) {
			c.I32(atWeights)
			c.I32(atTarget)
			c.Mem(module.I32Load, 0)
			c.Op(module.F32ConvS)
			c.Mem(module.F32Store, 0)
		}, tinyPredict), "predict reads inputs and parameters alone, and changes nothing"},
		{"a predict that reads state", then(engine.ExportPredict, spill(atSeed, atInput), tinyPredict), "predict reads inputs and parameters alone, and changes nothing"},
		{"an evaluate that counts calls", then(engine.ExportEvaluate, bump(atMetrics+8), tinyEvaluate), "evaluations add up, and read parameters alone"},
		{"an apply that makes NaN", then(engine.ExportApply, func(c *module.Code) {
			c.I32(atWeights)
			c.F32(0)
			c.F32(0)
			c.Op(module.F32Div)
			c.Mem(module.F32Store, 0)
		}, tinyApply), "what is computed are numbers"},
		{"an evaluate that counts wrongly", then(engine.ExportEvaluate, bump(atMetrics), tinyEvaluate), "evaluations add up, and read parameters alone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			names := failures(t, test.variant.wasm(t))
			if !slices.Contains(names, test.want) {
				t.Errorf("it fails %q, want %q among them", names, test.want)
			}
		})
	}
}

// failed is the first test that an engine fails; later ones are skipped where sound is false.
func failed(t *testing.T, wasm []byte, o runner.TeamOptions) (first runner.CheckResult, skipped int) {
	t.Helper()
	report, err := runner.Check(t.Context(), wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	if report.Passed() {
		t.Error("it passes")
	}
	for _, r := range report.Tests {
		if first.Name == "" && r.Problem != "" {
			first = r
		}
		if r.Skipped {
			skipped++
		}
	}
	return first, skipped
}

func TestConformanceOfHostileEngines(t *testing.T) {
	const ends = "every export ends within the stated fuel, without a trap"
	want := map[string]string{
		fixtures.Importing:      "no imports, and no start function",
		fixtures.StartFunction:  "no imports, and no start function",
		fixtures.HugeMemory:     "one memory of a fixed size, exported",
		fixtures.OpenMemory:     "one memory of a fixed size, exported",
		fixtures.GrowingMemory:  "no instruction beyond the allow-list",
		fixtures.RelaxedVectors: "no instruction beyond the allow-list",
		fixtures.WrongSignature: "the functions of ABI 1 are exported, with their signatures",
		fixtures.MissingExport:  "the functions of ABI 1 are exported, with their signatures",
		fixtures.NoSection:      "one section reprise.engine, as its schema says",
		fixtures.TwoSections:    "one section reprise.engine, as its schema says",
		fixtures.Endless:        ends,
		fixtures.EndlessGreedy:  ends,
		fixtures.Trapping:       ends,
		fixtures.Overflowing:    ends,
		fixtures.UnknownStatus:  ends,
		fixtures.WildSelect:     ends,
		fixtures.Meddling:       "init gives the same from the same seed, whatever was before",
		fixtures.Stale:          "accumulate does not depend on what ran before, nor on scratch memory",
	}
	for _, h := range fixtures.Hostile() {
		for how, child := range map[string]*runner.ChildOptions{"here": nil, "in a child": {}} {
			t.Run(h.Name+", "+how, func(t *testing.T) {
				first, skipped := failed(t, h.Wasm, runner.TeamOptions{Options: runner.Options{Fuel: 1 << 20}, Child: child})
				if first.Name != want[h.Name] {
					t.Errorf("it fails %+v first, want %q", first, want[h.Name])
				}
				if (h.Refused || first.Name == ends) != (skipped > 0) {
					t.Errorf("%d tests are skipped", skipped)
				}
			})
		}
	}
}

// What a section says wrongly, and bytes that are no module.
func TestConformanceOfStructure(t *testing.T) {
	const fit = "regions, tensors, segments and fuel fit the memory and each other"
	edited := func(edit func(s *schema.EngineSection)) []byte { return tiny{edit: edit}.wasm(t) }
	region := func(name string, edit func(r *schema.Region)) []byte {
		return edited(func(s *schema.EngineSection) {
			r := s.Regions[name]
			edit(&r)
			s.Regions[name] = r
		})
	}
	tests := []struct {
		name string
		wasm []byte
		want string
	}{
		{"no module", []byte("engine"), "a WebAssembly module of version 1, not too large"},
		{"half a module", tiny{}.wasm(t)[:100], "a WebAssembly module of version 1, not too large"},
		{"a region outside of the memory", region(schema.RegionInput, func(r *schema.Region) { r.Offset = 1 << 16 }), fit},
		{"regions that overlap", region(schema.RegionOutput, func(r *schema.Region) { r.Offset = atWeights }), fit},
		{"a region of another size", region(schema.RegionInput, func(r *schema.Region) { r.Size = 12 }), fit},
		{"another capacity", edited(func(s *schema.EngineSection) { s.Capacity = 5 }), fit},
		{"no count of examples", edited(func(s *schema.EngineSection) { s.Segments = s.Segments[1:] }), fit},
		{"no fuel", edited(func(s *schema.EngineSection) { delete(s.Fuel, engine.ExportApply) }), fit},
		{"sums that may overflow", edited(func(s *schema.EngineSection) { s.Bound = 1 << 30 }), fit},
		{"another ABI", edited(func(s *schema.EngineSection) { s.ABI = 2 }), "one section reprise.engine, as its schema says"},
		{
			"types that do not fit", tiny{body: map[string]func(*module.Code){engine.ExportApply: func(c *module.Code) { c.F32(1) }}}.wasm(t),
			"every function is valid WebAssembly",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			first, skipped := failed(t, test.wasm, runner.TeamOptions{})
			if first.Name != test.want || skipped == 0 {
				t.Errorf("it fails %+v first, want %q; %d tests are skipped", first, test.want, skipped)
			}
		})
	}
}

// An engine that does not end, and states fuel for days, is stopped with its process.
func TestConformanceHasADeadline(t *testing.T) {
	first, skipped := failed(t, fixtures.HostileNamed(fixtures.EndlessGreedy), runner.TeamOptions{
		Options: runner.Options{Fuel: -1}, Child: &runner.ChildOptions{Deadline: 3 * time.Second},
	})
	if !strings.Contains(first.Problem, "check took longer than 3s") || skipped == 0 {
		t.Errorf("%+v, %d skipped", first, skipped)
	}
}

func TestConformanceCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runner.Check(ctx, tiny{}.wasm(t), runner.TeamOptions{Child: &runner.ChildOptions{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
