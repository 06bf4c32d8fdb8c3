package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// Order is the order in which microbatches visit the records of a dataset. It is a pure function of the seed, the step,
// the microbatch and the number of records n, defined so that other programs can follow it. All numbers are unsigned
// integers; / and mod are those of whole numbers; m is Microbatch, L is Lanes, B is Block.
//
// Records form n/B blocks of B consecutive records and a tail, the n mod B records after them. An epoch is a sequence
// of n positions: the blocks in a keyed order, then the tail, the records of each in a keyed order. Epochs follow each
// other without a gap, so position p is position q = p mod n of epoch e = p/n, and the record there is
//
//	b·B + records(q mod B)    where b = blocks(q/B) if q/B < n/B, and else n/B, the tail.
//
// Microbatch u of a step belongs to lane l = u mod L and to round r = u/L (0 while a step has no more than L). In step t
// it reads the m numbers x = T·m, T·m + 1, … of its lane, T = max(t, 1) − 1 (step 0 uses the records of step 1). The
// lanes deal out the positions in chunks of B: number x of lane l is position (x/B · L + l) · B + x mod B.
//
// So in L·B numbers of a round every position is read once; no record is read again before all were, up to those L·B
// positions; a lane stays in its block for B/m steps; and microbatches are always full. Further rounds read the same
// block at the same time in another order.
//
// The permutations blocks (of n/B numbers, by the epoch) and records (of B numbers, or as many as the tail has; by
// epoch, block and round) are Feistel networks with cycle walking. Let h ≥ 1 be the least half width with 4^h ≥ the
// number of values N. Eight rounds with keys k take (left, right), of h bits each, to
//
//	(right, left xor (mix(right xor k) mod 2^h))
//
//	mix(x) = fold(fold(x · 0xD2511F53) · 0xCD9E8D57)     products of 64 bits, fold(y) = y/2^32 xor y mod 2^32
//
// and are repeated until the value is below N, at most 256 times (which has a probability of 2^−106 of not being
// enough; the value is then taken mod N). The keys are the words of two Philox counters,
//
//	(b, PurposeRecords + 2·(r mod 2^23) + i, e mod 2^32, e/2^32) and (0, PurposeBlocks + i, e mod 2^32, e/2^32), i = 0, 1.
type Order struct {
	Microbatch int   // records of a microbatch
	Lanes      int   // microbatches of a step
	Block      int64 // records of a block, see DefaultBlock
	Indices    int   // address of u32 [Microbatch]
}

const (
	feistelRounds = 8
	maxWalk       = 256 // trips of a cycle walk
)

// DefaultBlock returns the block size for a dataset: an equal part for each lane, but at most a shard, rounded down to
// whole microbatches of m records. Where a lane's part has no whole microbatch it is 1, so that steps read consecutive
// positions and every step is as mixed as can be.
func DefaultBlock(examples, recordsPerShard int64, m, lanes int) int64 {
	part := examples / int64(lanes)
	if part < int64(m) {
		return 1
	}
	return max(min(part, recordsPerShard)/int64(m), 1) * int64(m)
}

// Select emits the export select(step, microbatch, examples i64) → n i32, which writes the records of a microbatch to
// Indices. n is Microbatch, or 0 where examples is not in 1…2^32−1. Philox is what Emitter.Philox returned.
func (e *Emitter) Select(o Order, philox Fn) Fn {
	params := []asm.ValType{asm.I64, asm.I64, asm.I64}
	return e.Define("select", params, []asm.ValType{asm.I32}, func(c *code, p []local) {
		c.Get(p[2])
		c.I64(1)
		c.Op(asm.I64Sub)
		c.I64(1<<32 - 1)
		c.Op(asm.I64GeU)
		c.If(func() {
			c.I32(0)
			c.Return()
		})
		s := newSelection(c, o, philox, p[0], p[1], p[2])
		s.start()
		i := c.Local(asm.I32)
		c.For(i, 0, 4*o.Microbatch, 4, func() {
			c.Get(s.left)
			c.Op(asm.I32Eqz)
			c.If(s.locate)

			c.Get(s.offset)
			c.Set(s.value)
			s.permute(s.size)
			c.Get(i)
			c.Get(s.base, s.value)
			c.Op(asm.I32Add)
			c.Mem(asm.I32Store, o.Indices)

			c.AddTo(s.offset, 1)
			c.AddTo(s.left, -1)
			c.Get(s.number)
			c.I64(1)
			c.Op(asm.I64Add)
			c.Set(s.number)
		})
		c.I32(o.Microbatch)
	})
}

