package ref

// Multipliers and key increments of Philox4x32 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
// 3", SC11).
const (
	philoxM0 = 0xD2511F53
	philoxM1 = 0xCD9E8D57
	philoxW0 = 0x9E3779B9
	philoxW1 = 0xBB67AE85
)

// Philox4x32 returns the four words that the counter-based generator Philox4x32-10 makes of a counter and a key.
func Philox4x32(counter [4]uint32, key [2]uint32) [4]uint32 {
	x := counter
	for range 10 {
		p0 := uint64(x[0]) * philoxM0
		p1 := uint64(x[2]) * philoxM1
		x = [4]uint32{uint32(p1>>32) ^ x[1] ^ key[0], uint32(p1), uint32(p0>>32) ^ x[3] ^ key[1], uint32(p0)}
		key[0] += philoxW0
		key[1] += philoxW1
	}
	return x
}

// Purposes of random numbers, in the upper byte of a counter's second word. The lower 24 bits tell the streams of one
// purpose apart.
const (
	PurposeInit    = 1 << 24 // initial values; lower bits: the parameter's index
	PurposeBlocks  = 2 << 24 // the order of the blocks
	PurposeRecords = 3 << 24 // the order of the records in a block
	PurposeDropout = 4 << 24 // dropout; lower bits: the layer's index
)

// Random returns the words of a counter under a seed, whose lower half is the first word of the key.
func Random(seed int64, counter [4]uint32) [4]uint32 {
	return Philox4x32(counter, [2]uint32{uint32(seed), uint32(seed >> 32)})
}

// Uniform maps a random word to [0, 1), to a multiple of 2^-24.
func Uniform(x uint32) float32 { return float32(x>>8) * 0x1p-24 }
