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

func (g gather) emit(c *code) {
	height, width, channels := hwc(g.in.Shape)
	oh, ow, rows := hwc(g.out.Shape)
	site := g.in.Site()
	y, x, i := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	first, last := c.Local(asm.I32), c.Local(asm.I32) // rows of the kernel inside the image: first ≤ i < last
	inRow := c.Local(asm.I32)
	count, vectors := groupCount(g.groups)
	c.For(y, 0, oh, 1, func() {
		clip(c, first, last, y, g.sh, g.top, g.kh, height)
		for b, base := 0, 0; b < len(g.pack.rows); b++ {
			run := g.pack.rows[b]
			blockBytes := g.kh * g.kw * channels * run.Size * 16
			block, pblock, channel := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
			c.For(block, 0, run.Count, 1, func() {
				scaled(c, block, run.Size*4)
				c.I32(run.First * 4)
				c.Op(asm.I32Add)
				c.Set(channel)
				c.Get(first)
				c.Set(i)
				c.Repeat(g.kh, func() {
					// inRow: bytes of the image row that meets row i of the kernel
					scaled(c, y, g.sh)
					c.Get(i)
					c.Op(asm.I32Add)
					c.I32(g.top)
					c.Op(asm.I32Sub)
					c.I32(width * channels * site)
					c.Op(asm.I32Mul)
					c.Set(inRow)
					scaled(c, block, blockBytes)
					scaled(c, i, g.kw*channels*run.Size*16)
					c.Op(asm.I32Add)
					c.Set(pblock)
					c.For(x, 0, ow, 1, func() {
						g.position(c, run, base, position{
							y: y, x: x, i: i, first: first, last: last, inRow: inRow, pblock: pblock, channel: channel,
							ow: ow, rows: rows, width: width, channels: channels, groups: count, vectors: vectors,
						})
					})
					c.AddTo(i, 1)
					c.Get(i, last)
					c.Op(asm.I32LtU)
				})
			})
			c.Release(block, pblock, channel)
			base += run.Count * blockBytes
		}
	})
	c.Release(y, x, i, first, last, inRow)
}

type position struct {
	y, x, i, first, last, inRow, pblock, channel local
	ow, rows, width, channels, groups, vectors   int
}

// position advances the outputs of one block at (y, x) by row i of the kernel.
func (g gather) position(c *code, run blockRun, base int, p position) {
	site := g.in.Site()
	from, to, runs := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pa, pb, pg, group := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	clip(c, from, to, p.x, g.sw, g.left, g.kw, p.width)
	c.Get(to, from)
	c.Op(asm.I32Sub)
	c.Set(runs)
	c.For(group, 0, p.groups, 1, func() {
		c.Get(p.pblock)
		scaled(c, from, p.channels*run.Size*16)
		c.Op(asm.I32Add)
		c.Set(pa)
		// pb = inRow + (x·sw − left + from)·channels·site + group
		scaled(c, p.x, g.sw)
		c.Get(from)
		c.Op(asm.I32Add)
		c.I32(g.left)
		c.Op(asm.I32Sub)
		c.I32(p.channels * site)
		c.Op(asm.I32Mul)
		c.Get(p.inRow)
		c.Op(asm.I32Add)
		scaled(c, group, 16*p.vectors)
		c.Op(asm.I32Add)
		c.Set(pb)
		// pg = ((y·ow + x)·rows + channel/4)·site + group
		scaled(c, p.y, p.ow)
		c.Get(p.x)
		c.Op(asm.I32Add)
		c.I32(p.rows * site)
		c.Op(asm.I32Mul)
		scaled(c, p.channel, site/4)
		c.Op(asm.I32Add)
		scaled(c, group, 16*p.vectors)
		c.Op(asm.I32Add)
		c.Set(pg)
		acc := c.Locals(asm.V128, run.Size*p.vectors)
		at := func(n int) int { return g.out.Addr + n/p.vectors*site + n%p.vectors*16 }
		c.Get(p.i, p.first)
		c.Op(asm.I32Eq)
		c.IfElse(func() {
			for _, a := range acc {
				c.I32x4(0)
				c.Set(a)
			}
		}, func() {
			for n, a := range acc {
				c.Load(asm.V128Load, pg, at(n))
				c.Set(a)
			}
		})
		productRuns(c, acc, run.Size, p.vectors, runs, g.kw, p.channels,
			operand{Base: pa, Offset: g.pack.addr + base, Row: 16, Step: run.Size * 16},
			operand{Base: pb, Offset: g.in.Addr, Row: 16, Step: site})
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
				finishOutputs(c, acc, run.Size, p.vectors, g.bias, p.channel, g.fused, pg, g.out.Addr, site)
			}, store)
		}
		c.Release(acc...)
	})
	c.Release(from, to, runs, pa, pb, pg, group)
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
