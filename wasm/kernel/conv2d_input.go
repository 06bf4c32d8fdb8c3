package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// packBackward spreads W for the gradient by the input: rows are input channels. At stride 1 the steps are i', j', f
// with i' = KH−1−i and j' = KW−1−j, because outputs are then met in ascending order; else they are i, j, f.
func (conv2d) packBackward(c *code, n *Node, w window, p pack) {
	filters := n.Shape[2]
	perFilter := w.KH * w.KW * w.C * 4
	mirrored := w.SH == 1 && w.SW == 1
	to, from, b, t, f := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(to, p.addr)
	taps := w.KH * w.KW
	for _, run := range p.rows {
		c.For(b, 0, run.Count, 1, func() {
			c.For(t, 0, taps, 1, func() {
				if mirrored {
					c.I32(taps - 1)
					c.Get(t)
					c.Op(asm.I32Sub)
				} else {
					c.Get(t)
				}
				c.I32(w.C * 4)
				c.Op(asm.I32Mul)
				scaled(c, b, run.Size*4)
				c.Op(asm.I32Add)
				c.Set(from)
				c.For(f, 0, filters, 1, func() {
					for r := range run.Size {
						c.Get(to)
						c.Load(asm.V128Splat32, from, n.weight().Value+(run.First+r)*4)
						c.Mem(asm.V128Store, r*16)
					}
					c.AddTo(from, perFilter)
					c.AddTo(to, run.Size*16)
				})
			})
		})
	}
	c.Release(to, from, b, t, f)
}

// inputGradient sets InGrad. At stride 1 it is itself a gather over the outputs, with the mirrored kernel.
func (d conv2d) inputGradient(c *code, n *Node, w window, p pack, groups []blockRun) {
	if w.SH == 1 && w.SW == 1 {
		gather{
			in: n.OutGrad, out: n.InGrad, pack: p, kh: w.KH, kw: w.KW, sh: 1, sw: 1,
			top: w.KH - 1 - w.Top, left: w.KW - 1 - w.Left, groups: groups,
		}.emit(c)
		return
	}
	d.scatter(c, n, w, p, groups)
}

// scatter adds each output's gradient to the inputs that its window met, in the order oy, ox, i, j; over the filters
// the products of one output are summed first.
func (conv2d) scatter(c *code, n *Node, w window, p pack, groups []blockRun) {
	site := n.InGrad.Site()
	filters := n.Shape[2]
	count, vectors := groupCount(groups)
	c.MemFill(n.InGrad.Addr, n.InGrad.Bytes()-slack)
	y, x, i, j := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	i1, j0, j1 := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pa, pb, pg, group, block := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.For(y, 0, w.OH, 1, func() {
		c.For(x, 0, w.OW, 1, func() {
			clip(c, i, i1, y, w.SH, w.Top, w.KH, w.H)
			clip(c, j0, j1, x, w.SW, w.Left, w.KW, w.W)
			c.Repeat(w.KH, func() {
				c.Get(j0)
				c.Set(j)
				c.Repeat(w.KW, func() {
					c.For(group, 0, count, 1, func() {
						base := 0
						for _, run := range p.rows {
							blockBytes := 16 * run.Size * w.KH * w.KW * filters
							c.For(block, 0, run.Count, 1, func() {
								scaled(c, block, blockBytes)
								scaled(c, i, w.KW)
								c.Get(j)
								c.Op(asm.I32Add)
								c.I32(filters * 16 * run.Size)
								c.Op(asm.I32Mul, asm.I32Add)
								c.Set(pa)
								scaled(c, y, w.OW)
								c.Get(x)
								c.Op(asm.I32Add)
								c.I32(filters * site)
								c.Op(asm.I32Mul)
								scaled(c, group, 16*vectors)
								c.Op(asm.I32Add)
								c.Set(pb)
								w.element(c, y, i, x, j, w.C*site)
								scaled(c, block, run.Size*site)
								c.Op(asm.I32Add)
								scaled(c, group, 16*vectors)
								c.Op(asm.I32Add)
								c.Set(pg)
								acc := accumulators(c, run.Size*vectors)
								product(c, acc, run.Size, vectors, filters,
									operand{Base: pa, Offset: p.addr + base, Row: 16, Step: 16 * run.Size},
									operand{Base: pb, Offset: n.OutGrad.Addr, Row: 16, Step: site})
								for k, a := range acc {
									at := n.InGrad.Addr + (run.First+k/vectors)*site + k%vectors*16
									c.Get(pg)
									c.Load(asm.V128Load, pg, at)
									c.Get(a)
									c.Op(asm.F32x4Add)
									c.Mem(asm.V128Store, at)
								}
								c.Release(acc...)
							})
							base += run.Count * blockBytes
						}
					})
					c.AddTo(j, 1)
					c.Get(j, j1)
					c.Op(asm.I32LtU)
				})
				c.AddTo(i, 1)
				c.Get(i, i1)
				c.Op(asm.I32LtU)
			})
		})
	})
	c.Release(y, x, i, j, i1, j0, j1, pa, pb, pg, group, block)
}
