package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// groupNorm gives each group of neighbouring channels mean 0 and variance 1 over an example's positions (Wu and He 2018), and each
// channel a scale w and an offset b of its own. An instance norm has a group for each channel, and no w and b unless it is told to.
// With the N values x of a group,
//
//	m = Σx / N,  v = Σ(x − m)² / N,  i = 1 / √(v + ε),  y = (x − m)·(w·i) + b
//
// and, for gradients g by y, h = g·w and x̂ = (x − m)·i,
//
//	dx = i·((h − Σh/N) − x̂·(Σh·x̂/N)),  gw = Σg·x̂,  gb = Σg.
//
// The sums of an example are over positions, then channels, ascending. Those by w and b are four partial sums, one for the examples
// ≡ l (mod 4) each, over tiles, positions and the examples of the tile, ascending; then (s0 + s2) + (s1 + s3).
type groupNorm struct{ name string }

func (o groupNorm) Declaration() schema.Declaration {
	epsilon := schema.Attribute{Name: "epsilon", Kind: schema.Number, Default: 1e-5, Min: schema.AtLeast(1e-12), Max: schema.AtMost(1), Doc: "Added to the variance."}
	affine := schema.Attribute{Name: "affine", Kind: schema.Boolean, Default: true, Doc: "Whether each channel has a trained scale and offset."}
	if o.name == "instance-norm" {
		affine.Default = false
		return schema.Declaration{
			Name: o.name, Doc: "Gives each channel of an example mean 0 and variance 1.", Attributes: []schema.Attribute{epsilon, affine},
		}
	}
	return schema.Declaration{
		Name: o.name, Doc: "Gives each group of neighbouring channels of an example mean 0 and variance 1.",
		Attributes: []schema.Attribute{
			{Name: "groups", Kind: schema.Integer, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 16), Doc: "How many."}, epsilon, affine,
		},
	}
}

// groups is how many a shape has.
func (o groupNorm) groups(shape []int, a schema.Attributes) int {
	if o.name == "instance-norm" {
		return shape[len(shape)-1]
	}
	return a.Int("groups")
}

func (o groupNorm) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	_, _, channels := hwc(in[0])
	groups := o.groups(in[0], a)
	switch {
	case channels%groups != 0:
		return graph.Inference{}, fmt.Errorf("%d channels are not %d equal groups", channels, groups)
	case schema.Elements(in[0]) == groups:
		return graph.Inference{}, fmt.Errorf("its input of the shape %v has one value in each group, of which nothing would be left", in[0])
	}
	inf := graph.Inference{Shape: in[0]}
	if a.Bool("affine") {
		own := []int{channels}
		inf.Parameters = []graph.Parameter{
			{Name: "weight", Shape: own, FanIn: channels, FanOut: channels, Bias: true, Initializer: "ones"},
			{Name: "bias", Shape: own, FanIn: channels, FanOut: channels, Bias: true},
		}
	}
	return inf, nil
}

// groupNormed is the layer at its place, while one of its functions is emitted.
type groupNormed struct {
	*code
	n             *Node
	groups, own   int // groups, and channels of one
	mean, inverse int // a site per group, in Saved
	sums          [2]laneSums
}

func (o groupNorm) at(n *graph.Node, lanes int) (m groupNormed, saved, partial int) {
	_, _, channels := hwc(n.Shape)
	m.groups = o.groups(n.Shape, n.Attributes)
	m.own = channels / m.groups
	if n.Attributes.Bool("affine") {
		for i := range m.sums {
			m.sums[i].count = channels
			partial += m.sums[i].bytes()
		}
	}
	return m, 2 * m.groups * 4 * lanes, partial
}

func (o groupNorm) Place(n *graph.Node, _ Layout, t Tile) Placement {
	_, saved, partial := o.at(n, t.Lanes)
	return Placement{Out: Sites, Saved: saved, Partial: partial}
}

