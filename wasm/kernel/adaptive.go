package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// adaptivePool takes the maximum or the mean of each channel in as many windows as are asked for: along an axis of n inputs and m
// outputs, window o is ⌊o·n/m⌋ … ⌈(o+1)·n/m⌉ − 1 (PyTorch's rule). So they may overlap. A global one has one window and gives a row.
//
// A mean is the sum, row by row, divided by the number of elements. The gradient of a maximum goes to the first of equal elements,
// row by row; where windows overlap, gradients are added in the order of the outputs.
type adaptivePool struct {
	name        string
	max, global bool
}

func (p adaptivePool) Declaration() schema.Declaration {
	if p.global {
		return schema.Declaration{Name: p.name, Doc: "Maximum of each channel over the whole image."}
	}
	d := schema.Declaration{Name: p.name, Doc: "Mean of each channel in windows that divide the image into so many."}
	if p.max {
		d.Doc = "Maximum of each channel in windows that divide the image into so many."
	}
	d.Attributes = []schema.Attribute{{Name: "size", Kind: schema.Size, Doc: "Height and width of the output."}}
	return d
}

// axes are those of height and width; only their sizes are set.
func (p adaptivePool) axes(in []int, a schema.Attributes) (y, x mapped, err error) {
	if len(in) != 3 && (!p.global || len(in) != 2) {
		return y, x, fmt.Errorf("its input has the shape %v; an image [height, width, channels] is needed", in)
	}
	h, w, _ := hwc(in)
	y, x = mapped{in: h, out: 1}, mapped{in: w, out: 1}
	if !p.global {
		y.out, x.out = a.Size("size")
	}
	if y.out > y.in || x.out > x.in {
		return y, x, fmt.Errorf("%d×%d windows are more than the %d×%d elements of its input", y.out, x.out, y.in, x.in)
	}
	return y, x, nil
}

func (p adaptivePool) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	y, x, err := p.axes(in[0], a)
	if err != nil {
		return graph.Inference{}, err
	}
	if p.global {
		return graph.Inference{Shape: in[0][len(in[0])-1:]}, nil
	}
	return graph.Inference{Shape: shaped(in[0], y.out, x.out)}, nil
}

func (p adaptivePool) keepsOutput(*graph.Node) bool { return p.max }

func (adaptivePool) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (p adaptivePool) Emit(e *Emitter, n *Node) Kernels {
	y, x, err := p.axes(n.Node.In().Shape, n.Attributes)
	if err != nil {
		panic("kernel: " + err.Error()) // Infer has accepted it
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) { p.forward(c, n, y, x) })}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) { p.backward(c, n, y, x) })
	}
	return k
}

// most is the length of the longest window.
func (m mapped) most() int { return (m.in+m.out-1)/m.out + 1 }

// window sets the first element of window o and the one behind its last.
func (m mapped) window(c *code, first, end, o local) {
	scaled(c, o, m.in)
	c.I32(m.out)
	c.Op(asm.I32DivU)
	c.Set(first)
	scaled(c, o, m.in)
	c.I32(m.in + m.out - 1)
	c.Op(asm.I32Add)
	c.I32(m.out)
	c.Op(asm.I32DivU)
	c.Set(end)
}

// windows runs body for each vector of the output: count is the number of elements of its window in all lanes, and element runs its
// argument for each with its address, row by row.
func (p adaptivePool) windows(c *code, n *Node, y, x mapped, body func(out, count local, element func(func(in local)))) {
	_, width, channels := hwc(n.In.Shape)
	bytes := channels * n.In.Site()
	oy, ox, v, out, in := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	y0, y1, x0, x1, i, j := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	count := c.Local(asm.V128)
	next := func(k, end local) { // leaves whether there is one
		c.AddTo(k, 1)
		c.Get(k, end)
		c.Op(asm.I32LtU)
	}
	c.SetI32(out, 0)
	c.For(oy, 0, y.out, 1, func() {
		y.window(c, y0, y1, oy)
		c.For(ox, 0, x.out, 1, func() {
			x.window(c, x0, x1, ox)
			c.Get(y1, y0)
			c.Op(asm.I32Sub)
			c.Get(x1, x0)
			c.Op(asm.I32Sub, asm.I32Mul, asm.F32ConvS, asm.F32x4Splat)
			c.Set(count)
			c.For(v, 0, bytes, 16, func() {
				body(out, count, func(visit func(in local)) {
					c.Get(y0)
					c.Set(i)
					c.Repeat(y.most(), func() {
						c.Get(x0)
						c.Set(j)
						scaled(c, i, width)
						c.Get(x0)
						c.Op(asm.I32Add)
						c.I32(bytes)
						c.Op(asm.I32Mul)
						c.Get(v)
						c.Op(asm.I32Add)
						c.Set(in)
						c.Repeat(x.most(), func() {
							visit(in)
							c.AddTo(in, bytes)
							next(j, x1)
						})
						next(i, y1)
					})
				})
				c.AddTo(out, 16)
			})
		})
	})
	c.Release(oy, ox, v, out, in, y0, y1, x0, x1, i, j, count)
}

func (p adaptivePool) forward(c *code, n *Node, y, x mapped) {
	m := c.Local(asm.V128)
	p.windows(c, n, y, x, func(out, count local, element func(func(in local))) {
		if p.max {
			c.I32x4(-1 << 23) // −∞
		} else {
			c.I32x4(0)
		}
		c.Set(m)
		element(func(in local) {
			c.Get(m)
			c.Load(asm.V128Load, in, n.In.Addr)
			if p.max {
				c.Op(asm.F32x4PMax)
			} else {
				c.Op(asm.F32x4Add)
			}
			c.Set(m)
		})
		c.Get(out, m)
		if !p.max {
			c.Get(count)
			c.Op(asm.F32x4Div)
		}
		c.Mem(asm.V128Store, n.Out.Addr)
	})
	c.Release(m)
}

func (p adaptivePool) backward(c *code, n *Node, y, x mapped) {
	c.MemFill(n.InGrad.Addr, n.InGrad.Bytes()-slack)
	g, m, first := c.Local(asm.V128), c.Local(asm.V128), newFirst(c)
	p.windows(c, n, y, x, func(out, count local, element func(func(in local))) {
		c.Load(asm.V128Load, out, n.OutGrad.Addr)
		if p.max {
			c.Set(g)
			c.Load(asm.V128Load, out, n.Out.Addr)
			c.Set(m)
			first.reset()
		} else {
			c.Get(count)
			c.Op(asm.F32x4Div)
			c.Set(g)
		}
		element(func(in local) {
			c.Get(in)
			c.Load(asm.V128Load, in, n.InGrad.Addr)
			c.Get(g)
			if p.max {
				first.hit(func() {
					c.Load(asm.V128Load, in, n.In.Addr)
					c.Get(m)
					c.Op(asm.F32x4Eq)
				})
				c.Op(asm.V128And)
			}
			c.Op(asm.F32x4Add)
			c.Mem(asm.V128Store, n.InGrad.Addr)
		})
	})
	first.release()
	c.Release(g, m)
}
