package runner_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

// The tiny engine: records of four u8 features in three classes; parameters are decaying sums of the features by class,
// a prediction is the product with them. A record that starts with 255, 255 is an error of accumulate, so that tests can
// make microbatches fail.
const (
	tinyCapacity = 4
	tinyFeatures = 4
	tinyClasses  = 3

	atIndices      = 0
	atInput        = 64
	atTarget       = 96
	atRate         = 128
	atAccumulators = 256
	atExamples     = 256
	atLoss         = 264
	atCorrect      = 272
	atSums         = 280
	atPeak         = 328
	atMetrics      = 512
	atOutput       = 576
	atWeights      = 640
	atSeed         = 704
	atSeen         = 712
	atScratch      = 768
)

// tiny describes a variant: an export with a body of its own, a section that is edited.
type tiny struct {
	body map[string]func(c *module.Code)
	edit func(s *schema.EngineSection)
	// pages of memory; 0 means one.
	pages uint32
}

func (v tiny) wasm(t testing.TB) []byte {
	t.Helper()
	bodies := map[string]func(c *module.Code){
		engine.ExportInit:       tinyInit,
		engine.ExportRestore:    func(*module.Code) {},
		engine.ExportSelect:     tinySelect,
		engine.ExportAccumulate: tinyAccumulate,
		engine.ExportApply:      tinyApply,
		engine.ExportEvaluate:   tinyEvaluate,
		engine.ExportPredict:    tinyPredict,
	}
	maps.Copy(bodies, v.body)
	s := tinySection()
	m := &module.Module{
		Memories: []module.Memory{{Min: max(v.pages, 1), Max: max(v.pages, 1), HasMax: true}},
		Exports:  []module.Export{{Name: engine.ExportMemory, Kind: module.KindMemory}},
		Data: []module.Data{{
			Offset: module.ConstI32(atRate), Bytes: binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.01)),
		}},
	}
	for k, sig := range engine.Signatures() {
		c := module.NewCode(sig.Params...)
		bodies[sig.Name](c)
		s.Fuel[sig.Name] = c.Fuel()
		m.Functions = append(m.Functions, c.Function(m, sig.Name, sig.Results...))
		m.Exports = append(m.Exports, module.Export{Name: sig.Name, Kind: module.KindFunc, Index: uint32(k)})
	}
	if v.edit != nil {
		v.edit(&s)
	}
	m, err := engine.AppendSection(m, s)
	if err != nil {
		t.Fatal(err)
	}
	return m.Encode()
}

func tinySection() schema.EngineSection {
	add := func(name, dtype string, count, offset int) schema.Segment {
		return schema.Segment{Name: name, Type: dtype, Combine: schema.CombineAdd, Count: count, Offset: offset}
	}
	return schema.EngineSection{
		ABI: schema.ABI, Capacity: tinyCapacity, MaxMicrobatches: 1000, Bound: 255 * tinyCapacity,
		Regions: map[string]schema.Region{
			schema.RegionIndices:         {Offset: atIndices, Size: 16, DType: "u32", Shape: []int{4}},
			schema.RegionInput:           {Offset: atInput, Size: 16, DType: "u8", Shape: []int{4, 4}},
			schema.RegionTarget:          {Offset: atTarget, Size: 4, DType: "u8", Shape: []int{4}},
			schema.RegionHyperparameters: {Offset: atRate, Size: 4, DType: "f32", Shape: []int{1}},
			schema.RegionAccumulators:    {Offset: atAccumulators, Size: 76, DType: "i32", Shape: []int{19}},
			schema.RegionMetrics:         {Offset: atMetrics, Size: 16, DType: "i64", Shape: []int{2}},
			schema.RegionOutput:          {Offset: atOutput, Size: 48, DType: "f32", Shape: []int{4, 3}},
			schema.RegionScratch:         {Offset: atScratch, Size: 64, DType: "u8", Shape: []int{64}},
		},
		Parameters: []schema.Tensor{{Name: "weights", DType: "f32", Shape: []int{3, 4}, Offset: atWeights}},
		State: []schema.Tensor{
			{Name: "seed", DType: "i64", Shape: []int{}, Offset: atSeed},
			{Name: "seen", DType: "i64", Shape: []int{}, Offset: atSeen},
		},
		Hyperparameters: []schema.Hyperparameter{{Name: "rate", Type: "f32", Default: 0.01, Min: 0, Max: 1, Offset: atRate}},
		Segments: []schema.Segment{
			add(schema.SegmentExamples, "i64", 1, atExamples), add(schema.SegmentLoss, "i64", 1, atLoss), add(schema.SegmentCorrect, "i64", 1, atCorrect),
			add("sums", "i32", 12, atSums),
			{Name: "peak", Type: "i32", Combine: schema.CombineMax, Count: 1, Offset: atPeak},
		},
		Metrics: []string{schema.MetricCount, schema.SegmentLoss},
		Errors:  []string{"", "a record is marked"},
		Fuel:    map[string]int64{},
	}
}

