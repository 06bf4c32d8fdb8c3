package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// panels are heavy convolutions' products of weights and images. For one element of the kernel at a time, a block of rows of
// the weights is spread over vectors, in a panel that fits the nearest cache, and meets all positions of the image before the
// next. Meanwhile the sums wait in the output's memory. Where a kernel's element meets no input at all, nothing is done.
type panels struct {
	in, out Buffer
	w       window // of the positions: those of the output, or of the input where to scatter
	addr    int    // of the panel
	weights weightTable
	groups  []blockRun
}

// weightTable says where the weight of row r, kernel element (i, j) and channel k of what is summed lies:
// addr + first + r·row + (i·KW + j)·tap + k·step (bytes).
type weightTable struct{ addr, first, row, tap, step int }

// panelPart is how many channels a panel takes at most, where they can be cut.
const panelPart = 128

func panelSteps(channels int) int {
	if channels%panelPart == 0 {
		return panelPart
	}
	return channels
}

// panelBytes is the size of the largest panel of a convolution.
func panelBytes(w window, filters int, t Tile) int {
	_, vectors := groupCount(laneGroups(t.Lanes / 4))
	backward := panelSteps(filters)
	if w.SH != 1 || w.SW != 1 {
		backward = filters
	}
	return 16 * maxRows(vectors) * max(panelSteps(w.C), backward)
}

// spread fills the panel with a block's weights, in the order [k][row]: steps channels from k on, of kernel element (i, j),
// for so many rows from row on.
func (p panels) spread(c *code, row, i, j, k local, rows, steps int) {
	from, to, n := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	scaled(c, i, p.w.KW)
	c.Get(j)
	c.Op(asm.I32Add)
	c.I32(p.weights.tap)
	c.Op(asm.I32Mul)
	scaled(c, row, p.weights.row)
	c.Op(asm.I32Add)
	scaled(c, k, p.weights.step)
	c.I32(p.weights.first)
	c.Op(asm.I32Add, asm.I32Add)
	c.Set(from)
	c.SetI32(to, 0)
	const unrolled = 4
	c.For(n, 0, steps, unrolled, func() {
		for u := range unrolled {
			for r := range rows {
				c.Get(to)
				c.Load(asm.V128Splat32, from, p.weights.addr+r*p.weights.row+u*p.weights.step)
				c.Mem(asm.V128Store, p.addr+16*(u*rows+r))
			}
		}
		c.AddTo(from, unrolled*p.weights.step)
		c.AddTo(to, unrolled*rows*16)
	})
	c.Release(from, to, n)
}

// positions are the outputs whose window has the kernel's element (i, j) inside the image.
type positions struct{ y0, y1, x0, x1 local }

// of runs body unless there are none.
func (p positions) of(c *code, w window, i, j local, body func()) {
	w.rows().outputs(c, p.y0, p.y1, i)
	w.cols().outputs(c, p.x0, p.x1, j)
	c.Get(p.y1, p.y0)
	c.Op(asm.I32GtS)
	c.Get(p.x1, p.x0)
	c.Op(asm.I32GtS, asm.I32And)
	c.If(body)
}

// each runs row for each image row of the positions, and body for each position and group of vectors, with the byte offsets
// of the image's site that the kernel's element meets there, and of the position; both are of channel 0.
func (p positions) each(c *code, w window, i, j, group local, groups, vectors, inSite, outSite int, body func(image, position local)) {
	y, x, in, out, image, position := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.Get(p.y0)
	c.Set(y)
	c.Repeat(w.OH, func() {
		w.element(c, y, i, p.x0, j, inSite)
		c.Set(in)
		scaled(c, y, w.OW)
		c.Get(p.x0)
		c.Op(asm.I32Add)
		c.I32(outSite)
		c.Op(asm.I32Mul)
		c.Set(out)
		c.Get(p.x0)
		c.Set(x)
		c.Repeat(w.OW, func() {
			c.For(group, 0, 16*vectors*groups, 16*vectors, func() {
				for _, a := range [][2]local{{image, in}, {position, out}} {
					c.Get(a[1], group)
					c.Op(asm.I32Add)
					c.Set(a[0])
				}
				body(image, position)
			})
			c.AddTo(in, w.SW*inSite)
			c.AddTo(out, outSite)
			c.AddTo(x, 1)
			c.Get(x, p.x1)
			c.Op(asm.I32LtS)
		})
		c.AddTo(y, 1)
		c.Get(y, p.y1)
		c.Op(asm.I32LtS)
	})
	c.Release(y, x, in, out, image, position)
}

