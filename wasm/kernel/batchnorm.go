package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// batchNorm gives each channel (the last axis) mean 0 and variance 1 over the examples and positions of a microbatch, and
// then a scale and an offset of its own (Ioffe and Szegedy 2015). With N values x of a channel,
//
//	m = Σx / N,  v = Σ(x − m)² / N,  i = 1 / √(v + ε),  y = (x − m)·(w·i) + b
//
// and, for gradients g by y and x̂ = (x − m)·i,
//
//	gb = Σg,  gw = Σg·x̂,  dx = (w·i)·((g − gb/N) − x̂·(gw/N)).
//
// Each Σ is four partial sums, one for the examples ≡ l (mod 4) each, over the positions in their order and the examples,
// ascending; then (s0 + s2) + (s1 + s3). All examples must be at hand for that, so a model with this layer has one tile for
// all of a microbatch (TileFor), whose activations take memory accordingly. Outputs and gradients of lanes without an example
// are +0.
//
// While evaluating, m and v are running averages. Each microbatch reports its m and v as integers (Averages).
type batchNorm struct{}

func (batchNorm) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: graph.BatchNorm,
		Doc:  "Gives each channel mean 0 and variance 1 over a microbatch (running averages while evaluating), then a trained scale and offset.",
		Attributes: []schema.Attribute{
			{Name: "epsilon", Kind: schema.Number, Default: 1e-5, Min: schema.AtLeast(1e-12), Max: schema.AtMost(1), Doc: "Added to the variance."},
			{Name: "momentum", Kind: schema.Number, Default: 0.1, Min: schema.AtLeast(0), Max: schema.AtMost(1), Doc: "Weight of a step's statistics in the running averages."},
			activationAttribute(),
		},
	}
}

func (batchNorm) Infer(_ schema.Attributes, in [][]int) (graph.Inference, error) {
	_, _, channels := hwc(in[0])
	own := []int{channels}
	return graph.Inference{
		Shape: in[0],
		Parameters: []graph.Parameter{
			{Name: "weight", Shape: own, FanIn: channels, FanOut: channels, Bias: true, Initializer: "ones"},
			{Name: "bias", Shape: own, FanIn: channels, FanOut: channels, Bias: true},
		},
		Averages: []graph.Parameter{{Name: "mean", Shape: own, Initializer: "zeros"}, {Name: "variance", Shape: own, Initializer: "ones"}},
	}, nil
}

func (batchNorm) fuses() bool { return true }

// Tables have a vector per channel, whose lanes are equal.
const (
	tableMean    = iota
	tableInverse // i
	tableScale   // w·i
	tableFirst   // Σx; then Σg, and gb/N
	tableSecond  // Σ(x − m)²; then Σg·x̂, and gw/N
	tables
)

// normMemory says what lies in Saved: the tables, a mask for the lanes of each vector, and, where the layer's values are
// rows, two copies of them as sites.
type normMemory struct {
	table         int // bytes
	masks, copies int // offsets
	copied        int // bytes of a copy
	bytes         int
}

func normMemoryOf(shape []int, in Layout, t Tile) normMemory {
	_, _, channels := hwc(shape)
	m := normMemory{table: 16 * channels}
	m.masks = tables * m.table
	m.copies = m.masks + 4*t.Lanes
	m.bytes = m.copies
	if in == Rows {
		m.copied = Buffer{Layout: Sites, Shape: shape, Lanes: t.Lanes}.Bytes()
		m.bytes += 2 * m.copied
	}
	return m
}

func (batchNorm) Place(n *graph.Node, in Layout, t Tile) Placement {
	m := normMemoryOf(n.Shape, in, t)
	return Placement{Out: in, Pack: 2 * m.table, Saved: m.bytes}
}

// norm is a batch norm at its place, while one of its functions is emitted.
type norm struct {
	*code
	n            *Node
	memory       normMemory
	x, y, dy, dx Buffer // as sites
}