// records runs body for r = 0 … n−1.
func records(c *module.Code, n module.Local, body func(r module.Local)) {
	r := c.Local(module.I32)
	c.SetI32(r, 0)
	c.Repeat(tinyCapacity, func() {
		body(r)
		c.AddTo(r, 1)
		c.Get(r, n)
		c.Op(module.I32LtU)
	})
}

// feature pushes feature f of record r.
func feature(c *module.Code, r, f module.Local) {
	c.Get(r)
	c.I32(tinyFeatures)
	c.Op(module.I32Mul)
	c.Get(f)
	c.Op(module.I32Add)
	c.Mem(module.I32Load8U, atInput)
}

// addI64 adds the i64 that value pushes to memory.
func addI64(c *module.Code, address int, value func()) {
	c.I32(address)
	c.I32(address)
	c.Mem(module.I64Load, 0)
	value()
	c.Op(module.I64Add)
	c.Mem(module.I64Store, 0)
}

func tinyInit(c *module.Code) {
	c.I32(atSeed)
	c.Get(0)
	c.Mem(module.I64Store, 0)
	c.I32(atSeen)
	c.I64(0)
	c.Mem(module.I64Store, 0)
	k := c.Local(module.I32)
	c.For(k, 0, 48, 4, func() {
		c.Get(k)
		c.Get(k)
		c.Op(module.F32ConvS)
		c.F32(0.125)
		c.Op(module.F32Mul)
		c.Mem(module.F32Store, atWeights)
	})
}

func tinySelect(c *module.Code) {
	step, microbatch, examples := module.Local(0), module.Local(1), module.Local(2)
	i := c.Local(module.I32)
	c.For(i, 0, tinyCapacity, 1, func() {
		c.Get(i)
		c.I32(4)
		c.Op(module.I32Mul)
		// (seed + max(step, 1)·7 + microbatch·4 + i) mod examples: step 0 uses the examples of step 1.
		c.I32(atSeed)
		c.Mem(module.I64Load, 0)
		c.Get(step)
		c.I64(1)
		c.Get(step)
		c.Op(module.I64Eqz)
		c.Op(module.I32Eqz)
		c.Op(module.Select)
		c.I64(7)
		c.Op(module.I64Mul, module.I64Add)
		c.Get(microbatch)
		c.I64(4)
		c.Op(module.I64Mul, module.I64Add)
		c.Get(i)
		c.Op(module.I64ExtU, module.I64Add)
		c.Get(examples)
		c.Op(module.I64RemU, module.I32Wrap)
		c.Mem(module.I32Store, atIndices)
	})
	c.I32(tinyCapacity)
}

func tinyAccumulate(c *module.Code) {
	n := module.Local(2)
	f, x, at := c.Local(module.I32), c.Local(module.I32), c.Local(module.I32)
	records(c, n, func(r module.Local) {
		c.Get(r)
		c.I32(tinyFeatures)
		c.Op(module.I32Mul)
		c.Mem(module.I32Load16U, atInput)
		c.I32(0xffff)
		c.Op(module.I32Eq)
		c.If(func() {
			c.I32(1)
			c.Return()
		})
	})
	records(c, n, func(r module.Local) {
		c.For(f, 0, tinyFeatures, 1, func() {
			feature(c, r, f)
			c.Set(x)
			c.Get(r)
			c.Mem(module.I32Load8U, atTarget)
			c.I32(tinyFeatures)
			c.Op(module.I32Mul)
			c.Get(f)
			c.Op(module.I32Add)
			c.I32(4)
			c.Op(module.I32Mul)
			c.Tee(at)
			c.Get(at)
			c.Mem(module.I32Load, atSums)
			c.Get(x)
			c.Op(module.I32Add)
			c.Mem(module.I32Store, atSums)
			// peak = max(peak, x)
			c.I32(0)
			c.Get(x)
			c.I32(atPeak)
			c.Mem(module.I32Load, 0)
			c.Get(x)
			c.I32(atPeak)
			c.Mem(module.I32Load, 0)
			c.Op(module.I32GtS, module.Select)
			c.Mem(module.I32Store, atPeak)
			addI64(c, atLoss, func() {
				c.Get(x)
				c.Op(module.I64ExtU)
			})
		})
	})
	addI64(c, atExamples, func() {
		c.Get(n)
		c.Op(module.I64ExtU)
	})
	c.I32(0)
}

