// Package wasm is the compiler: a resolved specification in, a WebAssembly engine of ABI 1 out, as a pure function, byte
// for byte.
//
// Phases, in the order of Compile:
//
//   - graph.Build: layers with shapes and parameters (wasm/graph).
//   - plan: every tensor, region and buffer gets its constant address (memory.go, plan.go).
//   - kernels: each layer emits its functions, specialised to shapes and addresses (wasm/kernel).
//   - exports: the calls of the ABI, made of these functions (exports.go).
//   - the module is encoded (wasm/module) and describes itself in the section reprise.engine (wasm/engine).
//
// Resolve (resolve.go) comes before: it fills in what a specification leaves open and checks it against the datasets.
package wasm
