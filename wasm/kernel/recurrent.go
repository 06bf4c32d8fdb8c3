package kernel

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// recurrent is a layer that goes over the steps of a sequence [steps, inputs] with a state h of so many units, 0 at first. Its
// parameters, their names, the order of gates and where biases stand are PyTorch's. With a = W_ih·x[t] + b_ih and
// b = W_hh·h[t−1] + b_hh, cut into the cell's gates:
//
//	rnn   h = tanh(a + b)
//	lstm  i, f, o = σ(a + b) each, g = tanh(a + b); c = f·c + i·g; h = o·tanh(c)   gates i f g o
//	gru   r, z = σ(a + b) each, n = tanh(a_n + r·b_n); h = (1 − z)·n + z·h         gates r z n
//
// The output is h of all steps, or of the last. The gradient goes back through all steps.
//
// Order of additions. The products a and the gradients of W_ih, b_ih, W_hh and b_hh are those of a dense layer over the steps,
// whose inputs are x, and h of the step before. Products with W_hh: over the units, ascending, then b_hh. The gradient by
// h[t−1]: over the gates' units, ascending, then what the cell adds; dy comes first, in dy + that of the step after.
type recurrent struct{ cell cell }

// cell is what tells recurrent layers apart.
type cell interface {
	name() string
	doc() string
	gates() int
	// kept is how many vectors of units a step keeps beside its gates for the backward pass.
	kept() int
	// step pushes the new h of the unit at u from a and b, of which it leaves in memory what back needs.
	step(u unit)
	// back sets the gradients by a and b of the unit at u, given that by h in a local, and pushes what goes to the h before
	// beside W_hh's part, or nothing where there is none, and reports which.
	back(u unit, dh local) bool
}

func (l recurrent) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: l.cell.name(),
		Doc:  l.cell.doc(),
		Attributes: []schema.Attribute{
			{Name: "units", Kind: schema.Integer, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 14), Doc: "Length of the state."},
			{Name: "returnSequences", Kind: schema.Boolean, Default: false, Doc: "Whether the output is the state after each step, and not after the last alone."},
		},
	}
}

func (l recurrent) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	shape, units := in[0], a.Int("units")
	if len(shape) != 2 {
		return graph.Inference{}, fmt.Errorf("its input has the shape %v; a sequence [steps, features] is needed", shape)
	}
	rows := l.cell.gates() * units
	inf := graph.Inference{
		Shape: []int{units}, MultiplyAdds: int64(shape[0]) * int64(rows) * int64(shape[1]+units),
		Parameters: []graph.Parameter{
			{Name: "weight_ih", Shape: []int{rows, shape[1]}, FanIn: shape[1], FanOut: units},
			{Name: "weight_hh", Shape: []int{rows, units}, FanIn: units, FanOut: units},
			{Name: "bias_ih", Shape: []int{rows}, FanIn: shape[1], FanOut: units, Bias: true},
			{Name: "bias_hh", Shape: []int{rows}, FanIn: units, FanOut: units, Bias: true},
		},
	}
	if a.Bool("returnSequences") {
		inf.Shape = []int{shape[0], units}
	}
	return inf, nil
}

// recurrentMemory says where a layer's values lie: in Saved the gates of all steps, states from h[−1] = 0 on, what the cell
// keeps, and b of a step; in Scratch the gradients by a and b of all steps, and by h of one, with what the cell carries and adds; in
// Pack and Partial what the products of all steps need, and W_hh and its transposed, each value spread over a vector.
type recurrentMemory struct {
	input, state                         steps
	gates, states, kept, b               int // offsets in Saved
	da, db, dh, carried, direct          int // in Scratch
	products                             int
	inputPack, statePack, spread, turned int // in Pack
	inputPartial, statePartial           int // in Partial
	saved, scratch, pack, partial        int // bytes
}

