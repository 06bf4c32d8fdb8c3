package wasm

import (
	"encoding/binary"
	"math"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// plan is an engine before its code: all addresses, and the section that tells the host of them.
type plan struct {
	resolved schema.Resolved
	graph    *graph.Graph
	train    schema.ResolvedDataset
	tile     kernel.Tile
	whole    int         // examples that input, target and output have room for: kernels always read full tiles
	rule     kernel.Rule // of the optimizer
	local    *localPlan  // nil where the optimizer works in apply
	schedule kernel.Schedule
	clip     kernel.Clip
	ema      kernel.EMA
	before   int // scratch: a copy of the parameters, where they are changed for a while

	section schema.EngineSection
	data    []asm.Data
	memory  int // bytes
	pages   uint32

	nodes      []*kernel.Node
	sums       [][]kernel.GradientSum // behind each node's backward pass
	parameters []kernel.Parameter
	averages   map[*graph.Node]*kernel.Averages
	averaged   []kernel.Parameter // the averages' tensors, as initialisers see them
	shared     []int              // addresses of the optimizer's shared scalars
	hyper      map[string]int

	input   kernel.Input
	augment *kernel.Augment // nil where training sees inputs as they are
	head    kernel.Head
	context kernel.Context
	canary  int

	region  map[string]int // addresses of regions
	segment map[string]int // addresses of the reserved segments
	metrics int
}

// slack is what vector loads and stores at the end of an array of any length may reach behind it.
const slack = 16

func newPlan(r schema.Resolved, g *graph.Graph, train schema.ResolvedDataset, rule kernel.Rule) *plan {
	p := &plan{
		resolved: r, graph: g, train: train, rule: rule,
		tile:    kernel.TileFor(g, r.Algorithm.InnerBatch()),
		hyper:   map[string]int{},
		region:  map[string]int{},
		segment: map[string]int{},
	}
	lanes, capacity := p.tile.Lanes, r.Algorithm.MicrobatchSize
	p.whole = roundUp(capacity, lanes)
	if r.Algorithm.Aggregation.Mode == schema.AggregateLocalSteps {
		p.local = newLocalPlan(r.Algorithm)
		p.whole = max(p.whole, capacity-r.Algorithm.InnerBatch()+lanes*p.tile.Count)
	}
	m := &memory{end: firstAddress}
	p.canary = m.alloc(kernel.CanaryBytes, 16)
	p.context = kernel.Context{Step: m.alloc(8, 8), Microbatch: m.alloc(8, 8), First: m.alloc(4, 4)}
	p.context.Example = p.context.First
	if p.local != nil {
		p.context.Example = m.alloc(4, 4)
	}
	p.head.First, p.head.Count = p.context.Example, m.alloc(4, 4)
	p.context.Count = p.head.Count
	p.head.LossSum, p.head.Correct = m.alloc(8, 8), m.alloc(8, 8)
	p.tensors(m)
	p.hyperparameters(m)
	p.segments(m)
	p.regions(m)
	p.scratch(m)
	p.memory = m.end
	p.pages = uint32((m.end + asm.PageSize - 1) / asm.PageSize)
	return p
}

// tensors places parameters and state.
func (p *plan) tensors(m *memory) {
	tensor := func(list *[]schema.Tensor, name, dtype string, shape ...int) int {
		if shape == nil {
			shape = []int{}
		}
		t := schema.Tensor{Name: name, DType: dtype, Shape: shape}
		t.Offset = m.alloc(t.Bytes()+slack, lineSize)
		*list = append(*list, t)
		return t.Offset
	}
	constraints := p.constraints()
	for _, n := range p.graph.Nodes {
		for _, gp := range n.Parameters {
			rows, cols := 1, schema.Elements(gp.Shape)
			if len(gp.Shape) > 1 {
				rows, cols = gp.Shape[0], cols/gp.Shape[0]
			}
			k := kernel.Parameter{
				Name: n.Name + "." + gp.Name, Shape: gp.Shape, Rows: rows, Cols: cols, GradStride: (cols + 3) / 4 * 4,
				FanIn: gp.FanIn, FanOut: gp.FanOut, Initializer: gp.InitializedBy(p.resolved.Algorithm.Initializer), Decayed: !gp.Bias,
				Constraint: constraints[n], Index: len(p.parameters),
			}
			k.Value = tensor(&p.section.Parameters, k.Name, "f32", gp.Shape...)
			p.parameters = append(p.parameters, k)
		}
	}
	p.averages = map[*graph.Node]*kernel.Averages{}
	for _, n := range p.graph.Nodes {
		var at []int
		for _, gp := range n.Averages {
			k := kernel.Parameter{Name: n.Name + "." + gp.Name, Rows: 1, Cols: schema.Elements(gp.Shape), Initializer: gp.InitializedBy(p.resolved.Algorithm.Initializer)}
			k.Value = tensor(&p.section.Parameters, k.Name, "f32", gp.Shape...)
			p.averaged = append(p.averaged, k)
			at = append(at, k.Value)
		}
		if n.Kind == graph.BatchNorm {
			p.averages[n] = &kernel.Averages{
				Channels: schema.Elements(n.Averages[0].Shape), Momentum: n.Attributes.Float("momentum"), Mean: at[0], Variance: at[1],
			}
		}
	}
	p.context.Seed = tensor(&p.section.State, "seed", "i64")
	if p.hasEMA() {
		p.trained(tensor)
	}
	rule, name := p.applied(), p.appliedName
	for i := range p.parameters {
		k := &p.parameters[i]
		k.Exponent = tensor(&p.section.State, k.Name+"."+name("exponent"), "i32")
		for _, slot := range rule.Slots {
			k.Slots = append(k.Slots, tensor(&p.section.State, k.Name+"."+name(slot), "f32", k.Shape...))
		}
	}
	for _, name := range rule.Shared {
		p.shared = append(p.shared, tensor(&p.section.State, name, "f32"))
	}
}

// hyperparameters places what apply reads, with its defaults in memory from the start.
func (p *plan) hyperparameters(m *memory) {
	var l1, l2 float64
	if reg := p.resolved.Algorithm.Regularization; reg != nil {
		l1, l2 = reg.L1, reg.L2
	}
	list := append(p.rule.Hyperparameters, kernel.Regularization(l1, l2)...)
	list = append(list, p.limits(m)...)
	if p.local != nil {
		list = append(list, p.local.outer.Hyperparameters...)
	}
	k := 0
	for _, n := range p.graph.Nodes {
		for range n.Parameters {
			list = append(list, schema.Hyperparameter{
				Name: "rate." + p.parameters[k].Name, Type: "f32", Default: n.Rate, Max: maxRate,
			})
			k++
		}
	}
	start := m.alloc(4*len(list), 16)
	var values []byte
	for i := range list {
		list[i].Offset = start + 4*i
		p.hyper[list[i].Name] = list[i].Offset
		values = binary.LittleEndian.AppendUint32(values, math.Float32bits(kernel.Single(list[i].Default)))
	}
	for i := range p.parameters {
		p.parameters[i].Rate = p.hyper["rate."+p.parameters[i].Name]
	}
	for n, a := range p.averages {
		a.Rate = p.hyper["rate."+n.Name+".weight"]
	}
	p.data = append(p.data, asm.Data{Offset: asm.ConstI32(int32(start)), Bytes: values})
	p.section.Hyperparameters = list
	p.addRegion(schema.RegionHyperparameters, start, "f32", len(list))
}

// maxRate bounds a tensor's multiplier of the learning rate.
const maxRate = 1000

// segments places the accumulators: reserved counters, then one segment of sums and one of peaks per parameter.
func (p *plan) segments(m *memory) {
	start := m.alloc(0, lineSize)
	segment := func(name, dtype, combine string, count int) int {
		offset := m.alloc(count*schema.DTypeSize(dtype), schema.DTypeSize(dtype))
		p.section.Segments = append(p.section.Segments, schema.Segment{Name: name, Type: dtype, Combine: combine, Count: count, Offset: offset})
		return offset
	}
	counters := []string{schema.SegmentLoss, schema.SegmentExamples, schema.SegmentCorrect, schema.SegmentClipped}
	if p.local != nil {
		counters = append(counters, schema.SegmentMicrobatches)
	}
	for _, name := range counters {
		p.segment[name] = segment(name, "i64", schema.CombineAdd, 1)
	}
	for _, n := range p.graph.Nodes {
		if a := p.averages[n]; a != nil {
			a.Segment = segment(n.Name+".statistics", "i64", schema.CombineAdd, a.Values())
		}
	}
	for i := range p.parameters {
		k := &p.parameters[i]
		k.Peak = segment(k.Name+".peak", "i32", schema.CombineMax, 1)
	}
	for i := range p.parameters {
		k := &p.parameters[i]
		k.Sum = segment(k.Name, "i32", schema.CombineAdd, k.Rows*k.Cols)
	}
	p.section.Regions[schema.RegionAccumulators] = schema.Region{
		Offset: start, Size: m.end - start, DType: "u8", Shape: []int{m.end - start},
	}
	p.region[schema.RegionAccumulators] = start
	m.alloc(slack, 1)
}

func (p *plan) addRegion(name string, offset int, dtype string, shape ...int) {
	if p.section.Regions == nil {
		p.section.Regions = map[string]schema.Region{}
	}
	p.section.Regions[name] = schema.Region{
		Offset: offset, Size: schema.Elements(shape) * schema.DTypeSize(dtype), DType: dtype, Shape: shape,
	}
	p.region[name] = offset
}

// regions places what the host reads and writes at every call.
func (p *plan) regions(m *memory) {
	capacity := p.resolved.Algorithm.MicrobatchSize
	record := p.train.Record
	region := func(name, dtype string, per []int, examples int) int {
		bytes := schema.Elements(per) * schema.DTypeSize(dtype)
		offset := m.alloc(examples*bytes+slack, lineSize)
		p.addRegion(name, offset, dtype, append([]int{capacity}, per...)...)
		return offset
	}
	region(schema.RegionIndices, "u32", nil, capacity)
	p.input.Region = region(schema.RegionInput, record.Input.DType, record.Input.Shape, p.whole)
	p.head.Target = region(schema.RegionTarget, record.Target.DType, record.Target.Shape, p.whole)
	predicted := p.graph.Output().Shape
	if p.pair() {
		predicted = []int{2}
	}
	p.head.Output = region(schema.RegionOutput, "f32", predicted, p.whole)
	p.metrics = m.alloc(8*len(metrics), 16)
	p.section.Metrics = metrics
	p.addRegion(schema.RegionMetrics, p.metrics, "i64", len(metrics))
	p.section.Capacity = capacity
}

// metrics that evaluate adds to, in order.
var metrics = []string{schema.MetricCount, schema.SegmentCorrect, schema.SegmentLoss}
