package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// packForward spreads W [f, k] (k = (i·KW + j)·C + c) over vectors.
func (conv2d) packForward(c *code, n *Node, w window, p pack) {
	steps := w.KH * w.KW * w.C
	from, to, b, k := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(from, n.weight().Value)
	c.SetI32(to, p.addr)
	for _, run := range p.rows {
		c.For(b, 0, run.Count, 1, func() {
			c.For(k, 0, steps, 1, func() {
				for r := range run.Size {
					c.Get(to)
					c.Load(asm.V128Splat32, from, r*steps*4)
					c.Mem(asm.V128Store, r*16)
				}
				c.AddTo(from, 4)
				c.AddTo(to, run.Size*16)
			})
			c.AddTo(from, (run.Size-1)*steps*4)
		})
	}
	c.Release(from, to, b, k)
}

// finishOutputs adds the bias of the rows from channel (bytes/4 of the local) on, applies the fused activation and
// stores the register block at out.
func finishOutputs(c *code, acc []local, rows, cols int, bias int, channel local, fused string, out local, addr, site int) {
	for r := range rows {
		var b local
		if bias != 0 {
			b = c.Local(asm.V128)
			c.Load(asm.V128Splat32, channel, bias+4*r)
			c.Set(b)
		}
		for v := range cols {
			c.Get(out, acc[r*cols+v])
			if bias != 0 {
				c.Get(b)
				c.Op(asm.F32x4Add)
			}
			fuse(c, fused)
			c.Mem(asm.V128Store, addr+r*site+v*16)
		}
		if bias != 0 {
			c.Release(b)
		}
	}
}

// forwardUnrolled has all products of an output in one straight line; the input has its zeros in memory.
func (conv2d) forwardUnrolled(c *code, n *Node, w window, p pack, groups []blockRun) {
	steps := w.KH * w.KW * w.C
	site := n.In.Site()
	rowBytes := n.In.rowSites() * site
	y, x := c.Local(asm.I32), c.Local(asm.I32)
	in, out, at, to := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pw, channel, b, g := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	bias := 0
	if p, ok := n.bias(); ok {
		bias = p.Value
	}
	count, width := groupCount(groups)
	c.SetI32(out, 0)
	c.For(y, 0, w.OH, 1, func() {
		scaled(c, y, w.SH*rowBytes)
		c.Set(in)
		c.For(x, 0, w.OW, 1, func() {
			c.For(g, 0, count, 1, func() {
				group := func(from, to local) {
					c.Get(from)
					scaled(c, g, 16*width)
					c.Op(asm.I32Add)
					c.Set(to)
				}
				group(in, at)
				group(out, to)
				c.SetI32(pw, p.addr)
				c.SetI32(channel, 0)
				for _, run := range p.rows {
					c.For(b, 0, run.Count, 1, func() {
						acc := accumulators(c, run.Size*width)
						a := operand{Base: pw, Row: 16, Step: run.Size * 16}
						touch(c, a, run.Size, steps)
						last := operand{Base: at, Offset: n.In.Addr + (w.KH-1)*rowBytes, Row: 16, Step: site}
						touch(c, last, width, w.KW*w.C)
						k := 0
						for i := range w.KH {
							o := operand{Base: at, Offset: n.In.Addr + i*rowBytes - k*site, Row: 16, Step: site}
							for range w.KW * w.C {
								step(c, acc, run.Size, width, a, o, k)
								k++
							}
						}
						c.AddTo(pw, steps*run.Size*16)
						finishOutputs(c, acc, run.Size, width, bias, channel, n.Fused, to, n.Out.Addr, site)
						c.AddTo(to, run.Size*site)
						c.AddTo(channel, run.Size*4)
						c.Release(acc...)
					})
				}
			})
			c.AddTo(in, w.SW*w.C*site)
			c.AddTo(out, n.Shape[2]*site)
		})
	})
	c.Release(y, x, in, out, at, to, pw, channel, b, g)
}

// gather is out[y,x,r] = Σ_i Σ_j Σ_c in[y·sh + i − top, x·sw + j − left, c]·W[r,i,j,c] over what lies inside the image.
//
// Long windows do not fit the cache beside their weights, so the sum is cut at the kernel's rows: for one row of the
// kernel all outputs of an image row are advanced, and wait in the output's memory meanwhile. The order of additions
// stays i, j, c.
type gather struct {
	in, out   Buffer
	pack      pack
	kh, kw    int
	sh, sw    int
	top, left int
	bias      int // address, 0 for none
	fused     string
	groups    []blockRun
}

// clipped reports whether some outputs' windows reach over the left or right edge of the image.
func (g gather) clipped() bool {
	_, width, _ := hwc(g.in.Shape)
	_, ow, _ := hwc(g.out.Shape)
	return g.left > 0 || (ow-1)*g.sw-g.left+g.kw > width
}

