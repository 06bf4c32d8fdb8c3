package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// dense is y = W·x + b for each example, W [units, inputs], b [units].
//
// Order of additions. Forward: four partial sums s_l over the inputs i ≡ l (mod 4), each ascending, then
// (s0 + s2) + (s1 + s3), then the bias. Gradient by x: over the units, ascending. Gradients by W and b: over the
// examples, ascending.
type dense struct{}

func (dense) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "dense",
		Doc:  "Fully connected layer: activation(W·x + b).",
		Attributes: []schema.Attribute{
			{Name: "units", Kind: schema.Integer, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 20), Doc: "Number of outputs."},
			activationAttribute(),
			{Name: "bias", Kind: schema.Boolean, Default: true, Doc: "Whether b is trained; without it b = 0."},
		},
	}
}

func (dense) Infer(a schema.Attributes, in []int) (graph.Inference, error) {
	if len(in) != 1 {
		return graph.Inference{}, fmt.Errorf("its input has the shape %v; put flatten: {} before it", in)
	}
	units := a.Int("units")
	inf := graph.Inference{Shape: []int{units}, MultiplyAdds: int64(units) * int64(in[0])}
	inf.Parameters = []graph.Parameter{{Name: "weight", Shape: []int{units, in[0]}, FanIn: in[0], FanOut: units}}
	if a.Bool("bias") {
		inf.Parameters = append(inf.Parameters, graph.Parameter{Name: "bias", Shape: []int{units}, FanIn: in[0], FanOut: units, Bias: true})
	}
	return inf, nil
}

func (dense) Place(n *graph.Node, _ Layout, t Tile) Placement {
	return Placement{Out: Rows, Scratch: t.Lanes * n.Shape[0] * 16}
}

func (d dense) Emit(e *Emitter, n *Node) Kernels {
	forward := e.define(n.Name+".forward", func(c *code) { d.forward(c, n) })
	backward := e.define(n.Name+".backward", func(c *code) {
		d.spread(c, n)
		d.weightGradient(c, n)
		if b, ok := n.bias(); ok {
			d.biasGradient(c, n, b)
		}
		if n.needsInGrad() {
			d.inputGradient(c, n)
		}
	})
	clear := e.define(n.Name+".prepare-backward", func(c *code) {
		for _, p := range n.Parameters {
			c.MemFill(p.Grad, p.Rows*p.GradStride*4)
		}
	})
	return Kernels{PrepareBackward: clear, Forward: forward, Infer: forward, Backward: backward}
}

// denseRows and denseExamples are the forward register block.
const (
	denseRows     = 4
	denseExamples = 2
)

func (dense) forward(c *code, n *Node) {
	units, inputs := n.Shape[0], n.In.Elements()
	w := n.weight()
	unit, example := c.Local(asm.I32), c.Local(asm.I32)
	pw, px, out := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	block := func(rows int) { // units unit … unit+rows−1, unit in the local
		c.For(example, 0, n.In.Lanes, denseExamples, func() {
			scaled(c, unit, 4*inputs)
			c.Set(pw)
			scaled(c, example, n.In.Stride())
			c.Set(px)
			a := operand{Base: pw, Offset: w.Value, Row: 4 * inputs, Step: 16}
			b := operand{Base: px, Offset: n.In.Addr, Row: n.In.Stride(), Step: 16}
			acc := accumulators(c, rows*denseExamples)
			product(c, acc, rows, denseExamples, inputs/4, a, b)
			if inputs%4 != 0 {
				maskedStep(c, acc, rows, denseExamples, a, b, inputs%4)
			}
			scaled(c, example, n.Out.Stride())
			scaled(c, unit, 4)
			c.Op(asm.I32Add)
			c.Set(out)
			for v := range denseExamples {
				column := make([]local, rows)
				for r := range column {
					column[r] = acc[r*denseExamples+v]
				}
				c.Get(out)
				sumLanes(c, column)
				if bias, ok := n.bias(); ok {
					scaled(c, unit, 4)
					c.Mem(asm.V128Load, bias.Value)
					c.Op(asm.F32x4Add)
				}
				fuse(c, n.Fused)
				c.Mem(asm.V128Store, n.Out.Addr+v*n.Out.Stride())
			}
			c.Release(acc...)
		})
	}
	if whole := units / denseRows * denseRows; whole > 0 {
		c.For(unit, 0, whole, denseRows, func() { block(denseRows) })
	}
	if rest := units % denseRows; rest != 0 {
		c.SetI32(unit, units-rest)
		block(rest)
	}
}

// scaled pushes l·n.
func scaled(c *code, l local, n int) {
	c.Get(l)
	if n != 1 {
		c.I32(n)
		c.Op(asm.I32Mul)
	}
}

// laneMasks[n] keeps the first n lanes.
var laneMasks = [4][4]uint32{{}, {^uint32(0)}, {^uint32(0), ^uint32(0)}, {^uint32(0), ^uint32(0), ^uint32(0)}}

