package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

// FuzzEngine: what is not refused can be rewritten, the copy reads back, and a runtime accepts the copy if and only if it
// accepts the original.
func FuzzEngine(f *testing.F) {
	f.Add(fixtures.KMeans(fixtures.KMeansOptions{Shape: []int{8}, Classes: 2, Clusters: 2, Microbatch: 2, Microbatches: 1}))
	f.Add(fixtures.Idle())
	for _, h := range fixtures.Hostile() {
		f.Add(h.Wasm)
	}
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	accepts := func(wasm []byte) (bool, error) {
		c, err := runtime.CompileModule(ctx, wasm)
		if err != nil {
			return false, err
		}
		return true, c.Close(ctx)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		var invalid *schema.Invalid
		if _, err := engine.Parse(wasm); err != nil && !errors.As(err, &invalid) {
			t.Fatalf("not *schema.Invalid: %v", err)
		}
		// Fuelled stands alone: it must be right even for modules that Parse would refuse.
		copied, err := engine.Fuelled(wasm)
		if err != nil {
			if !errors.As(err, &invalid) {
				t.Fatalf("not *schema.Invalid: %v", err)
			}
			return
		}
		if _, err := module.Decode(copied); err != nil {
			t.Fatalf("the copy does not read back: %v", err)
		}
		m, err := module.Decode(wasm)
		if err != nil {
			t.Fatal(err)
		}
		// Debug names are no part of what is compared.
		original, why := accepts(m.Encode())
		if got, whyNot := accepts(copied); got != original {
			t.Fatalf("original accepted: %v (%v), copy: %v (%v)", original, why, got, whyNot)
		}
	})
}
