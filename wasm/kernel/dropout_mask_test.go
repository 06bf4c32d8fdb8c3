package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// Every element of every tile must have the oracle's mask, in either layout, and nothing else may be written.
func TestDropoutMask(t *testing.T) {
	const seed, step, microbatch = 7, 1<<40 + 3, 5
	context := kernel.Context{Seed: 64, Step: 72, Microbatch: 80, Example: 88}
	for _, tt := range []struct {
		elements, lanes int
		rate            float32
	}{
		{1, 4, 0.5}, {3, 8, 0.25}, {4, 12, 0.5}, {10, 16, 0.1}, {63, 16, 0.75}, {128, 8, 0},
	} {
		for name, layout := range map[string]kernel.Layout{"rows": kernel.Rows, "sites": kernel.Sites} {
			t.Run(fmt.Sprintf("%s %d×%d", name, tt.lanes, tt.elements), func(t *testing.T) {
				mask := kernel.Buffer{Addr: 1024, Layout: layout, Shape: []int{tt.elements}, Lanes: tt.lanes}
				m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
					return map[string]kernel.Fn{"mask": e.DropoutMask("mask", mask, tt.rate, 2, context)}
				})
				m.Memory().WriteUint64Le(uint32(context.Seed), seed)
				m.Memory().WriteUint64Le(uint32(context.Step), step)
				m.Memory().WriteUint64Le(uint32(context.Microbatch), microbatch)
				stride := mask.Stride() / 4
				end := uint32(1024 + 4*tt.lanes*tt.elements)
				if layout == kernel.Rows {
					end = uint32(1024 + 4*tt.lanes*stride)
				}
				for _, first := range []int{0, tt.lanes} {
					const untouched = 0x7fc12345
					m.Memory().WriteUint32Le(end, untouched)
					m.Memory().WriteUint32Le(uint32(context.Example), uint32(first))
					m.call("mask")
					got := m.words(1024, tt.lanes*stride)
					for n := range tt.lanes {
						for i, x := range ref.DropoutMask(seed, step, microbatch, 2, first+n, tt.elements, tt.rate) {
							at := n*stride + i
							if layout == kernel.Sites {
								at = i*tt.lanes + n
							}
							if got[at] != math.Float32bits(x) {
								t.Fatalf("element %d of example %d is %08x, the oracle's %g", i, first+n, got[at], x)
							}
						}
					}
					if w := m.words(end, 1)[0]; w != untouched {
						t.Errorf("what follows the mask was overwritten with %08x", w)
					}
				}
			})
		}
	}
}