// selection holds the variables of select while its code is emitted.
type selection struct {
	Order
	c      *code
	philox Fn

	step, microbatch, examples local // i64
	number                     local // i64: x, the lane's next number
	blocks                     local // i64: n/B

	// Of the run of positions at hand, which is of one chunk and one block. All i32.
	left   local // positions until it ends
	block  local // b
	size   local // records of the block
	base   local // b·B
	offset local // in the block, of the next position

	keys        []local // i32
	value       local   // i32: what permute permutes
	half        local   // i32: h of a permutation
	mask        local   // i32: 2^h − 1
	right, walk local   // i32
	wide        local   // i64
	position    local   // i64: p, then q
	epoch       local   // i64: e
}

func newSelection(c *code, o Order, philox Fn, step, microbatch, examples local) *selection {
	s := &selection{Order: o, c: c, philox: philox, step: step, microbatch: microbatch, examples: examples}
	for _, l := range []*local{&s.number, &s.blocks, &s.wide, &s.position, &s.epoch} {
		*l = c.Local(asm.I64)
	}
	for _, l := range []*local{
		&s.left, &s.block, &s.size, &s.base, &s.offset, &s.value, &s.half, &s.mask, &s.right, &s.walk,
	} {
		*l = c.Local(asm.I32)
	}
	s.keys = c.Locals(asm.I32, feistelRounds)
	return s
}

// start computes what does not change within the microbatch, and the first number.
func (s *selection) start() {
	c := s.c
	c.Get(s.step)
	c.I64(1)
	c.Get(s.step)
	c.I64(1)
	c.Op(asm.I64GtS, asm.Select)
	c.I64(1)
	c.Op(asm.I64Sub)
	c.I64(int64(s.Microbatch))
	c.Op(asm.I64Mul)
	c.Set(s.number)
	c.Get(s.examples)
	c.I64(s.Block)
	c.Op(asm.I64DivU)
	c.Set(s.blocks)
	c.SetI32(s.left, 0)
}

// locate finds the run that the number at hand begins.
func (s *selection) locate() {
	c := s.c
	// position = (number/B · L + microbatch mod L) · B + number mod B
	c.Get(s.number)
	c.I64(s.Block)
	c.Op(asm.I64DivU)
	c.I64(int64(s.Lanes))
	c.Op(asm.I64Mul)
	c.Get(s.microbatch)
	c.I64(int64(s.Lanes))
	c.Op(asm.I64RemU, asm.I64Add)
	c.I64(s.Block)
	c.Op(asm.I64Mul)
	c.Get(s.number)
	c.I64(s.Block)
	c.Op(asm.I64RemU)
	c.Tee(s.wide)
	c.Op(asm.I64Add)
	c.Tee(s.position)
	c.Get(s.examples)
	c.Op(asm.I64DivU)
	c.Set(s.epoch)
	c.Get(s.position)
	c.Get(s.examples)
	c.Op(asm.I64RemU)
	c.Set(s.position)
	// Until the chunk ends.
	c.I64(s.Block)
	c.Get(s.wide)
	c.Op(asm.I64Sub, asm.I32Wrap)
	c.Set(s.left)

	c.Get(s.position)
	c.I64(s.Block)
	c.Op(asm.I64DivU)
	c.Tee(s.wide)
	c.Op(asm.I32Wrap)
	c.Set(s.value)
	c.Get(s.wide)
	c.Get(s.blocks)
	c.Op(asm.I64LtU)
	c.IfElse(func() {
		s.setKeys(PurposeBlocks, func() { c.I32(0) }, func() {})
		c.Get(s.blocks)
		c.Op(asm.I32Wrap)
		c.Set(s.size)
		s.permute(s.size)
		c.I64(s.Block)
		c.Op(asm.I32Wrap)
		c.Set(s.size)
	}, func() {
		c.Get(s.examples)
		c.I64(s.Block)
		c.Op(asm.I64RemU, asm.I32Wrap)
		c.Set(s.size)
	})
	c.Get(s.value)
	c.Tee(s.block)
	c.I64(s.Block)
	c.Op(asm.I32Wrap, asm.I32Mul)
	c.Set(s.base)
	c.Get(s.position)
	c.I64(s.Block)
	c.Op(asm.I64RemU, asm.I32Wrap)
	c.Set(s.offset)
	// Or until the block ends, whichever is sooner.
	c.Get(s.left)
	c.Get(s.size, s.offset)
	c.Op(asm.I32Sub)
	c.Tee(s.right)
	c.Get(s.left, s.right)
	c.Op(asm.I32LtU, asm.Select)
	c.Set(s.left)
	s.setKeys(PurposeRecords, func() { c.Get(s.block) }, func() {
		c.Get(s.microbatch)
		c.I64(int64(s.Lanes))
		c.Op(asm.I64DivU, asm.I32Wrap)
		c.I32(1)
		c.Op(asm.I32Shl)
		c.I32(0xffffff)
		c.Op(asm.I32And, asm.I32Or)
	})
}

