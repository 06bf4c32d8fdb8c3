package runner

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
)

// Instance is an engine in memory of its own. It is not safe for concurrent use. After a trap every call returns ErrDead.
// Calls allocate nothing.
type Instance struct {
	engine *Engine
	module api.Module
	memory []byte // the engine's whole memory, which has a fixed size

	init, restore, selects, accumulate, apply, evaluate, predict export

	fuel  api.MutableGlobal
	stack [3]uint64
	dead  bool
}

// export is a function with the fuel that one call of it gets.
type export struct {
	api.Function
	name   string
	budget int64
}

func newInstance(e *Engine, m api.Module) *Instance {
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	of := func(name string) export {
		return export{m.ExportedFunction(name), name, e.options.budget(e.section.Fuel[name])}
	}
	return &Instance{
		engine:     e,
		module:     m,
		memory:     memory,
		fuel:       m.ExportedGlobal(engine.FuelGlobal).(api.MutableGlobal),
		init:       of(engine.ExportInit),
		restore:    of(engine.ExportRestore),
		selects:    of(engine.ExportSelect),
		accumulate: of(engine.ExportAccumulate),
		apply:      of(engine.ExportApply),
		evaluate:   of(engine.ExportEvaluate),
		predict:    of(engine.ExportPredict),
	}
}

// Close releases the instance's memory.
func (i *Instance) Close(ctx context.Context) {
	_ = i.module.Close(ctx) // an engine has no files whose closing could fail
}

// Section describes the engine.
func (i *Instance) Section() *schema.EngineSection { return i.engine.section }

// Region is the bytes of a region; they change under later calls. It is nil where the engine has no such region.
func (i *Instance) Region(name string) []byte {
	r, ok := i.engine.section.Regions[name]
	if !ok {
		return nil
	}
	return span{r.Offset, r.Size}.of(i.memory)
}

// Init fills parameters and state from a seed.
func (i *Instance) Init(ctx context.Context, seed int64) error {
	i.stack[0] = uint64(seed)
	return i.call(ctx, &i.init)
}

// Restore rebuilds what the engine derives from parameters and state.
func (i *Instance) Restore(ctx context.Context) error { return i.call(ctx, &i.restore) }

// Select asks which of so many examples a microbatch uses, and returns their numbers in the given slice, which grows if it
// has to. An impossible choice counts as a trap.
func (i *Instance) Select(ctx context.Context, step, microbatch, examples int64, indices []uint32) ([]uint32, error) {
	i.stack = [3]uint64{uint64(step), uint64(microbatch), uint64(examples)}
	if err := i.call(ctx, &i.selects); err != nil {
		return nil, err
	}
	n := int32(i.stack[0])
	if n < 1 || int(n) > i.engine.section.Capacity {
		return nil, i.trap(engine.ExportSelect, fmt.Sprintf("it chose %d examples, of a capacity of %d", n, i.engine.section.Capacity))
	}
	indices = slices.Grow(indices[:0], int(n))[:n]
	region := i.engine.layout.indices.of(i.memory)
	for k := range indices {
		indices[k] = binary.LittleEndian.Uint32(region[4*k:])
		if int64(indices[k]) >= examples {
			return nil, i.trap(engine.ExportSelect, fmt.Sprintf("it chose example %d of %d", indices[k], examples))
		}
	}
	return indices, nil
}

// Accumulate runs a microbatch on the n records in the regions input and target.
func (i *Instance) Accumulate(ctx context.Context, step, microbatch int64, n int) error {
	i.stack = [3]uint64{uint64(step), uint64(microbatch), uint64(n)}
	return i.status(ctx, &i.accumulate)
}

// Apply consumes the accumulators and makes the next parameters and state.
func (i *Instance) Apply(ctx context.Context, step int64) error {
	i.stack[0] = uint64(step)
	return i.status(ctx, &i.apply)
}

