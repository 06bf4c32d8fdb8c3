package kernel_test

import (
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
)

func TestCanary(t *testing.T) {
	m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
		return map[string]kernel.Fn{"canary": e.Canary(canaryAt)}
	})
	if got := m.call("canary")[0]; got != 1 {
		t.Fatalf("on this runtime: got %d, want 1", got)
	}
	// Every constant counts: with another sign, no product and no sum is what it should be.
	for i := range uint32(kernel.CanaryBytes / 4) {
		addr := canaryAt + 4*i
		old := m.words(addr, 1)[0]
		m.Memory().WriteUint32Le(addr, old^1<<31)
		if got := m.call("canary")[0]; got != 0 {
			t.Errorf("word %d changed: got %d, want 0", i, got)
		}
		m.Memory().WriteUint32Le(addr, old)
	}
	if got := m.call("canary")[0]; got != 1 {
		t.Errorf("restored: got %d, want 1", got)
	}
}
