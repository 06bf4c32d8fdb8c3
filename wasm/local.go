package wasm

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// localPlan is what an engine with local steps has beside others (kernel.InnerStep).
type localPlan struct {
	steps, batch int         // of a microbatch, examples of a step
	outer        kernel.Rule // of apply

	// In scratch: the optimizer's state, and the records that a part's last tile must not see.
	state, hidden int
}

func newLocalPlan(a schema.Algorithm) *localPlan {
	outer := a.Aggregation.Outer
	return &localPlan{steps: a.LocalSteps(), batch: a.InnerBatch(), outer: kernel.Outer(*outer.LearningRate, *outer.Momentum)}
}

// applied is the rule of apply.
func (p *plan) applied() kernel.Rule {
	if p.local != nil {
		return p.local.outer
	}
	return p.rule
}

// appliedName is what a piece of state or a hyper-parameter of that rule is called. Changes of parameters are of another
// size than gradients, so that an engine which follows one of the other mode must not take over its velocities.
func (p *plan) appliedName(name string) string {
	if p.local != nil {
		return kernel.OuterName(name)
	}
	return name
}

// parameterBytes is the size of all parameters, which lie one behind the other.
func (p *plan) parameterBytes() int {
	last := p.parameters[len(p.parameters)-1]
	return last.Value + 4*last.Rows*last.Cols - p.parameters[0].Value
}

// stateBytes is the size of the optimizer's state.
func (p *plan) stateBytes() int {
	bytes := roundUp(4*len(p.rule.Shared), lineSize)
	for _, k := range p.parameters {
		bytes += len(p.rule.Slots) * roundUp(4*k.Rows*k.Cols+slack, lineSize)
	}
	return bytes
}

// hiddenBytes is the size of the records behind a part that its last tile reaches.
func (p *plan) hiddenBytes() int {
	return (p.tile.Lanes*p.tile.Count - p.local.batch) * p.train.Record.Input.Bytes()
}

func (p *plan) localScratch(always func(addr *int, bytes int)) {
	always(&p.local.state, p.stateBytes())
	always(&p.local.hidden, p.hiddenBytes())
}

// inner are the parameters with the state of the optimizer inside.
func (p *plan) inner() (parameters []kernel.Parameter, shared []int) {
	at := &memory{end: p.local.state}
	for range p.rule.Shared {
		shared = append(shared, at.alloc(4, 4))
	}
	for _, k := range p.parameters {
		k.Slots = nil
		for range p.rule.Slots {
			k.Slots = append(k.Slots, at.alloc(4*k.Rows*k.Cols+slack, lineSize))
		}
		parameters = append(parameters, k)
	}
	return parameters, shared
}

// aside runs body, which may change the parameters, and puts these back.
func (a *assembly) aside(c *asm.Code, body func()) {
	parameters := a.parameters[0].Value
	a.copyParameters(c, a.before, parameters)
	body()
	a.copyParameters(c, parameters, a.before)
}

// localSteps emits (step i64, n i32) → status, the middle of accumulate: the steps with n records, after which the gradients
// hold by how much the parameters changed.
func (a *assembly) localSteps(schedule kernel.Fn) kernel.Fn {
	parameters, shared := a.inner()
	gradient := a.partGradient()
	update := a.e.InnerStep(parameters, kernel.Step{
		Rule: a.rule, Schedule: schedule, Hyper: a.hyperAddress, Shared: shared, Status: a.updateStatus, Clip: a.clip,
	})
	delta := a.e.Delta(a.parameters, a.before)
	return a.e.Define("steps", []asm.ValType{asm.I64, asm.I32}, []asm.ValType{asm.I32}, func(c *asm.Code, p []asm.Local) {
		t, n := p[0], p[1]
		first, end, status := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		failed := func() {
			c.Tee(status)
			c.If(func() {
				c.Get(status)
				c.Return()
			})
		}
		if bytes := a.stateBytes(); bytes > 0 {
			c.MemFill(a.local.state, bytes)
		}
		// t = (max(step, 1) − 1)·H: step 0 does what step 1 will do.
		c.Get(t)
		c.I64(1)
		c.Get(t)
		c.I64(1)
		c.Op(asm.I64GtS, asm.Select)
		c.I64(1)
		c.Op(asm.I64Sub)
		c.I64(int64(a.local.steps))
		c.Op(asm.I64Mul)
		c.Set(t)
		c.SetI32(first, 0)
		c.Repeat(a.local.steps, func() {
			// end = min(first + batch, n)
			c.Get(first)
			c.I32(a.local.batch)
			c.Op(asm.I32Add)
			c.Tee(end)
			c.Get(n, end, n)
			c.Op(asm.I32LtS, asm.Select)
			c.Set(end)
			c.Get(first, end)
			call(c, gradient)
			failed()
			c.Get(t, end, first)
			c.Op(asm.I32Sub)
			if k := a.head.Sequence.Steps; k > 0 {
				c.I32(k)
				c.Op(asm.I32Mul)
			}
			call(c, update)
			failed()
			c.Get(t)
			c.I64(1)
			c.Op(asm.I64Add)
			c.Set(t)
			c.Get(end)
			c.Tee(first)
			c.Get(n)
			c.Op(asm.I32LtS)
		})
		call(c, delta)
		c.I32(statusOK)
	})
}

// partGradient emits (first, end i32) → status: the gradient of the records from first to end. Records behind them are
// zero for a while, as they are behind those of any other call.
func (a *assembly) partGradient() kernel.Fn {
	tiles := a.e.Define("part.tiles", []asm.ValType{asm.I32, asm.I32}, []asm.ValType{asm.I32}, func(c *asm.Code, p []asm.Local) {
		a.count(c, p[1])
		a.prepare(c)
		within := c.Local(asm.I32)
		a.gradient(c, func(body func()) {
			a.tilesOf(c, a.tile.Count, p[0], p[1], func() {
				store(c, asm.I32Store, a.context.First, func() { c.Get(within) })
				body()
				c.AddTo(within, a.tile.Lanes)
			})
		})
		c.I32(statusOK)
	})
	bytes := a.hiddenBytes()
	if bytes == 0 {
		return tiles
	}
	return a.e.Define("part", []asm.ValType{asm.I32, asm.I32}, []asm.ValType{asm.I32}, func(c *asm.Code, p []asm.Local) {
		behind := c.Local(asm.I32)
		c.Get(p[0])
		c.I32(a.local.batch)
		c.Op(asm.I32Add)
		c.I32(a.train.Record.Input.Bytes())
		c.Op(asm.I32Mul)
		c.I32(a.input.Region)
		c.Op(asm.I32Add)
		c.Set(behind)

		c.I32(a.local.hidden)
		c.Get(behind)
		c.MemCopy(bytes)
		c.Get(behind)
		c.I32(0)
		c.I32(bytes)
		c.Fill(bytes)
		c.Get(p[0], p[1])
		call(c, tiles)
		c.Get(behind)
		c.I32(a.local.hidden)
		c.MemCopy(bytes)
	})
}
