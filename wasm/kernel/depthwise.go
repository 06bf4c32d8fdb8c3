package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// depthwise is y[oy,ox,c] = Σ x[oy·s + i − p, ox·s + j − p, c]·W[c,i,j] + b[c]: each channel of an image [height, width,
// channels] by itself, W [channels, kernel height, kernel width]. With a conv2d of kernel 1 behind it, it is what is called a
// separable convolution.
//
// Order of additions. Forward: i, then j, ascending, then the bias. Gradient by x: over the output positions, ascending.
// Gradients by W and b: as for conv2d.
type depthwise struct{}

func (depthwise) Declaration() schema.Declaration {
	d := conv2d{}.Declaration()
	d.Name, d.Doc = "depthwise-conv2d", "Convolution of each channel by itself: activation(W∗x + b)."
	d.Attributes = d.Attributes[1:] // as many filters as channels
	return d
}

func (depthwise) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	w, err := windowOf(in[0], "kernel", a)
	if err != nil {
		return graph.Inference{}, err
	}
	taps := w.KH * w.KW
	inf := graph.Inference{
		Shape:        []int{w.OH, w.OW, w.C},
		MultiplyAdds: int64(w.OH*w.OW) * int64(w.C) * int64(taps),
		Parameters:   []graph.Parameter{{Name: "weight", Shape: []int{w.C, w.KH, w.KW}, FanIn: taps, FanOut: taps}},
	}
	if a.Bool("bias") {
		inf.Parameters = append(inf.Parameters, graph.Parameter{Name: "bias", Shape: []int{w.C}, FanIn: taps, FanOut: taps, Bias: true})
	}
	return inf, nil
}

func (depthwise) fuses() bool { return true }

func (depthwise) Place(n *graph.Node, _ Layout, _ Tile) Placement {
	w := conv2d{}.window(n)
	return Placement{Out: Sites, Partial: (w.C*w.KH*w.KW+w.C)*16 + 3*16} // finish reads whole fours
}

func (d depthwise) Emit(e *Emitter, n *Node) Kernels {
	w := conv2d{}.window(n.Node)
	sums := w.C * w.KH * w.KW * 16
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) { d.forward(c, n, w) })}
	k.Infer = k.Forward
	k.PrepareBackward = e.define(n.Name+".prepare-backward", func(c *code) { c.MemFill(n.Partial, sums+w.C*16) })
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		d.backward(c, n, w)
		conv2d{}.biasGradient(c, n, w, sums)
	})
	alone := w
	alone.C = 1
	k.Finish = e.define(n.Name+".finish", func(c *code) { conv2d{}.finish(c, n, alone, false) })
	return k
}

// taps runs body for each element (i, j) of the kernel that meets the image at (y, x), with the offset of its first channel's
// site.
func (depthwise) taps(c *code, w window, y, x local, site int, body func(i, j, at local)) {
	i, i1, j, j0, j1, at := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	clip(c, i, i1, y, w.SH, w.Top, w.KH, w.H)
	clip(c, j0, j1, x, w.SW, w.Left, w.KW, w.W)
	c.Repeat(w.KH, func() {
		c.Get(j0)
		c.Set(j)
		c.Repeat(w.KW, func() {
			w.element(c, y, i, x, j, w.C*site)
			c.Set(at)
			body(i, j, at)
			c.AddTo(j, 1)
			c.Get(j, j1)
			c.Op(asm.I32LtU)
		})
		c.AddTo(i, 1)
		c.Get(i, i1)
		c.Op(asm.I32LtU)
	})
	c.Release(i, i1, j, j0, j1, at)
}

// weight sets to to bytes times the index of W[channel, i, j].
func (depthwise) weight(c *code, w window, to, channel, i, j local, bytes int) {
	scaled(c, channel, w.KH)
	c.Get(i)
	c.Op(asm.I32Add)
	c.I32(w.KW)
	c.Op(asm.I32Mul)
	c.Get(j)
	c.Op(asm.I32Add)
	c.I32(bytes)
	c.Op(asm.I32Mul)
	c.Set(to)
}

