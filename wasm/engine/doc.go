// Package engine is the contract between engines and hosts (ABI 1): the section that an engine carries about itself, the
// structure that a module must have, and the copy of it that charges fuel.
//
// Parse checks everything that can be said without running the engine, but for the types of instructions: those are
// checked by every WebAssembly runtime before it runs anything. What only running can show (that accumulate leaves
// parameters alone, that select stays in bounds) is for conformance tests (runner.Check). Every refusal is a
// *schema.Invalid. ABI.md is the contract, for whoever writes an engine.
package engine