func (o groupNorm) Emit(e *Emitter, n *Node) Kernels {
	emit := func(name string, body func(m groupNormed)) *Fn {
		return e.define(n.Name+name, func(c *code) {
			m, saved, _ := o.at(n.Node, n.Tile.Lanes)
			m.code, m.n = c, n
			m.mean, m.inverse = n.Saved, n.Saved+saved/2
			m.sums[0].addr, m.sums[1].addr = n.Partial, n.Partial+m.sums[0].bytes()
			body(m)
		})
	}
	k := Kernels{Forward: emit(".forward", groupNormed.forward)}
	k.Infer = k.Forward
	affine := n.Attributes.Bool("affine")
	if affine {
		k.PrepareBackward = emit(".prepare-backward", func(m groupNormed) {
			for _, s := range m.sums {
				s.clear(m.code)
			}
		})
		k.Finish = emit(".finish", func(m groupNormed) {
			for i, s := range m.sums {
				s.fold(m.code, n.Parameters[i].Grad)
			}
		})
	}
	if affine || n.needsInGrad() {
		k.Backward = emit(".backward", func(m groupNormed) {
			if affine {
				m.parameterGradients()
			}
			if n.needsInGrad() {
				m.inputGradient()
			}
		})
	}
	return k
}

// each runs body for each vector of examples of each group, with its offset in the tables of the groups. over runs its argument for each
// value of the group, with its offset and the number of its channel times four.
func (m groupNormed) each(body func(t local, over func(func(p, channel local)))) {
	site, channels := m.n.Out.Site(), m.groups*m.own
	group, v, t := m.Local(asm.I32), m.Local(asm.I32), m.Local(asm.I32)
	position, i, p, channel := m.Local(asm.I32), m.Local(asm.I32), m.Local(asm.I32), m.Local(asm.I32)
	m.For(group, 0, m.groups, 1, func() {
		m.For(v, 0, site, 16, func() {
			scaled(m.code, group, site)
			m.Get(v)
			m.Op(asm.I32Add)
			m.Set(t)
			body(t, func(visit func(p, channel local)) {
				scaled(m.code, group, m.own*site)
				m.Get(v)
				m.Op(asm.I32Add)
				m.Set(p)
				m.For(position, 0, m.n.Out.Elements()/channels, 1, func() {
					scaled(m.code, group, 4*m.own)
					m.Set(channel)
					m.For(i, 0, m.own, 1, func() {
						visit(p, channel)
						m.AddTo(p, site)
						m.AddTo(channel, 4)
					})
					m.AddTo(p, (channels-m.own)*site)
				})
			})
		})
	})
	m.Release(group, v, t, position, i, p, channel)
}

// share divides what is on the stack by the number of values of a group.
func (m groupNormed) share() {
	m.F32x4(float32(m.n.Out.Elements() / m.groups))
	m.Op(asm.F32x4Div)
}

func (m groupNormed) forward() {
	sum, mean, inverse, d := m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128)
	m.each(func(t local, over func(func(p, channel local))) {
		m.I32x4(0)
		m.Set(sum)
		over(func(p, _ local) {
			m.Get(sum)
			m.Load(asm.V128Load, p, m.n.In.Addr)
			m.Op(asm.F32x4Add)
			m.Set(sum)
		})
		m.Get(sum)
		m.share()
		m.Set(mean)
		m.I32x4(0)
		m.Set(sum)
		over(func(p, _ local) {
			m.Load(asm.V128Load, p, m.n.In.Addr)
			m.Get(mean)
			m.Op(asm.F32x4Sub)
			m.Set(d)
			m.Get(sum, d, d)
			m.Op(asm.F32x4Mul, asm.F32x4Add)
			m.Set(sum)
		})
		m.F32x4(1)
		m.Get(sum)
		m.share()
		m.F32x4(Single(m.n.Attributes.Float("epsilon")))
		m.Op(asm.F32x4Add, asm.F32x4Sqrt, asm.F32x4Div)
		m.Set(inverse)
		m.Get(t, mean)
		m.Mem(asm.V128Store, m.mean)
		m.Get(t, inverse)
		m.Mem(asm.V128Store, m.inverse)
		over(func(p, channel local) {
			m.Get(p)
			m.Load(asm.V128Load, p, m.n.In.Addr)
			m.Get(mean)
			m.Op(asm.F32x4Sub)
			if bias, ok := m.n.affine(); ok {
				m.Load(asm.V128Splat32, channel, m.n.weight().Value)
				m.Get(inverse)
				m.Op(asm.F32x4Mul, asm.F32x4Mul)
				m.Load(asm.V128Splat32, channel, bias.Value)
				m.Op(asm.F32x4Add)
			} else {
				m.Get(inverse)
				m.Op(asm.F32x4Mul)
			}
			m.Mem(asm.V128Store, m.n.Out.Addr)
		})
	})
	m.Release(sum, mean, inverse, d)
}

