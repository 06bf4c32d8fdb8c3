package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// lastAxis is what an operation works on that goes along the last axis of its values: they have so many positions with so
// many channels each. It works on sites; rows are copied.
type lastAxis struct {
	positions, channels int
	x, y, dy, dx        Buffer // sites
}

// lastAxisOf are the values of a node that keeps its input's shape. Copies of rows lie at an address, and take copiedBytes.
func lastAxisOf(n *Node, copies int) lastAxis {
	a := lastAxis{channels: n.Shape[len(n.Shape)-1], x: n.In, y: n.Out, dy: n.OutGrad, dx: n.InGrad}
	a.positions = schema.Elements(n.Shape) / a.channels
	if n.In.Layout == Rows {
		a.x = Buffer{Addr: copies, Layout: Sites, Shape: n.Shape, Lanes: n.Tile.Lanes}
		a.y, a.dy = a.x, a.x
		a.y.Addr += a.x.Bytes()
		a.dy.Addr += 2 * a.x.Bytes()
		a.dx = a.dy
	}
	return a
}

// copiedBytes is the memory that copies of rows take: inputs, outputs, gradients.
func copiedBytes(shape []int, in Layout, t Tile) int {
	if in == Sites {
		return 0
	}
	return 3 * Buffer{Layout: Sites, Shape: shape, Lanes: t.Lanes}.Bytes()
}

// relay copies between rows and sites, where these are not the same.
func relay(c *code, from, to Buffer) {
	if from.Layout != to.Layout {
		transpose(c, from, to)
	}
}

// each runs body for each position and each vector of its lanes, with the byte offset of the vector in the position's first
// site, and with 16 times the number of the vector.
func (a lastAxis) each(c *code, body func(at, number local)) {
	position, lane, start := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	at, number := c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(start, 0)
	c.SetI32(number, 0)
	c.For(position, 0, a.positions, 1, func() {
		c.For(lane, 0, a.x.Site(), 16, func() {
			c.Get(start, lane)
			c.Op(asm.I32Add)
			c.Set(at)
			body(at, number)
			c.AddTo(number, 16)
		})
		c.AddTo(start, a.channels*a.x.Site())
	})
	c.Release(position, lane, start, at, number)
}

// along runs body for each channel of a vector, with the offset of the channel's vector, and with 4 times its number.
func (a lastAxis) along(c *code, at local, body func(p, channel local)) {
	p, channel := c.Local(asm.I32), c.Local(asm.I32)
	c.Get(at)
	c.Set(p)
	c.For(channel, 0, 4*a.channels, 4, func() {
		body(p, channel)
		c.AddTo(p, a.x.Site())
	})
	c.Release(p, channel)
}

// addVector emits l ← l + what value pushes, of vectors.
func addVector(c *code, l local, value func()) {
	c.Get(l)
	value()
	c.Op(asm.F32x4Add)
	c.Set(l)
}

// foldVectors sets count floats at to from as many vectors, each the sum of its lanes (l0 + l2) + (l1 + l3). There is room
// for a multiple of four on both sides.
func foldVectors(c *code, from, count, to int) {
	i, p := c.Local(asm.I32), c.Local(asm.I32)
	acc := c.Locals(asm.V128, 4)
	c.For(i, 0, 4*roundUp(count, 4), 16, func() {
		scaled(c, i, 4)
		c.Set(p)
		for k, a := range acc {
			c.Load(asm.V128Load, p, from+16*k)
			c.Set(a)
		}
		c.Get(i)
		sumLanes(c, acc)
		c.Mem(asm.V128Store, to)
	})
	c.Release(acc...)
	c.Release(i, p)
}

// addVectorAt adds what value pushes to the vector in memory at p + offset.
func addVectorAt(c *code, p local, offset int, value func()) {
	c.Get(p)
	c.Load(asm.V128Load, p, offset)
	value()
	c.Op(asm.F32x4Add)
	c.Mem(asm.V128Store, offset)
}