func (batchNorm) Emit(e *Emitter, n *Node) Kernels {
	emit := func(name string, body func(m norm)) *Fn {
		return e.define(n.Name+name, func(c *code) {
			m := norm{code: c, n: n, memory: normMemoryOf(n.Shape, n.In.Layout, n.Tile), x: n.In, y: n.Out, dy: n.OutGrad, dx: n.InGrad}
			if n.In.Layout == Rows {
				m.x = Buffer{Addr: n.Saved + m.memory.copies, Layout: Sites, Shape: n.Shape, Lanes: n.Tile.Lanes}
				m.y = m.x
				m.y.Addr += m.memory.copied
				m.dy, m.dx = m.y, m.y
			}
			body(m)
		})
	}
	return Kernels{
		Prepare: emit(".prepare", norm.prepare),
		Forward: emit(".forward", func(m norm) {
			m.relay(n.In, m.x)
			m.masks()
			m.statistics()
			m.normalize(m.table(tableMean), m.table(tableScale), true)
			m.relay(m.y, n.Out)
		}),
		Infer: emit(".infer", func(m norm) {
			m.relay(n.In, m.x)
			m.normalize(n.Pack, n.Pack+m.memory.table, false)
			m.relay(m.y, n.Out)
		}),
		Backward: emit(".backward", func(m norm) {
			m.relay(n.OutGrad, m.dy)
			m.gradients()
			if n.needsInGrad() {
				m.inputGradient()
				m.relay(m.dx, n.InGrad)
			}
		}),
	}
}

// relay copies between rows and sites, where the layer's values are rows.
func (m norm) relay(from, to Buffer) {
	if m.n.In.Layout == Rows {
		transpose(m.code, from, to)
	}
}

// table is the address of one.
func (m norm) table(i int) int { return m.n.Saved + i*m.memory.table }

// prepare makes inference's tables of means and scales from the running averages.
func (m norm) prepare() {
	m.channels(func(t, p local) {
		m.Get(t)
		m.Load(asm.V128Splat32, p, m.n.Averages.Mean)
		m.Mem(asm.V128Store, m.n.Pack)
		m.Get(t)
		m.Load(asm.V128Splat32, p, m.n.weight().Value)
		m.inverse(func() { m.Load(asm.V128Splat32, p, m.n.Averages.Variance) })
		m.Op(asm.F32x4Mul)
		m.Mem(asm.V128Store, m.n.Pack+m.memory.table)
	})
}

// inverse pushes 1 / √(variance + ε).
func (m norm) inverse(variance func()) {
	m.F32x4(1)
	variance()
	m.F32x4(Single(m.n.Attributes.Float("epsilon")))
	m.Op(asm.F32x4Add, asm.F32x4Sqrt, asm.F32x4Div)
}

// examples pushes how many the microbatch has.
func (m norm) examples() {
	m.I32(m.n.Context.Count)
	m.Mem(asm.I32Load, 0)
	m.I32(m.n.Context.Example)
	m.Mem(asm.I32Load, 0)
	m.Op(asm.I32Sub)
}

// masks stores ~0 for each lane that has an example, and 0 for the others.
func (m norm) masks() {
	n, p := m.Local(asm.I32), m.Local(asm.I32)
	m.examples()
	m.Set(n)
	m.For(p, 0, 4*m.n.Tile.Lanes, 16, func() {
		m.Get(p)
		m.Get(n)
		lanesBelow(m.code)
		m.Mem(asm.V128Store, m.n.Saved+m.memory.masks)
		m.AddTo(n, -4)
	})
	m.Release(n, p)
}

// channels runs body for each channel, with its offset in a table and in an array of floats.
func (m norm) channels(body func(t, p local)) {
	t, p := m.Local(asm.I32), m.Local(asm.I32)
	m.For(p, 0, m.memory.table/4, 4, func() {
		scaled(m.code, p, 4)
		m.Set(t)
		body(t, p)
	})
	m.Release(t, p)
}

// normVectors is how many vectors of a channel are unrolled.
const normVectors = 4

// each visits all vectors, in the order of positions, channels and examples. begin and end come before and after those of a
// channel at a position and get the channel's offset in a table; vector gets the vector's offset in a buffer of sites, and what
// pushes the mask of its lanes.
func (m norm) each(begin func(t local), vector func(at local, offset int, mask func()), end func(t local)) {
	vectors, site := m.n.Tile.Lanes/4, m.x.Site()
	masks := m.n.Saved + m.memory.masks
	position, t, p := m.Local(asm.I32), m.Local(asm.I32), m.Local(asm.I32)
	var kept []local
	if vectors <= normVectors {
		kept = m.Locals(asm.V128, vectors)
		for k, l := range kept {
			m.I32(masks)
			m.Mem(asm.V128Load, 16*k)
			m.Set(l)
		}
	}
	m.SetI32(p, 0)
	m.For(position, 0, 16*m.x.Elements()/m.memory.table, 1, func() {
		m.For(t, 0, m.memory.table, 16, func() {
			begin(t)
			if kept != nil {
				for k, l := range kept {
					vector(p, 16*k, func() { m.Get(l) })
				}
			} else {
				v, at := m.Local(asm.I32), m.Local(asm.I32)
				m.For(v, 0, 16*vectors, 16*normVectors, func() {
					m.Get(p, v)
					m.Op(asm.I32Add)
					m.Set(at)
					for k := range normVectors {
						vector(at, 16*k, func() { m.Load(asm.V128Load, v, masks+16*k) })
					}
				})
				m.Release(v, at)
			}
			end(t)
			m.AddTo(p, site)
		})
	})
	m.Release(position, t, p)
	m.Release(kept...)
}

