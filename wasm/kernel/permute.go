package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// reshape gives the elements of an example, in their order, another shape.
type reshape struct{}

// highestRank is that of an image.
const highestRank = 3

func (reshape) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "reshape", Doc: "The same elements, in their order, in another shape.",
		Attributes: []schema.Attribute{
			{Name: "shape", Kind: schema.Numbers, Min: schema.AtLeast(1), Max: schema.AtMost(graph.MaxElements), Doc: "One to three dimensions."},
		},
	}
}

// integers are a list of whole numbers of at most the highest rank.
func integers(a schema.Attributes, name string) (list []int, err error) {
	for _, x := range a.Numbers(name) {
		if x != float64(int(x)) {
			return nil, fmt.Errorf("%s has %v; whole numbers are needed", name, x)
		}
		list = append(list, int(x))
	}
	if len(list) < 1 || len(list) > highestRank {
		return nil, fmt.Errorf("%s has %d numbers; 1 to %d are needed", name, len(list), highestRank)
	}
	return list, nil
}

func (reshape) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	shape, err := integers(a, "shape")
	if err != nil {
		return graph.Inference{}, err
	}
	if !graph.Fits(shape) || schema.Elements(shape) != schema.Elements(in[0]) {
		return graph.Inference{}, fmt.Errorf("the shape %v does not have the %d elements of its input %v", shape, schema.Elements(in[0]), in[0])
	}
	return graph.Inference{Shape: shape}, nil
}

func (reshape) reads(n *graph.Node) Layout {
	if layoutOf(n.Shape) == Rows || layoutOf(n.In().Shape) == Rows {
		return Rows
	}
	return Sites
}

func (reshape) keepsOutput(n *graph.Node) bool { return keepsOutput(n.In()) }

func (reshape) Place(n *graph.Node, in Layout, _ Tile) Placement {
	out := layoutOf(n.Shape)
	return Placement{Out: out, InPlace: in == out}
}

func (reshape) Emit(e *Emitter, n *Node) Kernels { return relaid(e, n) }

// relaid are the functions of an operation that changes the layout of its values at most.
func relaid(e *Emitter, n *Node) Kernels {
	if n.In.Layout == n.Out.Layout {
		return copies(e, n)
	}
	forward := e.define(n.Name+".forward", func(c *code) { transpose(c, n.In, n.Out) })
	k := Kernels{Forward: forward, Infer: forward}
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) { transpose(c, n.OutGrad, n.InGrad) })
	}
	return k
}

// permute changes the order of dimensions: dimension k of the output is dimension order[k] of the input.
type permute struct{}

func (permute) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "permute", Doc: "Dimensions in another order.",
		Attributes: []schema.Attribute{
			{Name: "order", Kind: schema.Numbers, Min: schema.AtLeast(1), Max: schema.AtMost(highestRank), Doc: "For each dimension of the output, which of the input it is, counted from 1."},
		},
	}
}

func (permute) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	order, err := integers(a, "order")
	if err != nil {
		return graph.Inference{}, err
	}
	seen := map[int]bool{}
	var shape []int
	for _, k := range order {
		if k <= len(in[0]) {
			seen[k] = true
			shape = append(shape, in[0][k-1])
		}
	}
	if len(order) != len(in[0]) || len(seen) != len(order) {
		return graph.Inference{}, fmt.Errorf("the order %v does not name each of the dimensions %v of its input once", order, in[0])
	}
	return graph.Inference{Shape: shape}, nil
}

func (permute) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (permute) Emit(e *Emitter, n *Node) Kernels {
	order, err := integers(n.Attributes, "order")
	if err != nil {
		panic("kernel: " + err.Error()) // Infer has accepted it
	}
	site := n.In.Site()
	strides := make([]int, len(n.In.Shape)) // bytes from one to the next along a dimension of the input
	for k, stride := len(strides)-1, site; k >= 0; k-- {
		strides[k] = stride
		stride *= n.In.Shape[k]
	}
	// run copies all elements between the input's order and the output's.
	run := func(c *code, in, out int, forward bool) {
		from, to := c.Local(asm.I32), c.Local(asm.I32)
		c.SetI32(from, 0)
		c.SetI32(to, 0)
		var loop func(k int)
		loop = func(k int) {
			if k == len(order) {
				pairs := []struct {
					p    local
					addr int
				}{{to, out}, {from, in}}
				if !forward {
					pairs[0], pairs[1] = pairs[1], pairs[0]
				}
				for _, x := range pairs {
					c.Get(x.p)
					c.I32(x.addr)
					c.Op(asm.I32Add)
				}
				c.MemCopy(site)
				c.AddTo(to, site)
				return
			}
			stride, i := strides[order[k]-1], c.Local(asm.I32)
			c.For(i, 0, n.Out.Shape[k], 1, func() {
				loop(k + 1)
				c.AddTo(from, stride)
			})
			c.AddTo(from, -stride*n.Out.Shape[k])
			c.Release(i)
		}
		loop(0)
		c.Release(from, to)
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) { run(c, n.In.Addr, n.Out.Addr, true) })}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) { run(c, n.InGrad.Addr, n.OutGrad.Addr, false) })
	}
	return k
}
