package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// prelu is y = x > 0 ? x : w·x with a slope w of each channel (the last axis), or one of all (He et al. 2015).
//
// The gradient by w is Σ x > 0 ? 0 : x·g: four partial sums, one for the examples ≡ l (mod 4) each, over tiles, positions,
// channels where they share w, and the examples of the tile, ascending; then (s0 + s2) + (s1 + s3).
type prelu struct{}

func (prelu) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "prelu",
		Doc:  "x where that is positive, else a trained slope times x.",
		Attributes: []schema.Attribute{
			{Name: "shared", Kind: schema.Boolean, Default: false, Doc: "One slope for all channels instead of one for each."},
			{Name: "slope", Kind: schema.Number, Default: 0.25, Min: schema.AtLeast(-highestValue), Max: schema.AtMost(highestValue), Doc: "Initial slope."},
		},
	}
}

func (prelu) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	_, _, slopes := hwc(in[0])
	if a.Bool("shared") {
		slopes = 1
	}
	return graph.Inference{
		Shape: in[0],
		Parameters: []graph.Parameter{{
			Name: "weight", Shape: []int{slopes}, FanIn: 1, FanOut: 1, Bias: true, Initializer: "constant", Value: a.Float("slope"),
		}},
	}, nil
}

func (prelu) sums(n *graph.Node) laneSums { return laneSums{count: n.Parameters[0].Shape[0]} }

func (p prelu) Place(n *graph.Node, _ Layout, _ Tile) Placement {
	return Placement{Out: Sites, Partial: p.sums(n).bytes()}
}

func (p prelu) Emit(e *Emitter, n *Node) Kernels {
	sums := p.sums(n.Node)
	sums.addr = n.Partial
	// scaledChannel pushes bytes times the number of a channel's slope.
	scaledChannel := func(c *code, channel local, bytes int) {
		if sums.count == 1 {
			c.I32(0)
			return
		}
		scaled(c, channel, bytes)
	}
	slope := func(c *code, channel, to local) {
		scaledChannel(c, channel, 4)
		c.Mem(asm.V128Splat32, n.weight().Value)
		c.Set(to)
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		w, x := c.Local(asm.V128), c.Local(asm.V128)
		siteLoop{begin: func(channel local) { slope(c, channel, w) }, vector: func(at local, offset int) {
			c.Load(asm.V128Load, at, n.In.Addr+offset)
			c.Set(x)
			c.Get(at, x, w, x)
			c.Op(asm.F32x4Mul)
			c.Get(x)
			c.I32x4(0)
			c.Op(asm.F32x4Gt, asm.V128Bitsel)
			c.Mem(asm.V128Store, n.Out.Addr+offset)
		}}.run(c, n.Out)
		c.Release(w, x)
	})}
	k.Infer = k.Forward
	k.PrepareBackward = e.define(n.Name+".prepare-backward", sums.clear)
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		w, x, g, sum, positive := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		siteLoop{begin: func(channel local) {
			slope(c, channel, w)
			scaledChannel(c, channel, 16)
			c.Mem(asm.V128Load, sums.addr)
			c.Set(sum)
		}, vector: func(at local, offset int) {
			c.Load(asm.V128Load, at, n.In.Addr+offset)
			c.Tee(x)
			c.I32x4(0)
			c.Op(asm.F32x4Gt)
			c.Set(positive)
			c.Load(asm.V128Load, at, n.OutGrad.Addr+offset)
			c.Set(g)
			c.Get(sum, x, g)
			c.Op(asm.F32x4Mul)
			c.Get(positive)
			c.Op(asm.V128AndNot, asm.F32x4Add)
			c.Set(sum)
			if n.needsInGrad() {
				c.Get(at, g, w, g)
				c.Op(asm.F32x4Mul)
				c.Get(positive)
				c.Op(asm.V128Bitsel)
				c.Mem(asm.V128Store, n.InGrad.Addr+offset)
			}
		}, end: func(channel local) {
			scaledChannel(c, channel, 16)
			c.Get(sum)
			c.Mem(asm.V128Store, sums.addr)
		}}.run(c, n.Out)
		c.Release(w, x, g, sum, positive)
	})
	k.Finish = e.define(n.Name+".finish", func(c *code) { sums.fold(c, n.weight().Grad) })
	return k
}
