package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

func activationAttribute() schema.Attribute {
	return schema.Attribute{Name: "activation", Kind: schema.Choice, Default: "linear", Choices: Activations(), Doc: "Function of each output."}
}

// activation is y = f(x) for each element (functions.go), in place where nobody needs x. Most derivatives are functions of y,
// so the activation itself does not.
type activation struct{}

func (activation) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: graph.Activation,
		Doc:  "A function of each element.",
		Attributes: []schema.Attribute{
			{Name: "function", Kind: schema.Choice, Choices: Activations(), Doc: "Which."},
		},
	}
}

func (activation) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	return graph.Inference{Shape: in[0]}, nil
}

func (activation) Place(n *graph.Node, in Layout, _ Tile) Placement {
	f := functionOf(n)
	return Placement{Out: in, InPlace: f.apply == nil || !f.ofInput && !keepsOutput(n.In())}
}

func (activation) reads(*graph.Node) Layout { return Either }

func (activation) keepsOutput(n *graph.Node) bool {
	f := functionOf(n)
	return f.derive != nil && !f.ofInput || f.apply == nil && keepsOutput(n.In())
}

// keepsOutput reports whether the backward pass of a node, or of one before it in the same memory, reads the output.
func keepsOutput(n *graph.Node) bool {
	k, ok := n.Op.(interface{ keepsOutput(n *graph.Node) bool })
	return ok && k.keepsOutput(n)
}

func (activation) Emit(e *Emitter, n *Node) Kernels {
	f := functionOf(n.Node)
	if f.apply == nil {
		return copies(e, n)
	}
	k := Kernels{}
	if n.Fused != f.name { // else the layer before applies it as it stores
		k.Forward = e.define(n.Name+".forward", func(c *code) {
			x := c.Local(asm.V128)
			eachVector(c, []int{n.In.Addr, n.Out.Addr}, n.Out.Bytes()-slack, func(at func(i int) (local, int)) {
				px, ox := at(0)
				py, oy := at(1)
				c.Load(asm.V128Load, px, ox)
				c.Set(x)
				c.Get(py)
				f.apply(c, x)
				c.Mem(asm.V128Store, oy)
			})
			c.Release(x)
		})
		k.Infer = k.Forward
	}
	if !n.needsInGrad() {
		return k
	}
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		of := n.Out
		if f.ofInput {
			of = n.In
		}
		v := c.Local(asm.V128)
		eachVector(c, []int{of.Addr, n.OutGrad.Addr, n.InGrad.Addr}, n.Out.Bytes()-slack, func(at func(i int) (local, int)) {
			pv, ov := at(0)
			pg, og := at(1)
			px, ox := at(2)
			c.Load(asm.V128Load, pv, ov)
			c.Set(v)
			c.Get(px)
			c.Load(asm.V128Load, pg, og)
			f.derive(c, v)
			c.Mem(asm.V128Store, ox)
		})
		c.Release(v)
	})
	return k
}

// eachVector runs body for every vector of equally long arrays (bytes is a multiple of 16), unrolled; at(i) is the
// current vector of the i-th array.
func eachVector(c *code, arrays []int, bytes int, body func(at func(i int) (local, int))) {
	p := c.Local(asm.I32)
	run := func(from, to, vectors int) {
		c.For(p, from, to, 16*vectors, func() {
			highest := 0
			for _, a := range arrays {
				highest = max(highest, a)
			}
			c.Load(asm.V128Load, p, highest+16*(vectors-1))
			c.Op(asm.Drop)
			for v := range vectors {
				body(func(i int) (local, int) { return p, arrays[i] + 16*v })
			}
		})
	}
	whole := bytes / 64 * 64
	if whole > 0 {
		run(0, whole, 4)
	}
	if bytes > whole {
		run(whole, bytes, 1)
	}
	c.Release(p)
}

// Fusible reports whether the layer that computes an activation's input can apply it.
func Fusible(producer *graph.Node, f string) bool {
	op, ok := producer.Op.(interface{ fuses() bool })
	return ok && op.fuses() && functionNamed(f).fusible
}

// fuse applies a fusible activation to the vector on the stack.
func fuse(c *code, f string) {
	switch f {
	case "":
	case "relu":
		c.I32x4(0)
		c.Op(asm.F32x4PMax)
	default:
		x := c.Local(asm.V128)
		c.Set(x)
		functionNamed(f).apply(c, x)
		c.Release(x)
	}
}
