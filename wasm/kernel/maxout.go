package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// maxout is the largest of each so many neighbouring channels (the last axis; Goodfellow et al. 2013, grouped as by ConvNetJS):
// y[c] = max_j x[c·size + j]. Its gradient goes to the first of equal ones.
type maxout struct{}

func (maxout) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "maxout",
		Doc:  "Largest of each group of neighbouring channels.",
		Attributes: []schema.Attribute{
			{Name: "size", Kind: schema.Integer, Default: 2, Min: schema.AtLeast(1), Max: schema.AtMost(maxoutSize), Doc: "Channels of a group."},
		},
	}
}

// maxoutSize bounds a group, which is one straight line of code.
const maxoutSize = 64

func (maxout) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	last := len(in[0]) - 1
	channels, size := in[0][last], a.Int("size")
	if channels%size != 0 {
		return graph.Inference{}, fmt.Errorf("%d channels are not groups of %d", channels, size)
	}
	return graph.Inference{Shape: append(append([]int(nil), in[0][:last]...), channels/size)}, nil
}

func (maxout) keepsOutput(*graph.Node) bool { return true }

func (maxout) Place(*graph.Node, Layout, Tile) Placement { return Placement{Out: Sites} }

func (maxout) Emit(e *Emitter, n *Node) Kernels {
	size, site := n.Attributes.Int("size"), n.Out.Site()
	// groups runs body for each vector of the output; in and offset are those of the group's first.
	groups := func(c *code, body func(in, at local, offset int)) {
		in := c.Local(asm.I32)
		c.SetI32(in, 0)
		siteLoop{
			vector: func(at local, offset int) { body(in, at, offset) },
			end:    func(local) { c.AddTo(in, (size-1)*site) },
			also:   []local{in},
		}.run(c, n.Out)
		c.Release(in)
	}
	k := Kernels{Forward: e.define(n.Name+".forward", func(c *code) {
		groups(c, func(in, at local, offset int) {
			c.Get(at)
			for j := range size {
				c.Load(asm.V128Load, in, n.In.Addr+offset+j*site)
				if j > 0 {
					c.Op(asm.F32x4PMax)
				}
			}
			c.Mem(asm.V128Store, n.Out.Addr+offset)
		})
	})}
	k.Infer = k.Forward
	if n.needsInGrad() {
		k.Backward = e.define(n.Name+".backward", func(c *code) {
			y, g, first := c.Local(asm.V128), c.Local(asm.V128), newFirst(c)
			groups(c, func(in, at local, offset int) {
				c.Load(asm.V128Load, at, n.Out.Addr+offset)
				c.Set(y)
				c.Load(asm.V128Load, at, n.OutGrad.Addr+offset)
				c.Set(g)
				first.reset()
				for j := range size {
					c.Get(in)
					first.hit(func() {
						c.Load(asm.V128Load, in, n.In.Addr+offset+j*site)
						c.Get(y)
						c.Op(asm.F32x4Eq)
					})
					c.Get(g)
					c.Op(asm.V128And)
					c.Mem(asm.V128Store, n.InGrad.Addr+offset+j*site)
				}
			})
			first.release()
			c.Release(y, g)
		})
	}
	return k
}

// first finds, in each lane, the first of several conditions that holds.
type first struct {
	*code
	free, found local
}

func newFirst(c *code) first { return first{c, c.Local(asm.V128), c.Local(asm.V128)} }

func (f first) release() { f.Release(f.free, f.found) }

// reset begins anew.
func (f first) reset() {
	f.I32x4(-1)
	f.Set(f.free)
}

// hit pushes a mask of where the condition that is pushed holds and none did before.
func (f first) hit(condition func()) {
	condition()
	f.Get(f.free)
	f.Op(asm.V128And)
	f.Set(f.found)
	f.Get(f.free, f.found)
	f.Op(asm.V128AndNot)
	f.Set(f.free)
	f.Get(f.found)
}
