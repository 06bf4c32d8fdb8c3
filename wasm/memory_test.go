package wasm

import (
	"math/rand/v2"
	"testing"
)

// Buffers that live at the same time never overlap, all are within the scratch, and it is not larger than all together.
func TestLifetimes(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		type buffer struct{ addr, bytes, from, to int }
		buffers := make([]buffer, 1+draw.IntN(20))
		var l lifetimes
		total := 0
		for i := range buffers {
			b := &buffers[i]
			b.bytes, b.from = draw.IntN(1000), draw.IntN(10)
			b.to = b.from + draw.IntN(10)
			total += roundUp(b.bytes, lineSize)
			l.place(&b.addr, b.bytes, b.from, b.to)
		}
		m := &memory{end: firstAddress}
		base := l.fix(m)
		if l.size > total {
			t.Fatalf("%d bytes for buffers of %d", l.size, total)
		}
		for i, a := range buffers {
			if a.bytes == 0 {
				if a.addr != 0 {
					t.Fatal("an empty buffer has an address")
				}
				continue
			}
			if a.addr%lineSize != 0 || a.addr < base || a.addr+a.bytes > base+l.size || m.end < base+l.size {
				t.Fatalf("%+v is not within %d bytes at %d", a, l.size, base)
			}
			for _, b := range buffers[:i] {
				if b.bytes > 0 && a.from <= b.to && b.from <= a.to && a.addr < b.addr+b.bytes && b.addr < a.addr+a.bytes {
					t.Fatalf("%+v and %+v overlap", a, b)
				}
			}
		}
	}
}

// Two buffers that are never alive together take the memory of one.
func TestLifetimesShare(t *testing.T) {
	var a, b int
	var l lifetimes
	l.place(&a, 640, 0, 3)
	l.place(&b, 640, 4, 9)
	l.fix(&memory{end: firstAddress})
	if l.size != 640 || a != b {
		t.Errorf("%d bytes, at %d and %d", l.size, a, b)
	}
}
