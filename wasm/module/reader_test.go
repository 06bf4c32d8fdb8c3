package module_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reprise-ml/reprise/wasm/module"
)

func TestInstructions(t *testing.T) {
	tests := []struct {
		name string
		body []byte
		want module.Instruction
	}{
		{"no immediates", []byte{0x6a}, module.Instruction{}},
		{"an empty block", []byte{0x02, 0x40}, module.Instruction{Block: module.BlockEmpty}},
		{"a block with a result", []byte{0x03, 0x7b}, module.Instruction{Block: module.BlockValue, Value: module.V128}},
		{"a block with a type", []byte{0x04, 0xc1, 0}, module.Instruction{Block: module.BlockType, Index: 65}},
		{"a label", []byte{0x0d, 3}, module.Instruction{Index: 3}},
		{"labels", []byte{0x0e, 2, 1, 0, 5}, module.Instruction{Labels: []uint32{1, 0, 5}}},
		{"a call through a table", []byte{0x11, 4, 1}, module.Instruction{Index: 4, Table: 1}},
		{"a typed select", []byte{0x1c, 1, 0x7b}, module.Instruction{Types: []module.ValType{module.V128}}},
		{"a load", []byte{0x28, 2, 0x80, 1}, module.Instruction{Align: 2, Offset: 128}},
		{"a padded number", []byte{0x20, 0x85, 0x80, 0x80, 0x80, 0}, module.Instruction{Index: 5}},
		{"the least i32", []byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x78}, module.Instruction{Int: math.MinInt32}},
		{"the greatest i32", []byte{0x41, 0xff, 0xff, 0xff, 0xff, 0x07}, module.Instruction{Int: math.MaxInt32}},
		{"the least i64", []byte{0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, module.Instruction{Int: math.MinInt64}},
		{"the greatest i64", []byte{0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, module.Instruction{Int: math.MaxInt64}},
		{"an f32", []byte{0x43, 1, 2, 3, 4}, module.Instruction{Bytes: []byte{1, 2, 3, 4}}},
		{"memory.copy", []byte{0xfc, 10, 0, 0}, module.Instruction{}},
		{"a vector's lane", []byte{0xfd, 27, 3}, module.Instruction{Lane: 3}},
		{"a load of a lane", []byte{0xfd, 86, 2, 16, 1}, module.Instruction{Align: 2, Offset: 16, Lane: 1}},
		{"an opcode of two bytes", []byte{0xfd, 0xe4, 1}, module.Instruction{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := 0
			for got, err := range module.Instructions(test.body) {
				if err != nil {
					t.Fatal(err)
				}
				n++
				if got.Start != 0 || got.End != len(test.body) {
					t.Errorf("it is at %d…%d, want 0…%d", got.Start, got.End, len(test.body))
				}
				got.Op, got.Definition, got.Start, got.End = 0, module.Definition{}, 0, 0
				if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			if n != 1 {
				t.Errorf("%d instructions, want 1", n)
			}
		})
	}
}

func TestInstructionsRefuse(t *testing.T) {
	syntax := func(err error) bool { _, ok := errors.AsType[*module.SyntaxError](err); return ok }
	unknown := func(err error) bool { _, ok := errors.AsType[*module.UnknownError](err); return ok }
	refused := func(err error) bool { _, ok := errors.AsType[*module.RefusedError](err); return ok }
	tests := []struct {
		name string
		body []byte
		kind func(error) bool
	}{
		{"a cut immediate", []byte{0x20}, syntax},
		{"a cut constant", []byte{0x44, 1, 2, 3}, syntax},
		{"an i32 of 33 bits", []byte{0x41, 0xff, 0xff, 0xff, 0xff, 0x0f}, syntax},
		{"an i64 of 65 bits", []byte{0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, syntax},
		{"an i64 of eleven bytes", []byte{0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, syntax},
		{"a block of an unknown type", []byte{0x02, 0x70}, syntax},
		{"a block of a padded type", []byte{0x02, 0xff, 0x40}, syntax},
		{"more labels than bytes", []byte{0x0e, 0xff, 0xff, 3, 0}, syntax},
		{"a second memory", []byte{0x3f, 1}, syntax},
		{"an opcode that is not one", []byte{0x27}, unknown},
		{"a vector opcode that is not one", []byte{0xfd, 154, 1}, unknown},
		{"memory.grow", []byte{0x40, 0}, refused},
		{"a tail call", []byte{0x12, 0}, refused},
		{"an exception", []byte{0x08, 0}, refused},
		{"a reference", []byte{0xd0, 0x70}, refused},
		{"memory.init", []byte{0xfc, 8, 0, 0}, refused},
		{"an atomic load", []byte{0xfe, 0x10, 2, 0}, refused},
		{"a relaxed product", []byte{0xfd, 0x85, 2}, refused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var last error
			for _, err := range module.Instructions(test.body) {
				last = err
			}
			if !test.kind(last) {
				t.Errorf("got %T: %v", last, last)
			}
		})
	}
}
