package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// dropout multiplies each element by 0 with probability rate, and else by 1/(1 − rate), while training; it is the
// identity elsewhere (Srivastava et al. 2014, the inverted form).
type dropout struct{}

func (dropout) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "dropout",
		Doc:  "Zeroes elements at random while training.",
		Attributes: []schema.Attribute{
			{Name: "rate", Kind: schema.Number, Min: schema.AtLeast(0), Max: schema.Below(1), Doc: "Probability of a zero."},
		},
	}
}

func (dropout) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	return graph.Inference{Shape: in[0]}, nil
}

func (dropout) reads(*graph.Node) Layout { return Either }

func (dropout) Place(n *graph.Node, in Layout, t Tile) Placement {
	mask := Buffer{Layout: in, Shape: n.Shape, Lanes: t.Lanes}
	return Placement{Out: in, Saved: mask.Bytes()}
}

func (dropout) Emit(e *Emitter, n *Node) Kernels {
	mask := n.Out
	mask.Addr = n.Saved
	fill := e.DropoutMask(n.Name+".mask", mask, Single(n.Attributes.Float("rate")), n.Index, n.Context)
	bytes := n.Out.Bytes() - slack
	times := func(c *code, from, to int) {
		eachVector(c, []int{from, mask.Addr, to}, bytes, func(at func(int) (local, int)) {
			x, xo := at(0)
			m, mo := at(1)
			y, yo := at(2)
			c.Get(y)
			c.Load(asm.V128Load, x, xo)
			c.Load(asm.V128Load, m, mo)
			c.Op(asm.F32x4Mul)
			c.Mem(asm.V128Store, yo)
		})
	}
	k := Kernels{
		Forward: e.define(n.Name+".forward", func(c *code) {
			call(c, fill)
			times(c, n.In.Addr, n.Out.Addr)
		}),
		Infer: e.define(n.Name+".infer", func(c *code) {
			eachVector(c, []int{n.In.Addr, n.Out.Addr}, bytes, func(at func(int) (local, int)) {
				x, xo := at(0)
				y, yo := at(1)
				c.Get(y)
				c.Load(asm.V128Load, x, xo)
				c.Mem(asm.V128Store, yo)
			})
		}),
	}
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) { times(c, n.OutGrad.Addr, n.InGrad.Addr) })
	}
	return k
}
