package wasm

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Statuses that do not depend on the model. One status per parameter follows for each of two causes.
const (
	statusOK = iota
	statusRuntime
	statusCount
	statusClass
	statusFirst
)

// statusTexts are the section's errors.
func statusTexts(params []kernel.Parameter) []string {
	texts := []string{
		"",
		"this runtime flushes subnormal numbers or does not round to nearest even, so its results would differ; another process or device is needed",
		"the number of records is not between 1 and the capacity",
		"a target is not a class of the model",
	}
	for _, p := range params {
		texts = append(texts, "non-finite gradient in "+p.Name)
	}
	for _, p := range params {
		texts = append(texts, "non-finite value in "+p.Name+" after an update")
	}
	return texts
}

// assembly is an engine while its exports are put together.
type assembly struct {
	*plan
	e       *kernel.Emitter
	kernels []kernel.Kernels
	exports []asm.Export
	fuel    map[string]int64

	canaryFn                                   *kernel.Fn
	loadInput, targets, predict, score, gradFn kernel.Fn
	gradientSums                               [][]kernel.Fn // behind each node's backward pass
	writeOutput                                kernel.Fn
	loadTraining                               func(c *asm.Code)
}

func call(c *asm.Code, f kernel.Fn) { c.Call(f.Index, f.Fuel) }

func (a *assembly) emitLayers() {
	for i, n := range a.nodes {
		if i == 0 {
			a.kernels = append(a.kernels, kernel.Kernels{})
			continue
		}
		a.kernels = append(a.kernels, n.Op.(kernel.Op).Emit(a.e, n))
	}
	for i, n := range a.nodes {
		var sums []kernel.Fn
		for _, s := range a.sums[i] {
			sums = append(sums, s.Emit(a.e, n.Name))
		}
		a.gradientSums = append(a.gradientSums, sums)
	}
	a.loadInput = a.input.Emit(a.e)
	a.loadTraining = a.trainingInput()
	a.targets = a.head.LoadTargets(a.e)
	a.predict = a.head.Predict(a.e)
	a.score = a.head.Score(a.e)
	a.gradFn = a.head.Gradient(a.e)
	a.writeOutput = a.head.Write(a.e)
}

// export emits a function of the ABI.
func (a *assembly) export(name string, params, results []asm.ValType, body func(c *asm.Code, p []asm.Local)) {
	a.exportFn(name, a.e.Define(name, params, results, body))
}

func (a *assembly) exportFn(name string, f kernel.Fn) {
	a.exports = append(a.exports, asm.Export{Name: name, Kind: asm.KindFunc, Index: f.Index})
	a.fuel[name] = f.Fuel
}

// guard leaves the function with a status unless the runtime computes as IEEE 754 says and, where there is one, the
// number of records is legal.
func (a *assembly) guard(c *asm.Code, n *asm.Local) {
	fail := func(status int) {
		c.If(func() {
			c.I32(status)
			c.Return()
		})
	}
	if a.canaryFn != nil {
		call(c, *a.canaryFn)
		c.Op(asm.I32Eqz)
		fail(statusRuntime)
	}
	if n != nil {
		c.Get(*n)
		c.I32(1)
		c.Op(asm.I32Sub)
		c.I32(a.section.Capacity)
		c.Op(asm.I32GeU)
		fail(statusCount)
	}
}

func store(c *asm.Code, op asm.Op, addr int, value func()) {
	c.I32(addr)
	value()
	c.Mem(op, 0)
}

// begin sets what a call's tiles share, and clears the records of the last tiles that the host did not write.
func (a *assembly) begin(c *asm.Code, n asm.Local) {
	a.count(c, n)
	a.zero(c, n)
	a.prepare(c)
}

// count sets where the tiles end.
func (a *assembly) count(c *asm.Code, end asm.Local) {
	store(c, asm.I32Store, a.head.Count, func() { c.Get(end) })
}

// zero clears what the tiles add up, and the records behind the n that the host wrote.
func (a *assembly) zero(c *asm.Code, n asm.Local) {
	store(c, asm.I64Store, a.head.LossSum, func() { c.I64(0) })
	store(c, asm.I64Store, a.head.Correct, func() { c.I64(0) })
	for _, n := range a.nodes {
		if a.averages[n.Node] != nil {
			n.Averages.Clear(c)
		}
	}
	record := a.train.Record.Input.Bytes()
	c.Get(n)
	c.I32(record)
	c.Op(asm.I32Mul)
	c.I32(a.input.Region)
	c.Op(asm.I32Add)
	c.I32(0)
	c.I32(a.whole)
	c.Get(n)
	c.Op(asm.I32Sub)
	c.I32(record)
	c.Op(asm.I32Mul)
	c.Fill(a.whole * record)
}

