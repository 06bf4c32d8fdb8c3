package wasm

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// This file has what an algorithm may ask for beside an optimizer: constraints, clipping, averages.

// constraints of the layers' weights.
func (p *plan) constraints() map[*graph.Node]schema.Named {
	list := map[*graph.Node]schema.Named{}
	layers := p.resolved.Model.Layers
	for _, n := range p.graph.Nodes[1:] {
		if !n.Expanded {
			list[n], layers = layers[0].Constraint, layers[1:]
		}
	}
	return list
}

// limits places what clipping and averages need, and gives their hyper-parameters.
func (p *plan) limits(m *memory) (list []schema.Hyperparameter) {
	a := p.resolved.Algorithm
	if c := a.Clipping; c.Kind != "" {
		p.clip = kernel.Clip{Kind: c.Kind, Coefficient: m.alloc(4, 4)}
		list = append(list, kernel.ClipHyperparameter(schema.Attributes(c.Attributes).Float("limit")))
	}
	if p.hasEMA() {
		list = append(list, kernel.EMAHyperparameter(schema.Attributes(a.Averaging.Attributes).Float("decay")))
	}
	return list
}

// hasEMA reports whether evaluation and prediction read averages of the parameters. By the ABI these are then the
// parameters, and the values that are trained are state: NAME and NAME.trained. Both lie in the order of the parameters, at
// the same distances from each other.
func (p *plan) hasEMA() bool { return p.resolved.Algorithm.Averaging.Kind != "" }

// trained places the values that are trained beside their averages.
func (p *plan) trained(tensor func(list *[]schema.Tensor, name, dtype string, shape ...int) int) {
	for i := range p.parameters {
		k := &p.parameters[i]
		k.Average = k.Value
		k.Value = tensor(&p.section.State, k.Name+"."+kernel.TrainedName, "f32", k.Shape...)
	}
	p.ema = kernel.EMA{
		Kind:   p.resolved.Algorithm.Averaging.Kind,
		WarmUp: schema.Attributes(p.resolved.Algorithm.Averaging.Attributes).Bool("warmUp"),
		Count:  tensor(&p.section.State, kernel.EMACount, "i64"),
	}
}

// copyParameters emits a copy of all of them from one address to another.
func (p *plan) copyParameters(c *asm.Code, to, from int) {
	c.I32(to)
	c.I32(from)
	c.MemCopy(p.parameterBytes())
}

// restoreTrained emits what restore does where there are averages: as long as nothing was averaged, the values that are
// trained are the parameters. So an engine with averages goes on from the parameters of one without, and from initial
// parameters that somebody writes.
func (p *plan) restoreTrained(c *asm.Code) {
	c.I32(p.ema.Count)
	c.Mem(asm.I64Load, 0)
	c.Op(asm.I64Eqz)
	c.If(func() { p.copyParameters(c, p.parameters[0].Value, p.parameters[0].Average) })
}

// smoothed is body, which leaves a status and may return one early, with the averages in the place of the values for a while.
func (a *assembly) smoothed(name string, body func(c *asm.Code, n asm.Local)) func(c *asm.Code, n asm.Local) {
	if !a.hasEMA() {
		return body
	}
	f := a.e.Define(name, []asm.ValType{asm.I32}, []asm.ValType{asm.I32}, func(c *asm.Code, p []asm.Local) { body(c, p[0]) })
	return func(c *asm.Code, n asm.Local) {
		value, average := a.parameters[0].Value, a.parameters[0].Average
		a.copyParameters(c, a.before, value)
		a.copyParameters(c, value, average)
		c.Get(n)
		call(c, f)
		a.copyParameters(c, value, a.before)
	}
}

// appliedClip is how apply bounds what was merged. Changes of parameters by local steps are of gradients that were bounded
// before.
func (p *plan) appliedClip() kernel.Clip {
	if p.local != nil {
		return kernel.Clip{}
	}
	return p.clip
}

// placeAugment gives the changes of inputs their scratch.
func (p *plan) placeAugment(always func(addr *int, bytes int), m *memory) {
	changes := p.resolved.Algorithm.Augmentation
	if len(changes) == 0 {
		return
	}
	record := p.train.Record.Input
	g := &kernel.Augment{
		Changes: changes, Region: p.input.Region, DType: record.DType, Shape: record.Shape, Lanes: p.tile.Lanes,
		Context: p.context, Zero: m.alloc(4, 4),
	}
	work, spare := g.Bytes()
	always(&g.Work, work)
	always(&g.Spare, spare)
	p.augment = g
}

// trainingInput emits what loads a tile's inputs while training.
func (a *assembly) trainingInput() func(c *asm.Code) {
	if a.augment == nil {
		return func(c *asm.Code) { call(c, a.loadInput) }
	}
	change := a.augment.Emit(a.e)
	changed := a.input
	changed.Region, changed.First = a.augment.Work, a.augment.Zero
	load := changed.Emit(a.e)
	return func(c *asm.Code) {
		call(c, change)
		call(c, load)
	}
}

// pair reports whether one output decides between two classes: what is predicted are the probabilities of both.
func (p *plan) pair() bool {
	return p.train.Classes == 2 && schema.Elements(p.graph.Output().Shape) == 1
}
