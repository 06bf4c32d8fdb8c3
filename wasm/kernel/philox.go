package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// All random numbers of an engine come from one generator, Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
// numbers: as easy as 1, 2, 3", SC11), which makes four random words of a counter of four words and a key of two. It
// has no state, so any number can be had at any time by anyone. The key is the seed, lower half first. The second word
// of a counter is the purpose plus, in its lower 24 bits, what tells streams of one purpose apart; the other words say
// which number of a stream is meant:
//
//	purpose          lower 24 bits      first word            third word   fourth word
//	PurposeInit      parameter's index  element / 4           attempt      0
//	PurposeBlocks    see Order          0                     epoch        epoch / 2^32
//	PurposeRecords   see Order          block                 epoch        epoch / 2^32
//	PurposeDropout   layer's index      see DropoutMask       microbatch   step
//	                 (of gaussian-noise, too)
//	PurposeAugment   place in the list  example               microbatch   step
//
// Element i of a stream is word i mod 4 of its counter. A word x gives the uniform number (x >> 8) · 2^−24 in [0, 1).
const (
	PurposeInit    = 1 << 24
	PurposeBlocks  = 2 << 24
	PurposeRecords = 3 << 24
	PurposeDropout = 4 << 24
	PurposeAugment = 5 << 24
)

const (
	philoxM0     = 0xD2511F53
	philoxM1     = 0xCD9E8D57
	philoxW0     = 0x9E3779B9
	philoxW1     = 0xBB67AE85
	philoxRounds = 10
)

// Philox emits the generator as a function (c0, c1, c2, c3 i32) → (i32, i32, i32, i32), keyed by the i64 at the address
// of the seed.
func (e *Emitter) Philox(seed int) Fn {
	i32s := []asm.ValType{asm.I32, asm.I32, asm.I32, asm.I32}
	return e.Define("philox", i32s, i32s, func(c *code, x []local) {
		k0, k1 := c.Local(asm.I32), c.Local(asm.I32)
		p0, p1 := c.Local(asm.I64), c.Local(asm.I64)
		c.I32(0)
		c.Mem(asm.I32Load, seed)
		c.Set(k0)
		c.I32(0)
		c.Mem(asm.I32Load, seed+4)
		c.Set(k1)
		for round := range philoxRounds {
			if round > 0 {
				c.AddTo(k0, int(int32(philoxW0-1<<32)))
				c.AddTo(k1, int(int32(philoxW1-1<<32)))
			}
			wideProduct(c, x[0], philoxM0)
			c.Set(p0)
			wideProduct(c, x[2], philoxM1)
			c.Set(p1)
			highXor(c, p1, x[1], k0)
			c.Set(x[0])
			c.Get(p1)
			c.Op(asm.I32Wrap)
			c.Set(x[1])
			highXor(c, p0, x[3], k1)
			c.Set(x[2])
			c.Get(p0)
			c.Op(asm.I32Wrap)
			c.Set(x[3])
		}
		c.Get(x...)
	})
}

// wideProduct pushes the i64 product of an unsigned word and a constant.
func wideProduct(c *code, x local, m int64) {
	c.Get(x)
	c.Op(asm.I64ExtU)
	c.I64(m)
	c.Op(asm.I64Mul)
}

// highXor pushes the upper half of p, exclusive-or x and k.
func highXor(c *code, p, x, k local) {
	c.Get(p)
	c.I64(32)
	c.Op(asm.I64ShrU, asm.I32Wrap)
	c.Get(x)
	c.Op(asm.I32Xor)
	c.Get(k)
	c.Op(asm.I32Xor)
}

// philoxVectors emits the generator for four counters at once: lane i of x[0]…x[3] is a counter, and then its words.
// It is inline, keyed by the i64 at the address of the seed.
func philoxVectors(c *code, x [4]local, seed int) {
	k0, k1 := c.Local(asm.V128), c.Local(asm.V128)
	high0, high1 := c.Local(asm.V128), c.Local(asm.V128)
	zero := c.Local(asm.I32)
	c.SetI32(zero, 0)
	c.Load(asm.V128Splat32, zero, seed)
	c.Set(k0)
	c.Load(asm.V128Splat32, zero, seed+4)
	c.Set(k1)
	for round := range philoxRounds {
		if round > 0 {
			bump(c, k0, philoxW0)
			bump(c, k1, philoxW1)
		}
		highProduct(c, x[0], philoxM0)
		c.Set(high0)
		highProduct(c, x[2], philoxM1)
		c.Set(high1)
		// (x1, x3) ← the lower halves; (x0, x2) ← the upper ones, exclusive-or x1 or x3 and a key.
		c.Get(high1, x[1])
		c.Op(asm.V128Xor)
		c.Get(k0)
		c.Op(asm.V128Xor)
		c.Get(x[2])
		c.I32x4(int32(philoxM1 - 1<<32))
		c.Op(asm.I32x4Mul)
		c.Set(x[1])
		c.Get(high0, x[3])
		c.Op(asm.V128Xor)
		c.Get(k1)
		c.Op(asm.V128Xor)
		c.Set(x[2])
		c.Get(x[0])
		c.I32x4(int32(philoxM0 - 1<<32))
		c.Op(asm.I32x4Mul)
		c.Set(x[3])
		c.Set(x[0])
	}
	c.Release(k0, k1, high0, high1, zero)
}

// uniforms pushes the uniform numbers of four words.
func uniforms(c *code, words local) {
	c.Get(words)
	c.I32(8)
	c.Op(asm.I32x4ShrU, asm.F32x4ConvS)
	c.F32x4(0x1p-24)
	c.Op(asm.F32x4Mul)
}

// bump adds a constant to the lanes of a key.
func bump(c *code, k local, by int64) {
	c.Get(k)
	c.I32x4(int32(by - 1<<32))
	c.Op(asm.I32x4Add)
	c.Set(k)
}

// highProduct pushes the upper halves of the products of unsigned words and a constant.
func highProduct(c *code, x local, m int64) {
	for _, half := range []asm.Op{asm.I64x2MulLU, asm.I64x2MulHU} {
		c.Get(x)
		c.I32x4(int32(m - 1<<32))
		c.Op(half)
	}
	c.Shuffle32(1, 3, 5, 7)
}