// prepare runs what comes before the first tile.
func (a *assembly) prepare(c *asm.Code) {
	for _, k := range a.kernels {
		a.run(c, k.Prepare)
	}
}

func (a *assembly) run(c *asm.Code, f *kernel.Fn) {
	if f != nil {
		call(c, *f)
	}
}

// tiles runs body for each tile that has one of n records.
func (a *assembly) tiles(c *asm.Code, n asm.Local, body func()) {
	first := c.Local(asm.I32)
	c.SetI32(first, 0)
	a.tilesOf(c, a.whole/a.tile.Lanes, first, n, body)
	c.Release(first)
}

// tilesOf runs body for each tile from first to end, at most so many; the tile's first example is at context.Example.
func (a *assembly) tilesOf(c *asm.Code, most int, first, end asm.Local, body func()) {
	c.Repeat(most, func() {
		store(c, asm.I32Store, a.context.Example, func() { c.Get(first) })
		body()
		c.AddTo(first, a.tile.Lanes)
		c.Get(first, end)
		c.Op(asm.I32LtU)
	})
}

// forward runs a tile up to what predict writes.
func (a *assembly) forward(c *asm.Code, train bool) {
	if train {
		a.loadTraining(c)
	} else {
		call(c, a.loadInput)
	}
	for _, k := range a.kernels {
		if train {
			a.run(c, k.Forward)
		} else {
			a.run(c, k.Infer)
		}
	}
	call(c, a.predict)
}

// loadTargets leaves the function with a status where a target is not a class.
func (a *assembly) loadTargets(c *asm.Code) {
	call(c, a.targets)
	c.If(func() {
		c.I32(statusClass)
		c.Return()
	})
}

// predicted pushes, as i64, how many predictions n records ask for.
func (a *assembly) predicted(c *asm.Code, n asm.Local) {
	c.Get(n)
	if k := a.head.Sequence.Steps; k > 0 {
		c.I32(k)
		c.Op(asm.I32Mul)
	}
	c.Op(asm.I64ExtU)
}

// add adds an i64 in memory to another.
func add(c *asm.Code, to int, value func()) {
	c.I32(to)
	c.I32(to)
	c.Mem(asm.I64Load, 0)
	value()
	c.Op(asm.I64Add)
	c.Mem(asm.I64Store, 0)
}

// gradient makes the gradients of the records in the tiles for which tiles runs its body.
func (a *assembly) gradient(c *asm.Code, tiles func(body func())) {
	for _, k := range a.kernels {
		a.run(c, k.PrepareBackward)
	}
	tiles(func() {
		a.forward(c, true)
		a.loadTargets(c)
		call(c, a.score)
		call(c, a.gradFn)
		for i := len(a.kernels) - 1; i > 0; i-- {
			a.run(c, a.kernels[i].Backward)
			for _, s := range a.gradientSums[i] {
				call(c, s)
			}
		}
	})
	for _, k := range a.kernels {
		a.run(c, k.Finish)
	}
}

func (a *assembly) accumulate(schedule kernel.Fn) {
	status := func(p kernel.Parameter) int { return statusFirst + p.Index }
	quantise := a.e.Quantise(a.parameters, a.resolved.Algorithm.Aggregation.Bits, a.segment[schema.SegmentClipped], status)
	var steps kernel.Fn
	if a.local != nil {
		steps = a.localSteps(schedule)
	}
	params := []asm.ValType{asm.I64, asm.I64, asm.I32}
	a.export("accumulate", params, []asm.ValType{asm.I32}, func(c *asm.Code, p []asm.Local) {
		n := p[2]
		a.guard(c, &n)
		store(c, asm.I64Store, a.context.Step, func() { c.Get(p[0]) })
		store(c, asm.I64Store, a.context.Microbatch, func() { c.Get(p[1]) })
		leave := func() {
			status := c.Local(asm.I32)
			c.Tee(status)
			c.If(func() {
				c.Get(status)
				c.Return()
			})
			c.Release(status)
		}
		if a.local == nil {
			a.begin(c, n)
			a.gradient(c, func(body func()) { a.tiles(c, n, body) })
		} else {
			a.zero(c, n)
			a.aside(c, func() {
				c.Get(p[0], n)
				call(c, steps)
			})
			leave()
		}
		call(c, quantise)
		leave()
		for _, n := range a.nodes {
			if a.averages[n.Node] != nil {
				n.Averages.Commit(c)
			}
		}
		if a.local != nil {
			add(c, a.segment[schema.SegmentMicrobatches], func() { c.I64(1) })
		}
		load := func(addr int) func() {
			return func() {
				c.I32(addr)
				c.Mem(asm.I64Load, 0)
			}
		}
		add(c, a.segment[schema.SegmentLoss], load(a.head.LossSum))
		add(c, a.segment[schema.SegmentCorrect], load(a.head.Correct))
		add(c, a.segment[schema.SegmentExamples], func() { a.predicted(c, n) })
		c.I32(statusOK)
	})
}

