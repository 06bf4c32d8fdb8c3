package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// operand says where the element of row r at step k lies: Base + Offset + r·Row + k·Step (bytes). Every element is a
// vector: a spread scalar (packed so beforehand), or four lanes or columns.
type operand struct {
	Base   asm.Local
	Offset int
	Row    int
	Step   int
}

func (o operand) last(rows, steps int) int { return o.Offset + (rows-1)*o.Row + (steps-1)*o.Step }

// maxRows is the height R of a register block of width V. Ten accumulators, V operands, one factor and one product fit
// the fifteen registers that runtimes leave on amd64; at twelve accumulators V8 spills and loses a third of its speed,
// below six the latency of the additions shows.
func maxRows(v int) int { return [...]int{0, 8, 5, 3, 2}[v] }

// longRun is the number of steps up to which a run is one straight line.
const longRun = 64

// unroll is the number of steps k that one iteration of a loop works off.
const unroll = 4

// accumulators zeroes R·V accumulators, numbered r·V+v.
func accumulators(c *asm.Code, n int) []asm.Local {
	acc := c.Locals(asm.V128, n)
	for _, a := range acc {
		c.I32x4(0)
		c.Set(a)
	}
	return acc
}

// step emits acc[r,v] += a(r,k)·b(v,k) for one constant k.
func step(c *asm.Code, acc []asm.Local, rows, cols int, a, b operand, k int) {
	xs := c.Locals(asm.V128, cols)
	w := c.Local(asm.V128)
	for v, x := range xs {
		c.Load(asm.V128Load, b.Base, b.Offset+v*b.Row+k*b.Step)
		c.Set(x)
	}
	for r := range rows {
		c.Load(asm.V128Load, a.Base, a.Offset+r*a.Row+k*a.Step)
		c.Set(w)
		for v, x := range xs {
			c.Get(acc[r*cols+v], w, x)
			c.Op(asm.F32x4Mul, asm.F32x4Add)
			c.Set(acc[r*cols+v])
		}
	}
	c.Release(append(xs, w)...)
}

// touch loads the highest address that the following accesses of an operand reach. One bounds check then serves all of
// them in runtimes that check, because the others are known to lie below.
func touch(c *asm.Code, o operand, rows, steps int) {
	c.Load(asm.V128Load, o.Base, o.last(rows, steps))
	c.Op(asm.Drop)
}

// product emits acc[r,v] += Σ_k a(r,k)·b(v,k) for k = 0 … steps−1, in this order. It moves both bases: afterwards they
// stand behind the last step.
func product(c *asm.Code, acc []asm.Local, rows, cols, steps int, a, b operand) {
	run := func(n int) {
		touch(c, a, rows, n)
		touch(c, b, cols, n)
		for k := range n {
			step(c, acc, rows, cols, a, b, k)
		}
		c.AddTo(a.Base, n*a.Step)
		c.AddTo(b.Base, n*b.Step)
	}
	if loops := steps / unroll; loops > 1 {
		i := c.Local(asm.I32)
		c.For(i, 0, loops, 1, func() { run(unroll) })
		c.Release(i)
		steps -= loops * unroll
	}
	if steps > 0 {
		run(steps)
	}
}

// productRuns is product for a number of runs that is known only at run time: runs·each steps, at least one run. The
// bound of runs is for the fuel.
func productRuns(c *asm.Code, acc []asm.Local, rows, cols int, runs asm.Local, bound, each int, a, b operand) {
	left := c.Local(asm.I32)
	c.Get(runs)
	// Long runs are cut, so that code does not grow with them.
	if part := 2 * unroll; each > longRun && each%part == 0 {
		c.I32(each / part)
		c.Op(asm.I32Mul)
		bound, each = bound*each/part, part
	}
	c.Set(left)
	c.Repeat(bound, func() {
		n := each
		for n > 0 {
			u := min(n, 2*unroll)
			touch(c, a, rows, u)
			touch(c, b, cols, u)
			for k := range u {
				step(c, acc, rows, cols, a, b, k)
			}
			c.AddTo(a.Base, u*a.Step)
			c.AddTo(b.Base, u*b.Step)
			n -= u
		}
		c.AddTo(left, -1)
		c.Get(left)
	})
	c.Release(left)
}

// blocks splits n into near-equal parts of at most limit, larger ones first, as runs of equal parts.
func blocks(n, limit int) []blockRun {
	parts := (n + limit - 1) / limit
	small, big := n/parts, n%parts
	var runs []blockRun
	if big > 0 {
		runs = append(runs, blockRun{Size: small + 1, Count: big})
	}
	if parts > big {
		runs = append(runs, blockRun{First: big * (small + 1), Size: small, Count: parts - big})
	}
	return runs
}

// blockRun is Count blocks of Size, from element First on.
type blockRun struct{ First, Size, Count int }

// sumLanes leaves on the stack the vector of the four accumulators' sums over their lanes: lane i is
// (l0 + l2) + (l1 + l3) of acc[i]. Lanes of missing accumulators are undefined.
func sumLanes(c *asm.Code, acc []asm.Local) {
	pair := func(i int) {
		switch {
		case i+1 < len(acc):
			c.Get(acc[i], acc[i+1])
			c.Shuffle32(0, 4, 1, 5)
			c.Get(acc[i], acc[i+1])
			c.Shuffle32(2, 6, 3, 7)
			c.Op(asm.F32x4Add)
		case i < len(acc): // the lanes of the missing one repeat this one's
			c.Get(acc[i], acc[i])
			c.Shuffle32(0, 4, 1, 5)
			c.Get(acc[i], acc[i])
			c.Shuffle32(2, 6, 3, 7)
			c.Op(asm.F32x4Add)
		default:
			c.I32x4(0)
		}
	}
	s, t := c.Local(asm.V128), c.Local(asm.V128)
	pair(0)
	c.Set(s)
	pair(2)
	c.Set(t)
	c.Get(s, t)
	c.Shuffle32(0, 1, 4, 5)
	c.Get(s, t)
	c.Shuffle32(2, 3, 6, 7)
	c.Op(asm.F32x4Add)
	c.Release(s, t)
}
