package module

import (
	"encoding/binary"
	"math"
	"slices"
)

// Code assembles the body of one function. Its methods append instructions in the order of the stack machine:
//
//	c.Get(x)
//	c.F32(2)
//	c.Op(F32Mul)
//	c.Set(x)
//
// It also keeps a bound of the function's fuel (loop iterations and calls), which every loop must state.
type Code struct {
	params int
	types  []ValType // parameters, then locals
	body   []byte
	free   map[ValType][]Local

	fuel int64 // of what has been assembled so far
	mult int64 // product of the trip counts of the open loops
}

// Local is a parameter or local variable.
type Local uint32

// NewCode starts a body with these parameters, which are the first locals.
func NewCode(params ...ValType) *Code {
	return &Code{params: len(params), types: append([]ValType(nil), params...), free: map[ValType][]Local{}, fuel: 1, mult: 1}
}

// Local declares a local variable, or takes one that Release gave back. Its value is undefined: a released one keeps
// its last value.
func (c *Code) Local(t ValType) Local {
	if f := c.free[t]; len(f) > 0 {
		c.free[t] = f[:len(f)-1]
		return f[len(f)-1]
	}
	c.types = append(c.types, t)
	return Local(len(c.types) - 1)
}

// Locals declares n local variables.
func (c *Code) Locals(t ValType, n int) []Local {
	ls := make([]Local, n)
	for i := range ls {
		ls[i] = c.Local(t)
	}
	return ls
}

// Release gives local variables back for reuse.
func (c *Code) Release(ls ...Local) {
	for _, l := range slices.Backward(ls) {
		t := c.types[l]
		c.free[t] = append(c.free[t], l)
	}
}

// Fuel bounds the loop iterations and calls of one call, nested calls included.
func (c *Code) Fuel() int64 { return c.fuel }

// Function finishes the body.
func (c *Code) Function(m *Module, name string, results ...ValType) Function {
	return Function{
		Type:   m.Type(c.types[:c.params:c.params], results),
		Locals: c.types[c.params:],
		Body:   append(c.body, byte(End)),
		Name:   name,
	}
}

// Op appends an instruction without immediates.
func (c *Code) Op(ops ...Op) {
	for _, op := range ops {
		c.body = appendOp(c.body, op)
	}
}

func appendOp(b []byte, op Op) []byte {
	if p := op >> 16; p != 0 {
		return AppendU32(append(b, byte(p)), uint32(op&0xffff))
	}
	return append(b, byte(op))
}

// Get pushes local variables in order.
func (c *Code) Get(ls ...Local) {
	for _, l := range ls {
		c.index(LocalGet, uint32(l))
	}
}

// Set stores the top of the stack in a local variable.
func (c *Code) Set(l Local) { c.index(LocalSet, uint32(l)) }

// Tee stores the top of the stack in a local variable and leaves it there.
func (c *Code) Tee(l Local) { c.index(LocalTee, uint32(l)) }

func (c *Code) index(op Op, i uint32) { c.body = AppendU32(appendOp(c.body, op), i) }

// I32 pushes a constant.
func (c *Code) I32(v int) { c.body = AppendS64(appendOp(c.body, i32Const), int64(int32(v))) }

// I64 pushes a constant.
func (c *Code) I64(v int64) { c.body = AppendS64(appendOp(c.body, i64Const), v) }

// F32 pushes a constant by its bits.
func (c *Code) F32(v float32) {
	c.body = binary.LittleEndian.AppendUint32(appendOp(c.body, f32Const), math.Float32bits(v))
}

// F64 pushes a constant by its bits.
func (c *Code) F64(v float64) {
	c.body = binary.LittleEndian.AppendUint64(appendOp(c.body, f64Const), math.Float64bits(v))
}

// F32x4 pushes a vector of four equal constants.
func (c *Code) F32x4(v float32) { c.I32x4(int32(math.Float32bits(v))) }

// I32x4 pushes a vector of four equal constants.
func (c *Code) I32x4(v int32) { c.Vector([4]uint32{uint32(v), uint32(v), uint32(v), uint32(v)}) }

// Vector pushes a vector constant, lane by lane.
func (c *Code) Vector(v [4]uint32) {
	c.body = appendOp(c.body, v128Const)
	for _, x := range v {
		c.body = binary.LittleEndian.AppendUint32(c.body, x)
	}
}

// naturalAlign is log2 of the access width, the alignment hint (5.4.6). Addresses are mostly multiples of four only, so
// hints above that are lowered.
func naturalAlign(op Op) uint32 {
	switch op {
	case I32Load8S, I32Load8U, I32Store8:
		return 0
	case I32Load16U, I32Store16:
		return 1
	}
	return 2
}

