package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// wholeRows filters meet wholeColumns channels in a register block of wholeWeightGradient.
const wholeRows, wholeColumns = 2, 4

// wholeUnroll is the number of positions that one iteration works off.
func wholeUnroll(w window) int {
	if w.OH*w.OW < 8 {
		return 1
	}
	return 2
}

// wholeMemory says what lies in Scratch for wholeWeightGradient, with room for so many positions: the output's gradients as
// [filters/2][positions][2], and a panel of the image, [positions][4].
func wholeMemory(w window, filters, site int) (room, panel, bytes int) {
	room = roundUp(w.OH*w.OW, wholeUnroll(w))
	panel = room * filters * site
	return room, panel, panel + (room+wholeUnroll(w)-1)*wholeColumns*site // zeros reach further than what is read
}

// wholeWeightGradient sets the gradient by W where a tile is all of the microbatch: each weight's sum stays in a register
// until it is complete. For an element of the kernel, the positions that it meets are copied to where they are neighbours:
// the gradients once, the image for four channels, which then meet all filters. Zeros behind the last position change no sum,
// because none is ever −0.
func (d conv2d) wholeWeightGradient(c *code, n *Node, w window) {
	filters, site, wt := n.Shape[2], n.In.Site(), n.weight()
	vectors, unroll := n.Tile.Lanes/4, wholeUnroll(w)
	room, panel, _ := wholeMemory(w, filters, site)
	panel += n.Scratch
	i, j, f, ch := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pos := positions{c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)}
	y, x, count, left := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pa, pb, to, from := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)

	// collect runs body for each position, after row has been run for its row.
	collect := func(row, body func()) {
		c.Get(pos.y0)
		c.Set(y)
		c.Repeat(w.OH, func() {
			row()
			c.Get(pos.x0)
			c.Set(x)
			c.Repeat(w.OW, func() {
				body()
				c.AddTo(x, 1)
				c.Get(x, pos.x1)
				c.Op(asm.I32LtS)
			})
			c.AddTo(y, 1)
			c.Get(y, pos.y1)
			c.Op(asm.I32LtS)
		})
	}
	zero := func(at local, offset, bytes int) {
		for o := 0; o < bytes; o += 16 {
			c.Get(at)
			c.I32x4(0)
			c.Mem(asm.V128Store, offset+o)
		}
	}
	c.MemFill(wt.Grad, 4*filters*wt.GradStride)
	i0, i1 := w.rows().live(w.KH)
	j0, j1 := w.cols().live(w.KW)
	c.For(i, i0, i1, 1, func() {
		c.For(j, j0, j1, 1, func() {
			pos.of(c, w, i, j, func() {
				c.Get(pos.y1, pos.y0)
				c.Op(asm.I32Sub)
				c.Get(pos.x1, pos.x0)
				c.Op(asm.I32Sub, asm.I32Mul)
				c.Set(count)
				if unroll > 1 { // rounded up
					c.AddTo(count, unroll-1)
					c.Get(count)
					c.I32(^(unroll - 1))
					c.Op(asm.I32And)
					c.Set(count)
				}
				c.For(f, 0, filters, wholeRows, func() {
					scaled(c, f, room*site)
					c.Set(to)
					collect(func() {
						scaled(c, y, w.OW)
						c.Get(pos.x0)
						c.Op(asm.I32Add)
						c.I32(filters)
						c.Op(asm.I32Mul)
						c.Get(f)
						c.Op(asm.I32Add)
						c.I32(site)
						c.Op(asm.I32Mul)
						c.Set(from)
					}, func() {
						copyVectors(c, to, n.Scratch, from, n.OutGrad.Addr, wholeRows*site)
						c.AddTo(to, wholeRows*site)
						c.AddTo(from, filters*site)
					})
					if unroll > 1 {
						zero(to, n.Scratch, wholeRows*site)
					}
				})
				c.For(ch, 0, w.C, wholeColumns, func() {
					c.SetI32(pb, 0)
					collect(func() {
						w.element(c, y, i, pos.x0, j, w.C*site)
						scaled(c, ch, site)
						c.Op(asm.I32Add)
						c.Set(from)
					}, func() {
						copyVectors(c, pb, panel, from, n.In.Addr, wholeColumns*site)
						c.AddTo(pb, wholeColumns*site)
						c.AddTo(from, w.SW*w.C*site)
					})
					if unroll > 1 {
						zero(pb, panel, wholeColumns*site)
					}
					c.For(f, 0, filters, wholeRows, func() {
						acc := accumulators(c, wholeRows*wholeColumns)
						c.SetI32(pb, 0)
						scaled(c, f, room*site)
						c.Set(pa)
						c.Get(count)
						c.Set(left)
						c.Repeat(room/unroll, func() {
							for u := range unroll {
								a := operand{Base: pa, Offset: n.Scratch + u*wholeRows*site, Row: site, Step: 16}
								b := operand{Base: pb, Offset: panel + u*wholeColumns*site, Row: site, Step: 16}
								if u == 0 {
									c.Load(asm.V128Load, pa, n.Scratch+unroll*wholeRows*site-16)
									c.Op(asm.Drop)
									c.Load(asm.V128Load, pb, panel+unroll*wholeColumns*site-16)
									c.Op(asm.Drop)
								}
								for v := range vectors {
									step(c, acc, wholeColumns, wholeRows, b, a, v)
								}
							}
							c.AddTo(pa, unroll*wholeRows*site)
							c.AddTo(pb, unroll*wholeColumns*site)
							c.AddTo(left, -unroll)
							c.Get(left)
						})
						// to = ((f·KH + i)·KW + j)·C + ch, in floats
						scaled(c, f, w.KH)
						c.Get(i)
						c.Op(asm.I32Add)
						c.I32(w.KW)
						c.Op(asm.I32Mul)
						c.Get(j)
						c.Op(asm.I32Add)
						c.I32(w.C)
						c.Op(asm.I32Mul)
						c.Get(ch)
						c.Op(asm.I32Add)
						c.I32(4)
						c.Op(asm.I32Mul)
						c.Set(to)
						for r := range wholeRows {
							c.Get(to)
							sums := make([]local, wholeColumns)
							for k := range sums {
								sums[k] = acc[k*wholeRows+r]
							}
							sumLanes(c, sums)
							c.Mem(asm.V128Store, wt.Grad+r*4*wt.GradStride)
						}
						c.Release(acc...)
					})
				})
			})
		})
	})
	c.Release(i, j, f, ch, y, x, count, left, pa, pb, to, from, pos.y0, pos.y1, pos.x0, pos.x1)
	d.biasGradient(c, n, w, 0)
}

// copyVectors copies so many bytes, a multiple of 16, and of 128 above that.
func copyVectors(c *code, to local, toOffset int, from local, fromOffset, bytes int) {
	const most = 128
	if bytes > most {
		k, t, f := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		c.For(k, 0, bytes, most, func() {
			for _, a := range [][2]local{{t, to}, {f, from}} {
				c.Get(a[1], k)
				c.Op(asm.I32Add)
				c.Set(a[0])
			}
			copyVectors(c, t, toOffset, f, fromOffset, most)
		})
		c.Release(k, t, f)
		return
	}
	for o := bytes - 16; o >= 0; o -= 16 {
		c.Get(to)
		c.Load(asm.V128Load, from, fromOffset+o)
		c.Mem(asm.V128Store, toOffset+o)
	}
}
