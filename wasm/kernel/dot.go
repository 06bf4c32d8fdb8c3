package kernel

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// dot is Σ_c a[…,c]·b[…,c] of two inputs of the same shape, over the channels in their order.
type dot struct{}

func (dot) Declaration() schema.Declaration {
	return schema.Declaration{Name: "dot", Doc: "Sum over the channels of the product of its two inputs.", MinInputs: 2, MaxInputs: 2}
}

func (dot) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	if !slices.Equal(in[0], in[1]) {
		return graph.Inference{}, fmt.Errorf("its inputs have the shapes %v; they must be equal", in)
	}
	shape := slices.Clone(in[0])
	shape[len(shape)-1] = 1
	return graph.Inference{Shape: shape, MultiplyAdds: int64(schema.Elements(in[0]))}, nil
}

func (dot) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (dot) Emit(e *Emitter, n *Node) Kernels {
	_, _, channels := hwc(n.In.Shape)
	site := n.In.Site()
	// each runs body for each vector of the output, with the offset of the first channel's in the inputs.
	each := func(c *code, body func(in, out local)) {
		position, v, in, out := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		c.SetI32(in, 0)
		c.SetI32(out, 0)
		c.For(position, 0, n.Out.Elements(), 1, func() {
			c.For(v, 0, site, 16, func() {
				body(in, out)
				c.AddTo(in, 16)
				c.AddTo(out, 16)
			})
			c.AddTo(in, (channels-1)*site)
		})
		c.Release(position, v, in, out)
	}
	// over runs body for each channel, with its offset.
	over := func(c *code, in local, body func(p local)) {
		channel, p := c.Local(asm.I32), c.Local(asm.I32)
		c.Get(in)
		c.Set(p)
		c.For(channel, 0, channels, 1, func() {
			body(p)
			c.AddTo(p, site)
		})
		c.Release(channel, p)
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		sum := c.Local(asm.V128)
		each(c, func(in, out local) {
			c.I32x4(0)
			c.Set(sum)
			over(c, in, func(p local) {
				c.Get(sum)
				c.Load(asm.V128Load, p, n.Ins[0].Addr)
				c.Load(asm.V128Load, p, n.Ins[1].Addr)
				c.Op(asm.F32x4Mul, asm.F32x4Add)
				c.Set(sum)
			})
			c.Get(out, sum)
			c.Mem(asm.V128Store, n.Out.Addr)
		})
		c.Release(sum)
	})}
	k.Infer = k.Forward
	if slices.ContainsFunc(n.InGrads, func(b Buffer) bool { return b.Addr != 0 }) {
		k.Backward = e.define(n.Name+".backward", func(c *code) {
			each(c, func(in, out local) {
				over(c, in, func(p local) {
					for i, grad := range n.InGrads {
						if grad.Addr == 0 {
							continue
						}
						c.Get(p)
						c.Load(asm.V128Load, out, n.OutGrad.Addr)
						c.Load(asm.V128Load, p, n.Ins[1-i].Addr)
						c.Op(asm.F32x4Mul)
						c.Mem(asm.V128Store, grad.Addr)
					}
				})
			})
		})
	}
	return k
}
