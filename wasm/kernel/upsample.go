package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// upsample makes an image so many times as high and wide.
//
// Mode bilinear is PyTorch's with align_corners=False. Output o of an axis lies at s = max((o + ½)·(1/factor) − ½, 0) of the input;
// with i = ⌊s⌋, j = min(i + 1, size − 1), b = s − i and a = 1 − b it is, of both axes,
//
//	y = ay·(ax·x[iy,ix] + bx·x[iy,jx]) + by·(ax·x[jy,ix] + bx·x[jy,jx])
//
// and each of the four inputs gets, in this order, g·(ay·ax), g·(ay·bx), g·(by·ax), g·(by·bx), over the outputs in theirs.
type upsample struct{}

// mostUpsampled bounds a factor.
const mostUpsampled = 64

func (upsample) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "upsample", Doc: "An image so many times as high and wide; a sequence has only columns.",
		Attributes: []schema.Attribute{
			{Name: "factor", Kind: schema.Size, Default: 2, Doc: "How many times as high and wide."},
			{Name: "mode", Kind: schema.Choice, Default: "nearest", Choices: []string{"nearest", "bilinear"}, Doc: "Copies, or means of neighbours (as PyTorch's with align_corners=False)."},
		},
	}
}

func (upsample) axes(in []int, a schema.Attributes) (y, x mapped, err error) {
	if len(in) < 2 || len(in) > 3 {
		return y, x, fmt.Errorf("its input has the shape %v; an image [height, width, channels] or a sequence [length, channels] is needed", in)
	}
	h, w, _ := hwc(in)
	fy, fx := a.Size("factor")
	if len(in) == 2 {
		fy = 1
	}
	if max(fy, fx) > mostUpsampled {
		return y, x, fmt.Errorf("a factor of %d is more than %d", max(fy, fx), mostUpsampled)
	}
	return mapped{in: h, out: h * fy, factor: fy}, mapped{in: w, out: w * fx, factor: fx}, nil
}

func (u upsample) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	y, x, err := u.axes(in[0], a)
	if err != nil {
		return graph.Inference{}, err
	}
	return graph.Inference{Shape: shaped(in[0], y.out, x.out)}, nil
}

func (upsample) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (u upsample) Emit(e *Emitter, n *Node) Kernels {
	y, x, err := u.axes(n.Node.In().Shape, n.Attributes)
	if err != nil {
		panic("kernel: " + err.Error()) // Infer has accepted it
	}
	if n.Attributes.Text("mode") == "nearest" {
		return emitRemap(e, n, y, x)
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		bilinear(c, n, y, x, func(p corners, out local) {
			row := func(far int) { // a·x[i] + b·x[j]
				c.Get(p.x.near)
				c.Load(asm.V128Load, p.at[far], n.In.Addr)
				c.Op(asm.F32x4Mul)
				c.Get(p.x.far)
				c.Load(asm.V128Load, p.at[far+1], n.In.Addr)
				c.Op(asm.F32x4Mul, asm.F32x4Add)
			}
			c.Get(out)
			c.Get(p.y.near)
			row(0)
			c.Op(asm.F32x4Mul)
			c.Get(p.y.far)
			row(2)
			c.Op(asm.F32x4Mul, asm.F32x4Add)
			c.Mem(asm.V128Store, n.Out.Addr)
		})
	})}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) {
			c.MemFill(n.InGrad.Addr, n.InGrad.Bytes()-slack)
			bilinear(c, n, y, x, func(p corners, out local) {
				for i, at := range p.at {
					c.Get(at)
					c.Load(asm.V128Load, at, n.InGrad.Addr)
					c.Load(asm.V128Load, out, n.OutGrad.Addr)
					c.Get([]local{p.y.near, p.y.far}[i/2], []local{p.x.near, p.x.far}[i%2])
					c.Op(asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Add)
					c.Mem(asm.V128Store, n.InGrad.Addr)
				}
			})
		})
	}
	return k
}

// corners are the four inputs of an output, row by row, with the weights of both axes.
type corners struct {
	at   [4]local
	y, x neighbours
}

// neighbours are two elements of an axis with their weights, in all lanes.
type neighbours struct{ i, j, near, far local }

func newNeighbours(c *code) neighbours {
	return neighbours{c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.V128), c.Local(asm.V128)}
}

// set finds those of output o.
func (p neighbours) set(c *code, m mapped, o local) {
	s := c.Local(asm.V128)
	c.Get(o)
	c.Op(asm.F32ConvS, asm.F32x4Splat)
	c.F32x4(0.5)
	c.Op(asm.F32x4Add)
	c.F32x4(1 / float32(m.factor))
	c.Op(asm.F32x4Mul)
	c.F32x4(0.5)
	c.Op(asm.F32x4Sub)
	c.I32x4(0)
	c.Op(asm.F32x4PMax)
	c.Tee(s)
	c.Op(asm.I32x4SatF32S)
	c.Lane(asm.I32x4Lane, 0)
	c.Set(p.i)
	c.Get(s, p.i)
	c.Op(asm.F32ConvS, asm.F32x4Splat, asm.F32x4Sub)
	c.Set(p.far)
	c.F32x4(1)
	c.Get(p.far)
	c.Op(asm.F32x4Sub)
	c.Set(p.near)
	c.Get(p.i)
	c.Get(p.i)
	c.I32(m.in - 1)
	c.Op(asm.I32LtS, asm.I32Add) // one further, unless this is the last
	c.Set(p.j)
	c.Release(s)
}

// bilinear runs body for each vector of the output.
func bilinear(c *code, n *Node, y, x mapped, body func(p corners, out local)) {
	_, width, channels := hwc(n.In.Shape)
	bytes := channels * n.In.Site()
	p := corners{at: [4]local(c.Locals(asm.I32, 4)), y: newNeighbours(c), x: newNeighbours(c)}
	oy, ox, v, out := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(out, 0)
	c.For(oy, 0, y.out, 1, func() {
		p.y.set(c, y, oy)
		c.For(ox, 0, x.out, 1, func() {
			p.x.set(c, x, ox)
			for k, at := range p.at {
				scaled(c, []local{p.y.i, p.y.j}[k/2], width)
				c.Get([]local{p.x.i, p.x.j}[k%2])
				c.Op(asm.I32Add)
				c.I32(bytes)
				c.Op(asm.I32Mul)
				c.Set(at)
			}
			c.For(v, 0, bytes, 16, func() {
				body(p, out)
				for _, at := range append(p.at[:], out) {
					c.AddTo(at, 16)
				}
			})
		})
	})
	c.Release(append(p.at[:], oy, ox, v, out, p.y.i, p.y.j, p.y.near, p.y.far, p.x.i, p.x.j, p.x.near, p.x.far)...)
}
