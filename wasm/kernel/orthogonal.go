package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// OrthogonalInitializer is the name of that initializer.
const OrthogonalInitializer = "orthogonal"

// MaxOrthogonal bounds the multiplications that an orthogonal initial value may take, n²·m of n vectors of m elements.
const MaxOrthogonal = 1 << 31

// OrthogonalCost is that number for a parameter of rows × cols values.
func OrthogonalCost(rows, cols int) float64 {
	n, m := float64(min(rows, cols)), float64(max(rows, cols))
	return n * n * m
}

// orthonormalize makes the normal numbers of a parameter orthonormal, times the gain (Saxe, McClelland, Ganguli: "Exact
// solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013). A parameter is a matrix of Rows
// × Cols; its rows are the vectors, or its columns where these are fewer.
func (f Filler) orthonormalize(c *code, p Parameter, gain float64) {
	vectors, elements, from, next := p.Rows, p.Cols, 4*p.Cols, 4
	if p.Rows > p.Cols {
		vectors, elements, from, next = p.Cols, p.Rows, 4, 4*p.Cols
	}
	for _, x := range []int{p.Value, vectors, elements, from, next} {
		c.I32(x)
	}
	c.F32(float32(gain))
	// The function's own bound is for one vector of one element.
	n, m := int64(vectors), int64(elements)
	c.Call(f.orthogonal.Index, f.orthogonal.Fuel*n*(n+1)*(m+1))
}

// orthogonal emits (address, vectors, elements, bytes from a vector to the next, bytes from an element to the next i32,
// gain f32). Vector k, in their order, has its parts along all vectors before it taken away, v ← v − f32(d)·w with d =
// Σ w·v in f64 in the order of the elements; all of that twice. Then it becomes v·f32(1 / √Σ v·v), the sum in f64 again, and at the
// very end all are multiplied by the gain. This is the factor Q of a QR decomposition whose R has a positive diagonal.
func (e *Emitter) orthogonal() Fn {
	params := []asm.ValType{asm.I32, asm.I32, asm.I32, asm.I32, asm.I32, asm.F32}
	return e.Define("orthogonal", params, nil, func(c *code, p []local) {
		base, vectors, elements, from, next, gain := p[0], p[1], p[2], p[3], p[4], p[5]
		vector, other, k, j, pass := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		i, v, w := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		sum, factor := c.Local(asm.F64), c.Local(asm.F32)
		each := func(body func()) { // v and w walk along vector and other
			c.Get(vector)
			c.Set(v)
			c.Get(other)
			c.Set(w)
			c.Get(elements)
			c.Set(i)
			c.Repeat(1, func() {
				body()
				for _, x := range []local{v, w} {
					c.Get(x, next)
					c.Op(asm.I32Add)
					c.Set(x)
				}
				c.AddTo(i, -1)
				c.Get(i)
			})
		}
		dot := func() {
			c.F64(0)
			c.Set(sum)
			each(func() {
				c.Get(sum)
				c.Load(asm.F32Load, v, 0)
				c.Op(asm.F64Promot)
				c.Load(asm.F32Load, w, 0)
				c.Op(asm.F64Promot, asm.F64Mul, asm.F64Add)
				c.Set(sum)
			})
		}
		scale := func() {
			each(func() {
				c.Get(v)
				c.Load(asm.F32Load, v, 0)
				c.Get(factor)
				c.Op(asm.F32Mul)
				c.Mem(asm.F32Store, 0)
			})
		}
		c.Get(base)
		c.Set(vector)
		c.SetI32(k, 0)
		c.Repeat(1, func() {
			c.SetI32(pass, 2)
			c.Get(k)
			c.If(func() {
				c.Repeat(2, func() {
					c.Get(base)
					c.Set(other)
					c.Get(k)
					c.Set(j)
					c.Repeat(1, func() {
						dot()
						c.Get(sum)
						c.Op(asm.F32Demote)
						c.Set(factor)
						each(func() {
							c.Get(v)
							c.Load(asm.F32Load, v, 0)
							c.Get(factor)
							c.Load(asm.F32Load, w, 0)
							c.Op(asm.F32Mul, asm.F32Sub)
							c.Mem(asm.F32Store, 0)
						})
						c.Get(other, from)
						c.Op(asm.I32Add)
						c.Set(other)
						c.AddTo(j, -1)
						c.Get(j)
					})
					c.AddTo(pass, -1)
					c.Get(pass)
				})
			})
			c.Get(vector)
			c.Set(other)
			dot()
			c.F64(1)
			c.Get(sum)
			c.Op(asm.F64Sqrt, asm.F64Div, asm.F32Demote)
			c.Set(factor)
			scale()
			c.Get(vector, from)
			c.Op(asm.I32Add)
			c.Set(vector)
			c.AddTo(k, 1)
			c.Get(k, vectors)
			c.Op(asm.I32LtS)
		})
		c.Get(gain)
		c.Set(factor)
		c.Get(base)
		c.Tee(vector)
		c.Set(other)
		c.Get(vectors)
		c.Set(k)
		c.Repeat(1, func() {
			scale()
			c.Get(vector, from)
			c.Op(asm.I32Add)
			c.Tee(vector)
			c.Set(other)
			c.AddTo(k, -1)
			c.Get(k)
		})
	})
}

// diagonal writes the gain where unit and input have the same number: of a weight of the shape [units, …, inputs], with
// what is between in the middle. A vector becomes the gain everywhere.
func (f Filler) diagonal(c *code, p Parameter, gain float64) {
	inputs, middle := p.Shape[len(p.Shape)-1], 0
	for _, n := range p.Shape[1:max(1, len(p.Shape)-1)] {
		middle = middle*n + n/2
	}
	count := min(p.Rows, inputs)
	c.I32(p.Value + 4*middle*inputs)
	c.I32(count)
	c.I32(4*p.Cols + 4)
	c.F32(float32(gain))
	c.Call(f.identity.Index, f.identity.Fuel*int64(count))
}

// identity emits (address, count, bytes from a value to the next i32, value f32).
func (e *Emitter) identity() Fn {
	params := []asm.ValType{asm.I32, asm.I32, asm.I32, asm.F32}
	return e.Define("identity", params, nil, func(c *code, p []local) {
		c.Repeat(1, func() {
			c.Get(p[0], p[3])
			c.Mem(asm.F32Store, 0)
			c.Get(p[0], p[2])
			c.Op(asm.I32Add)
			c.Set(p[0])
			c.AddTo(p[1], -1)
			c.Get(p[1])
		})
	})
}
