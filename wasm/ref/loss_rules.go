package ref

import (
	"fmt"
	"math"
)

// example is what a loss compares: outputs x, what was predicted p, and the target as a vector t and as a class.
type example[F Float] struct {
	x, p, t    []F
	class      int // -1 where there is none
	normalizer F   // log Σ exp of x
}

// number is an attribute of the loss.
func (l loss[F]) number(name string, otherwise float64) F {
	if x, ok := l.Attributes[name].(float64); ok {
		return constant[F](x)
	}
	return constant[F](otherwise)
}

// constant is a number as engines have it.
func constant[F Float](x float64) F { return F(single(x)) }

// judge gives the loss of an example and sets its gradient.
func (l loss[F]) judge(e example[F], gradient []F) (sum F) {
	switch l.Kind {
	case "softmax-cross-entropy":
		return l.crossEntropy(e, gradient)
	case "kl-divergence":
		var all F
		for j, t := range e.t {
			e.t[j] = 0
			if t >= 0x1p-100 {
				e.t[j] = t
			}
			all += e.t[j]
		}
		for j, t := range e.t {
			if t > 0 {
				sum += F(t * (elementary(t, Log, math.Log) - (e.x[j] - e.normalizer)))
			}
			gradient[j] = F(e.p[j]*all) - t
		}
		return sum
	case "hinge":
		if e.class >= 0 {
			return l.classHinge(e, gradient)
		}
	}
	mean := 1 / F(len(e.x))
	for j := range e.x {
		value, slope := l.point(e.x[j], e.p[j], e.t[j], len(e.x))
		sum += value
		gradient[j] = slope
	}
	return sum * mean
}

// crossEntropy is that of a class, or of a vector where there is label smoothing or a weight of each class.
func (l loss[F]) crossEntropy(e example[F], gradient []F) (sum F) {
	weights, _ := l.Attributes["classWeights"].([]any)
	smoothing, _ := l.Attributes["labelSmoothing"].(float64)
	if smoothing == 0 && weights == nil {
		for j := range gradient {
			gradient[j] = e.p[j] - e.t[j]
		}
		return e.normalizer - e.x[e.class]
	}
	wanted := make([]F, len(e.x))
	var all F
	for j := range wanted {
		wanted[j] = constant[F](smoothing / float64(len(e.x)))
		if j == e.class {
			wanted[j] += constant[F](1 - smoothing)
		}
		if weights != nil {
			wanted[j] = constant[F](weights[j].(float64)) * wanted[j]
		}
		all += wanted[j]
	}
	for j, t := range wanted {
		sum += F(t * (e.normalizer - e.x[j]))
		share := e.p[j]
		if weights != nil {
			share = F(share * all)
		}
		gradient[j] = share - t
	}
	return sum
}

// classHinge is that of Weston and Watkins.
func (l loss[F]) classHinge(e example[F], gradient []F) (sum F) {
	var violated F
	for j := range e.x {
		if j == e.class {
			continue
		}
		excess := max((l.number("margin", 1)+e.x[j])-e.x[e.class], 0)
		sum += excess
		gradient[j] = 0
		if excess > 0 {
			gradient[j] = 1
			violated++
		}
	}
	gradient[e.class] = -violated
	return sum
}

// point is what an output adds to a loss that is a mean over outputs, and the derivative of that mean by it.
func (l loss[F]) point(x, p, t F, outputs int) (value, slope F) {
	d := x - t
	mean := 1 / F(outputs)
	switch l.Kind {
	case "mean-squared-error":
		return F(d * d), d * (2 / F(outputs))
	case "mean-absolute-error":
		return abs(d), sign(d) * mean
	case "huber":
		delta := l.number("delta", 1)
		q := pmin(abs(d), delta)
		return F(q * (abs(d) - F(0.5*q))), pmin(pmax(d, -delta), delta) * mean
	case "log-cosh":
		a := abs(d)
		return (a + logOnePlusExp(-2*a)) - F(math.Ln2), tanh(d) * mean
	case "binary-cross-entropy":
		return (pmax(x, 0) - F(x*t)) + logOnePlusExp(-abs(x)), (p - t) * mean
	case "poisson":
		rate := elementary(x, Exp, math.Exp)
		return rate - F(t*x), (rate - t) * mean
	case "hinge":
		lack := l.number("margin", 1) - F(t*x)
		if lack > 0 {
			slope = t * (-1 / F(outputs))
		}
		return pmax(lack, 0), slope
	}
	panic(fmt.Sprintf("ref: %q is not defined", l.Kind))
}

func abs[F Float](x F) F { return F(math.Abs(float64(x))) }

func sign[F Float](x F) F {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// logOnePlusExp is log(1 + e^x).
func logOnePlusExp[F Float](x F) F { return elementary(1+elementary(x, Exp, math.Exp), Log, math.Log) }
