package module

import (
	"fmt"
	"iter"
)

// Instruction is one instruction of a body with its immediates, as far as its definition has them.
type Instruction struct {
	Op         Op
	Definition Definition
	Start, End int // byte positions in the body

	// Index is the label, function, local, global or type (call_indirect); for a block the type.
	Index uint32
	// Block is the type of a block: BlockEmpty, BlockValue with Value set, or BlockType with Index set.
	Block BlockKind
	Value ValType
	// Table of call_indirect.
	Table uint32
	// Labels of br_table, the default last.
	Labels []uint32
	// Types of select.
	Types []ValType
	// Align is log2 of the alignment, Offset the constant offset of an access.
	Align, Offset uint32
	// Lane of a vector.
	Lane byte
	// Int is the value of i32.const and i64.const.
	Int int64
	// Bytes are the four, eight or sixteen bytes of other constants, or the lanes of a shuffle; shared with the body.
	Bytes []byte
}

// BlockKind is the form of a block's type.
type BlockKind byte

// Forms of a block's type (5.4.1).
const (
	BlockEmpty BlockKind = iota
	BlockValue           // one result
	BlockType            // a function type
)

// UnknownError says that a body has an opcode without definition.
type UnknownError struct {
	Offset int
	Op     Op
}

// RefusedError says that a body has an instruction that engines may not use.
type RefusedError struct {
	Offset     int
	Op         Op
	Definition Definition
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("at byte %d: no instruction has the opcode %#x", e.Offset, uint32(e.Op))
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("at byte %d: %s: %s", e.Offset, e.Definition.Name, e.Definition.Refused)
}

// Instructions yields the instructions of a body in order, the final end included. After an error, which is a
// *SyntaxError, *UnknownError or *RefusedError, it stops.
func Instructions(body []byte) iter.Seq2[Instruction, error] {
	return func(yield func(Instruction, error) bool) {
		c := &cursor{data: body}
		for !c.done() {
			in, err := c.instruction()
			if !yield(in, err) || err != nil {
				return
			}
		}
	}
}

func (c *cursor) instruction() (Instruction, error) {
	in := Instruction{Start: c.pos}
	in.Op = c.opcode()
	if c.err != nil {
		return in, c.err
	}
	d, ok := Define(in.Op)
	in.Definition = d
	switch {
	case !ok && in.Op>>16 == prefixAtomic:
		in.Definition = Definition{Name: "an atomic instruction", Refused: whyAtomic}
		return in, &RefusedError{Offset: c.base + in.Start, Op: in.Op, Definition: in.Definition}
	case !ok:
		return in, &UnknownError{Offset: c.base + in.Start, Op: in.Op}
	case d.Refused != "":
		return in, &RefusedError{Offset: c.base + in.Start, Op: in.Op, Definition: d}
	}
	c.immediates(&in)
	in.End = c.pos
	return in, c.err
}

const prefixAtomic = 0xfe

func (c *cursor) opcode() Op {
	b := c.byte()
	switch b {
	case prefixMisc, prefixVector, prefixAtomic:
		n := c.u32()
		if n > 0xffff {
			c.fail("no instruction has the opcode %#x %d", b, n)
		}
		return Op(uint32(b)<<16 | n&0xffff)
	}
	return Op(b)
}

func (c *cursor) immediates(in *Instruction) {
	switch in.Definition.Immediates {
	case ImmNone:
	case ImmBlock:
		c.blockType(in)
	case ImmLabel, ImmFunction, ImmLocal, ImmGlobal:
		in.Index = c.u32()
	case ImmLabels:
		in.Labels = make([]uint32, c.count(1)+1)
		for i := range in.Labels {
			in.Labels[i] = c.u32()
		}
	case ImmIndirect:
		in.Index, in.Table = c.u32(), c.u32()
	case ImmTypes:
		in.Types = c.valTypes()
	case ImmAccess:
		in.Align, in.Offset = c.u32(), c.u32()
	case ImmMemory:
		c.zero()
	case ImmMemories:
		c.zero()
		c.zero()
	case ImmI32:
		in.Int = c.signed(32)
	case ImmI64:
		in.Int = c.signed(64)
	case ImmF32:
		in.Bytes = c.bytes(4)
	case ImmF64:
		in.Bytes = c.bytes(8)
	case ImmV128, ImmShuffle:
		in.Bytes = c.bytes(16)
	case ImmLane:
		in.Lane = c.byte()
	case ImmLaneAccess:
		in.Align, in.Offset = c.u32(), c.u32()
		in.Lane = c.byte()
	}
}

func (c *cursor) blockType(in *Instruction) {
	n := c.signed(33)
	switch {
	case n >= 0:
		in.Block, in.Index = BlockType, uint32(n)
	case n == -64:
		in.Block = BlockEmpty
	default:
		in.Block, in.Value = BlockValue, ValType(n&0x7f)
		switch in.Value {
		case I32, I64, F32, F64, V128:
		default:
			c.fail("0x%02x is not the type of a block", byte(in.Value))
		}
		if n < -64 {
			c.fail("%d is not the type of a block", n)
		}
	}
}

// zero reads the number of a memory.
func (c *cursor) zero() {
	if c.byte() != 0 {
		c.fail("there is one memory, number 0")
	}
}
