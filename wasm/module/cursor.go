package module

import (
	"fmt"
	"unicode/utf8"
)

// SyntaxError says where bytes are not what the binary format asks for.
type SyntaxError struct {
	Offset  int // in the module, or in the body for instructions
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Message) }

// cursor reads bytes forward. After the first error every read gives zero, so that callers check once per item; counts
// that were read are bounded by the bytes that remain before anything is allocated for them.
type cursor struct {
	data []byte
	pos  int
	base int // offset of data in the module, for errors
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = &SyntaxError{Offset: c.base + c.pos, Message: fmt.Sprintf(format, args...)}
	}
	c.pos = len(c.data)
}

func (c *cursor) done() bool { return c.pos >= len(c.data) }

func (c *cursor) byte() byte {
	if c.pos >= len(c.data) {
		c.fail("the module ends too early")
		return 0
	}
	b := c.data[c.pos]
	c.pos++
	return b
}

// bytes returns the next n bytes, shared with the input.
func (c *cursor) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(c.data)-c.pos) {
		c.fail("%d bytes are announced but %d remain", n, len(c.data)-c.pos)
		return nil
	}
	b := c.data[c.pos : c.pos+int(n) : c.pos+int(n)]
	c.pos += int(n)
	return b
}

// u32 reads unsigned LEB128 of at most 32 bits (5.2.2). Padding is legal as far as five bytes go.
func (c *cursor) u32() uint32 {
	var v uint32
	for shift := 0; ; shift += 7 {
		b := c.byte()
		if shift == 28 && b > 0x0f {
			c.fail("a number exceeds 32 bits")
			return 0
		}
		v |= uint32(b&0x7f) << shift
		if b&0x80 == 0 {
			return v
		}
	}
}

// signed reads signed LEB128 of at most bits (32, 33 or 64) bits.
func (c *cursor) signed(bits int) int64 {
	var v int64
	for shift := 0; ; shift += 7 {
		b := c.byte()
		v |= int64(b&0x7f) << shift
		last := bits-shift <= 7
		if last {
			// What exceeds the width must repeat the sign bit, and nothing may follow.
			top := int8(b<<1) >> 1 >> (bits - shift - 1)
			if b&0x80 != 0 || (top != 0 && top != -1) {
				c.fail("a number exceeds %d bits", bits)
				return 0
			}
		}
		if b&0x80 == 0 {
			if shift+7 < 64 && b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// count reads the length of a vector whose elements take at least size bytes each.
func (c *cursor) count(size int) int {
	n := c.u32()
	if uint64(n)*uint64(size) > uint64(len(c.data)-c.pos) {
		c.fail("%d items are announced but %d bytes remain", n, len(c.data)-c.pos)
		return 0
	}
	return int(n)
}

func (c *cursor) name() string {
	b := c.bytes(c.u32())
	if !utf8.Valid(b) {
		c.fail("a name is not UTF-8")
		return ""
	}
	return string(b)
}

// sub returns a cursor over the next n bytes.
func (c *cursor) sub(n uint32) *cursor {
	base := c.base + c.pos
	return &cursor{data: c.bytes(n), base: base, err: c.err}
}

// finish takes over the error of a sub-cursor, which must have been read to its end.
func (c *cursor) finish(s *cursor, what string) {
	if s.err == nil && !s.done() {
		s.fail("%s has %d bytes too many", what, len(s.data)-s.pos)
	}
	if c.err == nil && s.err != nil {
		c.err = s.err
		c.pos = len(c.data)
	}
}

func (c *cursor) valType() ValType {
	t := ValType(c.byte())
	switch t {
	case I32, I64, F32, F64, V128:
		return t
	}
	c.fail("0x%02x is not a number or vector type", byte(t))
	return I32
}

func (c *cursor) valTypes() []ValType {
	n := c.count(1)
	if n == 0 {
		return nil
	}
	ts := make([]ValType, n)
	for i := range ts {
		ts[i] = c.valType()
	}
	return ts
}
