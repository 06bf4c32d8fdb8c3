// Package kernel emits the code of engines: a file per family of operations, each specialised to its shapes.
//
// A microbatch is worked off in tiles of up to 16 examples, so that activations stay in the cache. Two layouts hold a
// tile's values (layout.go):
//
//   - Sites: one vector group per element of an example, the examples in its lanes. Convolutions and pooling use it:
//     every operation is written as if for one example, and nothing is lost at odd shapes.
//   - Rows: one row per example. Dense layers use it: their weights are read as they are stored.
//
// Every sum has one written order of additions, so that its bits do not depend on the runtime, and the oracle in
// wasm/ref repeats it. Products are spread over register blocks of R×V accumulators (product.go).
package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// Emitter collects the functions of one engine.
type Emitter struct {
	Module *asm.Module
	// Random is the generator of all random numbers (Philox).
	Random Fn
}

// Fn is a function that has been emitted, with the bound of its fuel.
type Fn struct {
	Index uint32
	Fuel  int64
}

// Define emits a function. Body gets the assembler and the parameters.
func (e *Emitter) Define(name string, params, results []asm.ValType, body func(c *asm.Code, p []asm.Local)) Fn {
	c := asm.NewCode(params...)
	p := make([]asm.Local, len(params))
	for i := range p {
		p[i] = asm.Local(i)
	}
	body(c, p)
	f := c.Function(e.Module, name, results...)
	e.Module.Functions = append(e.Module.Functions, f)
	return Fn{Index: uint32(len(e.Module.Functions) - 1), Fuel: c.Fuel()}
}

// call appends a call; the arguments are on the stack.
func call(c *asm.Code, f Fn) { c.Call(f.Index, f.Fuel) }

// Short names for what nearly every line of this package handles.
type (
	code  = asm.Code
	local = asm.Local
)
