package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// embedding is y[t] = W[x[t]]: a row of W [vocabulary, units] for each token. Tokens are whole numbers; a fraction is cut
// off, and what is beyond the vocabulary counts as its nearest token.
//
// Order of additions. Gradient by W: over tiles, steps and the examples of the tile, ascending.
type embedding struct{}

// EmbeddingKind is its name.
const EmbeddingKind = "embedding"

func (embedding) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: EmbeddingKind,
		Doc:  "A trained vector for each token of a sequence [steps]: [steps, units].",
		Attributes: []schema.Attribute{
			{Name: "vocabulary", Kind: schema.Integer, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 16), Doc: "Number of different tokens."},
			{Name: "units", Kind: schema.Integer, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 16), Doc: "Length of a vector."},
		},
	}
}

func (embedding) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	if len(in[0]) != 1 {
		return graph.Inference{}, fmt.Errorf("its input has the shape %v; a sequence of tokens [steps] is needed", in[0])
	}
	vocabulary, units := a.Int("vocabulary"), a.Int("units")
	return graph.Inference{
		Shape:      []int{in[0][0], units},
		Parameters: []graph.Parameter{{Name: "weight", Shape: []int{vocabulary, units}, FanIn: units, FanOut: units}},
	}, nil
}

func (embedding) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

// quads runs body for each vector of four tokens, with the byte offsets of their rows (of stride floats) and that of the
// vector's first output.
func (embedding) quads(c *code, n *Node, stride int, body func(rows [4]local, at local)) {
	site := n.In.Site()
	step, lane, start, at := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	tokens := c.Local(asm.V128)
	rows := [4]local(c.Locals(asm.I32, 4))
	last := n.Attributes.Int("vocabulary") - 1
	c.SetI32(start, 0)
	c.For(step, 0, n.Shape[0], 1, func() {
		c.For(lane, 0, site, 16, func() {
			scaled(c, step, site)
			c.Get(lane)
			c.Op(asm.I32Add)
			c.Mem(asm.V128Load, n.In.Addr)
			c.Op(asm.I32x4SatF32S)
			c.I32x4(0)
			c.Op(asm.I32x4MaxS)
			c.I32x4(int32(last))
			c.Op(asm.I32x4MinS)
			c.I32x4(int32(4 * stride))
			c.Op(asm.I32x4Mul)
			c.Set(tokens)
			for k, r := range rows {
				c.Get(tokens)
				c.Lane(asm.I32x4Lane, k)
				c.Set(r)
			}
			c.Get(start, lane)
			c.Op(asm.I32Add)
			c.Set(at)
			body(rows, at)
		})
		c.AddTo(start, n.Shape[1]*site)
	})
	c.Release(step, lane, start, at, tokens)
	c.Release(rows[:]...)
}

// units runs body for each four units, or what is left of them; rows and at move along.
func (embedding) units(c *code, n *Node, rows [4]local, at local, body func(count int)) {
	units, i := n.Shape[1], c.Local(asm.I32)
	if units/4 > 0 {
		c.For(i, 0, units/4, 1, func() {
			body(4)
			for _, r := range rows {
				c.AddTo(r, 16)
			}
			c.AddTo(at, 4*n.Out.Site())
		})
	}
	if units%4 > 0 {
		body(units % 4)
	}
	c.Release(i)
}

func (l embedding) Emit(e *Emitter, n *Node) Kernels {
	w := n.weight()
	site := n.Out.Site()
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		v := [4]local(c.Locals(asm.V128, 4))
		l.quads(c, n, w.Cols, func(rows [4]local, at local) {
			l.units(c, n, rows, at, func(count int) {
				for i, r := range rows {
					c.Load(asm.V128Load, r, w.Value)
					c.Set(v[i])
				}
				transpose4(c, v)
				for i := range count {
					c.Get(at, v[i])
					c.Mem(asm.V128Store, n.Out.Addr+i*site)
				}
			})
		})
		c.Release(v[:]...)
	})}
	k.Infer = k.Forward
	k.PrepareBackward = e.define(n.Name+".prepare-backward", func(c *code) { c.MemFill(w.Grad, 4*w.Rows*w.GradStride) })
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		v := [4]local(c.Locals(asm.V128, 4))
		l.quads(c, n, w.GradStride, func(rows [4]local, at local) {
			l.units(c, n, rows, at, func(count int) {
				for i, x := range v {
					c.Load(asm.V128Load, at, n.OutGrad.Addr+min(i, count-1)*site)
					c.Set(x)
				}
				transpose4(c, v)
				for i, r := range rows { // one after the other: the same token may be there twice
					addVectorAt(c, r, w.Grad, func() { c.Get(v[i]) })
				}
			})
		})
		c.Release(v[:]...)
	})
	return k
}