// affine is the node's bias, if it has weight and bias.
func (n *Node) affine() (Parameter, bool) {
	if len(n.Parameters) == 0 {
		return Parameter{}, false
	}
	return n.bias()
}

// normalized pushes x̂.
func (m groupNormed) normalized(p, mean, inverse local) {
	m.Load(asm.V128Load, p, m.n.In.Addr)
	m.Get(mean)
	m.Op(asm.F32x4Sub)
	m.Get(inverse)
	m.Op(asm.F32x4Mul)
}

// scaledGradient pushes h.
func (m groupNormed) scaledGradient(p, channel local) {
	m.Load(asm.V128Load, p, m.n.OutGrad.Addr)
	if _, ok := m.n.affine(); ok {
		m.Load(asm.V128Splat32, channel, m.n.weight().Value)
		m.Op(asm.F32x4Mul)
	}
}

func (m groupNormed) inputGradient() {
	first, second := m.Local(asm.V128), m.Local(asm.V128)
	mean, inverse, h := m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128)
	m.each(func(t local, over func(func(p, channel local))) {
		m.Load(asm.V128Load, t, m.mean)
		m.Set(mean)
		m.Load(asm.V128Load, t, m.inverse)
		m.Set(inverse)
		for _, s := range []local{first, second} {
			m.I32x4(0)
			m.Set(s)
		}
		over(func(p, channel local) {
			m.scaledGradient(p, channel)
			m.Set(h)
			m.Get(first, h)
			m.Op(asm.F32x4Add)
			m.Set(first)
			m.Get(second, h)
			m.normalized(p, mean, inverse)
			m.Op(asm.F32x4Mul, asm.F32x4Add)
			m.Set(second)
		})
		for _, s := range []local{first, second} {
			m.Get(s)
			m.share()
			m.Set(s)
		}
		over(func(p, channel local) {
			m.Get(p, inverse)
			m.scaledGradient(p, channel)
			m.Get(first)
			m.Op(asm.F32x4Sub)
			m.normalized(p, mean, inverse)
			m.Get(second)
			m.Op(asm.F32x4Mul, asm.F32x4Sub, asm.F32x4Mul)
			m.Mem(asm.V128Store, m.n.InGrad.Addr)
		})
	})
	m.Release(first, second, mean, inverse, h)
}

// parameterGradients adds to the sums of w and b.
func (m groupNormed) parameterGradients() {
	site := m.n.Out.Site()
	position, channel, v, p, t := m.Local(asm.I32), m.Local(asm.I32), m.Local(asm.I32), m.Local(asm.I32), m.Local(asm.I32)
	mean, inverse, g := m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128)
	sums := m.Locals(asm.V128, 2)
	m.SetI32(p, 0)
	m.For(position, 0, m.n.Out.Elements()/(m.groups*m.own), 1, func() {
		m.For(channel, 0, m.groups*m.own, 1, func() {
			for i, s := range sums {
				scaled(m.code, channel, 16)
				m.Mem(asm.V128Load, m.sums[i].addr)
				m.Set(s)
			}
			m.For(v, 0, site, 16, func() {
				m.Get(channel)
				m.I32(m.own)
				m.Op(asm.I32DivU)
				m.I32(site)
				m.Op(asm.I32Mul)
				m.Get(v)
				m.Op(asm.I32Add)
				m.Set(t)
				m.Load(asm.V128Load, t, m.mean)
				m.Set(mean)
				m.Load(asm.V128Load, t, m.inverse)
				m.Set(inverse)
				m.Load(asm.V128Load, p, m.n.OutGrad.Addr)
				m.Set(g)
				m.Get(sums[0], g)
				m.normalized(p, mean, inverse)
				m.Op(asm.F32x4Mul, asm.F32x4Add)
				m.Set(sums[0])
				m.Get(sums[1], g)
				m.Op(asm.F32x4Add)
				m.Set(sums[1])
				m.AddTo(p, 16)
			})
			for i, s := range sums {
				scaled(m.code, channel, 16)
				m.Get(s)
				m.Mem(asm.V128Store, m.sums[i].addr)
			}
		})
	})
	m.Release(position, channel, v, p, t, mean, inverse, g)
	m.Release(sums...)
}
