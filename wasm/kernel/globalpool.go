package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// globalPool is the mean of each channel over all of an image [height, width, channels]: the sum, row by row, times
// 1/(height·width).
type globalPool struct{}

func (globalPool) Declaration() schema.Declaration {
	return schema.Declaration{Name: "global-average-pool", Doc: "Mean of each channel over the whole image."}
}

func (globalPool) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	if len(in[0]) != 3 {
		return graph.Inference{}, fmt.Errorf("its input has the shape %v; an image [height, width, channels] is needed", in[0])
	}
	return graph.Inference{Shape: in[0][2:]}, nil
}

// means is the output as sites, before it becomes rows, and the gradient by it.
func (globalPool) means(n *graph.Node, t Tile) Buffer {
	return Buffer{Layout: Sites, Shape: n.Shape, Lanes: t.Lanes}
}

func (p globalPool) Place(n *graph.Node, _ Layout, t Tile) Placement {
	return Placement{Out: Rows, Saved: p.means(n, t).Bytes()}
}

func (p globalPool) Emit(e *Emitter, n *Node) Kernels {
	means := p.means(n.Node, n.Tile)
	means.Addr = n.Saved
	channels := means.Bytes() - slack // bytes of a position
	positions := n.In.Elements() / means.Elements()
	share := func(c *code) {
		c.F32x4(1 / float32(positions))
		c.Op(asm.F32x4Mul)
	}
	// each runs body for every vector, with its offset within a position and from the start.
	each := func(c *code, body func(mean, at local)) {
		position, mean, at := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		c.SetI32(at, 0)
		c.For(position, 0, positions, 1, func() {
			c.For(mean, 0, channels, 16, func() {
				body(mean, at)
				c.AddTo(at, 16)
			})
		})
		c.Release(position, mean, at)
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		c.MemFill(means.Addr, channels)
		each(c, func(mean, at local) {
			c.Get(mean)
			c.Load(asm.V128Load, mean, means.Addr)
			c.Load(asm.V128Load, at, n.In.Addr)
			c.Op(asm.F32x4Add)
			c.Mem(asm.V128Store, means.Addr)
		})
		p.scale(c, means.Addr, channels, share)
		transpose(c, means, n.Out)
	})}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) {
			transpose(c, n.OutGrad, means)
			p.scale(c, means.Addr, channels, share)
			each(c, func(mean, at local) {
				c.Get(at)
				c.Load(asm.V128Load, mean, means.Addr)
				c.Mem(asm.V128Store, n.InGrad.Addr)
			})
		})
	}
	return k
}

// scale multiplies the vectors of an array by what share pushes.
func (globalPool) scale(c *code, addr, bytes int, share func(c *code)) {
	p := c.Local(asm.I32)
	c.For(p, 0, bytes, 16, func() {
		c.Get(p)
		c.Load(asm.V128Load, p, addr)
		share(c)
		c.Mem(asm.V128Store, addr)
	})
	c.Release(p)
}
