package kernel_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/module"
)

// machine is a module under test, running on wazero.
type machine struct {
	api.Module
	t *testing.T
}

// newMachine emits a module of 16 pages of memory and exports the functions that define returns, by name.
func newMachine(t *testing.T, define func(e *kernel.Emitter) map[string]kernel.Fn) machine {
	t.Helper()
	m := &module.Module{Memories: []module.Memory{{Min: 16, Max: 16, HasMax: true}}}
	fns := define(&kernel.Emitter{Module: m})
	m.Exports = append(m.Exports, module.Export{Name: "memory", Kind: module.KindMemory})
	for name, f := range fns {
		m.Exports = append(m.Exports, module.Export{Name: name, Kind: module.KindFunc, Index: f.Index})
	}
	r := wazero.NewRuntime(context.Background())
	t.Cleanup(func() { r.Close(context.Background()) })
	in, err := r.Instantiate(context.Background(), m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return machine{in, t}
}

// call calls an export and returns its results, which are 32 bits wide: the upper halves mean nothing.
func (m machine) call(name string, args ...uint64) []uint32 {
	m.t.Helper()
	out, err := m.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		m.t.Fatalf("%s%v: %v", name, args, err)
	}
	results := make([]uint32, len(out))
	for i, x := range out {
		results[i] = uint32(x)
	}
	return results
}

// words reads n u32 at an address.
func (m machine) words(addr uint32, n int) []uint32 {
	ws := make([]uint32, n)
	for i := range ws {
		w, ok := m.Memory().ReadUint32Le(addr + uint32(4*i))
		if !ok {
			m.t.Fatalf("address %d is out of memory", addr)
		}
		ws[i] = w
	}
	return ws
}
