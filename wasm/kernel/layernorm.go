package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// layerNorm gives the channels at each position of an example mean 0 and variance 1 (Ba, Kiros, Hinton: "Layer
// normalization", 2016), and then a scale and an offset of each channel, as PyTorch's LayerNorm over the last axis:
//
//	m = Σx/C   v = Σ(x − m)²/C   i = 1/√(v + ε)   x̂ = (x − m)·i   y = x̂·w + b
//
// Backward, with g = dy·w: dx = i·((g − Σg/C) − x̂·(Σ(g·x̂)/C)). These sums are over the channels, ascending. The gradients
// Σ dy·x̂ of w and Σ dy of b have four partial sums, one for the examples ≡ l (mod 4) each, over tiles, positions and the
// examples of the tile, ascending; then (s0 + s2) + (s1 + s3).
type layerNorm struct{}

func (layerNorm) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "layer-norm",
		Doc:  "Mean 0 and variance 1 of the channels at each position, then a scale and an offset of each channel.",
		Attributes: []schema.Attribute{
			{Name: "epsilon", Kind: schema.Number, Default: 1e-5, Min: schema.AtLeast(1e-12), Max: schema.AtMost(1), Doc: "Added to the variance."},
		},
	}
}

func (layerNorm) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	channels := in[0][len(in[0])-1]
	own := []int{channels}
	return graph.Inference{
		Shape: in[0],
		Parameters: []graph.Parameter{
			{Name: "weight", Shape: own, FanIn: channels, FanOut: channels, Bias: true, Initializer: "ones"},
			{Name: "bias", Shape: own, FanIn: channels, FanOut: channels, Bias: true},
		},
	}, nil
}

// statistics of each vector that lastAxis.each visits: m, then i.
func (layerNorm) statistics(shape []int, t Tile) int {
	return schema.Elements(shape) / shape[len(shape)-1] * 4 * t.Lanes
}

func (l layerNorm) Place(n *graph.Node, in Layout, t Tile) Placement {
	channels := n.Shape[len(n.Shape)-1]
	return Placement{
		Out: in, Saved: 2*l.statistics(n.Shape, t) + copiedBytes(n.Shape, in, t),
		Partial: 2*16*channels + 3*16,
	}
}

func (l layerNorm) Emit(e *Emitter, n *Node) Kernels {
	statistics := l.statistics(n.Shape, n.Tile)
	means, inverses := n.Saved, n.Saved+statistics
	a := lastAxisOf(n, n.Saved+2*statistics)
	weight, bias := n.weight(), n.Parameters[1]
	weights, biases := n.Partial, n.Partial+16*a.channels // partial sums
	share := func(c *code) {
		c.F32x4(float32(a.channels))
		c.Op(asm.F32x4Div)
	}
	forward := e.define(n.Name+".forward", func(c *code) {
		relay(c, n.In, a.x)
		sum, mean, inverse, d := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		a.each(c, func(at, number local) {
			c.I32x4(0)
			c.Set(sum)
			a.along(c, at, func(p, _ local) {
				addVector(c, sum, func() { c.Load(asm.V128Load, p, a.x.Addr) })
			})
			c.Get(number, sum)
			share(c)
			c.Tee(mean)
			c.Mem(asm.V128Store, means)
			c.I32x4(0)
			c.Set(sum)
			a.along(c, at, func(p, _ local) {
				c.Load(asm.V128Load, p, a.x.Addr)
				c.Get(mean)
				c.Op(asm.F32x4Sub)
				c.Set(d)
				addVector(c, sum, func() {
					c.Get(d, d)
					c.Op(asm.F32x4Mul)
				})
			})
			c.Get(number)
			c.F32x4(1)
			c.Get(sum)
			share(c)
			c.F32x4(Single(n.Attributes.Float("epsilon")))
			c.Op(asm.F32x4Add, asm.F32x4Sqrt, asm.F32x4Div)
			c.Tee(inverse)
			c.Mem(asm.V128Store, inverses)
			a.along(c, at, func(p, channel local) {
				c.Get(p)
				l.normalized(c, p, a.x.Addr, mean, inverse)
				c.Load(asm.V128Splat32, channel, weight.Value)
				c.Op(asm.F32x4Mul)
				c.Load(asm.V128Splat32, channel, bias.Value)
				c.Op(asm.F32x4Add)
				c.Mem(asm.V128Store, a.y.Addr)
			})
		})
		c.Release(sum, mean, inverse, d)
		relay(c, a.y, n.Out)
	})
	k := Kernels{Forward: forward, Infer: forward}
	k.PrepareBackward = e.define(n.Name+".prepare-backward", func(c *code) { c.MemFill(n.Partial, 2*16*a.channels) })
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		relay(c, n.OutGrad, a.dy)
		mean, inverse, g, x := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		first, second, sum := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.I32)
		load := func(p, channel local) { // g and x̂
			c.Load(asm.V128Load, p, a.dy.Addr)
			c.Set(g)
			l.normalized(c, p, a.x.Addr, mean, inverse)
			c.Set(x)
		}
		a.each(c, func(at, number local) {
			c.Load(asm.V128Load, number, means)
			c.Set(mean)
			c.Load(asm.V128Load, number, inverses)
			c.Set(inverse)
			for _, s := range []local{first, second} {
				c.I32x4(0)
				c.Set(s)
			}
			a.along(c, at, func(p, channel local) {
				load(p, channel)
				scaled(c, channel, 4)
				c.Set(sum)
				addVectorAt(c, sum, biases, func() { c.Get(g) })
				addVectorAt(c, sum, weights, func() {
					c.Get(g, x)
					c.Op(asm.F32x4Mul)
				})
				if !n.needsInGrad() {
					return
				}
				c.Get(g)
				c.Load(asm.V128Splat32, channel, weight.Value)
				c.Op(asm.F32x4Mul)
				c.Set(g)
				addVector(c, first, func() { c.Get(g) })
				addVector(c, second, func() {
					c.Get(g, x)
					c.Op(asm.F32x4Mul)
				})
			})
			if !n.needsInGrad() {
				return
			}
			for _, s := range []local{first, second} {
				c.Get(s)
				share(c)
				c.Set(s)
			}
			a.along(c, at, func(p, channel local) {
				load(p, channel)
				c.Get(p, inverse, g)
				c.Load(asm.V128Splat32, channel, weight.Value)
				c.Op(asm.F32x4Mul)
				c.Get(first)
				c.Op(asm.F32x4Sub)
				c.Get(x, second)
				c.Op(asm.F32x4Mul, asm.F32x4Sub, asm.F32x4Mul)
				c.Mem(asm.V128Store, a.dx.Addr)
			})
		})
		c.Release(mean, inverse, g, x, first, second, sum)
		if n.needsInGrad() {
			relay(c, a.dx, n.InGrad)
		}
	})
	k.Finish = e.define(n.Name+".finish", func(c *code) {
		foldVectors(c, weights, a.channels, weight.Grad)
		foldVectors(c, biases, a.channels, bias.Grad)
	})
	return k
}

// normalized pushes x̂.
func (layerNorm) normalized(c *code, p local, x int, mean, inverse local) {
	c.Load(asm.V128Load, p, x)
	c.Get(mean)
	c.Op(asm.F32x4Sub)
	c.Get(inverse)
	c.Op(asm.F32x4Mul)
}
