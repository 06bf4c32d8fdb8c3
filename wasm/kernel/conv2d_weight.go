package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// weightGradient adds a tile's products of output gradients and inputs to the partial sums: one vector per weight
// [f, i, j, c], whose lanes are the examples ≡ l (mod 4), and one per bias.
//
// An image row of each side is worked off for one row of the kernel at a time, so that both stay in the nearest cache
// while all pairs of filters and channels meet.
func (d conv2d) weightGradient(c *code, n *Node, w window) {
	y, i, i1 := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	x0, runs, pin := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	site := n.In.Site()
	rowBytes := n.In.rowSites() * site
	c.For(y, 0, w.OH, 1, func() {
		if w.unrolled(n.Node) { // zeros are in memory: every element of the kernel meets every output
			c.SetI32(x0, 0)
			c.SetI32(runs, w.OW)
			c.For(i, 0, w.KH, 1, func() {
				scaled(c, y, w.SH)
				c.Get(i)
				c.Op(asm.I32Add)
				c.I32(rowBytes)
				c.Op(asm.I32Mul)
				c.Set(pin)
				d.weightRow(c, n, w, y, i, nil, x0, runs, pin, w.KW*w.C)
			})
			return
		}
		clip(c, i, i1, y, w.SH, w.Top, w.KH, w.H)
		j, x1 := c.Local(asm.I32), c.Local(asm.I32)
		c.Repeat(w.KH, func() {
			c.For(j, 0, w.KW, 1, func() {
				outputsOf(c, x0, x1, j, w)
				c.Get(x1, x0)
				c.Op(asm.I32Sub)
				c.Tee(runs)
				c.I32(0)
				c.Op(asm.I32GtS)
				c.If(func() {
					w.element(c, y, i, x0, j, w.C*site)
					c.Set(pin)
					d.weightRow(c, n, w, y, i, &j, x0, runs, pin, w.C)
				})
			})
			c.AddTo(i, 1)
			c.Get(i, i1)
			c.Op(asm.I32LtU)
		})
		c.Release(j, x1)
	})
	c.Release(y, i, i1, x0, runs, pin)
	d.biasGradient(c, n, w, weightSumBytes(n, w))
}

// weightSumBytes is the bytes of the weights' partial sums.
func weightSumBytes(n *Node, w window) int { return n.Shape[2] * w.KH * w.KW * w.C * 16 }

// outputsOf sets the range of output columns whose window has the kernel's column j inside the image:
// 0 ≤ x·SW + j − Left < W.
func outputsOf(c *code, x0, x1, j local, w window) {
	w.cols().outputs(c, x0, x1, j)
}

// axis is a window's geometry in one direction.
type axis struct{ size, out, stride, before int }

func (w axis) outputs(c *code, x0, x1, j local) {
	divide := func() {
		if w.stride > 1 {
			c.I32(w.stride)
			c.Op(asm.I32DivS)
		}
	}
	c.I32(w.before + w.stride - 1)
	c.Get(j)
	c.Op(asm.I32Sub)
	divide()
	c.Tee(x0)
	c.I32(0)
	c.Get(x0)
	c.I32(0)
	c.Op(asm.I32GtS, asm.Select)
	c.Set(x0)
	c.I32(w.size - 1 + w.before + w.stride) // one step further, so that the quotient is not rounded up from below zero
	c.Get(j)
	c.Op(asm.I32Sub)
	divide()
	c.Tee(x1)
	c.I32(w.out)
	c.Get(x1)
	c.I32(w.out)
	c.Op(asm.I32LtS, asm.Select)
	c.Set(x1)
}