func tinyApply(c *module.Code) {
	k := c.Local(module.I32)
	c.For(k, 0, 48, 4, func() {
		c.Get(k)
		c.Load(module.F32Load, k, atWeights)
		c.F32(0.9)
		c.Op(module.F32Mul)
		c.Load(module.I32Load, k, atSums)
		c.Op(module.F32ConvS)
		c.I32(atRate)
		c.Mem(module.F32Load, 0)
		c.Op(module.F32Mul, module.F32Add)
		c.Mem(module.F32Store, atWeights)
	})
	addI64(c, atSeen, func() {
		c.I32(atExamples)
		c.Mem(module.I64Load, 0)
	})
	c.I32(0)
}

func tinyEvaluate(c *module.Code) {
	n := module.Local(0)
	records(c, n, func(r module.Local) {
		addI64(c, atMetrics+8, func() {
			c.Get(r)
			c.Mem(module.I32Load8U, atTarget)
			c.Op(module.I64ExtU)
		})
	})
	addI64(c, atMetrics, func() {
		c.Get(n)
		c.Op(module.I64ExtU)
	})
	c.I32(0)
}

func tinyPredict(c *module.Code) {
	n := module.Local(0)
	class, f, sum := c.Local(module.I32), c.Local(module.I32), c.Local(module.F32)
	records(c, n, func(r module.Local) {
		c.For(class, 0, tinyClasses, 1, func() {
			c.F32(0)
			c.Set(sum)
			c.For(f, 0, tinyFeatures, 1, func() {
				c.Get(sum)
				feature(c, r, f)
				c.Op(module.F32ConvS)
				c.Get(class)
				c.I32(tinyFeatures)
				c.Op(module.I32Mul)
				c.Get(f)
				c.Op(module.I32Add)
				c.I32(4)
				c.Op(module.I32Mul)
				c.Mem(module.F32Load, atWeights)
				c.Op(module.F32Mul, module.F32Add)
				c.Set(sum)
			})
			c.Get(r)
			c.I32(tinyClasses)
			c.Op(module.I32Mul)
			c.Get(class)
			c.Op(module.I32Add)
			c.I32(4)
			c.Op(module.I32Mul)
			c.Get(sum)
			c.Mem(module.F32Store, atOutput)
		})
	})
	c.I32(0)
}

// tinyRecords are records in memory.
type tinyRecords struct {
	inputs  []byte
	targets []byte
}

func (r tinyRecords) Len() int64 { return int64(len(r.targets)) }

func (r tinyRecords) Layout() schema.RecordLayout {
	return schema.RecordLayout{Size: 5, Input: schema.Field{DType: "u8", Shape: []int{4}}, Target: schema.Field{Offset: 4, DType: "u8", Shape: []int{}}}
}

func (r tinyRecords) Read(_ context.Context, indices []uint32, input, target []byte) error {
	for k, i := range indices {
		if int64(i) >= r.Len() {
			return fmt.Errorf("record %d of %d", i, r.Len())
		}
		copy(input[4*k:4*k+4], r.inputs[4*i:])
		if target != nil {
			target[k] = r.targets[i]
		}
	}
	return nil
}

// newTinyRecords makes n records whose largest feature is mostly the class.
func newTinyRecords(n int) tinyRecords {
	var r tinyRecords
	for k := range n {
		class := byte(k*k+k/3) % 3
		input := []byte{byte(k*31) % 50, byte(k*17) % 50, byte(k*13) % 50, byte(k*7) % 50}
		input[class] += byte(k*11) % 120
		r.inputs = append(r.inputs, input...)
		r.targets = append(r.targets, class)
	}
	return r
}
