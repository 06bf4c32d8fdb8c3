package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// dense is y = W·x + b for each example, W [units, inputs], b [units].
//
// Of values [steps, inputs] it is the same for each step, and the order of additions is that of a conv2d whose kernel is
// one step. Of rows it is this.
//
// Order of additions. Forward: four partial sums s_l over the inputs i ≡ l (mod 4), each ascending, then
// (s0 + s2) + (s1 + s3), then the bias. Gradient by x: the same over the units, or, where there are few of them
// (fewUnits), one sum over the units, ascending. Gradients by W and b: over the examples of the microbatch, ascending.
type dense struct{}

func (dense) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "dense",
		Doc:  "Fully connected layer: activation(W·x + b), of each step where there are several.",
		Attributes: []schema.Attribute{
			{Name: "units", Kind: schema.Integer, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 20), Doc: "Number of outputs."},
			activationAttribute(),
			{Name: "bias", Kind: schema.Boolean, Default: true, Doc: "Whether b is trained; without it b = 0."},
		},
	}
}

func (dense) Infer(a schema.Attributes, shapes [][]int) (graph.Inference, error) {
	shape := shapes[0]
	if len(shape) > 2 {
		return graph.Inference{}, fmt.Errorf("its input has the shape %v; put flatten: {} before it", shape)
	}
	units, in, steps := a.Int("units"), shape[len(shape)-1], 1
	inf := graph.Inference{Shape: []int{units}}
	if len(shape) == 2 {
		steps = shape[0]
		inf.Shape = []int{steps, units}
	}
	inf.MultiplyAdds = int64(steps) * int64(units) * int64(in)
	inf.Parameters = []graph.Parameter{{Name: "weight", Shape: []int{units, in}, FanIn: in, FanOut: units}}
	if a.Bool("bias") {
		inf.Parameters = append(inf.Parameters, graph.Parameter{Name: "bias", Shape: []int{units}, FanIn: in, FanOut: units, Bias: true})
	}
	return inf, nil
}

func (dense) reads(n *graph.Node) Layout {
	if len(n.In().Shape) == 1 {
		return Rows
	}
	return Sites
}

func (dense) fuses() bool { return true }

// fewUnits is the number of units below which the gradient by x is a sum of rows of W. Above, columns of W are strided
// so far that they miss the cache, and a transposed copy is worth its making.
const fewUnits = 32

// denseMemory is what a layer keeps: the inputs and output gradients of all tiles, so that the gradient by W is made in
// one go and not read and written again for each tile.
type denseMemory struct {
	examples      int    // of the microbatch, in whole tiles
	panels        int    // inputs: panels of eight columns, [inputs/8][examples][8]
	grads         Buffer // [examples] rows
	transposed    int    // W' [inputs][units], rows of stride bytes
	stride        int
	partial, pack int // bytes
	scratch       int
	spreadOutputs bool // the gradient by x sums rows of W
}

func memoryOf(units, inputs int, t Tile) denseMemory {
	m := denseMemory{examples: t.Lanes * t.Count, spreadOutputs: units < fewUnits}
	m.grads = Buffer{Layout: Rows, Shape: []int{units}, Lanes: m.examples}
	m.partial = roundUp(inputs, panelColumns)*4*m.examples + m.grads.Bytes()
	m.scratch = m.examples * maxRows(2) * 16
	if m.spreadOutputs {
		m.scratch = max(m.scratch, t.Lanes*units*16)
		return m
	}
	m.stride = Buffer{Layout: Rows, Shape: []int{units}}.Stride()
	m.pack = roundUp(inputs, 4)*m.stride + slack
	return m
}

func (n *Node) denseMemory() denseMemory {
	m := memoryOf(n.Shape[0], n.In.Elements(), n.Tile)
	m.panels = n.Partial
	m.grads.Addr = n.Partial + m.partial - m.grads.Bytes()
	m.transposed = n.Pack
	return m
}

func (dense) Place(n *graph.Node, _ Layout, t Tile) Placement {
	if len(n.Shape) == 2 {
		return stepsOf(n.Shape[0], n.In().Shape[1], n.Shape[1]).place(t)
	}
	m := memoryOf(n.Shape[0], schema.Elements(n.In().Shape), t)
	return Placement{Out: Rows, Pack: m.pack, Partial: m.partial, Scratch: m.scratch}
}

