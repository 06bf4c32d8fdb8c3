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
	var zigzag [blockSize]uint32
	n, or := len(values)/4, uint32(0)
	for k := range zigzag[:n] {
		v := int32(binary.LittleEndian.Uint32(values[4*k:]))
		z := uint32(v<<1) ^ uint32(v>>31)
		zigzag[k] = z
		or |= z
	}
	w := uint(bits.Len32(or))
	dst = append(dst, byte(w))
	if w == 0 {
		return dst
	}
	word, filled := uint64(0), uint(0)
	for _, z := range zigzag[:n] {
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

// unpackBlock spreads n values of w bits. The bytes of src after the values do not matter; where there are fewer than eight,
// the values are copied to pad first, so that whole words can be read everywhere.
func unpackBlock(zigzag *[blockSize]uint32, src []byte, n int, w uint, pad *padded) {
	if w == 0 {
		clear(zigzag[:n])
		return
	}
	if size := packedSize(n, w); len(src) < size+8 {
		copy(pad[:], src[:size])
		clear(pad[size : size+8])
		src = pad[:]
	}
	mask := uint64(1)<<w - 1
	k, at := 0, uint(0)
	// Eight values are w whole bytes. Where they are narrow, one word or two hold all eight.
	switch {
	case w <= 8:
		for ; k+8 <= n; k += 8 {
			z, word := zigzag[k:k+8:k+8], binary.LittleEndian.Uint64(src[at:])
			z[0] = uint32(word & mask)
			z[1] = uint32(word >> w & mask)
			z[2] = uint32(word >> (2 * w) & mask)
			z[3] = uint32(word >> (3 * w) & mask)
			z[4] = uint32(word >> (4 * w) & mask)
			z[5] = uint32(word >> (5 * w) & mask)
			z[6] = uint32(word >> (6 * w) & mask)
			z[7] = uint32(word >> (7 * w) & mask)
			at += w
		}
	case w <= 16:
		for ; k+8 <= n; k += 8 {
			z, low, high := zigzag[k:k+8:k+8], binary.LittleEndian.Uint64(src[at:]), binary.LittleEndian.Uint64(src[at+w/2:])
			high >>= 4 * (w & 1)
			z[0] = uint32(low & mask)
			z[1] = uint32(low >> w & mask)
			z[2] = uint32(low >> (2 * w) & mask)
			z[3] = uint32(low >> (3 * w) & mask)
			z[4] = uint32(high & mask)
			z[5] = uint32(high >> w & mask)
			z[6] = uint32(high >> (2 * w) & mask)
			z[7] = uint32(high >> (3 * w) & mask)
			at += w
		}
	case w <= 29:
		// A word holds two, wherever in a byte they begin.
		at1, at2, at3 := 2*w>>3, 4*w>>3, 6*w>>3
		by1, by2, by3 := 2*w&7, 4*w&7, 6*w&7
		for ; k+8 <= n; k += 8 {
			z := zigzag[k : k+8 : k+8]
			a, b := binary.LittleEndian.Uint64(src[at:]), binary.LittleEndian.Uint64(src[at+at1:])>>by1
			c, d := binary.LittleEndian.Uint64(src[at+at2:])>>by2, binary.LittleEndian.Uint64(src[at+at3:])>>by3
			z[0] = uint32(a & mask)
			z[1] = uint32(a >> w & mask)
			z[2] = uint32(b & mask)
			z[3] = uint32(b >> w & mask)
			z[4] = uint32(c & mask)
			z[5] = uint32(c >> w & mask)
			z[6] = uint32(d & mask)
			z[7] = uint32(d >> w & mask)
			at += w
		}
	}
	for bit := uint(k) * w; k < n; k++ {
		zigzag[k] = uint32(binary.LittleEndian.Uint64(src[bit>>3:]) >> (bit & 7) & mask)
		bit += w
	}
}

// unzigzag is the inverse of (v << 1) ^ (v >> 31).
func unzigzag(z uint32) uint32 { return z>>1 ^ -(z & 1) }
