package wasm

import (
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
	if err := resolved(&r); err != nil {
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
	var p problems
	p.output(lastLayer(r.Model.Layers), g, r.Model.Loss, train, "the dataset")
	p.weights(r.Model.Layers, r.Algorithm.Initializer.Kind, g)
	p.embeddings(r.Model.Layers, r.Model.Input, g)
	if err := p.invalid(); err != nil {
		return nil, err
	}
	rule, err := optimizerRule(r.Algorithm.Optimizer)
	if err != nil {
		return nil, err
	}
	p.innerRule(r.Algorithm, rule)
	p.normalized(r.Algorithm, g)
	if err := p.invalid(); err != nil {
		return nil, err
	}
	schedule, err := scheduleOf(&r.Algorithm.Schedule)
	if err != nil {
		return nil, err
	}
	fuse(g)
	plan := newPlan(r, g, train, rule)
	plan.schedule = schedule
	if plan.memory > engine.MaxMemory {
		return nil, schema.Invalidf(documentName, "model", "its engine needs %d MB of memory, more than the %d MB that browsers give; use a smaller model or microbatchSize",
			plan.memory>>20, engine.MaxMemory>>20)
	}
	return plan, nil
}

// resolved refuses what only a specification that was not resolved, or a damaged closure, lacks. What the vocabulary has a
// default for is filled in.
func resolved(r *schema.Resolved) error {
	var p problems
	a := r.Algorithm
	train, err := trainDataset(*r)
	if err != nil {
		return err
	}
	if a.Initializer.Kind == "" {
		p.add("algorithm.initializer", "is missing, so the initial parameters are not determined")
	}
	if a.Block < 1 {
		p.add("algorithm.block", "is not resolved")
	}
	if a.Aggregation == nil {
		p.add("algorithm.aggregation", "is not resolved")
	} else {
		p.algorithm(a)
	}
	p.layers(r.Model.Layers)
	p.vocabulary(&r.Model, &r.Algorithm)
	p.input(r.Model.Input, train.Record)
	return p.invalid()
}

// fused names, per node, the activation that it applies as it stores its outputs.
func fuse(g *graph.Graph) {
	for _, n := range g.Nodes[1:] {
		producer := n.In()
		if n.Kind != graph.Activation || len(producer.Readers) > 1 {
			continue
		}
		if f := n.Attributes.Text("function"); kernel.Fusible(producer, f) {
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
	schedule := kernel.Multiplier(e, p.schedule, p.resolved.Algorithm.Schedule.Attributes)
	a.emitLayers()
	a.initialise()
	alg := p.resolved.Algorithm
	a.exportFn("select", e.Select(kernel.Order{
		Microbatch: alg.MicrobatchSize, Lanes: alg.Microbatches(), Block: alg.Block,
		Indices: p.region[schema.RegionIndices],
	}, e.Random))
	a.accumulate(schedule)
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
