package wire

import (
	"encoding/binary"
	"math/bits"
)

// blockSize is the number of values that share a width.
const blockSize = 256

// packedSize is the size of n values of w bits, in bytes.
func packedSize(n int, w uint) int { return (n*int(w) + 7) / 8 }

// appendBlock packs little-endian i32 values, at most blockSize of them, after dst.
func appendBlock(dst, values []byte) []byte {
	var zigzags [blockSize]uint32
	n, or := len(values)/4, uint32(0)
	for k := range zigzags[:n] {
		z := zigzag(binary.LittleEndian.Uint32(values[4*k:]))
		zigzags[k] = z
		or |= z
	}
	w := uint(bits.Len32(or))
	dst = append(dst, byte(w))
	if w == 0 {
		return dst
	}
	word, filled := uint64(0), uint(0)
	for _, z := range zigzags[:n] {
		word |= uint64(z) << filled
		filled += w
		if filled >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(word))
			word >>= 32
			filled -= 32
		}
	}
	for ; int(filled) > 0; filled -= min(filled, 8) {
		dst = append(dst, byte(word))
		word >>= 8
	}
	return dst
}

// padded is room for a block's values and the word that is read beyond them.
type padded [4*blockSize + 8]byte

// unpackBlock writes n values of w bits to dst, as little-endian i32, and returns all their zigzags, one or the other. The bytes of src
// after the values do not matter; where there are fewer than eight, the values are copied to pad first, so that whole words can be read
// everywhere.
func unpackBlock(dst, src []byte, n int, w uint, pad *padded) (or uint32) {
	if w == 0 {
		clear(dst[:4*n])
		return 0
	}
	if size := packedSize(n, w); len(src) < size+8 {
		copy(pad[:], src[:size])
		clear(pad[size : size+8])
		src = pad[:]
	}
	mask := uint64(1)<<w - 1
	k, at := 0, uint(0)
	if w <= 29 {
		// Eight values are w whole bytes, and a word holds two, wherever in a byte they begin: they are decoded side by side.
		at1, at2, at3 := 2*w>>3, 4*w>>3, 6*w>>3
		by1, by2, by3 := 2*w&7, 4*w&7, 6*w&7
		apart, seen := (32-w)&63, uint64(0)
		low, high := mask, mask<<32
		for ; k+8 <= n; k += 8 {
			d := dst[4*k : 4*k+32 : 4*k+32]
			a := binary.LittleEndian.Uint64(src[at:])
			b := binary.LittleEndian.Uint64(src[at+at1:]) >> by1
			c := binary.LittleEndian.Uint64(src[at+at2:]) >> by2
			e := binary.LittleEndian.Uint64(src[at+at3:]) >> by3
			a = a&low | a<<apart&high
			b = b&low | b<<apart&high
			c = c&low | c<<apart&high
			e = e&low | e<<apart&high
			seen |= a | b | c | e
			binary.LittleEndian.PutUint64(d, unzigzagBoth(a))
			binary.LittleEndian.PutUint64(d[8:], unzigzagBoth(b))
			binary.LittleEndian.PutUint64(d[16:], unzigzagBoth(c))
			binary.LittleEndian.PutUint64(d[24:], unzigzagBoth(e))
			at += w
		}
		or = uint32(seen | seen>>32)
	}
	for bit := uint(k) * w; k < n; k++ {
		z := uint32(binary.LittleEndian.Uint64(src[bit>>3:]) >> (bit & 7) & mask)
		or |= z
		binary.LittleEndian.PutUint32(dst[4*k:], unzigzag(z))
		bit += w
	}
	return or
}

// zigzag maps small values of either sign to small ones.
func zigzag(v uint32) uint32 { return v<<1 ^ uint32(int32(v)>>31) }

// unzigzag is the inverse of zigzag.
func unzigzag(z uint32) uint32 { return z>>1 ^ -(z & 1) }

// unzigzagBoth is unzigzag of both halves of a word.
func unzigzagBoth(z uint64) uint64 {
	const lowest = 1<<32 | 1
	sign := z & lowest
	return (z^sign)>>1 ^ (sign<<32 - sign)
}