func (l recurrent) memory(count, inputs, units int, t Tile) recurrentMemory {
	rows, vector := l.cell.gates()*units, 4*t.Lanes
	m := recurrentMemory{input: stepsOf(count, inputs, rows), state: stepsOf(count, units, rows)}
	take := func(total *int, bytes int) int {
		at := *total
		*total += roundUp(bytes+slack, 64)
		return at
	}
	m.gates = take(&m.saved, count*rows*vector)
	m.states = take(&m.saved, (count+1)*units*vector)
	m.kept = take(&m.saved, (count+1)*l.cell.kept()*units*vector)
	m.b = take(&m.saved, rows*vector)
	m.da = take(&m.scratch, count*rows*vector)
	m.db = take(&m.scratch, count*rows*vector)
	m.dh = take(&m.scratch, units*vector)
	m.carried = take(&m.scratch, units*vector)
	m.direct = take(&m.scratch, units*vector)
	input, state := m.input.place(t), m.state.place(t)
	m.inputPack, m.statePack = take(&m.pack, input.Pack), take(&m.pack, state.Pack)
	m.spread = take(&m.pack, 16*rows*units)
	m.turned = take(&m.pack, 16*rows*units)
	m.inputPartial, m.statePartial = take(&m.partial, input.Partial), take(&m.partial, state.Partial)
	m.products = m.scratch
	m.scratch += max(input.Scratch, state.Scratch)
	return m
}

func (l recurrent) memoryOf(n *graph.Node, t Tile) recurrentMemory {
	in := n.In().Shape
	return l.memory(in[0], in[1], n.Attributes.Int("units"), t)
}

func (l recurrent) Place(n *graph.Node, _ Layout, t Tile) Placement {
	m := l.memoryOf(n, t)
	p := Placement{Out: Sites, Saved: m.saved, Scratch: m.scratch, Pack: m.pack, Partial: m.partial}
	if len(n.Shape) == 1 {
		p.Out = Rows
	}
	return p
}

// recurrence is a layer at its place while a function is emitted.
type recurrence struct {
	recurrentMemory
	n                        *Node
	cell                     cell
	count, units, rows, site int
}

// sequence is a tile's values over the steps at an address.
func (r recurrence) sequence(addr, width int) Buffer {
	return Buffer{Addr: addr, Layout: Sites, Shape: []int{r.count, width}, Lanes: r.n.Tile.Lanes}
}

func (l recurrent) Emit(e *Emitter, n *Node) Kernels {
	units := n.Attributes.Int("units")
	r := recurrence{
		recurrentMemory: l.memoryOf(n.Node, n.Tile), n: n, cell: l.cell,
		count: n.In.Shape[0], units: units, rows: l.cell.gates() * units, site: n.In.Site(),
	}
	input := *n
	input.Node = &graph.Node{Name: n.Name + ".input"}
	input.Parameters = []Parameter{n.Parameters[0], n.Parameters[2]}
	input.Out, input.OutGrad = r.sequence(n.Saved+r.gates, r.rows), r.sequence(n.Scratch+r.da, r.rows)
	state := input
	state.Node = &graph.Node{Name: n.Name + ".state"}
	state.Parameters = []Parameter{n.Parameters[1], n.Parameters[3]}
	state.In, state.InGrad, state.Out = r.sequence(n.Saved+r.states, units), Buffer{}, Buffer{}
	state.OutGrad = r.sequence(n.Scratch+r.db, r.rows)
	scratch := n.Scratch + r.products
	inputs := r.input.emit(e, &input, stepsAddresses{n.Pack + r.inputPack, n.Partial + r.inputPartial, scratch})
	states := r.state.emit(e, &state, stepsAddresses{n.Pack + r.statePack, n.Partial + r.statePartial, scratch})
	all := func(name string, list ...*Fn) *Fn {
		list = slices.DeleteFunc(list, func(f *Fn) bool { return f == nil })
		if len(list) == 0 {
			return nil
		}
		return e.define(n.Name+name, func(c *code) {
			for _, f := range list {
				call(c, *f)
			}
		})
	}
	spread := e.define(n.Name+".spread", func(c *code) { r.spreadWeights(c, n.Pack+r.spread, false) })
	turn := e.define(n.Name+".turn", func(c *code) { r.spreadWeights(c, n.Pack+r.turned, true) })
	steps := e.define(n.Name+".steps", r.forward)
	back := e.define(n.Name+".back", r.backward)
	k := Kernels{
		Prepare:         all(".prepare", inputs.Prepare, spread),
		PrepareBackward: all(".prepare-backward", inputs.PrepareBackward, states.PrepareBackward, turn),
		Forward:         all(".forward", inputs.Forward, steps),
		Backward:        all(".backward", back, inputs.Backward, states.Backward),
		Finish:          all(".finish", inputs.Finish, states.Finish),
	}
	k.Infer = k.Forward
	return k
}