// Mem appends a load or store with a constant offset from the address on the stack.
func (c *Code) Mem(op Op, offset int) {
	c.body = AppendU32(AppendU32(appendOp(c.body, op), naturalAlign(op)), uint32(offset))
}

// Load pushes what is at l+offset.
func (c *Code) Load(op Op, l Local, offset int) {
	c.Get(l)
	c.Mem(op, offset)
}

// MemLane appends a load or store of one lane.
func (c *Code) MemLane(op Op, offset int, lane byte) {
	c.Mem(op, offset)
	c.body = append(c.body, lane)
}

// Lane appends an instruction with a lane number.
func (c *Code) Lane(op Op, lane int) { c.body = append(appendOp(c.body, op), byte(lane)) }

// Shuffle32 appends i8x16.shuffle that picks 32-bit lanes 0–3 of the first and 4–7 of the second operand.
func (c *Code) Shuffle32(a, b, d, e int) {
	c.body = appendOp(c.body, i8x16Shuffle)
	for _, l := range [4]int{a, b, d, e} {
		for i := range 4 {
			c.body = append(c.body, byte(4*l+i))
		}
	}
}

// Shuffle8 appends i8x16.shuffle.
func (c *Code) Shuffle8(lanes [16]byte) {
	c.body = append(appendOp(c.body, i8x16Shuffle), lanes[:]...)
}

// Call appends a call of a function whose fuel is known.
func (c *Code) Call(index uint32, fuel int64) {
	c.index(Call, index)
	c.fuel += c.mult * fuel
}

// MemFill zeroes n bytes at a constant address.
func (c *Code) MemFill(addr, n int) {
	c.I32(addr)
	c.I32(0)
	c.I32(n)
	c.Fill(n)
}

// MemCopy copies n bytes; the destination and the source are on the stack.
func (c *Code) MemCopy(n int) {
	c.I32(n)
	c.body = append(appendOp(c.body, MemoryCopy), 0, 0)
	c.fuel += c.mult * int64(n/64)
}

// Copy appends memory.copy; destination, source and length, at most n bytes, are on the stack.
func (c *Code) Copy(n int) {
	c.body = append(appendOp(c.body, MemoryCopy), 0, 0)
	c.fuel += c.mult * int64(n/64)
}

// Fill appends memory.fill; address, value and length, at most n bytes, are on the stack.
func (c *Code) Fill(n int) {
	c.body = append(appendOp(c.body, MemoryFill), 0)
	c.fuel += c.mult * int64(n/64)
}

const blockVoid = 0x40

// Repeat runs body as a loop that goes on while the i32 which body leaves on the stack is not zero, at most trips times.
func (c *Code) Repeat(trips int, body func()) {
	c.body = append(appendOp(c.body, Loop), blockVoid)
	c.mult *= int64(max(trips, 1))
	c.fuel += c.mult
	body()
	c.mult /= int64(max(trips, 1))
	c.index(BrIf, 0)
	c.Op(End)
}

// For runs body for i = from, from+step, … while i < to (all constants), at least once. i must not change in body.
func (c *Code) For(i Local, from, to, step int, body func()) {
	trips := (to - from + step - 1) / step
	c.I32(from)
	c.Set(i)
	if trips == 1 {
		body()
		return
	}
	c.Repeat(trips, func() {
		body()
		c.Get(i)
		c.I32(step)
		c.Op(I32Add)
		c.Tee(i)
		c.I32(from + trips*step)
		c.Op(I32Ne)
	})
}

// If runs body when the i32 on the stack is not zero.
func (c *Code) If(body func()) { c.IfElse(body, nil) }

// IfElse runs one of two bodies.
func (c *Code) IfElse(yes, no func()) {
	c.body = append(appendOp(c.body, If), blockVoid)
	yes()
	if no != nil {
		c.Op(Else)
		no()
	}
	c.Op(End)
}

// AddTo adds a constant to an i32 variable.
func (c *Code) AddTo(l Local, n int) {
	c.Get(l)
	c.I32(n)
	c.Op(I32Add)
	c.Set(l)
}

// SetI32 assigns a constant.
func (c *Code) SetI32(l Local, n int) {
	c.I32(n)
	c.Set(l)
}

// GlobalGet pushes a global variable.
func (c *Code) GlobalGet(i uint32) { c.index(globalGet, i) }

// GlobalSet stores the top of the stack in a global variable.
func (c *Code) GlobalSet(i uint32) { c.index(globalSet, i) }

// Bytes returns what has been assembled so far, for insertion into another body.
func (c *Code) Bytes() []byte { return c.body }

// Return leaves the function.
func (c *Code) Return() { c.Op(Return) }
