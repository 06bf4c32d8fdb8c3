package wasm

import (
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Options change what Compile makes; the zero value is what closures have.
type Options struct {
	// NoCanary leaves out the check that the runtime computes as IEEE 754 says. Only tests want that.
	NoCanary bool
}

// Compile makes the engine of a resolved specification. Equal specifications give equal bytes; title, authors and the
// number of steps play no part. Errors are *schema.Invalid.
func Compile(r schema.Resolved, o Options) ([]byte, error) {
	p, err := prepare(r)
	if err != nil {
		return nil, err
	}
	return p.assemble(o).encode()
}

// Graph is the model of a resolved specification with its shapes, for people to read.
func Graph(r schema.Resolved) (*graph.Graph, error) {
	return graph.Build(documentName, r.Model, kernel.GraphOps())
}

func prepare(r schema.Resolved) (*plan, error) {
	if err := resolved(r); err != nil {
		return nil, err
	}
	g, err := Graph(r)
	if err != nil {
		return nil, err
	}
	train, err := trainDataset(r)
	if err != nil {
		return nil, err
	}
	rule, err := optimizerRule(r.Algorithm.Optimizer)
	if err != nil {
		return nil, err
	}
	schedule, err := scheduleOf(&r.Algorithm.Schedule)
	if err != nil {
		return nil, err
	}
	fuse(g)
	p := newPlan(r, g, train, rule)
	p.schedule = schedule
	if p.pages > maxPages {
		return nil, schema.Invalidf(documentName, "model", "its engine needs %d MB of memory, more than the %d MB that browsers give; use a smaller model or microbatchSize",
			int64(p.pages)*asm.PageSize>>20, int64(maxPages)*asm.PageSize>>20)
	}
	return p, nil
}

// maxPages is 2 GiB, below which addresses are positive and every browser's limit lies.
const maxPages = 2<<30/asm.PageSize - 1

// resolved refuses what only a specification that was not resolved, or a damaged closure, lacks.
func resolved(r schema.Resolved) error {
	a := r.Algorithm
	var problems []schema.Problem
	need := func(ok bool, path, message string) {
		if !ok {
			problems = append(problems, schema.Problem{Path: path, Message: message})
		}
	}
	need(a.Aggregation != nil && a.Aggregation.Mode == "gradient" && slices.Contains([]int{8, 12, 16, 24}, a.Aggregation.Bits),
		"algorithm.aggregation", "is not resolved to the mode gradient and 8, 12, 16 or 24 bits")
	need(a.MicrobatchSize >= 1 && a.MicrobatchSize <= maxMicrobatch, "algorithm.microbatchSize", "is out of range")
	need(a.MicrobatchSize >= 1 && a.BatchSize >= a.MicrobatchSize && a.BatchSize%a.MicrobatchSize == 0, "algorithm.batchSize", "is not a multiple of microbatchSize")
	need(a.Block >= 1, "algorithm.block", "is not resolved")
	need(slices.Contains(kernel.Initializers(), a.Initializer), "algorithm.initializer", "is not resolved")
	need(slices.Contains(kernel.Losses(), r.Model.Loss), "model.loss", "is not a loss")
	need(len(r.Model.Layers) > 0, "model.layers", "are missing")
	if len(problems) > 0 {
		return &schema.Invalid{Document: documentName, Problems: problems}
	}
	return nil
}

// maxMicrobatch keeps regions within reason.
const maxMicrobatch = 1 << 16

// fused names, per node, the activation that it applies as it stores its outputs.
func fuse(g *graph.Graph) {
	for i, n := range g.Nodes[1:] {
		producer := g.Nodes[i]
		if n.Kind != graph.Activation || (producer.Kind != "dense" && producer.Kind != "conv2d") {
			continue
		}
		if f := n.Attributes.Text("function"); kernel.Fusible(f) {
			producer.Fused, n.Fused = f, f
		}
	}
}

func (p *plan) assemble(o Options) *assembly {
	e := &kernel.Emitter{Module: &asm.Module{Memories: []asm.Memory{{Min: p.pages, Max: p.pages, HasMax: true}}}}
	a := &assembly{plan: p, e: e, fuel: map[string]int64{}}
	a.exports = []asm.Export{{Name: "memory", Kind: asm.KindMemory}}
	e.Module.Data = p.data
	if !o.NoCanary {
		f := e.Canary(p.canary)
		a.canaryFn = &f
	}
	e.Random = e.Philox(p.context.Seed)
	schedule := p.schedule.Multiplier(e, p.resolved.Algorithm.Schedule.Attributes)
	a.emitLayers()
	a.initialise()
	alg := p.resolved.Algorithm
	a.exportFn("select", e.Select(kernel.Order{
		Microbatch: alg.MicrobatchSize, Lanes: alg.Microbatches(), Block: alg.Block,
		Indices: p.region[schema.RegionIndices],
	}, e.Random))
	a.accumulate()
	a.apply(schedule)
	a.evaluate()
	a.predictions()
	return a
}

func (a *assembly) encode() ([]byte, error) {
	bits := a.resolved.Algorithm.Aggregation.Bits
	s := a.section
	s.ABI, s.Compiler = schema.ABI, Version
	s.MaxMicrobatches, s.Bound = kernel.MaxMicrobatches(bits), kernel.Bound(bits)
	s.Errors = statusTexts(a.parameters)
	s.Fuel = a.fuel
	a.e.Module.Exports = a.exports
	m, err := engine.AppendSection(a.e.Module, s)
	if err != nil {
		return nil, err
	}
	return m.Encode(), nil
}
