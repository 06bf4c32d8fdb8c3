package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// The emitted functions must agree with the oracle bit for bit, but for the bits of a NaN.
func TestElementaryFunctions(t *testing.T) {
	functions := map[string]struct {
		emit func(c *asm.Code, x asm.Local)
		want func(float32) float32
	}{
		"exp":     {kernel.Exp, ref.Exp},
		"sigmoid": {kernel.Sigmoid, ref.Sigmoid},
		"tanh":    {kernel.Tanh, ref.Tanh},
		"log":     {kernel.Log, ref.Log},
		"expm1":   {kernel.Expm1, ref.Expm1},
		"log1p":   {kernel.Log1p, ref.Log1p},
		"erf":     {kernel.Erf, ref.Erf},
	}
	const n = 1 << 16 // floats, from address 0
	m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
		fns := map[string]kernel.Fn{}
		for name, f := range functions {
			fns[name] = e.Define(name, nil, nil, func(c *asm.Code, _ []asm.Local) {
				p, x := c.Local(asm.I32), c.Local(asm.V128)
				c.For(p, 0, 4*n, 16, func() {
					c.Load(asm.V128Load, p, 0)
					c.Set(x)
					c.Get(p)
					f.emit(c, x)
					c.Mem(asm.V128Store, 0)
				})
			})
		}
		return fns
	})
	var (
		r     = rand.New(rand.NewPCG(1, 2))
		edges = []uint32{
			0, 1 << 31, 1, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000,
			math.Float32bits(80), math.Float32bits(-80), math.Float32bits(80.00001), math.Float32bits(-80.00001),
			math.Float32bits(1), math.Float32bits(0x1.fffffep-1), math.Float32bits(0.34657359), math.Float32bits(10),
		}
		in = make([]uint32, n)
	)
	for i := range in {
		switch {
		case i < len(edges):
			in[i] = edges[i]
		case i%2 == 0:
			in[i] = math.Float32bits(float32(r.NormFloat64() * 8))
		default:
			in[i] = r.Uint32()
		}
	}
	for name, f := range functions {
		t.Run(name, func(t *testing.T) {
			for i, x := range in {
				m.Memory().WriteUint32Le(uint32(4*i), x)
			}
			m.call(name)
			for i, got := range m.words(0, n) {
				x := math.Float32frombits(in[i])
				want := f.want(x)
				bothNaN := math.IsNaN(float64(want)) && math.IsNaN(float64(math.Float32frombits(got)))
				if got != math.Float32bits(want) && !bothNaN {
					t.Fatalf("f(%g) = %08x, the oracle's is %08x", x, got, math.Float32bits(want))
				}
			}
		})
	}
}
