// Package module is the WebAssembly binary format as far as engines use it: a model of a module (Module), its strict
// reading and deterministic writing, printing as text, and an assembler for function bodies (Code).
//
// The format is that of the WebAssembly core specification 2.0, chapter 5 (binary format), with 128-bit SIMD. Nothing in
// this package knows what an engine is.
package module

import "fmt"

// ValType is a value type.
type ValType byte

// Value types (core specification 5.3.1, 5.3.2).
const (
	I32  ValType = 0x7f
	I64  ValType = 0x7e
	F32  ValType = 0x7d
	F64  ValType = 0x7c
	V128 ValType = 0x7b
)

// String returns the name in the text format.
func (t ValType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	}
	return fmt.Sprintf("0x%02x", byte(t))
}

// FuncType is a function's signature.
type FuncType struct {
	Params  []ValType
	Results []ValType
}

// PageSize is the unit of memory limits, in bytes.
const PageSize = 65536

// Memory has limits in pages.
type Memory struct {
	Min    uint32
	Max    uint32
	HasMax bool
}

// Function is a function that the module defines. Body is the expression's bytes, its final end included.
type Function struct {
	Type   uint32
	Locals []ValType // after the parameters
	Body   []byte
	Name   string // for the name section; empty for none
}

// Export kinds (5.5.10).
const (
	KindFunc   byte = 0
	KindTable  byte = 1
	KindMemory byte = 2
	KindGlobal byte = 3
)

// Export makes an item visible to the host.
type Export struct {
	Name  string
	Kind  byte
	Index uint32
}

// Import is something that the module wants from the host. Kind-specific content is kept as raw bytes.
type Import struct {
	Module, Name string
	Kind         byte
	Type         []byte
}

// Global is a global variable; Init is a constant expression, its end included.
type Global struct {
	Type    ValType
	Mutable bool
	Init    []byte
}

// Table of references (0x70 funcref, 0x6f externref).
type Table struct {
	Element byte
	Min     uint32
	Max     uint32
	HasMax  bool
}

// Data is a segment. Passive segments have no offset.
type Data struct {
	Passive bool
	Offset  []byte // constant expression, its end included
	Bytes   []byte
}

// Custom is a custom section.
type Custom struct {
	Name  string
	Bytes []byte
}

// Module is a whole module. Functions are numbered after function imports.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Functions []Function
	Tables    []Table
	Memories  []Memory
	Globals   []Global
	Exports   []Export
	Start     *uint32
	// Elements holds the element section's entries as raw bytes, one per segment.
	Elements [][]byte
	Data     []Data
	// DataCount says that the module has a data count section.
	DataCount bool
	// Custom sections, written after all others. The name section is not among them: it comes from Function.Name.
	Custom []Custom
}

// Type returns the index of a signature, adding it if it is new.
func (m *Module) Type(params, results []ValType) uint32 {
	for i, t := range m.Types {
		if string(bytesOf(t.Params)) == string(bytesOf(params)) && string(bytesOf(t.Results)) == string(bytesOf(results)) {
			return uint32(i)
		}
	}
	m.Types = append(m.Types, FuncType{params, results})
	return uint32(len(m.Types) - 1)
}

func bytesOf(ts []ValType) []byte {
	b := make([]byte, len(ts))
	for i, t := range ts {
		b[i] = byte(t)
	}
	return b
}