// setKeys computes the keys of a permutation. First pushes the counter's first word, stream adds to the second.
func (s *selection) setKeys(purpose int, first, stream func()) {
	c := s.c
	for i := range 2 {
		first()
		c.I32(purpose | i)
		stream()
		c.Get(s.epoch)
		c.Op(asm.I32Wrap)
		c.Get(s.epoch)
		c.I64(32)
		c.Op(asm.I64ShrU, asm.I32Wrap)
		call(c, s.philox)
		for k := 3; k >= 0; k-- {
			c.Set(s.keys[4*i+k])
		}
	}
}

// permute replaces value by its place under the permutation of [0, n) that the keys name.
func (s *selection) permute(n local) {
	c := s.c
	// half = max(1, (33 − clz(n − 1)) / 2)
	c.I32(33)
	c.Get(n)
	c.I32(1)
	c.Op(asm.I32Sub)
	c.I32(1)
	c.Op(asm.I32Or, asm.I32Clz, asm.I32Sub)
	c.I32(1)
	c.Op(asm.I32ShrU)
	c.Set(s.half)
	c.I32(1)
	c.Get(s.half)
	c.Op(asm.I32Shl)
	c.I32(1)
	c.Op(asm.I32Sub)
	c.Set(s.mask)

	c.SetI32(s.walk, maxWalk)
	c.Repeat(maxWalk, func() {
		c.Get(s.value, s.mask)
		c.Op(asm.I32And)
		c.Set(s.right)
		c.Get(s.value, s.half)
		c.Op(asm.I32ShrU)
		c.Set(s.value) // left
		left, right := s.value, s.right
		for _, k := range s.keys {
			c.Get(left)
			c.Get(right, k)
			c.Op(asm.I32Xor)
			s.fold(philoxM0)
			s.fold(philoxM1)
			c.Get(s.mask)
			c.Op(asm.I32And, asm.I32Xor)
			c.Set(left)
			left, right = right, left
		}
		c.Get(left, s.half)
		c.Op(asm.I32Shl)
		c.Get(right)
		c.Op(asm.I32Or)
		c.Tee(s.value)
		c.Get(n)
		c.Op(asm.I32GeU)
		c.AddTo(s.walk, -1)
		c.Get(s.walk)
		c.I32(0)
		c.Op(asm.I32Ne, asm.I32And)
	})
	c.Get(s.value, n)
	c.Op(asm.I32RemU)
	c.Set(s.value)
}

// fold replaces the word on the stack by the exclusive-or of the halves of its product with a constant.
func (s *selection) fold(m int64) {
	c := s.c
	c.Op(asm.I64ExtU)
	c.I64(m)
	c.Op(asm.I64Mul)
	c.Tee(s.wide)
	c.I64(32)
	c.Op(asm.I64ShrU)
	c.Get(s.wide)
	c.Op(asm.I64Xor, asm.I32Wrap)
}