// siteGroups takes a whole site at a time where it can.
func siteGroups(v int) []blockRun {
	if v%4 == 0 {
		return blocks(v, 4)
	}
	return laneGroups(v)
}

func (d depthwise) forward(c *code, n *Node, w window) {
	site := n.In.Site()
	bias := 0
	if b, ok := n.bias(); ok {
		bias = b.Value
	}
	y, x, channel, v := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	out, in, pw, pb := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	weight := c.Local(asm.V128)
	count, width := groupCount(siteGroups(n.Tile.Lanes / 4))
	c.SetI32(out, 0)
	c.For(y, 0, w.OH, 1, func() {
		c.For(x, 0, w.OW, 1, func() {
			c.For(channel, 0, w.C, 1, func() {
				c.For(v, 0, 16*width*count, 16*width, func() {
					acc := accumulators(c, width)
					d.taps(c, w, y, x, site, func(i, j, at local) {
						d.weight(c, w, pw, channel, i, j, 4)
						c.Load(asm.V128Splat32, pw, n.weight().Value)
						c.Set(weight)
						c.Get(at)
						scaled(c, channel, site)
						c.Get(v)
						c.Op(asm.I32Add, asm.I32Add)
						c.Set(in)
						for k, a := range acc {
							c.Get(a, weight)
							c.Load(asm.V128Load, in, n.In.Addr+16*k)
							c.Op(asm.F32x4Mul, asm.F32x4Add)
							c.Set(a)
						}
					})
					scaled(c, channel, 4)
					c.Set(pb)
					finishOutputs(c, acc, 1, width, bias, pb, n.Fused, out, n.Out.Addr, site)
					c.AddTo(out, 16*width)
					c.Release(acc...)
				})
			})
		})
	})
	c.Release(y, x, channel, v, out, in, pw, pb, weight)
}

// backward adds to the partial sums of the weights' gradients, and to the gradient by x.
func (d depthwise) backward(c *code, n *Node, w window) {
	site := n.In.Site()
	if n.needsInGrad() {
		c.MemFill(n.InGrad.Addr, n.InGrad.Bytes()-slack)
	}
	y, x, channel, v := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	out, in, pw := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	weight, sum, g := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
	c.For(y, 0, w.OH, 1, func() {
		c.For(x, 0, w.OW, 1, func() {
			d.taps(c, w, y, x, site, func(i, j, at local) {
				c.Get(at)
				c.Set(in)
				scaled(c, y, w.OW)
				c.Get(x)
				c.Op(asm.I32Add)
				c.I32(w.C * site)
				c.Op(asm.I32Mul)
				c.Set(out)
				c.For(channel, 0, w.C, 1, func() {
					d.weight(c, w, pw, channel, i, j, 4)
					c.Load(asm.V128Splat32, pw, n.weight().Value)
					c.Set(weight)
					d.weight(c, w, pw, channel, i, j, 16)
					c.Load(asm.V128Load, pw, n.Partial)
					c.Set(sum)
					c.For(v, 0, site, 16, func() {
						c.Load(asm.V128Load, out, n.OutGrad.Addr)
						c.Set(g)
						c.Get(sum, g)
						c.Load(asm.V128Load, in, n.In.Addr)
						c.Op(asm.F32x4Mul, asm.F32x4Add)
						c.Set(sum)
						if n.needsInGrad() {
							c.Get(in)
							c.Load(asm.V128Load, in, n.InGrad.Addr)
							c.Get(weight, g)
							c.Op(asm.F32x4Mul, asm.F32x4Add)
							c.Mem(asm.V128Store, n.InGrad.Addr)
						}
						c.AddTo(in, 16)
						c.AddTo(out, 16)
					})
					c.Get(pw, sum)
					c.Mem(asm.V128Store, n.Partial)
				})
			})
		})
	})
	c.Release(y, x, channel, v, out, in, pw, weight, sum, g)
}
