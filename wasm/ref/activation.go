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

func (l activation[F]) backward(_ Call, _, y, dy [][]F) [][]F {
	dx := zeros(y)
	for n := range y {
		for i, v := range y[n] {
			dx[n][i] = l.derive(v, dy[n][i])
		}
	}
	return dx
}

// leakySlope is leaky-relu's slope below zero.
const leakySlope = 0.01

func (l activation[F]) apply(x F) F {
	switch l.function {
	case "linear":
		return x
	case "relu":
		return pmax(x, 0)
	case "leaky-relu":
		return pmax(x, x*leakySlope)
	case "tanh":
		return elementary(x, Tanh, math.Tanh)
	case "sigmoid":
		return elementary(x, Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
	}
	panic(fmt.Sprintf("ref: %q is not defined", l.function))
}

// derive multiplies g by f'(x), given y = f(x).
func (l activation[F]) derive(y, g F) F {
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
	case "tanh":
		return g * (1 - F(y*y))
	case "sigmoid":
		return g * F(y*(1-y))
	}
	return g
}

// elementary is a function in the precision of its argument.
func elementary[F Float](x F, single func(float32) float32, double func(float64) float64) F {
	if x, ok := any(x).(float32); ok {
		return F(single(x))
	}
	return F(double(float64(x)))
}