// spreadWeights spreads W_hh, [gates·units, units], over vectors, as it is or transposed.
func (r recurrence) spreadWeights(c *code, addr int, transposed bool) {
	from, to, row, unit, start := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	next, first := 16, 16*r.units
	if transposed {
		next, first = 16*r.rows, 16
	}
	c.SetI32(from, 0)
	c.SetI32(start, 0)
	c.For(row, 0, r.rows, 1, func() {
		c.Get(start)
		c.Set(to)
		c.For(unit, 0, r.units, 1, func() {
			c.Get(to)
			c.Load(asm.V128Splat32, from, r.n.Parameters[1].Value)
			c.Mem(asm.V128Store, addr)
			c.AddTo(from, 4)
			c.AddTo(to, next)
		})
		c.AddTo(start, first)
	})
	c.Release(from, to, row, unit, start)
}

// stepProduct is out[row] = Σ_k W[row, k]·x[k] (+ bias[row]) for each lane: W spread, x the sites at a local's byte offset.
type stepProduct struct {
	weights, rows, steps int
	bias                 int // address, or 0
	x, out               int // addresses
}

func (r recurrence) product(c *code, p stepProduct, x local) {
	vectors := r.site / 16
	count, width := groupCount(siteGroups(vectors))
	row, pa, pb, out, weights, group := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	for _, run := range blocks(p.rows, maxRows(width)) {
		c.For(row, 4*run.First, 4*(run.First+run.Count*run.Size), 4*run.Size, func() {
			scaled(c, row, 4*p.steps)
			c.Set(weights)
			c.For(group, 0, 16*width*count, 16*width, func() {
				c.Get(weights)
				c.Set(pa)
				c.Get(x, group)
				c.Op(asm.I32Add)
				c.Set(pb)
				acc := accumulators(c, run.Size*width)
				product(c, acc, run.Size, width, p.steps,
					operand{Base: pa, Offset: p.weights, Row: 16 * p.steps, Step: 16},
					operand{Base: pb, Offset: p.x, Row: 16, Step: r.site})
				scaled(c, row, r.site/4)
				c.Get(group)
				c.Op(asm.I32Add)
				c.Set(out)
				finishOutputs(c, acc, run.Size, width, p.bias, row, "", out, p.out, r.site)
				c.Release(acc...)
			})
		})
	}
	c.Release(row, pa, pb, out, weights, group)
}

// unit is a vector of the lanes of a unit at a step, while a cell is emitted.
type unit struct {
	*code
	r    recurrence
	u    local // byte offset of the vector among the units'
	gate local // that of the step's first gate's vector, among those of all steps
	at   local // that of the unit's vector among the states of all steps, from h[t−1] on, and among what is kept
}

// a loads a gate of W_ih's part, and setA stores what value pushes in its place.
func (u unit) a(gate int) { u.Load(asm.V128Load, u.gate, u.address(u.r.n.Saved+u.r.gates, gate)) }

func (u unit) setA(gate int, value func()) {
	u.Get(u.gate)
	value()
	u.Mem(asm.V128Store, u.address(u.r.n.Saved+u.r.gates, gate))
}

// b loads a gate of W_hh's part, which is there in the forward pass.
func (u unit) b(gate int) {
	u.Load(asm.V128Load, u.u, u.address(u.r.n.Saved+u.r.b, gate))
}

// address of a gate, from one of the first's.
func (u unit) address(addr, gate int) int { return addr + gate*u.r.units*u.r.site }

// after loads h[t], in the backward pass.
func (u unit) after() { u.Load(asm.V128Load, u.at, u.r.n.Saved+u.r.states+u.r.units*u.r.site) }

// before loads h[t−1].
func (u unit) before() { u.Load(asm.V128Load, u.at, u.r.n.Saved+u.r.states) }

// keep stores what value pushes for step t, and kept loads it; the step before's is that of past.
func (u unit) keep(slot int, value func()) {
	u.Get(u.at)
	value()
	u.Mem(asm.V128Store, u.slot(slot, 1))
}

func (u unit) kept(slot int) { u.Load(asm.V128Load, u.at, u.slot(slot, 1)) }
func (u unit) past(slot int) { u.Load(asm.V128Load, u.at, u.slot(slot, 0)) }

// slot is the address of a slot of kept values, so many steps on; each slot has a sequence of its own.
func (u unit) slot(slot, steps int) int {
	width := u.r.units * u.r.site
	return u.r.n.Saved + u.r.kept + slot*(u.r.count+1)*width + steps*width
}

