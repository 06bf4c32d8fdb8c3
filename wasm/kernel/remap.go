package kernel

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// remap makes an image [height, width, channels], or a sequence [length, channels], of another: an output's row and column say
// by themselves which row and column of the input it copies.
//
//	pad       zeros around the image, or, mode reflect, the image mirrored at its outermost elements
//	crop      without so many rows and columns
//	upsample  mode nearest: each element factor times (upsample.go has the other)
//
// The gradient by an input is the sum of those by its copies, over the outputs in their order.
type remap struct{ kind string }

// sides are the attributes of padding and cropping.
func sides(doc string) (list []schema.Attribute) {
	for _, name := range []string{"top", "bottom", "left", "right"} {
		list = append(list, schema.Attribute{
			Name: name, Kind: schema.Integer, Default: 0, Min: schema.AtLeast(0), Max: schema.AtMost(1 << 16), Doc: doc,
		})
	}
	return list
}

func (r remap) Declaration() schema.Declaration {
	if r.kind == "crop" {
		return schema.Declaration{
			Name: r.kind, Doc: "An image without some of its rows and columns; a sequence has only columns.", Attributes: sides("Rows or columns to leave out."),
		}
	}
	return schema.Declaration{
		Name: r.kind, Doc: "An image with rows and columns around it; a sequence has only columns.",
		Attributes: append(sides("Rows or columns to add."), schema.Attribute{
			Name: "mode", Kind: schema.Choice, Default: "zero", Choices: []string{"zero", "reflect"}, Doc: "Zeros, or what lies on the other side of the edge.",
		}),
	}
}

// mapped is how one axis of the output meets that of the input.
type mapped struct {
	in, out       int
	before, after int // added, or left out where negative
	factor        int // of nearest neighbours, else 0
	reflect       bool
}

// axesOf are those of height and width.
func axesOf(in []int, a schema.Attributes, kind string) (y, x mapped, err error) {
	if len(in) < 2 || len(in) > 3 {
		return y, x, fmt.Errorf("its input has the shape %v; an image [height, width, channels] or a sequence [length, channels] is needed", in)
	}
	h, w, _ := hwc(in)
	sign := 1
	if kind == "crop" {
		sign = -1
	}
	axis := func(size int, before, after string) mapped {
		m := mapped{in: size, before: sign * a.Int(before), after: sign * a.Int(after), reflect: kind == "pad" && a.Text("mode") == "reflect"}
		m.out = size + m.before + m.after
		return m
	}
	y, x = axis(h, "top", "bottom"), axis(w, "left", "right")
	switch {
	case len(in) == 2 && y.out != 1 || len(in) == 2 && y.before != 0:
		return y, x, fmt.Errorf("its input is a sequence; give left and right alone")
	case y.out < 1 || x.out < 1:
		return y, x, fmt.Errorf("nothing is left of its input of %d×%d", h, w)
	}
	for _, m := range []mapped{y, x} {
		if m.reflect && max(m.before, m.after) >= m.in {
			return y, x, fmt.Errorf("%d elements have no %d on the other side of their edge; reflect fewer", m.in, max(m.before, m.after))
		}
	}
	return y, x, nil
}

// shaped is a shape with other height and width.
func shaped(in []int, height, width int) []int {
	out := slices.Clone(in)
	out[len(in)-2] = width
	if len(in) == 3 {
		out[0] = height
	}
	return out
}

func (r remap) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	y, x, err := axesOf(in[0], a, r.kind)
	if err != nil {
		return graph.Inference{}, err
	}
	return graph.Inference{Shape: shaped(in[0], y.out, x.out)}, nil
}

func (remap) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (r remap) Emit(e *Emitter, n *Node) Kernels {
	y, x, err := axesOf(n.Node.In().Shape, n.Attributes, r.kind)
	if err != nil {
		panic("kernel: " + err.Error()) // Infer has accepted it
	}
	return emitRemap(e, n, y, x)
}

func emitRemap(e *Emitter, n *Node, y, x mapped) Kernels {
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		if y.partial() || x.partial() {
			c.MemFill(n.Out.Addr, n.Out.Bytes()-slack)
		}
		copied(c, n, y, x, func(from, to local, bytes int) {
			c.Get(to)
			c.I32(n.Out.Addr)
			c.Op(asm.I32Add)
			c.Get(from)
			c.I32(n.In.Addr)
			c.Op(asm.I32Add)
			c.MemCopy(bytes)
		})
	})}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) {
			c.MemFill(n.InGrad.Addr, n.InGrad.Bytes()-slack)
			v := c.Local(asm.I32)
			copied(c, n, y, x, func(from, to local, bytes int) {
				c.For(v, 0, bytes, 16, func() {
					c.Get(from)
					c.Load(asm.V128Load, from, n.InGrad.Addr)
					c.Load(asm.V128Load, to, n.OutGrad.Addr)
					c.Op(asm.F32x4Add)
					c.Mem(asm.V128Store, n.InGrad.Addr)
					c.AddTo(from, 16)
					c.AddTo(to, 16)
				})
			})
			c.Release(v)
		})
	}
	return k
}

// partial reports whether some outputs copy nothing.
func (m mapped) partial() bool { return !m.reflect && (m.before > 0 || m.after > 0) }

// index sets i to the element of the input that output o copies; where partial, it may be outside.
func (m mapped) index(c *code, i, o local) {
	c.Get(o)
	switch {
	case m.factor > 1:
		c.I32(m.factor)
		c.Op(asm.I32DivU)
	case m.before != 0:
		c.I32(m.before)
		c.Op(asm.I32Sub)
	}
	c.Set(i)
	if !m.reflect {
		return
	}
	mirror := func(condition func(), at int) { // at − i where the condition holds
		condition()
		c.If(func() {
			c.I32(at)
			c.Get(i)
			c.Op(asm.I32Sub)
			c.Set(i)
		})
	}
	mirror(func() {
		c.Get(i)
		c.I32(0)
		c.Op(asm.I32LtS)
	}, 0)
	mirror(func() {
		c.Get(i)
		c.I32(m.in)
		c.Op(asm.I32GeS)
	}, 2*(m.in-1))
}

// within pushes whether i is inside.
func (m mapped) within(c *code, i local) {
	c.Get(i)
	c.I32(m.in)
	c.Op(asm.I32LtU)
}

// copied runs body for each position of the output that copies one of the input, with both byte offsets and the bytes of all
// channels there.
func copied(c *code, n *Node, y, x mapped, body func(from, to local, bytes int)) {
	_, width, channels := hwc(n.In.Shape)
	bytes := channels * n.In.Site()
	oy, ox, iy, ix := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	from, to := c.Local(asm.I32), c.Local(asm.I32)
	guarded := func(m mapped, i local, inner func()) {
		if !m.partial() {
			inner()
			return
		}
		m.within(c, i)
		c.If(inner)
	}
	c.For(oy, 0, y.out, 1, func() {
		y.index(c, iy, oy)
		guarded(y, iy, func() {
			c.For(ox, 0, x.out, 1, func() {
				x.index(c, ix, ox)
				guarded(x, ix, func() {
					scaled(c, iy, width)
					c.Get(ix)
					c.Op(asm.I32Add)
					c.I32(bytes)
					c.Op(asm.I32Mul)
					c.Set(from)
					scaled(c, oy, x.out)
					c.Get(ox)
					c.Op(asm.I32Add)
					c.I32(bytes)
					c.Op(asm.I32Mul)
					c.Set(to)
					body(from, to, bytes)
				})
			})
		})
	})
	c.Release(oy, ox, iy, ix, from, to)
}
