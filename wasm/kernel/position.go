package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// positionalEncoding is y[t] = x[t] + P[t], by which a model knows the place of a step. P [steps, units] is trained, or the
// sines and cosines of Vaswani et al., "Attention is all you need", 2017:
//
//	P[t, 2i] = sin(t / 10000^(2i/units))   P[t, 2i+1] = cos(t / 10000^(2i/units))
//
// Order of additions. Gradient by P: four partial sums, one for the examples ≡ l (mod 4) each, over tiles and the examples of
// the tile, ascending; then (s0 + s2) + (s1 + s3).
type positionalEncoding struct{}

// Kinds of encodings.
const (
	learnedPositions    = "learned"
	sinusoidalPositions = "sinusoidal"
)

func (positionalEncoding) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "positional-encoding",
		Doc:  "Adds to each step of a sequence [steps, units] what tells its place.",
		Attributes: []schema.Attribute{
			{Name: "kind", Kind: schema.Choice, Default: learnedPositions, Choices: []string{learnedPositions, sinusoidalPositions}, Doc: "Whether it is trained, or sines and cosines of the place."},
		},
	}
}

// mostPositions bounds the table of sines, which the engine contains.
const mostPositions = 1 << 18

func (positionalEncoding) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	shape := in[0]
	if len(shape) != 2 {
		return graph.Inference{}, fmt.Errorf("its input has the shape %v; a sequence [steps, units] is needed", shape)
	}
	inf := graph.Inference{Shape: shape}
	if a.Text("kind") == learnedPositions {
		inf.Parameters = []graph.Parameter{{Name: "weight", Shape: shape, FanIn: shape[1], FanOut: shape[1]}}
	} else if schema.Elements(shape) > mostPositions {
		return inf, fmt.Errorf("a table of %d sines would be in the engine, at most %d are; take kind: %s", schema.Elements(shape), mostPositions, learnedPositions)
	}
	return inf, nil
}

func (positionalEncoding) keepsOutput(n *graph.Node) bool { return keepsOutput(n.In()) }

func (positionalEncoding) Place(n *graph.Node, in Layout, _ Tile) Placement {
	p := Placement{Out: in, InPlace: !keepsOutput(n.In())}
	if len(n.Parameters) > 0 {
		p.Partial = 16*schema.Elements(n.Shape) + 3*16
	} else {
		p.Table = Sinusoids(n.Shape[0], n.Shape[1])
	}
	return p
}

// each runs body for each element, with 4 times its number, and with the offset of its site.
func (positionalEncoding) each(c *code, n *Node, body func(element, at local)) {
	element, at := c.Local(asm.I32), c.Local(asm.I32)
	c.SetI32(at, 0)
	c.For(element, 0, 4*n.Out.Elements(), 4, func() {
		body(element, at)
		c.AddTo(at, n.Out.Site())
	})
	c.Release(element, at)
}

// lanes runs body for each vector of a site, with its offset from the site's, at which a local stands.
func (positionalEncoding) lanes(c *code, n *Node, at local, body func(p local)) {
	lane, p := c.Local(asm.I32), c.Local(asm.I32)
	c.For(lane, 0, n.Out.Site(), 16, func() {
		c.Get(at, lane)
		c.Op(asm.I32Add)
		c.Set(p)
		body(p)
	})
	c.Release(lane, p)
}

func (l positionalEncoding) Emit(e *Emitter, n *Node) Kernels {
	table, trained := n.Table, len(n.Parameters) > 0
	if trained {
		table = n.weight().Value
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		value := c.Local(asm.V128)
		l.each(c, n, func(element, at local) {
			c.Load(asm.V128Splat32, element, table)
			c.Set(value)
			l.lanes(c, n, at, func(p local) {
				c.Get(p)
				c.Load(asm.V128Load, p, n.In.Addr)
				c.Get(value)
				c.Op(asm.F32x4Add)
				c.Mem(asm.V128Store, n.Out.Addr)
			})
		})
		c.Release(value)
	})}
	k.Infer = k.Forward
	moved := n.needsInGrad() && n.InGrad.Addr != n.OutGrad.Addr
	if trained || moved {
		k.Backward = e.define(n.Name+".backward", func(c *code) {
			if trained {
				sum, to := c.Local(asm.V128), c.Local(asm.I32)
				l.each(c, n, func(element, at local) {
					scaled(c, element, 4)
					c.Set(to)
					c.Load(asm.V128Load, to, n.Partial)
					c.Set(sum)
					l.lanes(c, n, at, func(p local) {
						addVector(c, sum, func() { c.Load(asm.V128Load, p, n.OutGrad.Addr) })
					})
					c.Get(to, sum)
					c.Mem(asm.V128Store, n.Partial)
				})
				c.Release(sum, to)
			}
			if moved {
				c.I32(n.InGrad.Addr)
				c.I32(n.OutGrad.Addr)
				c.MemCopy(n.OutGrad.Bytes() - slack)
			}
		})
	}
	if trained {
		w := n.weight()
		k.PrepareBackward = e.define(n.Name+".prepare-backward", func(c *code) { c.MemFill(n.Partial, 16*n.Out.Elements()) })
		k.Finish = e.define(n.Name+".finish", func(c *code) {
			for row := range w.Rows { // rows of a gradient are padded
				foldVectors(c, n.Partial+16*row*w.Cols, w.Cols, w.Grad+4*row*w.GradStride)
			}
		})
	}
	return k
}
