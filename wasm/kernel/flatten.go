package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
)

// flatten makes one row of an example, in the order of its shape (height, width, channels).
type flatten struct{}

func (flatten) Declaration() schema.Declaration {
	return schema.Declaration{Name: "flatten", Doc: "One row of all elements, in the order height, width, channels."}
}

func (flatten) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	return graph.Inference{Shape: []int{schema.Elements(in[0])}}, nil
}

func (flatten) Place(_ *graph.Node, in Layout, _ Tile) Placement {
	return Placement{Out: Rows, InPlace: in == Rows}
}

func (flatten) reads(*graph.Node) Layout { return Rows }

func (flatten) keepsOutput(n *graph.Node) bool { return keepsOutput(n.In()) }

// copies are the functions of an identity: none where it is in place.
func copies(e *Emitter, n *Node) Kernels {
	if n.inPlace() {
		return Kernels{}
	}
	copied := func(name string, to, from Buffer) *Fn {
		return e.define(n.Name+name, func(c *code) {
			c.I32(to.Addr)
			c.I32(from.Addr)
			c.MemCopy(from.Bytes() - slack)
		})
	}
	k := Kernels{Forward: copied(".forward", n.Out, n.In)}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = copied(".backward", n.InGrad, n.OutGrad)
	}
	return k
}

func (flatten) Emit(e *Emitter, n *Node) Kernels { return relaid(e, n) }
