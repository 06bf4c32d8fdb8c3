package kernel

import (
	"fmt"
	"math"

	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// function is an activation's: y = f(x) for each element. Their names and constants are PyTorch's.
type function struct {
	name string
	// apply pushes f(x); nil is the identity.
	apply func(c *code, x local)
	// derive multiplies the gradient on the stack by f'(x), given y = f(x), or x where it is ofInput.
	derive  func(c *code, v local)
	ofInput bool
	// fusible marks what costs so little that the layer before applies it as it stores.
	fusible bool
}

// Constants of activations.
const (
	// leakySlope is leaky-relu's slope below zero (Maas et al. 2013).
	leakySlope = 0.01
	// selu's (Klambauer et al. 2017).
	seluScale = 1.0507009873554804934193349852946
	seluAlpha = 1.6732632423543772848170429916717
	// geluCubic is x³'s factor in gelu-tanh (Hendrycks, Gimpel 2016).
	geluCubic = 0.044715
)

var functions = []function{
	{name: "linear"},
	{name: "relu", fusible: true, apply: func(c *code, x local) { // x < 0 ? 0 : x
		c.Get(x)
		c.I32x4(0)
		c.Op(asm.F32x4PMax)
	}, derive: func(c *code, y local) { // y > 0 ? g : +0
		c.Get(y)
		c.I32x4(0)
		c.Op(asm.F32x4Gt, asm.V128And)
	}},
	{name: "leaky-relu", fusible: true, apply: func(c *code, x local) { // x < 0.01·x ? 0.01·x : x
		c.Get(x, x)
		c.F32x4(leakySlope)
		c.Op(asm.F32x4Mul, asm.F32x4PMax)
	}, derive: func(c *code, y local) { // g·(y > 0 ? 1 : 0.01)
		c.F32x4(1)
		c.F32x4(leakySlope)
		c.Get(y)
		c.I32x4(0)
		c.Op(asm.F32x4Gt, asm.V128Bitsel, asm.F32x4Mul)
	}},
	{name: "relu6", fusible: true, apply: func(c *code, x local) { between(c, func() { c.Get(x) }, 0, 6) }, derive: func(c *code, y local) {
		inside(c, y, 0, 6)
		c.Op(asm.V128And)
	}},
	{name: "tanh", apply: Tanh, derive: func(c *code, y local) { // g·(1 − y²)
		c.F32x4(1)
		c.Get(y, y)
		c.Op(asm.F32x4Mul, asm.F32x4Sub, asm.F32x4Mul)
	}},
	{name: "sigmoid", apply: Sigmoid, derive: func(c *code, y local) { // g·(y·(1 − y))
		c.Get(y)
		c.F32x4(1)
		c.Get(y)
		c.Op(asm.F32x4Sub, asm.F32x4Mul, asm.F32x4Mul)
	}},
	{name: "hard-sigmoid", apply: func(c *code, x local) { // min(max(x + 3, 0), 6)·(1/6)
		hardSigmoid(c, x)
	}, derive: func(c *code, y local) { // 0 < y < 1 ? g·(1/6) : +0
		c.F32x4(1.0 / 6)
		c.Op(asm.F32x4Mul)
		inside(c, y, 0, 1)
		c.Op(asm.V128And)
	}},
	{name: "hard-swish", ofInput: true, apply: func(c *code, x local) { // x·hard-sigmoid(x)
		c.Get(x)
		hardSigmoid(c, x)
		c.Op(asm.F32x4Mul)
	}, derive: func(c *code, x local) { // g·(x ≤ 3 ? (x < −3 ? 0 : x·(1/3) + ½) : 1)
		c.Get(x)
		c.F32x4(1.0 / 3)
		c.Op(asm.F32x4Mul)
		c.F32x4(0.5)
		c.Op(asm.F32x4Add)
		c.Get(x)
		c.F32x4(-3)
		c.Op(asm.F32x4Ge, asm.V128And)
		c.F32x4(1)
		c.Get(x)
		c.F32x4(3)
		c.Op(asm.F32x4Le, asm.V128Bitsel, asm.F32x4Mul)
	}},
	{name: "elu", apply: func(c *code, x local) { elu(c, x, 1, 1) }, derive: func(c *code, y local) { deriveELU(c, y, 1, 1) }},
	{name: "selu", apply: func(c *code, x local) { elu(c, x, seluScale, seluScale*seluAlpha) }, derive: func(c *code, y local) {
		deriveELU(c, y, seluScale, seluScale*seluAlpha)
	}},
	{name: "softplus", apply: func(c *code, x local) { // max(x, 0) + ln(1 + e^−|x|)
		e := c.Local(asm.V128)
		c.Get(x)
		c.Op(asm.F32x4Abs, asm.F32x4Neg)
		expOfTop(c)
		c.Set(e)
		c.Get(x)
		c.I32x4(0)
		c.Op(asm.F32x4PMax)
		Log1p(c, e)
		c.Op(asm.F32x4Add)
		c.Release(e)
	}, derive: func(c *code, y local) { // g·−(e^−y − 1)
		t := c.Local(asm.V128)
		c.Get(y)
		c.Op(asm.F32x4Neg)
		c.Set(t)
		Expm1(c, t)
		c.Op(asm.F32x4Neg, asm.F32x4Mul)
		c.Release(t)
	}},
	{name: "softsign", ofInput: true, apply: func(c *code, x local) { // x / (1 + |x|)
		c.Get(x)
		onePlusAbs(c, x)
		c.Op(asm.F32x4Div)
	}, derive: func(c *code, x local) { // g / (1 + |x|)²
		d := c.Local(asm.V128)
		onePlusAbs(c, x)
		c.Tee(d)
		c.Get(d)
		c.Op(asm.F32x4Mul, asm.F32x4Div)
		c.Release(d)
	}},
	{name: "silu", ofInput: true, apply: func(c *code, x local) { // x·sigmoid(x)
		c.Get(x)
		Sigmoid(c, x)
		c.Op(asm.F32x4Mul)
	}, derive: func(c *code, x local) { // with s = sigmoid(x): g·(s·(1 + x·(1 − s)))
		s := c.Local(asm.V128)
		Sigmoid(c, x)
		c.Set(s)
		c.Get(s)
		c.F32x4(1)
		c.Get(x)
		c.F32x4(1)
		c.Get(s)
		c.Op(asm.F32x4Sub, asm.F32x4Mul, asm.F32x4Add, asm.F32x4Mul, asm.F32x4Mul)
		c.Release(s)
	}},
	{name: "gelu", ofInput: true, apply: func(c *code, x local) { // x·Φ(x)
		c.Get(x)
		normalDistribution(c, x)
		c.Op(asm.F32x4Mul)
	}, derive: func(c *code, x local) { // g·(Φ(x) + x·(e^(−½·x²)/√2π))
		normalDistribution(c, x)
		c.Get(x)
		c.F32x4(-0.5)
		c.Get(x, x)
		c.Op(asm.F32x4Mul, asm.F32x4Mul)
		expOfTop(c)
		c.F32x4(float32(1 / math.Sqrt(2*math.Pi)))
		c.Op(asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Add, asm.F32x4Mul)
	}},
	{name: "gelu-tanh", ofInput: true, apply: func(c *code, x local) { // with t = tanh(√(2/π)·(x + 0.044715·x³)): (½·x)·(1 + t)
		c.F32x4(0.5)
		c.Get(x)
		c.Op(asm.F32x4Mul)
		c.F32x4(1)
		geluTanh(c, x)
		c.Op(asm.F32x4Add, asm.F32x4Mul)
	}, derive: func(c *code, x local) { // g·(½·(1 + t) + (½·x)·((1 − t²)·(√(2/π)·(1 + 3·0.044715·x²))))
		t := c.Local(asm.V128)
		geluTanh(c, x)
		c.Set(t)
		c.F32x4(0.5)
		c.F32x4(1)
		c.Get(t)
		c.Op(asm.F32x4Add, asm.F32x4Mul)
		c.F32x4(0.5)
		c.Get(x)
		c.Op(asm.F32x4Mul)
		c.F32x4(1)
		c.Get(t, t)
		c.Op(asm.F32x4Mul, asm.F32x4Sub)
		c.F32x4(float32(math.Sqrt(2 / math.Pi)))
		c.F32x4(1)
		c.F32x4(3 * geluCubic)
		c.Get(x, x)
		c.Op(asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Add, asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Add, asm.F32x4Mul)
		c.Release(t)
	}},
}

// Activations that layers may name; "linear" is none.
func Activations() []string {
	var names []string
	for _, f := range functions {
		names = append(names, f.name)
	}
	return names
}

func functionNamed(name string) function {
	for _, f := range functions {
		if f.name == name {
			return f
		}
	}
	panic(fmt.Sprintf("kernel: %q is not an activation", name))
}

// functionOf is that of an activation's node.
func functionOf(n *graph.Node) function { return functionNamed(n.Attributes.Text("function")) }

// between pushes min(max(value, least), most).
func between(c *code, value func(), least, most float32) {
	value()
	c.F32x4(least)
	c.Op(asm.F32x4PMax)
	c.F32x4(most)
	c.Op(asm.F32x4PMin)
}

// inside pushes a mask of where least < v < most.
func inside(c *code, v local, least, most float32) {
	c.Get(v)
	c.F32x4(least)
	c.Op(asm.F32x4Gt)
	c.Get(v)
	c.F32x4(most)
	c.Op(asm.F32x4Lt, asm.V128And)
}

func hardSigmoid(c *code, x local) {
	between(c, func() {
		c.Get(x)
		c.F32x4(3)
		c.Op(asm.F32x4Add)
	}, 0, 6)
	c.F32x4(1.0 / 6)
	c.Op(asm.F32x4Mul)
}

// elu pushes x > 0 ? above·x : below·(e^x − 1).
func elu(c *code, x local, above, below float32) {
	c.Get(x)
	c.F32x4(above)
	c.Op(asm.F32x4Mul)
	Expm1(c, x)
	c.F32x4(below)
	c.Op(asm.F32x4Mul)
	c.Get(x)
	c.I32x4(0)
	c.Op(asm.F32x4Gt, asm.V128Bitsel)
}

// deriveELU multiplies by y > 0 ? above : y + below.
func deriveELU(c *code, y local, above, below float32) {
	c.F32x4(above)
	c.Get(y)
	c.F32x4(below)
	c.Op(asm.F32x4Add)
	c.Get(y)
	c.I32x4(0)
	c.Op(asm.F32x4Gt, asm.V128Bitsel, asm.F32x4Mul)
}

func onePlusAbs(c *code, x local) {
	c.F32x4(1)
	c.Get(x)
	c.Op(asm.F32x4Abs, asm.F32x4Add)
}

// normalDistribution pushes Φ(x) = ½·(1 + erf(x/√2)).
func normalDistribution(c *code, x local) {
	t := c.Local(asm.V128)
	c.Get(x)
	c.F32x4(math.Sqrt2 / 2)
	c.Op(asm.F32x4Mul)
	c.Set(t)
	c.F32x4(0.5)
	c.F32x4(1)
	Erf(c, t)
	c.Op(asm.F32x4Add, asm.F32x4Mul)
	c.Release(t)
}

// geluTanh pushes tanh(√(2/π)·(x + 0.044715·((x·x)·x))).
func geluTanh(c *code, x local) {
	t := c.Local(asm.V128)
	c.F32x4(float32(math.Sqrt(2 / math.Pi)))
	c.Get(x)
	c.F32x4(geluCubic)
	c.Get(x, x)
	c.Op(asm.F32x4Mul)
	c.Get(x)
	c.Op(asm.F32x4Mul, asm.F32x4Mul, asm.F32x4Add, asm.F32x4Mul)
	c.Set(t)
	Tanh(c, t)
	c.Release(t)
}
