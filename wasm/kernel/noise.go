package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// noise is x + deviation·z while training, z standard normal, and the identity elsewhere. The numbers z are Box and Muller's of
// the words that dropout would draw at its place: of element i mod 4 of four words w, √(−2·ln(1−u)) of the uniform number
// of word i − i mod 2 times cos 2πu of the next, less a quarter turn where i is odd.
type noise struct{}

func (noise) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "gaussian-noise",
		Doc:  "Adds normal numbers while training.",
		Attributes: []schema.Attribute{
			{Name: "deviation", Kind: schema.Number, Min: schema.AtLeast(0), Max: schema.AtMost(highestValue), Doc: "Standard deviation."},
		},
	}
}

func (noise) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	return graph.Inference{Shape: in[0]}, nil
}

func (noise) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (noise) Emit(e *Emitter, n *Node) Kernels {
	deviation := Single(n.Attributes.Float("deviation"))
	bytes := n.Out.Bytes() - slack
	// The noise is drawn where the output will be.
	draw := e.define(n.Name+".draw", func(c *code) {
		f := newMaskFill(c, n.Out, n.Index, n.Context)
		u := c.Local(asm.V128)
		f.value = func(i int) {
			c.F32x4(1)
			uniforms(c, f.word[i&^1])
			c.Op(asm.F32x4Sub)
			c.Set(u)
			Log(c, u)
			c.F32x4(-2)
			c.Op(asm.F32x4Mul, asm.F32x4Sqrt)
			uniforms(c, f.word[i|1])
			if i%2 == 1 {
				c.F32x4(0.25)
				c.Op(asm.F32x4Sub)
			}
			cosTurns(c)
			c.Op(asm.F32x4Mul)
			c.F32x4(deviation)
			c.Op(asm.F32x4Mul)
		}
		f.sites(n.Context)
	})
	copied := func(name string, to, from Buffer) *Fn {
		return e.define(n.Name+name, func(c *code) {
			c.I32(to.Addr)
			c.I32(from.Addr)
			c.MemCopy(bytes)
		})
	}
	k := Kernels{
		Forward: e.define(n.Name+".forward", func(c *code) {
			call(c, *draw)
			eachVector(c, []int{n.In.Addr, n.Out.Addr}, bytes, func(at func(int) (local, int)) {
				x, xo := at(0)
				y, yo := at(1)
				c.Get(y)
				c.Load(asm.V128Load, x, xo)
				c.Load(asm.V128Load, y, yo)
				c.Op(asm.F32x4Add)
				c.Mem(asm.V128Store, yo)
			})
		}),
		Infer: copied(".infer", n.Out, n.In),
	}
	if n.needsInGrad() {
		k.Backward = copied(".backward", n.InGrad, n.OutGrad)
	}
	return k
}
