package kernel

import (
	"fmt"
	"math"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// distribution is what initial values are drawn from.
type distribution int

// Distributions, with what their scale is.
const (
	fixed      distribution = iota // every value is the scale
	uniform                        // scale · (2u − 1), u in [0, 1)
	normal                         // scale · z, z standard normal
	truncated                      // scale · z, drawn again where |z| > 2 (truncated.go)
	orthogonal                     // scale · a matrix of orthonormal rows or columns (orthogonal.go)
	identity                       // scale where input and unit have the same number, else 0
)

// initializer is a rule for initial values. Most scale them to the parameter's fans, so that signals keep their size from
// layer to layer. Fans are the inputs that one output, and the outputs that one input is connected with.
type initializer struct {
	schema.Declaration
	draw func(a schema.Attributes, fanIn, fanOut float64) (distribution, float64)
}

// byFans is an initializer without attributes.
func byFans(name, doc string, d distribution, scale func(fanIn, fanOut float64) float64) initializer {
	return initializer{
		schema.Declaration{Name: name, Doc: doc},
		func(_ schema.Attributes, in, out float64) (distribution, float64) { return d, scale(in, out) },
	}
}

// byAttribute is an initializer whose scale is its one attribute.
func byAttribute(name, doc string, d distribution, a schema.Attribute) initializer {
	a.Kind, a.Max = schema.Number, schema.AtMost(highestValue)
	return initializer{
		schema.Declaration{Name: name, Doc: doc, Attributes: []schema.Attribute{a}},
		func(x schema.Attributes, _, _ float64) (distribution, float64) { return d, x.Float(a.Name) },
	}
}

// highestValue bounds what initial values are scaled with.
const highestValue = 1000

// initializers of the vocabulary. Normal ones are not truncated unless their name says so.
var initializers = []initializer{
	byFans("zeros", "All zero.", fixed, func(_, _ float64) float64 { return 0 }),
	byFans("ones", "All one.", fixed, func(_, _ float64) float64 { return 1 }),
	// He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015.
	byFans("he-normal", "Normal, of variance 2 / fan-in.", normal, func(in, _ float64) float64 { return math.Sqrt(2 / in) }),
	byFans("he-uniform", "Uniform, of variance 2 / fan-in.", uniform, func(in, _ float64) float64 { return math.Sqrt(6 / in) }),
	// Glorot, Bengio: "Understanding the difficulty of training deep feedforward neural networks", 2010.
	byFans("glorot-normal", "Normal, of variance 2 / (fan-in + fan-out).", normal, func(in, out float64) float64 { return math.Sqrt(2 / (in + out)) }),
	byFans("glorot-uniform", "Uniform, of variance 2 / (fan-in + fan-out).", uniform, func(in, out float64) float64 { return math.Sqrt(6 / (in + out)) }),
	// LeCun, Bottou, Orr, Müller: "Efficient backprop", 1998.
	byFans("lecun-normal", "Normal, of variance 1 / fan-in.", normal, func(in, _ float64) float64 { return math.Sqrt(1 / in) }),
	byFans("lecun-uniform", "Uniform, of variance 1 / fan-in.", uniform, func(in, _ float64) float64 { return math.Sqrt(3 / in) }),
	byAttribute("constant", "All the same.", fixed, schema.Attribute{Name: "value", Min: schema.AtLeast(-highestValue), Doc: "The value."}),
	byAttribute("normal", "Normal around zero.", normal,
		schema.Attribute{Name: "deviation", Default: 0.05, Min: schema.AtLeast(0), Doc: "Standard deviation."}),
	byAttribute("truncated-normal", "Normal around zero, drawn again beyond two deviations.", truncated,
		schema.Attribute{Name: "deviation", Default: 0.05, Min: schema.AtLeast(0), Doc: "Standard deviation before truncation."}),
	byAttribute("uniform", "Uniform around zero.", uniform,
		schema.Attribute{Name: "limit", Default: 0.05, Min: schema.AtLeast(0), Doc: "Values are between -limit and limit."}),
	{varianceScalingDeclaration, varianceScaling},
	byAttribute("orthogonal", "Orthonormal rows or columns, whichever are fewer.", orthogonal,
		schema.Attribute{Name: "gain", Default: 1.0, Min: schema.AtLeast(0), Doc: "Length of the rows or columns."}),
	byAttribute("identity", "The gain where unit and input have the same number (of a convolution in the middle of the kernel), else zero.", identity,
		schema.Attribute{Name: "gain", Default: 1.0, Min: schema.AtLeast(0), Doc: "Value of the diagonal."}),
}

// Attributes of variance scaling.
const (
	fanMode   = "mode"
	fanIn     = "fan-in"
	fanOut    = "fan-out"
	fanMean   = "fan-average"
	drawnFrom = "distribution"
)

var varianceScalingDeclaration = schema.Declaration{
	Name: "variance-scaling", Doc: "Of variance scale / fan; the rule that those of He, Glorot and LeCun are cases of.",
	Attributes: []schema.Attribute{
		{Name: "scale", Kind: schema.Number, Default: 1.0, Min: schema.Above(0), Max: schema.AtMost(highestValue), Doc: "Variance times fan."},
		{Name: fanMode, Kind: schema.Choice, Default: fanIn, Choices: []string{fanIn, fanOut, fanMean}, Doc: "Which fan."},
		{Name: drawnFrom, Kind: schema.Choice, Default: "truncated-normal", Choices: []string{"truncated-normal", "normal", "uniform"}, Doc: "What values are drawn from."},
	},
}

// truncatedDeviation is the standard deviation of a standard normal number that is drawn again beyond ±2.
const truncatedDeviation = 0.87962566103423978

func varianceScaling(a schema.Attributes, in, out float64) (distribution, float64) {
	fan := map[string]float64{fanIn: in, fanOut: out, fanMean: (in + out) / 2}[a.Text(fanMode)]
	deviation := math.Sqrt(a.Float("scale") / fan)
	switch a.Text(drawnFrom) {
	case "uniform":
		return uniform, math.Sqrt(3) * deviation
	case "normal":
		return normal, deviation
	}
	return truncated, deviation / truncatedDeviation
}

// Initializers returns the declarations of what a specification may name.
func Initializers() []schema.Declaration {
	list := make([]schema.Declaration, len(initializers))
	for i, x := range initializers {
		list[i] = x.Declaration
	}
	return list
}

// initialValues is what a parameter's initializer draws from, and its scale.
func initialValues(p Parameter) (distribution, float64) {
	for _, x := range initializers {
		if x.Name != p.Initializer.Kind {
			continue
		}
		attributes, problems := x.Resolve("algorithm.initializer", p.Initializer.Attributes)
		if problems != nil {
			break // resolving refuses it
		}
		return x.draw(attributes, float64(p.FanIn), float64(p.FanOut))
	}
	panic(fmt.Sprintf("kernel: %s has the unknown initializer %q", p.Name, p.Initializer))
}

// Filler are the functions that initial values come from.
type Filler struct{ fill, truncated, orthogonal, identity Fn }

// Filler emits what these parameters need.
func (e *Emitter) Filler(philox Fn, params []Parameter) Filler {
	f := Filler{fill: e.Fill(philox)}
	needs := map[distribution]bool{}
	for _, p := range params {
		d, _ := initialValues(p)
		needs[d] = true
	}
	if needs[truncated] {
		f.truncated = e.truncated(philox)
	}
	if needs[orthogonal] {
		f.orthogonal = e.orthogonal()
	}
	if needs[identity] {
		f.identity = e.identity()
	}
	return f
}

// Initialize calls what gives a parameter its initial values.
func (f Filler) Initialize(c *code, p Parameter) {
	d, scale := initialValues(p)
	switch d {
	case truncated:
		f.call(c, f.truncated, p, normal, scale)
	case orthogonal:
		f.call(c, f.fill, p, normal, 1)
		f.orthonormalize(c, p, scale)
	case identity:
		f.call(c, f.fill, p, fixed, 0)
		f.diagonal(c, p, scale)
	default:
		f.call(c, f.fill, p, d, scale)
	}
}

// call calls a function with the parameters of Fill.
func (Filler) call(c *code, fill Fn, p Parameter, d distribution, scale float64) {
	count := p.Rows * p.Cols
	c.I32(p.Value)
	c.I32(count)
	c.F32(float32(scale))
	c.I32(PurposeInit | p.Index)
	c.I32(int(d))
	// Fill's own bound is for four values.
	c.Call(fill.Index, fill.Fuel*int64((count+3)/4))
}

// Fill emits the function behind most distributions: (address, count i32, scale f32, stream, distribution i32). It stores
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