// Evaluate adds to the metrics.
func (i *Instance) Evaluate(ctx context.Context, n int) error {
	i.stack[0] = uint64(n)
	return i.status(ctx, &i.evaluate)
}

// Predict writes the region output from the n records in the region input.
func (i *Instance) Predict(ctx context.Context, n int) error {
	i.stack[0] = uint64(n)
	return i.status(ctx, &i.predict)
}

// status calls an export that returns a status.
func (i *Instance) status(ctx context.Context, f *export) error {
	if err := i.call(ctx, f); err != nil {
		return err
	}
	status := int32(i.stack[0])
	if status == 0 {
		return nil
	}
	e := &EngineError{Export: f.name, Status: status, Text: "a status that the engine's section does not name"}
	if s := i.engine.section.Errors; status > 0 && int(status) < len(s) {
		e.Text = s[status]
	}
	return e
}

func (i *Instance) call(ctx context.Context, f *export) error {
	if i.dead {
		return ErrDead
	}
	i.fuel.Set(uint64(f.budget))
	err := f.CallWithStack(ctx, i.stack[:])
	if err == nil {
		return nil
	}
	i.dead = true
	if int64(i.fuel.Get()) < 0 {
		return &TrapError{Export: f.name, Reason: OutOfFuel, Fuel: f.budget}
	}
	// The first line is the cause, the rest a stack trace of the fuelled copy.
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return &TrapError{Export: f.name, Reason: strings.TrimPrefix(reason, "wasm error: ")}
}

// trap treats an impossible answer like a trap.
func (i *Instance) trap(name, reason string) error {
	i.dead = true
	return &TrapError{Export: name, Reason: reason}
}

// Set changes a hyper-parameter. A name that the engine does not have, or a value out of its range, is *schema.Invalid.
func (i *Instance) Set(name string, value float64) error {
	h, err := hyperparameter(i.engine.section, name, value)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(i.memory[h.Offset:], math.Float32bits(float32(value)))
	return nil
}

// hyperparameter finds one by name and checks a value for it.
func hyperparameter(s *schema.EngineSection, name string, value float64) (schema.Hyperparameter, error) {
	for _, h := range s.Hyperparameters {
		if h.Name != name {
			continue
		}
		if !(value >= h.Min && value <= h.Max) { // so that NaN is refused
			return h, schema.Invalidf("hyper-parameter "+name, "", "%v is not in %v … %v", value, h.Min, h.Max)
		}
		return h, nil
	}
	names := make([]string, len(s.Hyperparameters))
	for k, h := range s.Hyperparameters {
		names[k] = h.Name
	}
	return schema.Hyperparameter{}, schema.Invalidf("hyper-parameter "+name, "", "the engine has none of that name; it has %s", strings.Join(names, ", "))
}

// Save copies parameters and state.
func (i *Instance) Save() Tensors {
	return Tensors{Parameters: i.save(i.engine.section.Parameters), State: i.save(i.engine.section.State)}
}

func (i *Instance) save(table []schema.Tensor) []closure.Tensor {
	out := make([]closure.Tensor, len(table))
	for k, t := range table {
		out[k] = closure.Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape, Data: slices.Clone(i.memory[t.Offset : t.Offset+t.Bytes()])}
	}
	return out
}

// Load replaces parameters and state; Restore must follow. Tensors that are not exactly those of the engine's tables give
// *schema.Invalid and change nothing.
func (i *Instance) Load(t Tensors) error {
	if err := t.Fit(i.engine.section); err != nil {
		return err
	}
	i.load(i.engine.section.Parameters, t.Parameters)
	i.load(i.engine.section.State, t.State)
	return nil
}

func (i *Instance) load(table []schema.Tensor, tensors []closure.Tensor) {
	byName := index(tensors)
	for _, t := range table {
		copy(i.memory[t.Offset:t.Offset+t.Bytes()], byName[t.Name].Data)
	}
}
