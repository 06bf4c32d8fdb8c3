package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// gradientShape is a parameter's gradient as the loops see it: rows of cols values. Where there is no padding, it is one
// row.
func gradientShape(p Parameter) (rows, cols int) {
	if p.GradStride == p.Cols {
		return 1, p.Rows * p.Cols
	}
	return p.Rows, p.Cols
}

func gradientTrips(p Parameter) int64 {
	rows, cols := gradientShape(p)
	return int64(rows) * int64(1+cols/quantiseUnroll+quantiseUnroll/4)
}

func gradientArguments(c *code, p Parameter) {
	rows, cols := gradientShape(p)
	c.I32(p.Grad)
	c.I32(rows)
	c.I32(cols)
	c.I32(4 * p.GradStride)
}

// quantiseUnroll is how many values a pass of the main loops takes.
const quantiseUnroll = 16

// walk emits nested loops over a gradient of rows × cols values whose rows are stride bytes apart. Each vector is
// visited once; begin runs before each row, visit gets the vector's offset from row and a mask of its lanes that count,
// or no mask where all do; next moves pointers other than row on by so many bytes.
func walk(c *code, trips int64, row, rows, cols, stride local,
	begin func(), visit func(offset int, mask *local), next func(bytes int),
) {
	left, start := c.Local(asm.I32), c.Local(asm.I32)
	mask := c.Local(asm.V128)
	c.Repeat(int(trips), func() {
		c.Get(row)
		c.Set(start)
		begin()
		c.Get(cols)
		c.Tee(left)
		c.I32(quantiseUnroll)
		c.Op(asm.I32GeS)
		c.If(func() {
			c.Repeat(1, func() {
				// The highest address first: runtimes then drop the bounds checks of the others.
				for o := 4*quantiseUnroll - 16; o >= 0; o -= 16 {
					visit(o, nil)
				}
				c.AddTo(row, 4*quantiseUnroll)
				next(4 * quantiseUnroll)
				c.AddTo(left, -quantiseUnroll)
				c.Get(left)
				c.I32(quantiseUnroll)
				c.Op(asm.I32GeS)
			})
		})
		c.Get(left)
		c.If(func() {
			c.Repeat(1, func() {
				c.Get(left)
				lanesBelow(c)
				c.Set(mask)
				visit(0, &mask)
				c.AddTo(row, 16)
				next(16)
				c.AddTo(left, -4)
				c.Get(left)
				c.I32(0)
				c.Op(asm.I32GtS)
			})
		})
		c.Get(start, stride)
		c.Op(asm.I32Add)
		c.Set(row)
		c.AddTo(rows, -1)
		c.Get(rows)
	})
	c.Release(left, start, mask)
}

// lanesBelow replaces the i32 on the stack by a mask of the lanes whose number is below it.
func lanesBelow(c *code) {
	c.Op(asm.I32x4Splat)
	c.Vector([4]uint32{0, 1, 2, 3})
	c.Op(asm.I32x4GtS)
}

// gradientParams are the arguments of peak, and the first of quantise: the address, rows, values in a row, bytes from a
// row to the next.
var gradientParams = []asm.ValType{asm.I32, asm.I32, asm.I32, asm.I32}

// foldLanes pushes the i32 that combines the four lanes of v.
func foldLanes(c *code, v local, op asm.Op) {
	c.Get(v, v, v)
	c.Shuffle32(2, 3, 0, 1)
	c.Op(op)
	c.Tee(v)
	c.Get(v, v)
	c.Shuffle32(1, 0, 3, 2)
	c.Op(op)
	c.Lane(asm.I32x4Lane, 0)
}
