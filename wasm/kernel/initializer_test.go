package kernel_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
	"github.com/reprise-ml/reprise/wasm/ref"
)

func TestInitialize(t *testing.T) {
	const seed, seedAt = 42, 64
	for _, d := range kernel.Initializers() {
		attributes := map[string]any{"value": 0.25}
		if d.Name != "constant" {
			attributes = map[string]any{}
		}
		resolved, _ := d.Resolve("", attributes)
		name := schema.Named{Component: schema.Component{Kind: d.Name, Attributes: resolved}}
		t.Run(d.Name, func(t *testing.T) {
			for _, p := range []kernel.Parameter{
				{Rows: 1, Cols: 1, FanIn: 7, FanOut: 3},
				{Rows: 3, Cols: 5, FanIn: 5, FanOut: 3, Index: 1},
				{Rows: 5, Cols: 27, FanIn: 27, FanOut: 45, Index: 2, Shape: []int{5, 3, 3, 3}},
				{Rows: 100, Cols: 43, FanIn: 43, FanOut: 100, Index: 12},
			} {
				if p.Shape == nil {
					p.Shape = []int{p.Rows, p.Cols}
				}
				p.Name, p.Initializer, p.Value = "weight", name, 1024
				m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
					filler := e.Filler(e.Philox(seedAt), []kernel.Parameter{p})
					return map[string]kernel.Fn{"init": e.Define("init", nil, nil, func(c *asm.Code, _ []asm.Local) {
						filler.Initialize(c, p)
					})}
				})
				m.Memory().WriteUint64Le(seedAt, seed)
				m.call("init")
				n := p.Rows * p.Cols
				want := make([]uint32, n)
				for i, x := range ref.Initializer(name, seed, p.Index, p.FanIn, p.FanOut, p.Shape) {
					want[i] = math.Float32bits(x)
				}
				if d := cmp.Diff(want, m.words(1024, n)); d != "" {
					t.Errorf("%d×%d (-oracle +engine):\n%s", p.Rows, p.Cols, d)
				}
			}
		})
	}
}
