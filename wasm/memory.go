package wasm

import (
	"cmp"
	"slices"
)

// memory hands out constant addresses.
type memory struct{ end int }

// firstAddress keeps address 0 free, so that it can stand for "none".
const firstAddress = 64

// alloc takes bytes at the next multiple of align.
func (m *memory) alloc(bytes, align int) int {
	m.end = roundUp(m.end, align)
	addr := m.end
	m.end += bytes
	return addr
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }

// lifetimes plans scratch memory: buffers whose lifetimes do not meet may share addresses.
type lifetimes struct {
	blocks []block // in the order of their offsets
	size   int
}

type block struct {
	addr          *int // set by fix
	offset, bytes int
	from, to      int // steps of the schedule
}

// lineSize aligns buffers to cache lines.
const lineSize = 64

// place finds the lowest offset for a buffer that lives in the steps from … to of the schedule. Its address is set
// when all are placed; an empty buffer's stays 0.
func (l *lifetimes) place(addr *int, bytes, from, to int) {
	if bytes == 0 {
		return
	}
	bytes = roundUp(bytes, lineSize)
	offset := 0
	for _, b := range l.blocks { // in the order of offsets, so that one pass finds the lowest gap
		if b.from <= to && from <= b.to && b.offset < offset+bytes {
			offset = max(offset, b.offset+b.bytes)
		}
	}
	at, _ := slices.BinarySearchFunc(l.blocks, offset, func(b block, offset int) int { return cmp.Compare(b.offset, offset) })
	l.blocks = slices.Insert(l.blocks, at, block{addr, offset, bytes, from, to})
	l.size = max(l.size, offset+bytes)
}

// fix takes the memory and sets the addresses.
func (l *lifetimes) fix(m *memory) (base int) {
	base = m.alloc(l.size, lineSize)
	for _, b := range l.blocks {
		*b.addr = base + b.offset
	}
	return base
}
