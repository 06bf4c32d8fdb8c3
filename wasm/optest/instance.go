package optest

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
)

// Runtime is a way to execute engines.
type Runtime struct {
	Name   string
	Config func() wazero.RuntimeConfig
}

// Runtimes are those at hand in Go.
func Runtimes() []Runtime { return []Runtime{Compiler(), Interpreter()} }

// Compiler is wazero's compiler.
func Compiler() Runtime { return Runtime{"compiler", wazero.NewRuntimeConfigCompiler} }

// Interpreter is wazero's interpreter.
func Interpreter() Runtime { return Runtime{"interpreter", wazero.NewRuntimeConfigInterpreter} }

// Instance is an engine at work.
type Instance struct {
	Section *schema.EngineSection
	Memory  []byte

	t      testing.TB
	code   []byte
	module api.Module
	fuel   api.MutableGlobal // of a fuelled engine
}

// Open validates and instantiates an engine.
func (r Runtime) Open(t testing.TB, wasm []byte) *Instance {
	t.Helper()
	e, err := engine.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	i := r.instantiate(t, wasm)
	i.Section = e.Section
	return i
}

func (r Runtime) instantiate(t testing.TB, wasm []byte) *Instance {
	t.Helper()
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, r.Config())
	t.Cleanup(func() { runtime.Close(ctx) })
	m, err := runtime.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	return &Instance{Memory: memory, t: t, code: wasm, module: m}
}

func (i *Instance) call(name string, args ...uint64) int32 {
	i.t.Helper()
	i.refuel(name)
	out, err := i.module.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		i.t.Fatalf("%s%v: %v", name, args, err)
	}
	if len(out) == 0 {
		return 0
	}
	return int32(out[0])
}

// status is the text of what a call returned.
func (i *Instance) status(code int32) string { return i.Section.Errors[code] }

// Init fills parameters and state.
func (i *Instance) Init(seed int64) { i.call(engine.ExportInit, uint64(seed)) }

// Restore makes what follows from parameters and state that were written.
func (i *Instance) Restore() { i.call(engine.ExportRestore) }

// Select returns the examples of a microbatch.
func (i *Instance) Select(step, microbatch, examples int64) []uint32 {
	n := i.call(engine.ExportSelect, uint64(step), uint64(microbatch), uint64(examples))
	list := make([]uint32, n)
	for k := range list {
		list[k] = binary.LittleEndian.Uint32(i.Region(schema.RegionIndices)[4*k:])
	}
	return list
}

// Write copies records to the regions.
func (i *Instance) Write(input, target []byte) {
	copy(i.Region(schema.RegionInput), input)
	copy(i.Region(schema.RegionTarget), target)
}

// Accumulate runs a microbatch on the n records in the regions and returns the status' text.
func (i *Instance) Accumulate(step, microbatch int64, n int) string {
	return i.status(i.call(engine.ExportAccumulate, uint64(step), uint64(microbatch), uint64(uint32(n))))
}

// Apply makes the next parameters and state.
func (i *Instance) Apply(step int64) string {
	return i.status(i.call(engine.ExportApply, uint64(step)))
}

// Evaluate adds to the metrics.
func (i *Instance) Evaluate(n int) string {
	return i.status(i.call(engine.ExportEvaluate, uint64(uint32(n))))
}

// Predict writes the region output.
func (i *Instance) Predict(n int) string {
	return i.status(i.call(engine.ExportPredict, uint64(uint32(n))))
}

// Region is a region's bytes.
func (i *Instance) Region(name string) []byte {
	r := i.Section.Regions[name]
	return i.Memory[r.Offset:][:r.Size]
}

// Tensor is the bytes of a parameter or of a piece of state.
func (i *Instance) Tensor(name string) []byte {
	for _, table := range [][]schema.Tensor{i.Section.Parameters, i.Section.State} {
		for _, t := range table {
			if t.Name == name {
				return i.Memory[t.Offset:][:t.Bytes()]
			}
		}
	}
	i.t.Helper()
	i.t.Fatalf("the engine has no tensor %s", name)
	return nil
}

// Segment is the bytes of a segment.
func (i *Instance) Segment(name string) []byte {
	for _, s := range i.Section.Segments {
		if s.Name == name {
			return i.Memory[s.Offset:][:s.Count*schema.DTypeSize(s.Type)]
		}
	}
	i.t.Helper()
	i.t.Fatalf("the engine has no segment %s", name)
	return nil
}

// Floats writes numbers as they lie in memory.
func Floats(xs []float32) []byte {
	var b []byte
	for _, x := range xs {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func ints(xs []int32) []byte {
	var b []byte
	for _, x := range xs {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

func long(x int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(x)) }

func longs(xs []int64) []byte {
	var b []byte
	for _, x := range xs {
		b = append(b, long(x)...)
	}
	return b
}
