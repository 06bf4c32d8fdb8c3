package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// transpose4 exchanges lanes and vectors of four locals: v[i] lane j becomes v[j] lane i.
func transpose4(c *code, v [4]local) {
	t := c.Locals(asm.V128, 4)
	pair := func(dst, a, b local, lanes [4]int) {
		c.Get(a, b)
		c.Shuffle32(lanes[0], lanes[1], lanes[2], lanes[3])
		c.Set(dst)
	}
	low, high := [4]int{0, 4, 1, 5}, [4]int{2, 6, 3, 7}
	pair(t[0], v[0], v[1], low)
	pair(t[1], v[2], v[3], low)
	pair(t[2], v[0], v[1], high)
	pair(t[3], v[2], v[3], high)
	left, right := [4]int{0, 1, 4, 5}, [4]int{2, 3, 6, 7}
	pair(v[0], t[0], t[1], left)
	pair(v[1], t[0], t[1], right)
	pair(v[2], t[2], t[3], left)
	pair(v[3], t[2], t[3], right)
	c.Release(t...)
}

// transpose emits the copy of a tile into the other layout. Neither side has a halo.
func transpose(c *code, from, to Buffer) {
	sites, rows := from, to
	if from.Layout == Rows {
		sites, rows = to, from
	}
	v := [4]local(c.Locals(asm.V128, 4))
	element, lane, site, row := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	block := func(n int) { // elements element … element+n−1
		c.For(lane, 0, sites.Lanes, 4, func() {
			// site = element·Site + lane·4, row = lane·Stride + element·4
			c.Get(element)
			c.I32(sites.Site())
			c.Op(asm.I32Mul)
			c.Get(lane)
			c.I32(4)
			c.Op(asm.I32Mul, asm.I32Add)
			c.Set(site)
			c.Get(lane)
			c.I32(rows.Stride())
			c.Op(asm.I32Mul)
			c.Get(element)
			c.I32(4)
			c.Op(asm.I32Mul, asm.I32Add)
			c.Set(row)
			for i, x := range v {
				if from.Layout == Sites {
					c.Load(asm.V128Load, site, sites.Addr+min(i, n-1)*sites.Site())
				} else {
					c.Load(asm.V128Load, row, rows.Addr+i*rows.Stride())
				}
				c.Set(x)
			}
			transpose4(c, v)
			for i, x := range v {
				switch {
				case from.Layout == Sites:
					c.Get(row, x)
					c.Mem(asm.V128Store, rows.Addr+i*rows.Stride())
				case i < n:
					c.Get(site, x)
					c.Mem(asm.V128Store, sites.Addr+i*sites.Site())
				}
			}
		})
	}
	n := sites.Elements()
	if whole := n / 4 * 4; whole > 0 {
		c.For(element, 0, whole, 4, func() { block(4) })
	}
	if n%4 != 0 {
		c.SetI32(element, n/4*4)
		block(n % 4)
	}
	c.Release(append(v[:], element, lane, site, row)...)
}