// meets reports whether element i of the kernel sees the image at any output: 0 ≤ o·stride + i − before < size.
func (w axis) meets(i int) bool {
	first := max(0, (w.before-i+w.stride-1)/w.stride)
	last := w.size - 1 + w.before - i
	return last >= 0 && first <= min(last/w.stride, w.out-1)
}

// live is the range of the kernel's k elements that see the image at any output.
func (w axis) live(k int) (first, end int) {
	for first < k && !w.meets(first) {
		first++
	}
	for end = k; end > first && !w.meets(end-1); {
		end--
	}
	return first, end
}

func (w window) rows() axis { return axis{w.H, w.OH, w.SH, w.Top} }
func (w window) cols() axis { return axis{w.W, w.OW, w.SW, w.Left} }

// heavyForward and heavyBackward are the products for the output, and for the gradient by the input.
func (conv2d) heavyForward(n *Node, w window, groups []blockRun) panels {
	taps := w.KH * w.KW
	return panels{
		in: n.In, out: n.Out, w: w, addr: n.Pack, groups: groups,
		weights: weightTable{addr: n.weight().Value, row: 4 * taps * w.C, tap: 4 * w.C, step: 4},
	}
}

func (conv2d) heavyBackward(n *Node, w window, groups []blockRun) panels {
	taps := w.KH * w.KW
	p := panels{
		in: n.OutGrad, out: n.InGrad, w: w, addr: n.Pack, groups: groups,
		weights: weightTable{addr: n.weight().Value, row: 4, tap: 4 * w.C, step: 4 * taps * w.C},
	}
	if w.SH == 1 && w.SW == 1 { // the other way round
		p.w.H, p.w.W, p.w.C, p.w.OH, p.w.OW = w.OH, w.OW, n.Shape[2], w.H, w.W
		p.w.Top, p.w.Left = w.KH-1-w.Top, w.KW-1-w.Left
		p.weights.first, p.weights.tap = 4*w.C*(taps-1), -4*w.C
	}
	return p
}

// gather sets out[y,x,r] = Σ_i Σ_j Σ_k in[y·SH + i − Top, x·SW + j − Left, k]·W[r,i,j,k].
func (p panels) gather(c *code) {
	_, _, channels := hwc(p.in.Shape)
	_, _, rows := hwc(p.out.Shape)
	site, steps := p.in.Site(), panelSteps(channels)
	count, vectors := groupCount(p.groups)
	i, j, k, row, group, pa := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pos := positions{c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)}
	c.MemFill(p.out.Addr, p.out.Bytes()-slack)
	i0, i1 := p.w.rows().live(p.w.KH)
	j0, j1 := p.w.cols().live(p.w.KW)
	c.For(i, i0, i1, 1, func() {
		c.For(j, j0, j1, 1, func() {
			pos.of(c, p.w, i, j, func() {
				c.For(k, 0, channels, steps, func() {
					for _, run := range blocks(rows, maxRows(vectors)) {
						c.For(row, run.First, run.First+run.Count*run.Size, run.Size, func() {
							p.spread(c, row, i, j, k, run.Size, steps)
							pos.each(c, p.w, i, j, group, count, vectors, channels*site, rows*site, func(image, position local) {
								scaled(c, row, site)
								c.Get(position)
								c.Op(asm.I32Add)
								c.Set(position)
								scaled(c, k, site)
								c.Get(image)
								c.Op(asm.I32Add)
								c.Set(image)
								at := func(n int) int { return p.out.Addr + n/vectors*site + n%vectors*16 }
								acc := c.Locals(asm.V128, run.Size*vectors)
								c.Load(asm.V128Load, position, at(len(acc)-1))
								c.Op(asm.Drop)
								for n, a := range acc {
									c.Load(asm.V128Load, position, at(n))
									c.Set(a)
								}
								c.SetI32(pa, 0)
								product(c, acc, run.Size, vectors, steps,
									operand{Base: pa, Offset: p.addr, Row: 16, Step: 16 * run.Size},
									operand{Base: image, Offset: p.in.Addr, Row: 16, Step: site})
								for n, a := range acc {
									c.Get(position, a)
									c.Mem(asm.V128Store, at(n))
								}
								c.Release(acc...)
							})
						})
					}
				})
			})
		})
	})
	c.Release(i, j, k, row, group, pa, pos.y0, pos.y1, pos.x0, pos.x1)
}

