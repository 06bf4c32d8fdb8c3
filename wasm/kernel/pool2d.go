package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// pool2d takes the maximum or the mean of each channel in windows of an image [height, width, channels].
//
// The maximum is over the elements inside the image; its gradient goes to the first of equal elements (row by row). The
// mean divides the sum, row by row, by the size of the window, so zeros of the padding count (as PyTorch's default).
// Where windows overlap, gradients are added in the order of the outputs.
type pool2d struct{ max bool }

func (p pool2d) Declaration() schema.Declaration {
	d := schema.Declaration{Name: "avgpool2d", Doc: "Mean of each channel in a window."}
	if p.max {
		d = schema.Declaration{Name: "maxpool2d", Doc: "Maximum of each channel in a window."}
	}
	d.Attributes = []schema.Attribute{
		{Name: "size", Kind: schema.Size, Default: 2, Doc: "Height and width of the window."},
		{Name: "stride", Kind: schema.Size, OrElse: "size", Doc: "Steps of the window; by default its size."},
		{Name: "padding", Kind: schema.Padding, Default: "valid", Doc: "As for conv2d."},
	}
	return d
}

func (pool2d) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	w, err := windowOf(in[0], "size", a)
	if err != nil {
		return graph.Inference{}, err
	}
	return graph.Inference{Shape: []int{w.OH, w.OW, w.C}}, nil
}

func (p pool2d) keepsOutput(*graph.Node) bool { return p.max }

func (pool2d) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (p pool2d) Emit(e *Emitter, n *Node) Kernels {
	w, err := windowOf(n.Node.In().Shape, "size", n.Attributes)
	if err != nil {
		panic("kernel: " + err.Error()) // Infer has accepted it
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) { p.forward(c, n, w) })}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) { p.backward(c, n, w) })
	}
	return k
}

// windows runs body for each vector of the output. It is given the output's address in out, and element, which runs its
// argument for each input element of the window (row by row) with the element's address.
func (pool2d) windows(c *code, n *Node, w window, body func(out local, element func(func(in local, offset int)))) {
	site := n.In.Site()
	y, x, v := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	in, out := c.Local(asm.I32), c.Local(asm.I32)
	padded := w.Top+w.Left+w.Bottom+w.Right > 0
	i, i1, j, j0, j1, p := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(out, 0)
	c.For(y, 0, w.OH, 1, func() {
		c.For(x, 0, w.OW, 1, func() {
			// in = ((y·SH − Top)·W + x·SW − Left)·C·site: the window's corner
			scaled(c, y, w.SH)
			c.I32(w.Top)
			c.Op(asm.I32Sub)
			c.I32(w.W)
			c.Op(asm.I32Mul)
			scaled(c, x, w.SW)
			c.Op(asm.I32Add)
			c.I32(w.Left)
			c.Op(asm.I32Sub)
			c.I32(w.C * site)
			c.Op(asm.I32Mul)
			c.Set(in)
			c.For(v, 0, w.C*site/16, 1, func() {
				// One bounds check each for the output's and the window's addresses (see touch).
				c.Load(asm.V128Load, out, max(n.Out.Addr, n.OutGrad.Addr))
				c.Op(asm.Drop)
				if !padded {
					c.Load(asm.V128Load, in, max(n.In.Addr, n.InGrad.Addr)+((w.KH-1)*w.W+w.KW-1)*w.C*site)
					c.Op(asm.Drop)
				}
				body(out, func(visit func(local, int)) {
					if !padded {
						for r := range w.KH {
							for s := range w.KW {
								visit(in, (r*w.W+s)*w.C*site)
							}
						}
						return
					}
					clip(c, i, i1, y, w.SH, w.Top, w.KH, w.H)
					c.Repeat(w.KH, func() {
						clip(c, j0, j1, x, w.SW, w.Left, w.KW, w.W)
						c.Get(j0)
						c.Set(j)
						c.Repeat(w.KW, func() {
							scaled(c, i, w.W)
							c.Get(j)
							c.Op(asm.I32Add)
							c.I32(w.C * site)
							c.Op(asm.I32Mul)
							c.Get(in)
							c.Op(asm.I32Add)
							c.Set(p)
							visit(p, 0)
							c.AddTo(j, 1)
							c.Get(j, j1)
							c.Op(asm.I32LtU)
						})
						c.AddTo(i, 1)
						c.Get(i, i1)
						c.Op(asm.I32LtU)
					})
				})
				c.AddTo(in, 16)
				c.AddTo(out, 16)
			})
		})
	})
	c.Release(y, x, v, in, out, i, i1, j, j0, j1, p)
}

func (p pool2d) forward(c *code, n *Node, w window) {
	m := c.Local(asm.V128)
	p.windows(c, n, w, func(out local, element func(func(local, int))) {
		if p.max {
			c.I32x4(-1 << 23) // −∞
		} else {
			c.I32x4(0)
		}
		c.Set(m)
		element(func(in local, offset int) {
			c.Get(m)
			c.Load(asm.V128Load, in, n.In.Addr+offset)
			if p.max {
				c.Op(asm.F32x4PMax)
			} else {
				c.Op(asm.F32x4Add)
			}
			c.Set(m)
		})
		c.Get(out, m)
		if !p.max {
			c.F32x4(1 / float32(w.KH*w.KW))
			c.Op(asm.F32x4Mul)
		}
		c.Mem(asm.V128Store, n.Out.Addr)
	})
	c.Release(m)
}

func (p pool2d) backward(c *code, n *Node, w window) {
	disjoint := w.SH >= w.KH && w.SW >= w.KW
	covering := disjoint && w.SH == w.KH && w.SW == w.KW && w.OH*w.KH == w.H && w.OW*w.KW == w.W
	if !covering {
		c.MemFill(n.InGrad.Addr, n.InGrad.Bytes()-slack)
	}
	g, y, free, hit := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
	p.windows(c, n, w, func(out local, element func(func(local, int))) {
		c.Load(asm.V128Load, out, n.OutGrad.Addr)
		if p.max {
			c.Set(g)
			c.Load(asm.V128Load, out, n.Out.Addr)
			c.Set(y)
			c.I32x4(-1)
			c.Set(free)
		} else {
			c.F32x4(1 / float32(w.KH*w.KW))
			c.Op(asm.F32x4Mul)
			c.Set(g)
		}
		element(func(in local, offset int) {
			value := func() { c.Get(g) }
			if p.max { // the first that equals the maximum takes all
				c.Load(asm.V128Load, in, n.In.Addr+offset)
				c.Get(y)
				c.Op(asm.F32x4Eq)
				c.Get(free)
				c.Op(asm.V128And)
				c.Set(hit)
				c.Get(free, hit)
				c.Op(asm.V128AndNot)
				c.Set(free)
				value = func() {
					c.Get(g, hit)
					c.Op(asm.V128And)
				}
			}
			c.Get(in)
			if disjoint {
				value()
			} else {
				c.Load(asm.V128Load, in, n.InGrad.Addr+offset)
				value()
				c.Op(asm.F32x4Add)
			}
			c.Mem(asm.V128Store, n.InGrad.Addr+offset)
		})
	})
	c.Release(g, y, free, hit)
}