// sums clears tables, adds to each channel's vector in them what body does to its locals, and folds their lanes.
func (m norm) sums(list []int, begin func(t local), body func(sums []local, at local, offset int, mask func())) {
	sums := m.Locals(asm.V128, len(list))
	for _, table := range list {
		m.MemFill(table, m.memory.table)
	}
	m.each(func(t local) {
		begin(t)
		for i, s := range sums {
			m.Load(asm.V128Load, t, list[i])
			m.Set(s)
		}
	}, func(at local, offset int, mask func()) { body(sums, at, offset, mask) }, func(t local) {
		for i, s := range sums {
			m.Get(t, s)
			m.Mem(asm.V128Store, list[i])
		}
	})
	m.channels(func(t, _ local) {
		for i, s := range sums {
			m.Load(asm.V128Load, t, list[i])
			m.Set(s)
			for _, lanes := range [][4]int{{2, 3, 0, 1}, {1, 0, 3, 2}} {
				m.Get(s, s, s)
				m.Shuffle32(lanes[0], lanes[1], lanes[2], lanes[3])
				m.Op(asm.F32x4Add)
				m.Set(s)
			}
			m.Get(t, s)
			m.Mem(asm.V128Store, list[i])
		}
	})
	m.Release(sums...)
}

// values sets a local to N in all lanes.
func (m norm) values(count local) {
	m.examples()
	m.I32(16 * m.x.Elements() / m.memory.table)
	m.Op(asm.I32Mul, asm.F32ConvS, asm.F32x4Splat)
	m.Set(count)
}

// load sets a local to a channel's entry of a table.
func (m norm) load(to, t local, table int) {
	m.Load(asm.V128Load, t, m.table(table))
	m.Set(to)
}

// statistics makes the tables of the mean, the inverse deviation and the scale, and reports mean and variance.
func (m norm) statistics() {
	first, second := m.table(tableFirst), m.table(tableSecond)
	count, mean, d := m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128)
	add := func(sum local, value func()) {
		m.Get(sum)
		value()
		m.Op(asm.F32x4Add)
		m.Set(sum)
	}
	m.values(count)
	m.sums([]int{first}, func(local) {}, func(sums []local, at local, offset int, mask func()) {
		add(sums[0], func() {
			m.Load(asm.V128Load, at, m.x.Addr+offset)
			mask()
			m.Op(asm.V128And)
		})
	})
	m.channels(func(t, _ local) {
		m.Get(t)
		m.Load(asm.V128Load, t, first)
		m.Get(count)
		m.Op(asm.F32x4Div)
		m.Mem(asm.V128Store, m.table(tableMean))
	})
	m.sums([]int{second}, func(t local) { m.load(mean, t, tableMean) }, func(sums []local, at local, offset int, mask func()) {
		m.Load(asm.V128Load, at, m.x.Addr+offset)
		m.Get(mean)
		m.Op(asm.F32x4Sub)
		mask()
		m.Op(asm.V128And)
		m.Set(d)
		add(sums[0], func() {
			m.Get(d, d)
			m.Op(asm.F32x4Mul)
		})
	})
	variance, inverse := mean, d
	m.n.Averages.began(m.code)
	m.channels(func(t, p local) {
		m.Load(asm.V128Load, t, second)
		m.Get(count)
		m.Op(asm.F32x4Div)
		m.Set(variance)
		m.inverse(func() { m.Get(variance) })
		m.Set(inverse)
		m.Get(t, inverse)
		m.Mem(asm.V128Store, m.table(tableInverse))
		m.Get(t)
		m.Load(asm.V128Splat32, p, m.n.weight().Value)
		m.Get(inverse)
		m.Op(asm.F32x4Mul)
		m.Mem(asm.V128Store, m.table(tableScale))
		m.n.Averages.report(m.code, p, 0, func() { m.Load(asm.F32Load, t, m.table(tableMean)) })
		m.n.Averages.report(m.code, p, 1, func() {
			m.Get(variance)
			m.Lane(asm.F32x4Lane, 0)
		})
	})
	m.Release(count, mean, d)
}