func (g gather) emit(c *code) {
	height, width, channels := hwc(g.in.Shape)
	oh, ow, rows := hwc(g.out.Shape)
	site := g.in.Site()
	y, x, i := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	first, last := c.Local(asm.I32), c.Local(asm.I32) // rows of the kernel inside the image: first ≤ i < last
	block, weights, channel := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	in, out := c.Local(asm.I32), c.Local(asm.I32)
	c.For(y, 0, oh, 1, func() {
		clip(c, first, last, y, g.sh, g.top, g.kh, height)
		base := g.pack.addr
		for _, run := range g.pack.rows {
			blockBytes := 16 * run.Size * g.kh * g.kw * channels
			c.For(block, 0, run.Count, 1, func() {
				scaled(c, block, run.Size*4)
				c.I32(run.First * 4)
				c.Op(asm.I32Add)
				c.Set(channel)
				c.Get(first)
				c.Set(i)
				c.Repeat(g.kh, func() {
					// in: the image row that meets row i of the kernel, at the column of the first output's window
					scaled(c, y, g.sh)
					c.Get(i)
					c.Op(asm.I32Add)
					c.I32(g.top)
					c.Op(asm.I32Sub)
					c.I32(width * channels * site)
					c.Op(asm.I32Mul)
					c.I32(g.left * channels * site)
					c.Op(asm.I32Sub)
					c.Set(in)
					scaled(c, block, blockBytes)
					scaled(c, i, g.kw*channels*16*run.Size)
					c.Op(asm.I32Add)
					c.Set(weights)
					scaled(c, y, ow*rows*site)
					scaled(c, channel, site/4)
					c.Op(asm.I32Add)
					c.Set(out)
					c.For(x, 0, ow, 1, func() {
						g.position(c, run.Size, base, x, position{
							first: first, last: last, i: i, in: in, out: out, weights: weights, channel: channel,
						})
						c.AddTo(in, g.sw*channels*site)
						c.AddTo(out, rows*site)
					})
					c.AddTo(i, 1)
					c.Get(i, last)
					c.Op(asm.I32LtU)
				})
			})
			base += run.Count * blockBytes
		}
	})
	c.Release(y, x, i, first, last, block, weights, channel, in, out)
}

// position is where a register block stands: the locals of emit.
type position struct{ i, first, last, in, out, weights, channel local }

// position advances the outputs of one block at column x by row i of the kernel. base is the address of the first block
// of the same height.
func (g gather) position(c *code, rows, base int, x local, p position) {
	_, width, channels := hwc(g.in.Shape)
	site := g.in.Site()
	count, vectors := groupCount(g.groups)
	from, runs := c.Local(asm.I32), c.Local(asm.I32)
	pa, pb, pg, group := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	if g.clipped() {
		clip(c, from, runs, x, g.sw, g.left, g.kw, width)
		c.Get(runs, from)
		c.Op(asm.I32Sub)
		c.Set(runs)
	}
	// offset pushes l, moved by the columns that clipping skips and by the group.
	offset := func(l local, column, vector int) {
		c.Get(l)
		if g.clipped() && column > 0 {
			scaled(c, from, column)
			c.Op(asm.I32Add)
		}
		if count > 1 && vector > 0 {
			scaled(c, group, vector)
			c.Op(asm.I32Add)
		}
	}
	c.For(group, 0, count, 1, func() {
		offset(p.weights, channels*16*rows, 0)
		c.Set(pa)
		offset(p.in, channels*site, 16*vectors)
		c.Set(pb)
		offset(p.out, 0, 16*vectors)
		c.Set(pg)
		acc := c.Locals(asm.V128, rows*vectors)
		at := func(n int) int { return g.out.Addr + n/vectors*site + n%vectors*16 }
		c.Get(p.i, p.first)
		c.Op(asm.I32Eq)
		c.IfElse(func() {
			for _, a := range acc {
				c.I32x4(0)
				c.Set(a)
			}
		}, func() {
			c.Load(asm.V128Load, pg, at(len(acc)-1))
			c.Op(asm.Drop)
			for n, a := range acc {
				c.Load(asm.V128Load, pg, at(n))
				c.Set(a)
			}
		})
		a := operand{Base: pa, Offset: base, Row: 16, Step: 16 * rows}
		b := operand{Base: pb, Offset: g.in.Addr, Row: 16, Step: site}
		if g.clipped() {
			productRuns(c, acc, rows, vectors, runs, g.kw, channels, a, b)
		} else {
			product(c, acc, rows, vectors, g.kw*channels, a, b)
		}
		store := func() {
			for n, a := range acc {
				c.Get(pg, a)
				c.Mem(asm.V128Store, at(n))
			}
		}
		if g.bias == 0 && g.fused == "" {
			store()
		} else {
			c.Get(p.i)
			c.I32(1)
			c.Op(asm.I32Add)
			c.Get(p.last)
			c.Op(asm.I32Eq)
			c.IfElse(func() {
				finishOutputs(c, acc, rows, vectors, g.bias, p.channel, g.fused, pg, g.out.Addr, site)
			}, store)
		}
		c.Release(acc...)
	})
	c.Release(from, runs, pa, pb, pg, group)
}

// clip sets the range of kernel elements that meet the image at output o: first = max(0, before − o·stride) and
// last = min(k, size + before − o·stride).
func clip(c *code, first, last, o local, stride, before, k, size int) {
	c.I32(before)
	scaled(c, o, stride)
	c.Op(asm.I32Sub)
	c.Tee(first)
	c.I32(0)
	c.Get(first)
	c.I32(0)
	c.Op(asm.I32GtS, asm.Select)
	c.I32(size + before)
	scaled(c, o, stride)
	c.Op(asm.I32Sub)
	c.Set(last)
	c.Set(first)
	c.Get(last)
	c.I32(k)
	c.Get(last)
	c.I32(k)
	c.Op(asm.I32LtS, asm.Select)
	c.Set(last)
}
