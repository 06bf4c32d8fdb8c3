package closure

// arena holds many byte strings of one size in large pieces, so that appending never copies what is there.
type arena struct {
	size   int // of one
	per    int // in a piece
	n      int
	pieces [][]byte
}

func newArena(size int) *arena { return &arena{size: size, per: max(1, (1<<20)/max(1, size))} }

func (a *arena) add(b []byte) {
	if a.n%a.per == 0 {
		a.pieces = append(a.pieces, make([]byte, 0, a.per*a.size))
	}
	last := len(a.pieces) - 1
	a.pieces[last] = append(a.pieces[last], b...)
	a.n++
}

func (a *arena) at(i int) []byte {
	offset := i % a.per * a.size
	return a.pieces[i/a.per][offset : offset+a.size : offset+a.size]
}