// scatter sets out to the sum of what each position of in adds to the sites that its window meets, position by position in
// ascending order: Σ_k in[y,x,k]·W[r,i,j,k] at (y·SH + i − Top, x·SW + j − Left). Elements of the kernel are worked off from
// the last to the first, since a site meets a later position through an earlier element.
func (p panels) scatter(c *code) {
	_, _, channels := hwc(p.in.Shape)
	_, _, rows := hwc(p.out.Shape)
	site := p.in.Site()
	count, vectors := groupCount(p.groups)
	n, i, m, j, row, group, pa, zero := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pos := positions{c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)}
	c.MemFill(p.out.Addr, p.out.Bytes()-slack)
	c.SetI32(zero, 0)
	descend := func(counter, element local, w axis, k int, body func()) {
		first, end := w.live(k)
		c.For(counter, 0, end-first, 1, func() {
			c.I32(end - 1)
			c.Get(counter)
			c.Op(asm.I32Sub)
			c.Set(element)
			body()
		})
	}
	descend(n, i, p.w.rows(), p.w.KH, func() {
		descend(m, j, p.w.cols(), p.w.KW, func() {
			pos.of(c, p.w, i, j, func() {
				for _, run := range blocks(rows, maxRows(vectors)) {
					c.For(row, run.First, run.First+run.Count*run.Size, run.Size, func() {
						p.spread(c, row, i, j, zero, run.Size, channels)
						pos.each(c, p.w, i, j, group, count, vectors, rows*site, channels*site, func(image, position local) {
							scaled(c, row, site)
							c.Get(image)
							c.Op(asm.I32Add)
							c.Set(image)
							acc := accumulators(c, run.Size*vectors)
							c.SetI32(pa, 0)
							product(c, acc, run.Size, vectors, channels,
								operand{Base: pa, Offset: p.addr, Row: 16, Step: 16 * run.Size},
								operand{Base: position, Offset: p.in.Addr, Row: 16, Step: site})
							for n, a := range acc {
								at := p.out.Addr + n/vectors*site + n%vectors*16
								c.Get(image)
								c.Load(asm.V128Load, image, at)
								c.Get(a)
								c.Op(asm.F32x4Add)
								c.Mem(asm.V128Store, at)
							}
							c.Release(acc...)
						})
					})
				}
			})
		})
	})
	c.Release(n, i, m, j, row, group, pa, zero, pos.y0, pos.y1, pos.x0, pos.x1)
}

// finishAll adds the bias of each channel and applies the fused activation, where there is one.
func finishAll(c *code, out Buffer, bias int, fused string) {
	if bias == 0 && fused == "" {
		return
	}
	_, _, channels := hwc(out.Shape)
	site := out.Site()
	p, channel, position, v := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.V128)
	c.SetI32(p, 0)
	c.For(position, 0, out.Elements()/channels, 1, func() {
		c.For(channel, 0, 4*channels, 4, func() {
			for k := 0; k < site; k += 16 {
				c.Load(asm.V128Load, p, out.Addr+k)
				c.Set(v)
				finishOutputs(c, []local{v}, 1, 1, bias, channel, fused, p, out.Addr+k, site)
			}
			c.AddTo(p, site)
		})
	})
	c.Release(p, channel, position, v)
}