func (d dense) Emit(e *Emitter, n *Node) Kernels {
	if len(n.Shape) == 2 {
		return stepsOf(n.Shape[0], n.In.Shape[1], n.Shape[1]).emit(e, n, stepsAddresses{n.Pack, n.Partial, n.Scratch})
	}
	m := n.denseMemory()
	k := Kernels{}
	k.Forward = e.define(n.Name+".forward", func(c *code) {
		p := rowProducts{
			weights: n.weight().Value, stride: 4 * n.In.Elements(), rows: n.Shape[0], in: n.In, out: n.Out, fused: n.Fused,
		}
		if b, ok := n.bias(); ok {
			p.bias = b.Value
		}
		p.emit(c)
	})
	k.Infer = k.Forward
	k.PrepareBackward = e.define(n.Name+".prepare-backward", func(c *code) {
		c.MemFill(n.Partial, m.partial) // tiles without examples add nothing
		if n.needsInGrad() && !m.spreadOutputs {
			d.transposeWeights(c, n, m)
		}
	})
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		keepInputs(c, n, m)
		keepGradients(c, n, m)
		switch {
		case !n.needsInGrad():
		case m.spreadOutputs:
			d.spread(c, n)
			d.inputGradient(c, n)
		default:
			rowProducts{weights: m.transposed, stride: m.stride, rows: n.In.Elements(), in: n.OutGrad, out: n.InGrad}.emit(c)
		}
	})
	k.Finish = e.define(n.Name+".finish", func(c *code) {
		d.weightGradient(c, n, m)
		if b, ok := n.bias(); ok {
			d.biasGradient(c, m, b)
		}
	})
	return k
}

// panelColumns is the width of a panel, which is that of the register block of the gradient by W: a block then reads
// one stretch of memory from end to end.
const panelColumns = 8

// keepInputs copies a tile's inputs to their place in the panels.
func keepInputs(c *code, n *Node, m denseMemory) {
	from, to, panel := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.I32(n.Context.First)
	c.Mem(asm.I32Load, 0)
	c.I32(4 * panelColumns)
	c.Op(asm.I32Mul)
	c.Set(to)
	c.SetI32(from, 0)
	c.For(panel, 0, roundUp(n.In.Elements(), panelColumns)/panelColumns, 1, func() {
		last := n.In.Lanes - 1
		touch(c, operand{Base: from, Offset: n.In.Addr, Row: n.In.Stride()}, last+1, 1)
		for e := last; e >= 0; e-- {
			for v := 1; v >= 0; v-- {
				c.Get(to)
				c.Load(asm.V128Load, from, n.In.Addr+e*n.In.Stride()+16*v)
				c.Mem(asm.V128Store, m.panels+e*4*panelColumns+16*v)
			}
		}
		c.AddTo(from, 4*panelColumns)
		c.AddTo(to, 4*panelColumns*m.examples)
	})
	c.Release(from, to, panel)
}

// keepGradients copies a tile's output gradients to their place among those of the microbatch.
func keepGradients(c *code, n *Node, m denseMemory) {
	c.I32(n.Context.First)
	c.Mem(asm.I32Load, 0)
	c.I32(m.grads.Stride())
	c.Op(asm.I32Mul)
	c.I32(m.grads.Addr)
	c.Op(asm.I32Add)
	c.I32(n.OutGrad.Addr)
	c.MemCopy(n.OutGrad.Lanes * n.OutGrad.Stride())
}

// transposeWeights makes W' of W, four columns at a time.
func (dense) transposeWeights(c *code, n *Node, m denseMemory) {
	units, inputs := n.Shape[0], n.In.Elements()
	i, from, to, j, x := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.V128)
	c.For(i, 0, roundUp(inputs, 4), 4, func() {
		scaled(c, i, 4)
		c.Set(from)
		scaled(c, i, m.stride)
		c.Set(to)
		c.For(j, 0, units, 1, func() {
			c.Load(asm.V128Load, from, n.weight().Value)
			c.Set(x)
			for lane := 3; lane >= 0; lane-- {
				c.Get(to, x)
				c.MemLane(asm.V128StoreL32, m.transposed+lane*m.stride, byte(lane))
			}
			c.AddTo(from, 4*inputs)
			c.AddTo(to, 4)
		})
	})
	c.Release(i, from, to, j, x)
}

// denseRows and denseExamples are the forward register block.
const (
	denseRows     = 4
	denseExamples = 2
)

// rowProducts is out[e][r] = Σ_k in[e][k]·weights[r][k] (+ bias[r]): products of rows with rows.
type rowProducts struct {
	weights, stride int // address, and bytes from row to row
	rows            int
	in, out         Buffer
	bias            int // address, 0 for none
	fused           string
}

