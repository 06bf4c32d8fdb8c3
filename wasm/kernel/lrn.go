package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// localResponse is local response normalisation across channels (Krizhevsky, Sutskever, Hinton 2012) as PyTorch, Caffe, ONNX and
// ConvNetJS have it, that is with alpha divided by the size of the window, which the paper does not do:
//
//	d[c] = k + (alpha/size)·Σ x[j]²,  y[c] = x[c]·d[c]^−beta,  c − ⌊size/2⌋ ≤ j ≤ c + ⌊(size−1)/2⌋ within the channels
//
// where d^−beta is Exp(−beta·Log(d)). With t[j] = (g[j]·x[j])·(d[j]^−beta / d[j]),
//
//	dx[c] = g[c]·d[c]^−beta − ((2·alpha·beta/size)·x[c])·Σ t[j],  c − ⌊(size−1)/2⌋ ≤ j ≤ c + ⌊size/2⌋.
//
// Sums are over j, ascending.
type localResponse struct{}

func (localResponse) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "local-response-norm",
		Doc:  "Divides by a power of the mean square of neighbouring channels: x / (k + alpha/size · Σx²)^beta, as PyTorch, Caffe and ConvNetJS.",
		Attributes: []schema.Attribute{
			{Name: "size", Kind: schema.Integer, Default: 5, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 10), Doc: "Neighbouring channels, the channel itself included."},
			{Name: "alpha", Kind: schema.Number, Default: 1e-4, Min: schema.AtLeast(0), Max: schema.AtMost(1000), Doc: "Weight of the mean square."},
			{Name: "beta", Kind: schema.Number, Default: 0.75, Min: schema.AtLeast(0), Max: schema.AtMost(10), Doc: "Exponent."},
			{Name: "k", Kind: schema.Number, Default: 1.0, Min: schema.AtLeast(1e-3), Max: schema.AtMost(1000), Doc: "Added to the mean square."},
		},
	}
}

func (localResponse) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	return graph.Inference{Shape: in[0]}, nil
}

// Place has d and its power in Saved, and t in Scratch.
func (localResponse) Place(n *graph.Node, _ Layout, t Tile) Placement {
	bytes := Buffer{Layout: Sites, Shape: n.Shape, Lanes: t.Lanes}.Bytes()
	return Placement{Out: Sites, Saved: 2 * bytes, Scratch: bytes}
}

func (localResponse) Emit(e *Emitter, n *Node) Kernels {
	a := n.Attributes
	size, alpha, beta := a.Int("size"), a.Float("alpha"), a.Float("beta")
	divisor, power := n.Saved, n.Saved+n.Out.Bytes()
	_, _, channels := hwc(n.Out.Shape)
	site := n.Out.Site()
	// neighbours sets sum to Σ of what value pushes for the channels from so many before to so many behind; value gets the offset of one.
	neighbours := func(c *code, channel, at, sum local, offset, before, behind int, value func(p local, offset int)) {
		p, j, end := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		bound := func(distance, limit int, op asm.Op) { // the nearer of channel + distance and the limit
			c.Get(channel)
			c.I32(distance)
			c.Op(asm.I32Add)
			c.Tee(j)
			c.I32(limit)
			c.Get(j)
			c.I32(limit)
			c.Op(op, asm.Select)
		}
		bound(behind, channels-1, asm.I32LtS)
		c.Set(end)
		bound(-before, 0, asm.I32GtS)
		c.Set(j)
		c.Get(at, j, channel)
		c.Op(asm.I32Sub)
		c.I32(site)
		c.Op(asm.I32Mul, asm.I32Add)
		c.Set(p)
		c.I32x4(0)
		c.Set(sum)
		c.Repeat(min(size, channels), func() {
			c.Get(sum)
			value(p, offset)
			c.Op(asm.F32x4Add)
			c.Set(sum)
			c.AddTo(p, site)
			c.AddTo(j, 1)
			c.Get(j, end)
			c.Op(asm.I32LeS)
		})
		c.Release(p, j, end)
	}
	// each runs body for each vector, with its channel.
	each := func(c *code, body func(channel, at local, offset int)) {
		var current local
		siteLoop{
			begin:  func(channel local) { current = channel },
			vector: func(at local, offset int) { body(current, at, offset) },
		}.run(c, n.Out)
	}
	forward := func(keep bool) func(c *code) {
		return func(c *code) {
			sum, x, d := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
			each(c, func(channel, at local, offset int) {
				neighbours(c, channel, at, sum, offset, size/2, (size-1)/2, func(p local, offset int) {
					c.Load(asm.V128Load, p, n.In.Addr+offset)
					c.Tee(x)
					c.Get(x)
					c.Op(asm.F32x4Mul)
				})
				c.F32x4(Single(a.Float("k")))
				c.F32x4(Single(alpha / float64(size)))
				c.Get(sum)
				c.Op(asm.F32x4Mul, asm.F32x4Add)
				c.Set(d)
				if keep {
					c.Get(at, d)
					c.Mem(asm.V128Store, divisor+offset)
				}
				Log(c, d)
				c.F32x4(Single(-beta))
				c.Op(asm.F32x4Mul)
				expOfTop(c)
				c.Set(d)
				if keep {
					c.Get(at, d)
					c.Mem(asm.V128Store, power+offset)
				}
				c.Get(at)
				c.Load(asm.V128Load, at, n.In.Addr+offset)
				c.Get(d)
				c.Op(asm.F32x4Mul)
				c.Mem(asm.V128Store, n.Out.Addr+offset)
			})
			c.Release(sum, x, d)
		}
	}
	k := Kernels{Forward: e.define(n.Name+".forward", forward(true)), Infer: e.define(n.Name+".infer", forward(false))}
	if !n.needsInGrad() {
		k.Forward = k.Infer
		return k
	}
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		sum := c.Local(asm.V128)
		each(c, func(_, at local, offset int) {
			c.Get(at)
			c.Load(asm.V128Load, at, n.OutGrad.Addr+offset)
			c.Load(asm.V128Load, at, n.In.Addr+offset)
			c.Op(asm.F32x4Mul)
			c.Load(asm.V128Load, at, power+offset)
			c.Load(asm.V128Load, at, divisor+offset)
			c.Op(asm.F32x4Div, asm.F32x4Mul)
			c.Mem(asm.V128Store, n.Scratch+offset)
		})
		each(c, func(channel, at local, offset int) {
			neighbours(c, channel, at, sum, offset, (size-1)/2, size/2, func(p local, offset int) {
				c.Load(asm.V128Load, p, n.Scratch+offset)
			})
			c.Get(at)
			c.Load(asm.V128Load, at, n.OutGrad.Addr+offset)
			c.Load(asm.V128Load, at, power+offset)
			c.Op(asm.F32x4Mul)
			c.F32x4(Single(2 * alpha * beta / float64(size)))
			c.Load(asm.V128Load, at, n.In.Addr+offset)
			c.Op(asm.F32x4Mul)
			c.Get(sum)
			c.Op(asm.F32x4Mul, asm.F32x4Sub)
			c.Mem(asm.V128Store, n.InGrad.Addr+offset)
		})
		c.Release(sum)
	})
	return k
}
