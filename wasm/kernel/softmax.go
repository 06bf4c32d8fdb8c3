package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// softmaxLayer is y_j = exp(x_j − max x) / Σ over the last axis; backward, dx = y·(dy − Σ dy·y). Sums are ascending.
type softmaxLayer struct{}

func (softmaxLayer) Declaration() schema.Declaration {
	return schema.Declaration{Name: "softmax", Doc: "Softmax over the last axis. A loss that takes the softmax itself wants none before it."}
}

func (softmaxLayer) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	return graph.Inference{Shape: in[0]}, nil
}

func (softmaxLayer) keepsOutput(*graph.Node) bool { return true }

func (softmaxLayer) Place(n *graph.Node, in Layout, t Tile) Placement {
	return Placement{Out: in, Saved: copiedBytes(n.Shape, in, t)}
}

func (softmaxLayer) Emit(e *Emitter, n *Node) Kernels {
	a := lastAxisOf(n, n.Saved)
	forward := e.define(n.Name+".forward", func(c *code) {
		relay(c, n.In, a.x)
		top, sum, x := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		a.each(c, func(at, _ local) {
			c.I32x4(-1 << 23) // −∞
			c.Set(top)
			a.along(c, at, func(p, _ local) {
				c.Get(top)
				c.Load(asm.V128Load, p, a.x.Addr)
				c.Op(asm.F32x4PMax)
				c.Set(top)
			})
			c.I32x4(0)
			c.Set(sum)
			a.along(c, at, func(p, _ local) {
				c.Load(asm.V128Load, p, a.x.Addr)
				c.Get(top)
				c.Op(asm.F32x4Sub)
				c.Set(x)
				Exp(c, x)
				c.Set(x)
				c.Get(p, x)
				c.Mem(asm.V128Store, a.y.Addr)
				addVector(c, sum, func() { c.Get(x) })
			})
			a.along(c, at, func(p, _ local) {
				c.Get(p)
				c.Load(asm.V128Load, p, a.y.Addr)
				c.Get(sum)
				c.Op(asm.F32x4Div)
				c.Mem(asm.V128Store, a.y.Addr)
			})
		})
		c.Release(top, sum, x)
		relay(c, a.y, n.Out)
	})
	k := Kernels{Forward: forward, Infer: forward}
	if !n.needsInGrad() {
		return k
	}
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		relay(c, n.OutGrad, a.dy)
		sum := c.Local(asm.V128)
		a.each(c, func(at, _ local) {
			c.I32x4(0)
			c.Set(sum)
			a.along(c, at, func(p, _ local) {
				addVector(c, sum, func() {
					c.Load(asm.V128Load, p, a.dy.Addr)
					c.Load(asm.V128Load, p, a.y.Addr)
					c.Op(asm.F32x4Mul)
				})
			})
			a.along(c, at, func(p, _ local) {
				c.Get(p)
				c.Load(asm.V128Load, p, a.y.Addr)
				c.Load(asm.V128Load, p, a.dy.Addr)
				c.Get(sum)
				c.Op(asm.F32x4Sub, asm.F32x4Mul)
				c.Mem(asm.V128Store, a.dx.Addr)
			})
		})
		c.Release(sum)
		relay(c, a.dx, n.InGrad)
	})
	return k
}
