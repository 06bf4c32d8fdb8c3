package runner_test

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// compiler is the real one.
var compiler = runner.Derivation{Compiler: wasm.Version, Compile: func(r schema.Resolved) ([]byte, error) {
	return wasm.Compile(r, wasm.Options{})
}}

func TestHonestClosure(t *testing.T) {
	c := compile(t, "mlp", wasm.Options{}, shortened)
	b := archived(t, c.wasm, c.resolved, c.data)
	b.closure.Engine.Compiler = wasm.Version
	for way, team := range ways() {
		t.Run(way, func(t *testing.T) {
			verified, err := runner.Verify(t.Context(), b.archive(), runner.VerifyOptions{Derivation: compiler, Team: team})
			if err != nil || verified.Verdict != schema.VerdictReproduced || verified.Derivation != schema.Derived || len(verified.Claims) != 2 {
				t.Errorf("verify: %+v, %v", verified, err)
			}
			replayed, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{Derivation: compiler, Team: team})
			if err != nil || replayed.Verdict != schema.VerdictIdentical || replayed.Run != b.closure.Run.Digest {
				t.Errorf("replay: %+v, %v", replayed, err)
			}
		})
	}
}

// TestCheat archives an engine that claims everything and reads nothing under an honest specification.
func TestCheat(t *testing.T) {
	c := compile(t, "mlp", wasm.Options{}, shortened)
	a := c.resolved.Algorithm
	cheat := fixtures.Cheat(fixtures.CheatOptions{
		Shape: []int{28, 28, 1}, Classes: 10, Microbatch: a.MicrobatchSize, Microbatches: a.Microbatches(), Steps: a.Steps,
		Weights: []fixtures.Weight{{Name: "dense1.weight", Shape: []int{2, 2}, Values: []float32{1, 2, 3, 4}}},
	})
	b := archived(t, cheat, c.resolved, c.data)
	b.closure.Engine.Compiler = wasm.Version
	claimed := b.closure.Results[0].Total
	b.closure.Results[0].Correct = &claimed
	for way, team := range ways() {
		t.Run(way, func(t *testing.T) {
			verified, err := runner.Verify(t.Context(), b.archive(), runner.VerifyOptions{Derivation: compiler, Team: team})
			if err != nil {
				t.Fatal(err)
			}
			if verified.Verdict != schema.VerdictDiffers || verified.Derivation != schema.Foreign || !strings.Contains(verified.Reason, "not declared foreign") {
				t.Errorf("verify: %+v", verified)
			}
			accuracy := verified.Claims[0]
			if accuracy.Verdict != schema.VerdictDiffers || *accuracy.Observed.Correct >= claimed/2 {
				t.Errorf("the accuracy: %+v", accuracy)
			}
			// Its journal replays: it is honest about doing nothing. Derivation gives it away.
			replayed, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{Derivation: compiler, Team: team})
			if err != nil {
				t.Fatal(err)
			}
			if replayed.Verdict != schema.VerdictDiffers || !strings.Contains(replayed.Reason, "not declared foreign") {
				t.Errorf("replay: %+v", replayed)
			}
		})
	}
}

// TestDeclaredForeignEngine: an engine of somebody else's passes by what can be counted blindly.
func TestDeclaredForeignEngine(t *testing.T) {
	engine := fixtures.Idle()
	data := runner.Data{Train: newGlyphRecords(1, 400), Test: newGlyphRecords(2, 50)}
	layout := data.Train.Layout()
	r := schema.Resolved{
		Model:     schema.Model{Input: schema.Input{Shape: []int{28, 28, 1}, DType: "u8"}},
		Algorithm: schema.Algorithm{MicrobatchSize: 4, BatchSize: 8, Steps: 4, Seed: 1},
		Datasets: []schema.ResolvedDataset{
			{Role: schema.RoleTest, Split: "test", Examples: 50, Classes: 10, Record: layout},
			{Role: schema.RoleTrain, Split: "train", Examples: 400, Classes: 10, Record: layout},
		},
	}
	b := archived(t, engine, r, data)
	b.closure.Engine.Compiler, b.closure.Engine.Foreign = "", true
	verified, err := runner.Verify(t.Context(), b.archive(), runner.VerifyOptions{Derivation: compiler})
	if err != nil || verified.Verdict != schema.VerdictReproduced || verified.Derivation != schema.Foreign || verified.Claims[0].Verdict != schema.VerdictReproduced {
		t.Errorf("verify: %+v, %v", verified, err)
	}
	replayed, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{Derivation: compiler, Team: runner.TeamOptions{Workers: 2}})
	if err != nil || replayed.Verdict != schema.VerdictIdentical {
		t.Errorf("replay: %+v, %v", replayed, err)
	}
}