// maskedStep is a step over the last n < 4 elements of both operands: what lies behind them does not count, whatever it is.
func maskedStep(c *code, acc []local, rows, cols int, a, b operand, n int) {
	xs := c.Locals(asm.V128, cols)
	w := c.Local(asm.V128)
	for v, x := range xs {
		c.Load(asm.V128Load, b.Base, b.Offset+v*b.Row)
		c.Vector(laneMasks[n])
		c.Op(asm.V128And)
		c.Set(x)
	}
	for r := range rows {
		c.Load(asm.V128Load, a.Base, a.Offset+r*a.Row)
		c.Vector(laneMasks[n])
		c.Op(asm.V128And)
		c.Set(w)
		for v, x := range xs {
			c.Get(acc[r*cols+v], w, x)
			c.Op(asm.F32x4Mul, asm.F32x4Add)
			c.Set(acc[r*cols+v])
		}
	}
	c.Release(append(xs, w)...)
}

// spread packs the gradient by y so that each value fills a vector: scratch [lanes][units] of four equal floats.
func (dense) spread(c *code, n *Node) {
	units := n.Shape[0]
	from, to, unit, example := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(to, n.Scratch)
	c.For(example, 0, n.In.Lanes, 1, func() {
		scaled(c, example, n.OutGrad.Stride())
		c.Set(from)
		one := func(i int) {
			c.Get(to)
			c.Load(asm.V128Splat32, from, n.OutGrad.Addr+4*i)
			c.Mem(asm.V128Store, 16*i)
		}
		if whole := units / 4; whole > 0 {
			c.For(unit, 0, whole, 1, func() {
				for i := range 4 {
					one(i)
				}
				c.AddTo(from, 16)
				c.AddTo(to, 64)
			})
		}
		for i := range units % 4 {
			one(i)
		}
		c.AddTo(to, units%4*16)
	})
	c.Release(from, to, unit, example)
}

// columnBlocks runs body over blocks of one or two vectors of four columns. Column is a local with the byte offset.
func columnBlocks(c *code, columns int, body func(column local, vectors int)) {
	vectors := (columns + 3) / 4
	column := c.Local(asm.I32)
	if whole := vectors / 2; whole > 0 {
		c.For(column, 0, whole*32, 32, func() { body(column, 2) })
	}
	if vectors%2 != 0 {
		c.SetI32(column, vectors/2*32)
		body(column, 1)
	}
	c.Release(column)
}

func (dense) weightGradient(c *code, n *Node) {
	units, inputs := n.Shape[0], n.In.Elements()
	w := n.weight()
	unit, pa, pb, pg := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	for _, run := range blocks(units, maxRows(2)) {
		c.For(unit, run.First, run.First+run.Count*run.Size, run.Size, func() {
			columnBlocks(c, inputs, func(column local, vectors int) {
				scaled(c, unit, 4*w.GradStride)
				c.Get(column)
				c.Op(asm.I32Add)
				c.Set(pg)
				scaled(c, unit, 16)
				c.Set(pa)
				c.Get(column)
				c.Set(pb)
				acc := c.Locals(asm.V128, run.Size*vectors)
				at := func(i int) int { return w.Grad + i/vectors*4*w.GradStride + i%vectors*16 }
				c.Load(asm.V128Load, pg, at(len(acc)-1))
				c.Op(asm.Drop)
				for i, x := range acc {
					c.Load(asm.V128Load, pg, at(i))
					c.Set(x)
				}
				product(c, acc, run.Size, vectors, n.In.Lanes,
					operand{Base: pa, Offset: n.Scratch, Row: 16, Step: 16 * units},
					operand{Base: pb, Offset: n.In.Addr, Row: 16, Step: n.In.Stride()})
				for i, x := range acc {
					c.Get(pg, x)
					c.Mem(asm.V128Store, at(i))
				}
				c.Release(acc...)
			})
		})
	}
	c.Release(unit, pa, pb, pg)
}

func (dense) biasGradient(c *code, n *Node, b Parameter) {
	column, sum := c.Local(asm.I32), c.Local(asm.V128)
	c.For(column, 0, roundUp(n.Shape[0], 4)*4, 16, func() {
		c.Load(asm.V128Load, column, b.Grad)
		c.Set(sum)
		for i := range n.OutGrad.Lanes {
			c.Get(sum)
			c.Load(asm.V128Load, column, n.OutGrad.Addr+i*n.OutGrad.Stride())
			c.Op(asm.F32x4Add)
			c.Set(sum)
		}
		c.Get(column, sum)
		c.Mem(asm.V128Store, b.Grad)
	})
	c.Release(column, sum)
}

func (dense) inputGradient(c *code, n *Node) {
	units, inputs := n.Shape[0], n.In.Elements()
	w := n.weight()
	const rows = 4
	example, pa, pb, pg := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	columnBlocks(c, inputs, func(column local, vectors int) {
		c.For(example, 0, n.In.Lanes, rows, func() {
			scaled(c, example, 16*units)
			c.Set(pa)
			c.Get(column)
			c.Set(pb)
			acc := accumulators(c, rows*vectors)
			product(c, acc, rows, vectors, units,
				operand{Base: pa, Offset: n.Scratch, Row: 16 * units, Step: 16},
				operand{Base: pb, Offset: w.Value, Row: 16, Step: 4 * inputs})
			scaled(c, example, n.InGrad.Stride())
			c.Get(column)
			c.Op(asm.I32Add)
			c.Set(pg)
			for i, x := range acc {
				c.Get(pg, x)
				c.Mem(asm.V128Store, n.InGrad.Addr+i/vectors*n.InGrad.Stride()+i%vectors*16)
			}
			c.Release(acc...)
		})
	})
	c.Release(example, pa, pb, pg)
}
