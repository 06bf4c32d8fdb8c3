package ref

import "math/bits"

// Order is the order in which microbatches visit the records of a dataset; package kernel defines it (order.go).
type Order struct {
	Seed       int64
	Microbatch int   // records of a microbatch
	Lanes      int   // microbatches of a step
	Block      int64 // records of a block
}

// Select returns the records that a microbatch uses; none if examples is not in 1…2^32−1.
func (o Order) Select(step, microbatch, examples int64) []uint32 {
	if examples < 1 || examples > 1<<32-1 {
		return nil
	}
	var (
		turn   = uint64(max(step, 1) - 1)
		lane   = uint64(microbatch) % uint64(o.Lanes)
		round  = uint32(uint64(microbatch) / uint64(o.Lanes))
		block  = uint64(o.Block)
		n      = uint64(examples)
		blocks = n / block
		out    = make([]uint32, o.Microbatch)
	)
	for i := range out {
		x := turn*uint64(o.Microbatch) + uint64(i)
		p := (x/block*uint64(o.Lanes)+lane)*block + x%block
		epoch, q := p/n, p%n
		b, size := q/block, block
		if b < blocks {
			b = uint64(permute(uint32(b), uint32(blocks), o.keys(PurposeBlocks, 0, 0, epoch)))
		} else {
			size = n - blocks*block
		}
		r := permute(uint32(q%block), uint32(size), o.keys(PurposeRecords, round, uint32(b), epoch))
		out[i] = uint32(b*block) + r
	}
	return out
}

// keys are the round keys of a permutation.
func (o Order) keys(purpose, round, block uint32, epoch uint64) [8]uint32 {
	var k [8]uint32
	for i := range uint32(2) {
		w := Random(o.Seed, [4]uint32{block, purpose | round<<1&0xffffff | i, uint32(epoch), uint32(epoch >> 32)})
		copy(k[4*i:], w[:])
	}
	return k
}

// maxWalk bounds the cycle walking of permute.
const maxWalk = 256

// permute maps x < n to its place under the permutation of [0, n) that the keys name.
func permute(x, n uint32, keys [8]uint32) uint32 {
	half := max(1, (bits.Len32(n-1)+1)/2)
	mask := uint32(1)<<half - 1
	for range maxWalk {
		l, r := x>>half, x&mask
		for _, k := range keys {
			l, r = r, l^mix(r^k)&mask
		}
		x = l<<half | r
		if x < n {
			break
		}
	}
	return x % n
}

func mix(x uint32) uint32 {
	p := uint64(x) * philoxM0
	q := uint64(uint32(p>>32)^uint32(p)) * philoxM1
	return uint32(q>>32) ^ uint32(q)
}