func (a *assembly) evaluate() {
	body := a.smoothed("evaluate.averages", func(c *asm.Code, n asm.Local) {
		a.begin(c, n)
		a.tiles(c, n, func() {
			a.forward(c, false)
			a.loadTargets(c)
			call(c, a.score)
		})
		add(c, a.metrics, func() { a.predicted(c, n) })
		for i, addr := range []int{a.head.Correct, a.head.LossSum} {
			add(c, a.metrics+8*(i+1), func() {
				c.I32(addr)
				c.Mem(asm.I64Load, 0)
			})
		}
		c.I32(statusOK)
	})
	a.reads("evaluate", body)
}

// reads exports a function of the number of records.
func (a *assembly) reads(name string, body func(c *asm.Code, n asm.Local)) {
	a.export(name, []asm.ValType{asm.I32}, []asm.ValType{asm.I32}, func(c *asm.Code, p []asm.Local) {
		a.guard(c, &p[0])
		body(c, p[0])
	})
}

func (a *assembly) predictions() {
	a.reads("predict", a.smoothed("predict.averages", func(c *asm.Code, n asm.Local) {
		a.begin(c, n)
		a.tiles(c, n, func() {
			a.forward(c, false)
			call(c, a.writeOutput)
		})
		c.I32(statusOK)
	}))
}

func (a *assembly) hyperAddress(name string) int {
	addr, ok := a.hyper[name]
	if !ok {
		panic(fmt.Sprintf("wasm: no hyper-parameter %q", name))
	}
	return addr
}

// updateStatus says that a parameter, or its state, is no longer finite.
func (a *assembly) updateStatus(p kernel.Parameter) int {
	return statusFirst + len(a.parameters) + p.Index
}

func (a *assembly) apply(schedule kernel.Fn) {
	count := schema.SegmentExamples
	if a.local != nil {
		count = schema.SegmentMicrobatches
	}
	update := a.e.Apply(a.parameters, kernel.Step{
		Bits: a.resolved.Algorithm.Aggregation.Bits, Rule: a.applied(), Schedule: schedule, Outer: a.local != nil,
		Hyper: func(name string) int {
			if name == kernel.EMADecay {
				return a.hyperAddress(name)
			}
			return a.hyperAddress(a.appliedName(name))
		},
		Shared: a.shared, Count: a.segment[count], Status: a.updateStatus, Clip: a.appliedClip(), EMA: a.ema,
	})
	a.export("apply", []asm.ValType{asm.I64}, []asm.ValType{asm.I32}, func(c *asm.Code, p []asm.Local) {
		a.guard(c, nil)
		c.Get(p[0])
		call(c, update)
		if len(a.averages) > 0 {
			a.average(c, p[0])
		}
	})
}

// average moves the running averages of a step after the first, unless there is a status on the stack, which it leaves there.
func (a *assembly) average(c *asm.Code, step asm.Local) {
	status := c.Local(asm.I32)
	c.Tee(status)
	c.Op(asm.I32Eqz)
	c.Get(step)
	c.I64(0)
	c.Op(asm.I64Ne, asm.I32And)
	c.If(func() {
		for _, n := range a.nodes {
			if a.averages[n.Node] != nil {
				n.Averages.Apply(c)
			}
		}
	})
	c.Get(status)
	c.Release(status)
}

// initialise emits init: parameters from the seed, state as before the first step.
func (a *assembly) initialise() {
	filler := a.e.Filler(a.e.Random, a.parameters)
	a.export("init", []asm.ValType{asm.I64}, nil, func(c *asm.Code, p []asm.Local) {
		for _, t := range a.section.State {
			c.MemFill(t.Offset, t.Bytes())
		}
		store(c, asm.I64Store, a.context.Seed, func() { c.Get(p[0]) })
		for _, k := range a.parameters {
			store(c, asm.I32Store, k.Exponent, func() { c.I32(kernel.NoExponent) })
		}
		for _, k := range a.parameters {
			filler.Initialize(c, k)
		}
		for _, k := range a.averaged {
			filler.Initialize(c, k)
		}
		if a.hasEMA() {
			a.copyParameters(c, a.parameters[0].Average, a.parameters[0].Value)
		}
	})
	// Nothing else is derived from parameters or state: packed weights are made anew in every call.
	a.export("restore", nil, nil, func(c *asm.Code, _ []asm.Local) {
		if a.hasEMA() {
			a.restoreTrained(c)
		}
	})
}
