package ref

import (
	"fmt"
	"math"
)

// activation is y = f(x) for each element.
type activation[F Float] struct{ function string }

func (l activation[F]) forward(_ Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		for i, v := range x[n] {
			y[n][i] = l.apply(v)
		}
	}
	return y
}

func (l activation[F]) backward(_ Call, x, y, dy [][]F) [][]F {
	dx := zeros(y)
	for n := range y {
		for i, v := range y[n] {
			dx[n][i] = l.derive(x[n][i], v, dy[n][i])
		}
	}
	return dx
}

// Constants of activations. Those of selu and gelu are rounded to float32 first, in either precision of the rest.
const (
	leakySlope = 0.01
	seluAbove  = 1.0507009873554804934193349852946
	seluBelow  = seluAbove * 1.6732632423543772848170429916717
	geluCubic  = 0.044715
)

func (l activation[F]) apply(x F) F {
	switch l.function {
	case "linear":
		return x
	case "relu":
		return pmax(x, 0)
	case "leaky-relu":
		return pmax(x, x*leakySlope)
	case "relu6":
		return pmin(pmax(x, 0), 6)
	case "tanh":
		return tanh(x)
	case "sigmoid":
		return sigmoid(x)
	case "hard-sigmoid":
		return hardSigmoid(x)
	case "hard-swish":
		return x * hardSigmoid(x)
	case "elu":
		return elu(x, 1, 1)
	case "selu":
		return elu(x, seluAbove, seluBelow)
	case "softplus":
		return pmax(x, 0) + elementary(exponential(-F(math.Abs(float64(x)))), Log1p, math.Log1p)
	case "softsign":
		return x / (1 + F(math.Abs(float64(x))))
	case "silu":
		return x * sigmoid(x)
	case "gelu":
		return x * normalDistribution(x)
	case "gelu-tanh":
		return F(0.5*x) * (1 + geluTanh(x))
	}
	panic(fmt.Sprintf("ref: %q is not defined", l.function))
}

// derive multiplies g by f'(x), given x and y = f(x).
func (l activation[F]) derive(x, y, g F) F {
	switch l.function {
	case "relu":
		if y > 0 {
			return g
		}
		return 0
	case "leaky-relu":
		if y > 0 {
			return g
		}
		return g * leakySlope
	case "relu6":
		if y > 0 && y < 6 {
			return g
		}
		return 0
	case "tanh":
		return g * (1 - F(y*y))
	case "sigmoid":
		return g * F(y*(1-y))
	case "hard-sigmoid":
		if y > 0 && y < 1 {
			return g * F(1.0/6)
		}
		return 0
	case "hard-swish":
		switch {
		case x > 3:
			return g * 1
		case x < -3:
			return g * 0
		}
		return g * (F(x*F(1.0/3)) + 0.5)
	case "elu":
		return deriveELU(y, g, 1, 1)
	case "selu":
		return deriveELU(y, g, seluAbove, seluBelow)
	case "softplus":
		return g * -expm1(-y)
	case "softsign":
		d := 1 + F(math.Abs(float64(x)))
		return g / F(d*d)
	case "silu":
		s := sigmoid(x)
		return g * F(s*(1+F(x*(1-s))))
	case "gelu":
		return g * (normalDistribution(x) + F(x*F(exponential(-0.5*F(x*x))*F(1/math.Sqrt(2*math.Pi)))))
	case "gelu-tanh":
		t := geluTanh(x)
		inner := F(F(math.Sqrt(2/math.Pi)) * (1 + F(3*geluCubic*F(x*x))))
		return g * (F(0.5*(1+t)) + F(F(0.5*x)*F((1-F(t*t))*inner)))
	}
	return g
}

func hardSigmoid[F Float](x F) F { return pmin(pmax(x+3, 0), 6) * F(1.0/6) }

func elu[F Float](x, above, below F) F {
	if x > 0 {
		return above * x
	}
	return below * expm1(x)
}

func deriveELU[F Float](y, g, above, below F) F {
	if y > 0 {
		return g * above
	}
	return g * (y + below)
}

// normalDistribution is Φ.
func normalDistribution[F Float](x F) F {
	return 0.5 * (1 + elementary(x*F(math.Sqrt2/2), Erf, math.Erf))
}

// geluTanh is the tangent in gelu-tanh.
func geluTanh[F Float](x F) F {
	return tanh(F(math.Sqrt(2/math.Pi)) * (x + F(geluCubic*F(F(x*x)*x))))
}

// The elementary functions in the precision of their arguments.
func exponential[F Float](x F) F { return elementary(x, Exp, math.Exp) }

func expm1[F Float](x F) F { return elementary(x, Expm1, math.Expm1) }

func tanh[F Float](x F) F { return elementary(x, Tanh, math.Tanh) }

func sigmoid[F Float](x F) F {
	return elementary(x, Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
}

func elementary[F Float](x F, single func(float32) float32, double func(float64) float64) F {
	if x, ok := any(x).(float32); ok {
		return F(single(x))
	}
	return F(double(float64(x)))
}