// weightRow adds the products of one output row (from column x0, runs columns) with the input at pin for a run of
// consecutive weights: all channels of the kernel's element (i, j), or of its whole row i where j is nil.
func (conv2d) weightRow(c *code, n *Node, w window, y, i local, j *local, x0, runs, pin local, length int) {
	site := n.In.Site()
	vectors := n.Tile.Lanes / 4
	filters := n.Shape[2]
	weights := w.KH * w.KW * w.C // of a filter
	pout, pa, pb, pg := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	at, f, left, first := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	// pout = (y·OW + x0)·F·site; first = index of the first weight · 16
	scaled(c, y, w.OW)
	c.Get(x0)
	c.Op(asm.I32Add)
	c.I32(filters * site)
	c.Op(asm.I32Mul)
	c.Set(pout)
	scaled(c, i, w.KW*w.C*16)
	if j != nil {
		scaled(c, *j, w.C*16)
		c.Op(asm.I32Add)
	}
	c.Set(first)

	block := func(channels int) { // at: byte offset of the first channel's vector among the run's weights
		for _, run := range blocks(filters, maxRows(channels)) {
			c.For(f, run.First, run.First+run.Count*run.Size, run.Size, func() {
				scaled(c, f, weights*16)
				c.Get(first, at)
				c.Op(asm.I32Add, asm.I32Add)
				c.Set(pg)
				c.Get(pout)
				scaled(c, f, site)
				c.Op(asm.I32Add)
				c.Set(pa)
				c.Get(pin)
				scaled(c, at, site/16)
				c.Op(asm.I32Add)
				c.Set(pb)
				acc := c.Locals(asm.V128, run.Size*channels)
				place := func(k int) int { return n.Partial + (k/channels*weights+k%channels)*16 }
				c.Load(asm.V128Load, pg, place(len(acc)-1))
				c.Op(asm.Drop)
				for k, a := range acc {
					c.Load(asm.V128Load, pg, place(k))
					c.Set(a)
				}
				c.Get(runs)
				c.Set(left)
				a := operand{Base: pa, Offset: n.OutGrad.Addr, Row: site, Step: 16}
				b := operand{Base: pb, Offset: n.In.Addr, Row: site, Step: 16}
				c.Repeat(w.OW, func() {
					touch(c, a, run.Size, vectors)
					touch(c, b, channels, vectors)
					for v := range vectors {
						step(c, acc, run.Size, channels, a, b, v)
					}
					c.AddTo(pa, filters*site)
					c.AddTo(pb, w.SW*w.C*site)
					c.AddTo(left, -1)
					c.Get(left)
				})
				for k, a := range acc {
					c.Get(pg, a)
					c.Mem(asm.V128Store, place(k))
				}
				c.Release(acc...)
			})
		}
	}
	if pairs := length / 2; pairs > 0 {
		c.For(at, 0, pairs*32, 32, func() { block(2) })
	}
	if length%2 != 0 {
		c.SetI32(at, length/2*32)
		block(1)
	}
	c.Release(pout, pa, pb, pg, at, f, left, first)
}

// biasGradient adds the output gradients of all positions to the partial sums behind those of the weights.
func (conv2d) biasGradient(c *code, n *Node, w window, before int) {
	if _, ok := n.bias(); !ok {
		return
	}
	site := n.In.Site()
	filters := n.Shape[2]
	partial := n.Partial + before
	f, p, pos := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	for _, run := range blocks(filters, 8) {
		c.For(f, run.First, run.First+run.Count*run.Size, run.Size, func() {
			sums := c.Locals(asm.V128, run.Size)
			for r, s := range sums {
				scaled(c, f, 16)
				c.Mem(asm.V128Load, partial+r*16)
				c.Set(s)
			}
			scaled(c, f, site)
			c.Set(p)
			c.For(pos, 0, w.OH*w.OW, 1, func() {
				for r, s := range sums {
					for v := range n.Tile.Lanes / 4 {
						c.Get(s)
						c.Load(asm.V128Load, p, n.OutGrad.Addr+r*site+v*16)
						c.Op(asm.F32x4Add)
						c.Set(s)
					}
				}
				c.AddTo(p, filters*site)
			})
			for r, s := range sums {
				scaled(c, f, 16)
				c.Get(s)
				c.Mem(asm.V128Store, partial+r*16)
			}
			c.Release(sums...)
		})
	}
	c.Release(f, p, pos)
}

// finish folds the lanes of the partial sums into the gradients.
func (conv2d) finish(c *code, n *Node, w window, biasAlone bool) {
	filters, weights := n.Shape[2], w.KH*w.KW*w.C
	f, k, from, to := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	fold := func(grad int) {
		acc := c.Locals(asm.V128, 4)
		for i, a := range acc {
			c.Load(asm.V128Load, from, 16*i)
			c.Set(a)
		}
		c.Get(to)
		sumLanes(c, acc)
		c.Mem(asm.V128Store, grad)
		c.AddTo(from, 64)
		c.AddTo(to, 16)
		c.Release(acc...)
	}
	wt := n.weight()
	if biasAlone {
		weights = 0
	} else {
		c.SetI32(to, 0)
		c.For(f, 0, filters, 1, func() {
			scaled(c, f, weights*16)
			c.I32(n.Partial)
			c.Op(asm.I32Add)
			c.Set(from)
			c.For(k, 0, roundUp(weights, 4), 4, func() { fold(wt.Grad) })
		})
	}
	if b, ok := n.bias(); ok {
		c.SetI32(from, n.Partial+filters*weights*16)
		c.SetI32(to, 0)
		c.For(k, 0, roundUp(filters, 4), 4, func() { fold(b.Grad) })
	}
	c.Release(f, k, from, to)
}
