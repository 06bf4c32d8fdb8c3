package kernel

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// merge makes one tensor of several of the same shape, element by element and in the order of the inputs:
//
//	add       (x0 + x1) + …
//	average   ((x0 + x1) + …)·(1/n)
//	multiply  (x0·x1)·…
//	subtract  x0 − x1, of two
//	maximum   the largest; its gradient goes to the first of equal ones
//	minimum   the smallest, likewise
//
// The gradient of a product by xi is ((g·x0)·x1)·… over the others.
type merge struct{ kind string }

// maxMerged bounds the inputs of one layer.
const maxMerged = 64

func (m merge) Declaration() schema.Declaration {
	docs := map[string]string{
		"add": "Sum of its inputs, element by element.", "average": "Mean of its inputs, element by element.",
		"multiply": "Product of its inputs, element by element.", "maximum": "Largest of its inputs, element by element.",
		"minimum": "Smallest of its inputs, element by element.", "subtract": "The first input less the second, element by element.",
	}
	most := maxMerged
	if m.kind == "subtract" {
		most = 2
	}
	return schema.Declaration{Name: m.kind, Doc: docs[m.kind], MinInputs: 2, MaxInputs: most}
}

func (m merge) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	for _, shape := range in[1:] {
		if !slices.Equal(shape, in[0]) {
			return graph.Inference{}, fmt.Errorf("its inputs have the shapes %v; they must be equal", in)
		}
	}
	return graph.Inference{Shape: in[0]}, nil
}

func (m merge) keepsOutput(*graph.Node) bool { return m.kind == "maximum" || m.kind == "minimum" }

func (m merge) fuses() bool { return m.kind == "add" }

func (m merge) Place(n *graph.Node, in Layout, _ Tile) Placement {
	return Placement{Out: in, InPlace: m.kind == "add" && !keepsOutput(n.In())}
}

func (m merge) Emit(e *Emitter, n *Node) Kernels {
	bytes := n.Out.Bytes() - slack
	addresses := func(buffers ...Buffer) (list []int) {
		for _, b := range buffers {
			list = append(list, b.Addr)
		}
		return list
	}
	load := func(c *code, at func(int) (local, int), i int) {
		p, offset := at(i)
		c.Load(asm.V128Load, p, offset)
	}
	store := func(c *code, at func(int) (local, int), i int, value func()) {
		p, offset := at(i)
		c.Get(p)
		value()
		c.Mem(asm.V128Store, offset)
	}
	share := func(c *code) {
		c.F32x4(1 / float32(len(n.Ins)))
		c.Op(asm.F32x4Mul)
	}
	op := map[string]asm.Op{
		"add": asm.F32x4Add, "average": asm.F32x4Add, "subtract": asm.F32x4Sub, "multiply": asm.F32x4Mul,
		"maximum": asm.F32x4PMax, "minimum": asm.F32x4PMin,
	}[m.kind]
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		eachVector(c, addresses(append(slices.Clone(n.Ins), n.Out)...), bytes, func(at func(int) (local, int)) {
			store(c, at, len(n.Ins), func() {
				for i := range n.Ins {
					load(c, at, i)
					if i > 0 {
						c.Op(op)
					}
				}
				if m.kind == "average" {
					share(c)
				}
				fuse(c, n.Fused)
			})
		})
	})}
	k.Infer = k.Forward
	var back []func(c *code)
	for i, grad := range n.InGrads {
		if grad.Addr == 0 || grad.Addr == n.OutGrad.Addr {
			continue
		}
		back = append(back, func(c *code) {
			buffers := append(slices.Clone(n.Ins), n.Out, n.OutGrad, grad)
			out, outGrad, to := len(n.Ins), len(n.Ins)+1, len(n.Ins)+2
			eachVector(c, addresses(buffers...), bytes, func(at func(int) (local, int)) {
				store(c, at, to, func() {
					load(c, at, outGrad)
					switch m.kind {
					case "average":
						share(c)
					case "multiply":
						for j := range n.Ins {
							if j != i {
								load(c, at, j)
								c.Op(asm.F32x4Mul)
							}
						}
					case "subtract":
						if i == 1 {
							c.Op(asm.F32x4Neg)
						}
					case "maximum", "minimum":
						load(c, at, i)
						load(c, at, out)
						c.Op(asm.F32x4Eq)
						for j := range i { // not where an earlier input is as large
							load(c, at, j)
							load(c, at, out)
							c.Op(asm.F32x4Eq, asm.V128AndNot)
						}
						c.Op(asm.V128And)
					}
				})
			})
		})
	}
	if len(back) > 0 {
		k.Backward = e.define(n.Name+".backward", func(c *code) {
			for _, f := range back {
				f(c)
			}
		})
	}
	return k
}

// concat puts the channels (the last axis) of its inputs one behind the other.
type concat struct{}

func (concat) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "concat", Doc: "The channels of its inputs one behind the other; other dimensions must be equal.",
		MinInputs: 2, MaxInputs: maxMerged,
	}
}

func (concat) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	last := len(in[0]) - 1
	shape := slices.Clone(in[0])
	for _, s := range in[1:] {
		if len(s) != len(shape) || !slices.Equal(s[:last], shape[:last]) {
			return graph.Inference{}, fmt.Errorf("its inputs have the shapes %v; all but the last dimension must be equal", in)
		}
		shape[last] += s[last]
	}
	return graph.Inference{Shape: shape}, nil
}

func (concat) Place(_ *graph.Node, in Layout, _ Tile) Placement { return Placement{Out: in} }

func (concat) Emit(e *Emitter, n *Node) Kernels {
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) { split(c, n.Out, n.Ins, true) })}
	k.Infer = k.Forward
	if slices.ContainsFunc(n.InGrads, func(b Buffer) bool { return b.Addr != 0 }) {
		k.Backward = e.define(n.Name+".backward", func(c *code) { split(c, n.OutGrad, n.InGrads, false) })
	}
	return k
}

// split copies the channels of whole to parts, or joins them from these. A part at the address 0 is passed over.
func split(c *code, whole Buffer, parts []Buffer, join bool) {
	_, _, channels := hwc(whole.Shape)
	count, size := whole.Elements()/channels, whole.Site() // of positions, and of a channel there
	if whole.Layout == Rows {
		count, size = whole.Lanes, 4
	}
	step := func(b Buffer, channels int) int {
		if b.Layout == Rows {
			return b.Stride()
		}
		return channels * size
	}
	at := c.Local(asm.I32)
	c.For(at, 0, count, 1, func() {
		address := func(b Buffer, channels, offset int) {
			scaled(c, at, step(b, channels))
			c.I32(b.Addr + offset)
			c.Op(asm.I32Add)
		}
		offset := 0
		for _, part := range parts {
			_, _, own := hwc(part.Shape)
			bytes := own * size
			if part.Addr != 0 {
				if join {
					address(whole, channels, offset)
					address(part, own, 0)
				} else {
					address(part, own, 0)
					address(whole, channels, offset)
				}
				c.MemCopy(bytes)
			}
			offset += bytes
		}
	})
	c.Release(at)
}