// normalize sets y, by the mean and the scale in these tables.
func (m norm) normalize(means, scales int, masked bool) {
	mean, scale, bias, p := m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.I32)
	m.each(func(t local) {
		m.Load(asm.V128Load, t, means)
		m.Set(mean)
		m.Load(asm.V128Load, t, scales)
		m.Set(scale)
		m.Get(t)
		m.I32(2)
		m.Op(asm.I32ShrU)
		m.Set(p)
		b, _ := m.n.bias()
		m.Load(asm.V128Splat32, p, b.Value)
		m.Set(bias)
	}, func(at local, offset int, mask func()) {
		m.Get(at)
		m.Load(asm.V128Load, at, m.x.Addr+offset)
		m.Get(mean)
		m.Op(asm.F32x4Sub)
		m.Get(scale)
		m.Op(asm.F32x4Mul)
		m.Get(bias)
		m.Op(asm.F32x4Add)
		fuse(m.code, m.n.Fused)
		if masked {
			mask()
			m.Op(asm.V128And)
		}
		m.Mem(asm.V128Store, m.y.Addr+offset)
	}, func(local) {})
	m.Release(mean, scale, bias, p)
}

// normalized pushes x̂.
func (m norm) normalized(at local, offset int, mean, inverse local) {
	m.Load(asm.V128Load, at, m.x.Addr+offset)
	m.Get(mean)
	m.Op(asm.F32x4Sub)
	m.Get(inverse)
	m.Op(asm.F32x4Mul)
}

// gradients sets those of the parameters, and leaves them divided by N in their tables.
func (m norm) gradients() {
	first, second := m.table(tableFirst), m.table(tableSecond)
	count, mean, inverse, g := m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128), m.Local(asm.V128)
	m.values(count)
	m.sums([]int{first, second}, func(t local) {
		m.load(mean, t, tableMean)
		m.load(inverse, t, tableInverse)
	}, func(sums []local, at local, offset int, mask func()) {
		m.Load(asm.V128Load, at, m.dy.Addr+offset)
		mask()
		m.Op(asm.V128And)
		m.Set(g)
		m.Get(sums[0], g)
		m.Op(asm.F32x4Add)
		m.Set(sums[0])
		m.Get(sums[1], g)
		m.normalized(at, offset, mean, inverse)
		m.Op(asm.F32x4Mul)
		mask()
		m.Op(asm.V128And, asm.F32x4Add)
		m.Set(sums[1])
	})
	bias, _ := m.n.bias()
	m.channels(func(t, p local) {
		for _, s := range []struct{ table, grad int }{{first, bias.Grad}, {second, m.n.weight().Grad}} {
			m.Get(p)
			m.Load(asm.F32Load, t, s.table)
			m.Mem(asm.F32Store, s.grad)
			m.Get(t)
			m.Load(asm.V128Load, t, s.table)
			m.Get(count)
			m.Op(asm.F32x4Div)
			m.Mem(asm.V128Store, s.table)
		}
	})
	m.Release(count, mean, inverse, g)
}

// inputGradient sets dx, which may be where dy is.
func (m norm) inputGradient() {
	l := m.Locals(asm.V128, tables)
	m.each(func(t local) {
		for i := range l {
			m.load(l[i], t, i)
		}
	}, func(at local, offset int, mask func()) {
		m.Get(at, l[tableScale])
		m.Load(asm.V128Load, at, m.dy.Addr+offset)
		m.Get(l[tableFirst])
		m.Op(asm.F32x4Sub)
		m.normalized(at, offset, l[tableMean], l[tableInverse])
		m.Get(l[tableSecond])
		m.Op(asm.F32x4Mul, asm.F32x4Sub, asm.F32x4Mul)
		mask()
		m.Op(asm.V128And)
		m.Mem(asm.V128Store, m.dx.Addr+offset)
	}, func(local) {})
	m.Release(l...)
}
