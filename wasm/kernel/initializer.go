package kernel

import (
	"fmt"
	"math"

	asm "github.com/reprise-ml/reprise/wasm/module"
)

// distribution is what the fill function draws from.
type distribution int

// Distributions, with what the fill function's scale is.
const (
	fixed   distribution = iota // every value is the scale
	uniform                     // scale · (2u − 1), u in [0, 1)
	normal                      // scale · z, z standard normal
)

// initializer is a rule for initial values. Most scale them to the parameter's fans, so that signals keep their size from
// layer to layer. Fans are the inputs that one output, and the outputs that one input is connected with.
type initializer struct {
	name         string
	distribution distribution
	scale        func(fanIn, fanOut float64) float64
}

// initializers of the vocabulary. Normal ones are not truncated.
var initializers = []initializer{
	{"zeros", fixed, func(_, _ float64) float64 { return 0 }},
	{"ones", fixed, func(_, _ float64) float64 { return 1 }},
	// He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015.
	{"he-normal", normal, func(in, _ float64) float64 { return math.Sqrt(2 / in) }},
	{"he-uniform", uniform, func(in, _ float64) float64 { return math.Sqrt(6 / in) }},
	// Glorot, Bengio: "Understanding the difficulty of training deep feedforward neural networks", 2010.
	{"glorot-normal", normal, func(in, out float64) float64 { return math.Sqrt(2 / (in + out)) }},
	{"glorot-uniform", uniform, func(in, out float64) float64 { return math.Sqrt(6 / (in + out)) }},
	// LeCun, Bottou, Orr, Müller: "Efficient backprop", 1998.
	{"lecun-normal", normal, func(in, _ float64) float64 { return math.Sqrt(1 / in) }},
	{"lecun-uniform", uniform, func(in, _ float64) float64 { return math.Sqrt(3 / in) }},
}

// Initializers returns the names that a specification may use.
func Initializers() []string {
	names := make([]string, len(initializers))
	for i, x := range initializers {
		names[i] = x.name
	}
	return names
}

// Initialize calls fill, which Emitter.Fill returned, for a parameter.
func Initialize(c *code, fill Fn, p Parameter) {
	for _, x := range initializers {
		if x.name != p.Initializer {
			continue
		}
		scale := x.scale(float64(p.FanIn), float64(p.FanOut))
		count := p.Rows * p.Cols
		c.I32(p.Value)
		c.I32(count)
		c.F32(float32(scale))
		c.I32(PurposeInit | p.Index)
		c.I32(int(x.distribution))
		// Fill's own bound is for four values.
		c.Call(fill.Index, fill.Fuel*int64((count+3)/4))
		return
	}
	panic(fmt.Sprintf("kernel: %s has the unknown initializer %q", p.Name, p.Initializer))
}

// Fill emits the function that Initialize calls: (address, count i32, scale f32, stream, distribution i32). It stores
// whole vectors, so up to three floats behind the last value. Value i is word i mod 4 of the counter (i/4, stream, 0,
// 0), or the normal number that Box and Muller's transform makes in its place. Its fuel is that of count ≤ 4.
func (e *Emitter) Fill(philox Fn) Fn {
	params := []asm.ValType{asm.I32, asm.I32, asm.F32, asm.I32, asm.I32}
	return e.Define("fill", params, nil, func(c *code, p []local) {
		addr, count, scale, stream, kind := p[0], p[1], p[2], p[3], p[4]
		counter, value := c.Local(asm.I32), c.Local(asm.V128)
		c.SetI32(counter, 0)
		c.Repeat(1, func() {
			c.Get(kind)
			c.I32(int(fixed))
			c.Op(asm.I32Eq)
			c.IfElse(func() {
				c.F32x4(1)
				c.Set(value)
			}, func() {
				c.Get(counter, stream)
				c.I32(0)
				c.I32(0)
				call(c, philox)
				collect(c)
				c.Set(value)
				uniforms(c, value)
				c.Set(value)
				c.Get(kind)
				c.I32(int(uniform))
				c.Op(asm.I32Eq)
				c.IfElse(func() {
					c.Get(value, value)
					c.Op(asm.F32x4Add)
					c.F32x4(1)
					c.Op(asm.F32x4Sub)
					c.Set(value)
				}, func() {
					normals(c, value)
					c.Set(value)
				})
			})
			c.Get(addr, value, scale)
			c.Op(asm.F32x4Splat, asm.F32x4Mul)
			c.Mem(asm.V128Store, 0)
			c.AddTo(addr, 16)
			c.AddTo(counter, 1)
			c.AddTo(count, -4)
			c.Get(count)
			c.I32(0)
			c.Op(asm.I32GtS)
		})
	})
}

// collect makes a vector of the four words on the stack.
func collect(c *code) {
	word, v := c.Local(asm.I32), c.Local(asm.V128)
	for i := 3; i >= 0; i-- {
		c.Set(word)
		c.Get(v, word)
		c.Lane(asm.I32x4Replace, i)
		c.Set(v)
	}
	c.Get(v)
	c.Release(word, v)
}

// normals pushes four standard normal numbers made of four uniform ones (Box, Muller: "A note on the generation of random
// normal deviates", 1958): √(−2·ln(1−u₀))·cos 2πu₁, the same with the sine, and likewise of u₂ and u₃.
func normals(c *code, u local) {
	x := c.Local(asm.V128)
	c.F32x4(1)
	c.Get(u, u)
	c.Shuffle32(0, 0, 2, 2)
	c.Op(asm.F32x4Sub)
	c.Set(x)
	Log(c, x)
	c.F32x4(-2)
	c.Op(asm.F32x4Mul, asm.F32x4Sqrt)
	c.Get(u, u)
	c.Shuffle32(1, 1, 3, 3)
	c.Vector([4]uint32{0, math.Float32bits(0.25), 0, math.Float32bits(0.25)})
	c.Op(asm.F32x4Sub) // a quarter turn back, the cosine is the sine
	cosTurns(c)
	c.Op(asm.F32x4Mul)
	c.Release(x)
}
