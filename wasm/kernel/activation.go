package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// LeakySlope is leaky-relu's slope below zero (Maas et al. 2013).
const LeakySlope = 0.01

// Activations that layers may name; "linear" is none.
func Activations() []string { return []string{"linear", "relu", "leaky-relu", "tanh", "sigmoid"} }

func activationAttribute() schema.Attribute {
	return schema.Attribute{Name: "activation", Kind: schema.Choice, Default: "linear", Choices: Activations(), Doc: "Function of each output."}
}

// activation is y = f(x) for each element, in place where nobody needs x. Every f here has a derivative that is a function
// of y, so the activation itself does not.
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
	return Placement{Out: in, InPlace: n.Attributes.Text("function") == "linear" || !keepsOutput(n.In())}
}

// keepsOutput reports whether the backward pass of a node, or of one before it in the same memory, reads the output.
func keepsOutput(n *graph.Node) bool {
	switch n.Kind {
	case "maxpool2d", "maximum", softmaxKind:
		return true
	case graph.Activation:
		return n.Attributes.Text("function") != "linear" || keepsOutput(n.In())
	case "flatten", positionsKind:
		return keepsOutput(n.In())
	}
	return false
}

func (activation) Emit(e *Emitter, n *Node) Kernels {
	f := n.Attributes.Text("function")
	if f == "linear" {
		return copies(e, n)
	}
	k := Kernels{}
	if n.Fused != f { // else the layer before applies it as it stores
		k.Forward = e.define(n.Name+".forward", func(c *code) {
			x := c.Local(asm.V128)
			eachVector(c, []int{n.In.Addr, n.Out.Addr}, n.Out.Bytes()-slack, func(at func(i int) (local, int)) {
				px, ox := at(0)
				py, oy := at(1)
				c.Load(asm.V128Load, px, ox)
				c.Set(x)
				c.Get(py)
				apply(c, f, x)
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
		y := c.Local(asm.V128)
		eachVector(c, []int{n.Out.Addr, n.OutGrad.Addr, n.InGrad.Addr}, n.Out.Bytes()-slack, func(at func(i int) (local, int)) {
			py, oy := at(0)
			pg, og := at(1)
			px, ox := at(2)
			c.Load(asm.V128Load, py, oy)
			c.Set(y)
			c.Get(px)
			c.Load(asm.V128Load, pg, og)
			derive(c, f, y)
			c.Mem(asm.V128Store, ox)
		})
		c.Release(y)
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
	switch producer.Kind {
	case "dense", "conv2d", "depthwise-conv2d", "add", graph.BatchNorm:
		return f == "relu" || f == "leaky-relu"
	}
	return false
}

// fuse applies a fusible activation to the vector on the stack.
func fuse(c *code, f string) {
	switch f {
	case "relu":
		c.I32x4(0)
		c.Op(asm.F32x4PMax)
	case "leaky-relu":
		x := c.Local(asm.V128)
		c.Set(x)
		apply(c, f, x)
		c.Release(x)
	}
}

// apply pushes f(x).
func apply(c *code, f string, x local) {
	switch f {
	case "relu": // x < 0 ? 0 : x
		c.Get(x)
		c.I32x4(0)
		c.Op(asm.F32x4PMax)
	case "leaky-relu": // x < 0.01·x ? 0.01·x : x
		c.Get(x, x)
		c.F32x4(LeakySlope)
		c.Op(asm.F32x4Mul, asm.F32x4PMax)
	case "tanh":
		Tanh(c, x)
	case "sigmoid":
		Sigmoid(c, x)
	}
}

// derive multiplies the gradient on the stack by f'(x), given y = f(x).
func derive(c *code, f string, y local) {
	switch f {
	case "relu": // y > 0 ? g : +0
		c.Get(y)
		c.I32x4(0)
		c.Op(asm.F32x4Gt, asm.V128And)
	case "leaky-relu": // g·(y > 0 ? 1 : 0.01)
		c.F32x4(1)
		c.F32x4(LeakySlope)
		c.Get(y)
		c.I32x4(0)
		c.Op(asm.F32x4Gt, asm.V128Bitsel, asm.F32x4Mul)
	case "tanh": // g·(1 − y²)
		c.F32x4(1)
		c.Get(y, y)
		c.Op(asm.F32x4Mul, asm.F32x4Sub, asm.F32x4Mul)
	case "sigmoid": // g·(y·(1 − y))
		c.Get(y)
		c.F32x4(1)
		c.Get(y)
		c.Op(asm.F32x4Sub, asm.F32x4Mul, asm.F32x4Mul)
	}
}