func (p rowProducts) emit(c *code) {
	steps := p.in.Elements()
	row, example := c.Local(asm.I32), c.Local(asm.I32)
	pw, px, out := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	block := func(rows int) { // rows row … row+rows−1
		c.For(example, 0, p.in.Lanes, denseExamples, func() {
			scaled(c, row, p.stride)
			c.Set(pw)
			scaled(c, example, p.in.Stride())
			c.Set(px)
			a := operand{Base: pw, Offset: p.weights, Row: p.stride, Step: 16}
			b := operand{Base: px, Offset: p.in.Addr, Row: p.in.Stride(), Step: 16}
			acc := accumulators(c, rows*denseExamples)
			product(c, acc, rows, denseExamples, steps/4, a, b)
			if steps%4 != 0 {
				maskedStep(c, acc, rows, denseExamples, a, b, steps%4)
			}
			scaled(c, example, p.out.Stride())
			scaled(c, row, 4)
			c.Op(asm.I32Add)
			c.Set(out)
			for v := range denseExamples {
				column := make([]local, rows)
				for r := range column {
					column[r] = acc[r*denseExamples+v]
				}
				c.Get(out)
				sumLanes(c, column)
				if p.bias != 0 {
					scaled(c, row, 4)
					c.Mem(asm.V128Load, p.bias)
					c.Op(asm.F32x4Add)
				}
				fuse(c, p.fused)
				c.Mem(asm.V128Store, p.out.Addr+v*p.out.Stride())
			}
			c.Release(acc...)
		})
	}
	if whole := p.rows / denseRows * denseRows; whole > 0 {
		c.For(row, 0, whole, denseRows, func() { block(denseRows) })
	}
	if rest := p.rows % denseRows; rest != 0 {
		c.SetI32(row, p.rows-rest)
		block(rest)
	}
	c.Release(row, example, pw, px, out)
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

// weightGradient sets the gradient by W from the rows of the whole microbatch. Each block of units has its output
// gradients spread over vectors first: scratch [examples][units of the block].
func (dense) weightGradient(c *code, n *Node, m denseMemory) {
	inputs := n.In.Elements()
	w := n.weight()
	unit, example, from, to := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	pa, pb, pg := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	for _, run := range blocks(n.Shape[0], maxRows(2)) {
		c.For(unit, run.First, run.First+run.Count*run.Size, run.Size, func() {
			scaled(c, unit, 4)
			c.Set(from)
			c.SetI32(to, n.Scratch)
			c.For(example, 0, m.examples, 1, func() {
				for r := run.Size - 1; r >= 0; r-- {
					c.Get(to)
					c.Load(asm.V128Splat32, from, m.grads.Addr+4*r)
					c.Mem(asm.V128Store, 16*r)
				}
				c.AddTo(from, m.grads.Stride())
				c.AddTo(to, 16*run.Size)
			})
			columnBlocks(c, inputs, func(column local, vectors int) {
				c.SetI32(pa, n.Scratch)
				scaled(c, column, m.examples) // column/32 panels of 32 bytes for each example
				c.Set(pb)
				acc := accumulators(c, run.Size*vectors)
				product(c, acc, run.Size, vectors, m.examples,
					operand{Base: pa, Row: 16, Step: 16 * run.Size},
					operand{Base: pb, Offset: m.panels, Row: 16, Step: 4 * panelColumns})
				scaled(c, unit, 4*w.GradStride)
				c.Get(column)
				c.Op(asm.I32Add)
				c.Set(pg)
				for i, x := range acc {
					c.Get(pg, x)
					c.Mem(asm.V128Store, w.Grad+i/vectors*4*w.GradStride+i%vectors*16)
				}
				c.Release(acc...)
			})
		})
	}
	c.Release(unit, example, from, to, pa, pb, pg)
}

func (dense) biasGradient(c *code, m denseMemory, b Parameter) {
	column, example, p, sum := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.V128)
	c.For(column, 0, roundUp(m.grads.Elements(), 4)*4, 16, func() {
		c.I32x4(0)
		c.Set(sum)
		c.Get(column)
		c.Set(p)
		c.For(example, 0, m.examples, 1, func() {
			c.Get(sum)
			c.Load(asm.V128Load, p, m.grads.Addr)
			c.Op(asm.F32x4Add)
			c.Set(sum)
			c.AddTo(p, m.grads.Stride())
		})
		c.Get(column, sum)
		c.Mem(asm.V128Store, b.Grad)
	})
	c.Release(column, example, p, sum)
}

// inputGradient sets InGrad from the spread output gradients and rows of W.
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
