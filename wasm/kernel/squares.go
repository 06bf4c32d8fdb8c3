package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// squares sums the squares of a tensor's values and gradients in f64, in which a square of an f32 is exact. The order is
// fixed: element i of a row adds to the sum i mod 4, and at the end they are (s₀ + s₁) + (s₂ + s₃). Rows are those of the
// gradient where its rows are padded, which they are for local steps alone; else the tensor is one row.
type squares struct {
	c          *code
	w, g       [2]local // two sums each
	x, promote local
}

func newSquares(c *code) squares {
	s := squares{c: c, w: [2]local(c.Locals(asm.V128, 2)), g: [2]local(c.Locals(asm.V128, 2))}
	s.x, s.promote = c.Local(asm.V128), c.Local(asm.V128)
	for _, l := range []local{s.w[0], s.w[1], s.g[0], s.g[1]} {
		c.I32x4(0)
		c.Set(l)
	}
	return s
}

// add adds the squares of four values and gradients, of those lanes that count.
func (s squares) add(v Values, mask *local) {
	c := s.c
	for _, of := range []struct {
		x    local
		sums [2]local
	}{{v.W, s.w}, {v.G, s.g}} {
		c.Get(of.x)
		if mask != nil {
			c.Get(*mask)
			c.Op(asm.V128And)
		}
		c.Set(s.x)
		for half, sum := range of.sums {
			c.Get(sum, s.x)
			if half == 1 {
				c.Get(s.x)
				c.Shuffle32(2, 3, 2, 3)
			}
			c.Op(asm.F64x2Promote)
			c.Tee(s.promote)
			c.Get(s.promote)
			c.Op(asm.F64x2Mul, asm.F64x2Add)
			c.Set(sum)
		}
	}
}

// push pushes the sums of the values' and of the gradients' squares.
func (s squares) push() {
	for _, sums := range [][2]local{s.w, s.g} {
		for half, sum := range sums {
			for lane := range 2 {
				s.c.Get(sum)
				s.c.Lane(asm.F64x2Lane, lane)
			}
			s.c.Op(asm.F64Add)
			if half == 1 {
				s.c.Op(asm.F64Add)
			}
		}
	}
}
