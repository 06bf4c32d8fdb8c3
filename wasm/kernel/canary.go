package kernel

import (
	"encoding/binary"

	asm "github.com/reprise-ml/reprise/wasm/module"
)

// CanaryBytes is the size of the canary's constants.
const CanaryBytes = 16 * canaryVectors

const canaryVectors = 6

// canaryConstants are the operands and results, all as bits: x·y = product, a+b = sum. A process that flushes subnormal
// results or operands to zero, or that does not round to nearest with ties to even, gets one of the lanes wrong.
var canaryConstants = [canaryVectors][4]uint32{
	// 2^−126, 2^−149, 2^−127 and 1 + 2^−23
	{0x00800000, 0x00000001, 0x00400000, 0x3f800001}, // x
	// 0.5, 2^100, 2 and 1.5
	{0x3f000000, 0x71800000, 0x40000000, 0x3fc00000}, // y
	// 2^−127, 2^−49, 2^−126 and, from halfway between two numbers, the even one: 1.5 + 2^−22
	{0x00400000, 0x27000000, 0x00800000, 0x3fc00002}, // product
	// 1, 1 + 2^−23, 2^−149 and 2^−126
	{0x3f800000, 0x3f800001, 0x00000001, 0x00800000}, // a
	// 2^−24, 2^−24, 2^−149 and −2^−127
	{0x33800000, 0x33800000, 0x00000001, 0x80400000}, // b
	// 1 (a tie, down), 1 + 2^−22 (a tie, up), 2^−148 and 2^−127
	{0x3f800000, 0x3f800002, 0x00000002, 0x00400000}, // sum
}

// Canary emits () → i32: 1 where the runtime computes as IEEE 754 says, 0 where it does not. Some processes set their
// processor to flush subnormal numbers (a library built with -ffast-math is enough), and vectors of 32-bit ARM always do.
// Their bits would differ from everybody else's through no fault of theirs, so accumulate and apply ask first.
//
// Vectors and scalars are checked separately, since processors may treat them differently. The operands come from
// memory, CanaryBytes at addr that nobody else may write, so that no compiler of a runtime can compute the answer itself.
func (e *Emitter) Canary(addr int) Fn {
	var data []byte
	for _, v := range canaryConstants {
		for _, x := range v {
			data = binary.LittleEndian.AppendUint32(data, x)
		}
	}
	e.Module.Data = append(e.Module.Data, asm.Data{Offset: asm.ConstI32(int32(addr)), Bytes: data})

	at := func(vector int) int { return addr + 16*vector }
	return e.Define("canary", nil, []asm.ValType{asm.I32}, func(c *code, _ []local) {
		ok := c.Local(asm.I32)
		c.SetI32(ok, 1)
		and := func() {
			c.Get(ok)
			c.Op(asm.I32And)
			c.Set(ok)
		}
		load := func(op asm.Op, addr int) {
			c.I32(addr)
			c.Mem(op, 0)
		}
		check := func(first int, vector, scalar asm.Op) {
			load(asm.V128Load, at(first))
			load(asm.V128Load, at(first+1))
			c.Op(vector)
			load(asm.V128Load, at(first+2))
			c.Op(asm.I32x4Eq, asm.I32x4AllTrue)
			and()
			for lane := range 4 {
				load(asm.F32Load, at(first)+4*lane)
				load(asm.F32Load, at(first+1)+4*lane)
				c.Op(scalar, asm.I32RefF32)
				load(asm.I32Load, at(first+2)+4*lane)
				c.Op(asm.I32Eq)
				and()
			}
		}
		check(0, asm.F32x4Mul, asm.F32Mul)
		check(3, asm.F32x4Add, asm.F32Add)
		c.Get(ok)
	})
}
