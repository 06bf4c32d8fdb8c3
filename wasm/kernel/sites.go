package kernel

import (
	"slices"

	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// onSites makes an operation that knows sites alone work on rows, too: these are copied to sites, and back. Values of rank 1
// are rows, all others are sites.
type onSites struct{ Op }

func (onSites) reads(n *graph.Node) Layout { return layoutOf(n.In().Shape) }

func (o onSites) keepsOutput(n *graph.Node) bool {
	k, ok := o.Op.(interface{ keepsOutput(n *graph.Node) bool })
	return ok && k.keepsOutput(n)
}

// layoutOf is that of values of a shape.
func layoutOf(shape []int) Layout {
	if len(shape) == 1 {
		return Rows
	}
	return Sites
}

// copied reports whether anything that a node reads or makes is rows.
func (onSites) copied(n *graph.Node) bool {
	return layoutOf(n.Shape) == Rows || slices.ContainsFunc(n.Inputs, func(in *graph.Node) bool { return layoutOf(in.Shape) == Rows })
}

// copies are the sites of whatever is rows among these shapes, one behind the other from an address on, and what they take.
// The others have the layout Either.
func (onSites) copies(shapes [][]int, lanes, addr int) (list []Buffer, bytes int) {
	for _, shape := range shapes {
		b := Buffer{Layout: Either}
		if layoutOf(shape) == Rows {
			b = Buffer{Layout: Sites, Shape: shape, Lanes: lanes, Addr: addr + bytes}
			bytes += b.Bytes()
		}
		list = append(list, b)
	}
	return list, bytes
}

// shapes of what a node reads, and then of what it makes.
func (onSites) shapes(n *graph.Node) (list [][]int) {
	for _, in := range n.Inputs {
		list = append(list, in.Shape)
	}
	return append(list, n.Shape)
}

// Place has the copies of values in Saved and those of gradients in Scratch, behind what the operation has there.
func (o onSites) Place(n *graph.Node, _ Layout, t Tile) Placement {
	p := o.Op.Place(n, Sites, t)
	if !o.copied(n) {
		return p
	}
	_, bytes := o.copies(o.shapes(n), t.Lanes, 0)
	p.Out, p.InPlace, p.Saved, p.Scratch = layoutOf(n.Shape), false, p.Saved+bytes, p.Scratch+bytes
	return p
}

func (o onSites) Emit(e *Emitter, n *Node) Kernels {
	if !o.copied(n.Node) {
		return o.Op.Emit(e, n)
	}
	own := o.Op.Place(n.Node, Sites, n.Tile)
	values, _ := o.copies(o.shapes(n.Node), n.Tile.Lanes, n.Saved+own.Saved)
	grads, _ := o.copies(o.shapes(n.Node), n.Tile.Lanes, n.Scratch+own.Scratch)
	inner := *n
	inner.Ins, inner.InGrads = slices.Clone(n.Ins), slices.Clone(n.InGrads)
	type relay struct{ rows, sites Buffer }
	replace := func(b *Buffer, by Buffer, list *[]relay) {
		if by.Layout == Sites && b.Addr != 0 {
			*list = append(*list, relay{*b, by})
			*b = by
		}
	}
	var ins, inGrads, out, outGrad []relay
	last := len(n.Inputs)
	for i := range n.Inputs {
		replace(&inner.Ins[i], values[i], &ins)
		replace(&inner.InGrads[i], grads[i], &inGrads)
	}
	replace(&inner.Out, values[last], &out)
	replace(&inner.OutGrad, grads[last], &outGrad)
	inner.In, inner.InGrad = inner.Ins[0], inner.InGrads[0]
	k := o.Op.Emit(e, &inner)
	wrap := func(name string, f *Fn, before, after []relay) *Fn {
		if f == nil {
			return nil
		}
		return e.define(n.Name+name, func(c *code) {
			for _, r := range before {
				transpose(c, r.rows, r.sites)
			}
			call(c, *f)
			for _, r := range after {
				transpose(c, r.sites, r.rows)
			}
		})
	}
	same := k.Infer == k.Forward
	k.Forward = wrap(".forward-rows", k.Forward, ins, out)
	if same {
		k.Infer = k.Forward
	} else {
		k.Infer = wrap(".infer-rows", k.Infer, ins, out)
	}
	k.Backward = wrap(".backward-rows", k.Backward, outGrad, inGrads)
	return k
}

// siteLoop visits the vectors of sites, in the order of positions, channels and lanes. begin and end come before and after those
// of a channel at a position; vector gets an address without that of the buffer, and an offset to add to both.
type siteLoop struct {
	begin, end func(channel local)
	vector     func(at local, offset int)
	also       []local // what advances as at does
}

// run emits the loop over all buffers of this shape.
func (l siteLoop) run(c *code, b Buffer) {
	_, _, channels := hwc(b.Shape)
	unrolled := min(b.Lanes/4, 4) // lanes are 4, 8, 12 or a multiple of 16
	position, channel, v, at := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(at, 0)
	c.For(position, 0, b.Elements()/channels, 1, func() {
		c.For(channel, 0, channels, 1, func() {
			if l.begin != nil {
				l.begin(channel)
			}
			c.For(v, 0, b.Site(), 16*unrolled, func() {
				for i := range unrolled {
					l.vector(at, 16*i)
				}
				for _, p := range append([]local{at}, l.also...) {
					c.AddTo(p, 16*unrolled)
				}
			})
			if l.end != nil {
				l.end(channel)
			}
		})
	})
	c.Release(position, channel, v, at)
}

// laneSums are sums over examples, of which the four lanes of a vector have a part each: those ≡ l (mod 4).
type laneSums struct{ addr, count int }

// bytes that they take; fold reads whole fours of each row.
func (s laneSums) bytes() int { return roundUp(s.count, 4)*16 + 3*16 }

// clear zeroes them, for PrepareBackward.
func (s laneSums) clear(c *code) { c.MemFill(s.addr, s.bytes()) }

// fold makes (s0 + s2) + (s1 + s3) of each, for Finish.
func (s laneSums) fold(c *code, to int) { s.foldRows(c, 1, to, 0) }

// foldRows does so for so many rows, one behind the other, of which the results are stride bytes apart.
func (s laneSums) foldRows(c *code, rows, to, stride int) {
	cols := s.count / rows
	row, from, p, at := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.For(row, 0, rows, 1, func() {
		scaled(c, row, 16*cols)
		c.Set(from)
		scaled(c, row, stride)
		c.Set(at)
		c.For(p, 0, roundUp(cols, 4), 4, func() {
			acc := c.Locals(asm.V128, 4)
			for i, a := range acc {
				c.Load(asm.V128Load, from, s.addr+16*i)
				c.Set(a)
			}
			c.Get(at)
			sumLanes(c, acc)
			c.Mem(asm.V128Store, to)
			c.AddTo(from, 64)
			c.AddTo(at, 16)
			c.Release(acc...)
		})
	})
	c.Release(row, from, p, at)
}
