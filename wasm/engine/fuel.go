package engine

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/wasm/module"
)

// FuelGlobal is the exported mutable i64 of a fuelled engine. The host sets it before each call to what the call may use;
// afterwards it holds the rest. It is below zero after a trap if and only if the engine ran out of fuel.
const FuelGlobal = "reprise.fuel"

// bulkShift is log2 of the bytes that memory.fill and memory.copy move for one unit of fuel.
const bulkShift = 6

// Fuelled rewrites a module so that it charges one unit of fuel per call of a function and per pass of a loop's header,
// and n/64 units per memory.fill or memory.copy of n bytes; it stops when the counter falls below zero. Nothing else
// changes: results are those of the original.
//
// Inside a function the counter is a local variable, because runtimes keep those in registers. It is written back to the
// global where other code may look at it: before calls, at every way out of the function, and before the trap. After a
// call it is read again.
//
// Indices of locals and globals beyond those of the original are refused: they would name what the rewriting adds.
// Errors are *schema.Invalid.
func Fuelled(data []byte) ([]byte, error) {
	m, err := module.Decode(data)
	if err != nil {
		return nil, invalid(problem("", "it must be a WebAssembly module, version 1", "%v", err))
	}
	for _, e := range m.Exports {
		if e.Name == FuelGlobal || (e.Kind == module.KindGlobal && uint64(e.Index) >= uint64(len(m.Globals))) {
			return nil, invalid(problem("export "+e.Name, "", "no such global may be exported"))
		}
	}
	if len(m.Imports) > 0 {
		return nil, invalid(problem("imports", "an engine imports nothing", "it imports %q from %q", m.Imports[0].Name, m.Imports[0].Module))
	}
	functions := make([]module.Function, len(m.Functions))
	for i, f := range m.Functions {
		if functions[i], err = fuelFunction(m, f); err != nil {
			return nil, invalid(problem(functionPath(i, f), "", "%v", err))
		}
	}
	copied := *m
	copied.Functions = functions
	copied.Exports = append(slices.Clip(m.Exports),
		module.Export{Name: FuelGlobal, Kind: module.KindGlobal, Index: uint32(len(m.Globals))})
	copied.Globals = append(slices.Clip(m.Globals),
		module.Global{Type: module.I64, Mutable: true, Init: module.ConstI64(0)})
	return copied.Encode(), nil
}

// meter is the code that a function gets.
type meter struct {
	charge []byte // one unit
	enter  []byte // read the counter and charge one unit
	save   []byte // write the counter back
	reload []byte
	bulk   []byte // charge for the number of bytes on the stack, which stays there
}

func newMeter(global uint32, counter, length module.Local) meter {
	assemble := func(write func(c *module.Code)) []byte {
		c := module.NewCode()
		write(c)
		return c.Bytes()
	}
	save := func(c *module.Code) {
		c.Get(counter)
		c.GlobalSet(global)
	}
	// The counter's new value is on the stack.
	check := func(c *module.Code) {
		c.Tee(counter)
		c.I64(0)
		c.Op(module.I64LtS)
		c.If(func() {
			save(c)
			c.Op(module.Unreachable)
		})
	}
	one := func(c *module.Code) {
		c.I64(1)
		c.Op(module.I64Sub)
		check(c)
	}
	return meter{
		charge: assemble(func(c *module.Code) {
			c.Get(counter)
			one(c)
		}),
		enter: assemble(func(c *module.Code) {
			c.GlobalGet(global)
			one(c)
		}),
		save: assemble(save),
		reload: assemble(func(c *module.Code) {
			c.GlobalGet(global)
			c.Set(counter)
		}),
		bulk: assemble(func(c *module.Code) {
			c.Set(length)
			c.Get(counter, length)
			c.I32(bulkShift)
			c.Op(module.I32ShrU, module.I64ExtU, module.I64Sub)
			check(c)
			c.Get(length)
		}),
	}
}

// fuelFunction rewrites one function. What it inserts leaves the operand stack as it was, so the copy is valid if and
// only if the original is.
func fuelFunction(m *module.Module, f module.Function) (module.Function, error) {
	if uint64(f.Type) >= uint64(len(m.Types)) {
		return f, fmt.Errorf("its type %d does not exist", f.Type)
	}
	own := len(m.Types[f.Type].Params) + len(f.Locals)
	meter := newMeter(uint32(len(m.Globals)), module.Local(own), module.Local(own+1))
	out := append(make([]byte, 0, 2*len(f.Body)), meter.enter...)
	depth := uint32(0) // of open blocks; the function's own label is number depth
	closed := false
	for in, err := range module.Instructions(f.Body) {
		if err != nil {
			return f, plain(err)
		}
		if closed {
			return f, fmt.Errorf("instructions follow its end")
		}
		if err := ownIndices(in, own, len(m.Globals)); err != nil {
			return f, err
		}
		var before, after []byte
		switch in.Op {
		case module.Block, module.If:
			depth++
		case module.Loop:
			depth++
			after = meter.charge
		case module.End:
			if depth == 0 {
				before, closed = meter.save, true
			} else {
				depth--
			}
		case module.Return:
			before = meter.save
		case module.Br, module.BrIf:
			if in.Index == depth {
				before = meter.save
			}
		case module.BrTable:
			for _, l := range in.Labels {
				if l == depth {
					before = meter.save
				}
			}
		case module.Call, module.CallIndirect:
			before, after = meter.save, meter.reload
		case module.MemoryFill, module.MemoryCopy:
			before = meter.bulk
		}
		out = append(append(append(out, before...), f.Body[in.Start:in.End]...), after...)
	}
	if !closed {
		return f, fmt.Errorf("a block has no end")
	}
	f.Body = out
	f.Locals = append(slices.Clip(f.Locals), module.I64, module.I32)
	return f, nil
}

func ownIndices(in module.Instruction, locals, globals int) error {
	switch in.Definition.Immediates {
	case module.ImmLocal:
		if uint64(in.Index) >= uint64(locals) {
			return fmt.Errorf("%s %d: it has %d local variables", in.Definition.Name, in.Index, locals)
		}
	case module.ImmGlobal:
		if uint64(in.Index) >= uint64(globals) {
			return fmt.Errorf("%s %d: there are %d globals", in.Definition.Name, in.Index, globals)
		}
	}
	return nil
}
