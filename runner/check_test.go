package runner_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

// failures are the names of the tests that an engine fails.
func failures(t *testing.T, wasm []byte) []string {
	t.Helper()
	report, err := runner.Check(t.Context(), wasm, runner.Options{Fuel: 1 << 30})
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
		"tiny": tiny{}.wasm(t), "k-means": fixtures.KMeans(fixtures.GlyphKMeans()),
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

func TestConformanceFinds(t *testing.T) {
	const hidden = 1024 // memory that no region names
	tests := []struct {
		name    string
		variant tiny
		want    string
	}{
		{"another default", tiny{edit: func(s *schema.EngineSection) { s.Hyperparameters[0].Default = 0.5 }}, "hyper-parameters have their defaults"},
		{"an init that remembers", then(engine.ExportInit, spill(atSeen, atSeen), func(c *module.Code) {
			k := c.Local(module.I32)
			c.SetI32(k, 0)
			c.I32(atSeed)
			c.Get(0)
			c.Mem(module.I64Store, 0)
		}), "init gives the same from the same seed, whatever was before"},
		{"a select that counts its calls", then(engine.ExportSelect, bump(atSeed), tinySelect), "select is a function of its arguments, and changes nothing"},
		{"an accumulate that changes a parameter", then(engine.ExportAccumulate, bump(atWeights), tinyAccumulate), "accumulate changes nothing but accumulators"},
		{"an accumulate that reads hidden memory", then(engine.ExportAccumulate, func(c *module.Code) {
			bump(hidden)(c)
			spill(hidden, atSums)(c)
		}, tinyAccumulate), "accumulate does not depend on what ran before, nor on scratch memory"},
		{"an accumulate that reads scratch memory", then(engine.ExportAccumulate, spill(atScratch, atSums), tinyAccumulate), "accumulate does not depend on what ran before, nor on scratch memory"},
		{"accumulators that do not add up", then(engine.ExportAccumulate, spill(atSums, atSums), tinyAccumulate), "accumulators add up, within the stated bound"},
		{"a bound that is too low", tiny{edit: func(s *schema.EngineSection) { s.Bound = 10 }}, "accumulators add up, within the stated bound"},
		{"a negative maximum", then(engine.ExportAccumulate, func(*module.Code) {}, func(c *module.Code) {
			c.I32(atPeak)
			c.I32(-5)
			c.Mem(module.I32Store, 0)
			c.I32(0)
		}), "accumulators add up, within the stated bound"},
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

func TestConformanceOfHostileEngines(t *testing.T) {
	for _, h := range fixtures.Hostile() {
		t.Run(h.Name, func(t *testing.T) {
			report, err := runner.Check(t.Context(), h.Wasm, runner.Options{Fuel: 1 << 20})
			if h.Refused {
				if _, ok := errors.AsType[*schema.Invalid](err); !ok {
					t.Errorf("got %v, want *schema.Invalid", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if report.Passed() {
				t.Error("it passes")
			}
		})
	}
}