// setGradient stores what value pushes as the gradient by a gate of a and of b.
func (u unit) setGradient(gate int, value func()) {
	x := u.Local(asm.V128)
	value()
	u.Set(x)
	for _, at := range []int{u.r.da, u.r.db} {
		u.Get(u.gate, x)
		u.Mem(asm.V128Store, u.address(u.r.n.Scratch+at, gate))
	}
	u.Release(x)
}

// setStateGradient is that by b alone, where the two differ. It follows setGradient.
func (u unit) setStateGradient(gate int, value func()) {
	u.Get(u.gate)
	value()
	u.Mem(asm.V128Store, u.address(u.r.n.Scratch+u.r.db, gate))
}

// carried is the address of what a cell hands from step to step in the backward pass, at u.
func (u unit) carried() int { return u.r.n.Scratch + u.r.carried }

// eachUnit runs body for the vectors of all units.
func (r recurrence) eachUnit(c *code, gate, at local, body func(u unit)) {
	u := unit{code: c, r: r, u: c.Local(asm.I32), gate: c.Local(asm.I32), at: c.Local(asm.I32)}
	c.For(u.u, 0, r.units*r.site, 16, func() {
		for _, p := range [][2]local{{u.gate, gate}, {u.at, at}} {
			c.Get(p[1], u.u)
			c.Op(asm.I32Add)
			c.Set(p[0])
		}
		body(u)
	})
	c.Release(u.u, u.gate, u.at)
}

// forward goes over the steps, once W_ih's part of all gates is there.
func (r recurrence) forward(c *code) {
	n, width := r.n, r.units*r.site
	states := n.Saved + r.states
	step, gate, at := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.MemFill(states, width)
	for slot := range r.cell.kept() {
		c.MemFill(unit{r: r}.slot(slot, 0), width)
	}
	c.SetI32(gate, 0)
	c.SetI32(at, 0)
	c.For(step, 0, r.count, 1, func() {
		r.product(c, stepProduct{
			weights: n.Pack + r.spread, rows: r.rows, steps: r.units, bias: n.Parameters[3].Value, x: states, out: n.Saved + r.b,
		}, at)
		r.eachUnit(c, gate, at, func(u unit) {
			c.Get(u.at)
			r.cell.step(u)
			c.Mem(asm.V128Store, states+width)
		})
		c.AddTo(gate, r.rows*r.site)
		c.AddTo(at, width)
	})
	c.Release(step, gate, at)
	if n.Out.Layout == Rows {
		transpose(c, Buffer{Addr: states + r.count*width, Layout: Sites, Shape: n.Shape, Lanes: n.Tile.Lanes}, n.Out)
		return
	}
	c.I32(n.Out.Addr)
	c.I32(states + width)
	c.MemCopy(r.count * width)
}

// backward goes over the steps from the last to the first and sets the gradients by a and b.
func (r recurrence) backward(c *code) {
	n, width := r.n, r.units*r.site
	dh := n.Scratch + r.dh
	step, gate, at, u := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	d := c.Local(asm.V128)
	c.MemFill(n.Scratch+r.carried, width)
	if n.OutGrad.Layout == Rows {
		transpose(c, n.OutGrad, Buffer{Addr: dh, Layout: Sites, Shape: n.Shape, Lanes: n.Tile.Lanes})
	} else {
		c.MemFill(dh, width)
	}
	c.SetI32(gate, (r.count-1)*r.rows*r.site)
	c.SetI32(at, (r.count-1)*width)
	adds := false
	c.For(step, 0, r.count, 1, func() {
		r.eachUnit(c, gate, at, func(u unit) {
			if n.OutGrad.Layout == Sites {
				c.Load(asm.V128Load, u.at, n.OutGrad.Addr)
				c.Load(asm.V128Load, u.u, dh)
				c.Op(asm.F32x4Add)
			} else {
				c.Load(asm.V128Load, u.u, dh)
			}
			c.Set(d)
			if adds = r.cell.back(u, d); adds {
				c.Set(d)
				c.Get(u.u, d)
				c.Mem(asm.V128Store, n.Scratch+r.direct)
			}
		})
		r.product(c, stepProduct{weights: n.Pack + r.turned, rows: r.units, steps: r.rows, x: n.Scratch + r.db, out: dh}, gate)
		if adds {
			c.For(u, 0, width, 16, func() {
				addVectorAt(c, u, dh, func() { c.Load(asm.V128Load, u, n.Scratch+r.direct) })
			})
		}
		c.AddTo(gate, -r.rows*r.site)
		c.AddTo(at, -width)
	})
	c.Release(step, gate, at, u, d)
}
