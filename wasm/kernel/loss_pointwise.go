package kernel

import (
	"math"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// pointwise is a loss that is the mean over the outputs of a function of each, x, and its target t. A class target is a
// one-hot vector. With d = x − t, and what PyTorch calls it:
//
//	mean-absolute-error   |d|                                  sign d, 0 at 0        L1Loss
//	huber                 q·(|d| − ½·q), q = min(|d|, δ)       d within ±δ           HuberLoss
//	log-cosh              (|d| + log(1 + e^−2|d|)) − log 2     tanh d
//	binary-cross-entropy  (max(x, 0) − x·t) + log(1 + e^−|x|)  σ(x) − t              BCEWithLogitsLoss
//	poisson               e^x − t·x                            e^x − t               PoissonNLLLoss
//
// What a binary cross-entropy predicts is σ(x), each output by itself; with one output for two classes, σ(x) is the
// probability of the second, which is its target 1, and what is predicted are 1 − σ(x) and σ(x). The others predict x; a poisson's is the logarithm of
// the rate.
type pointwise struct {
	declared schema.Declaration
	sigmoid  bool
	// value and slope push the function and its derivative by x.
	value, slope func(c *code, k point)
}

// point is where a pointwise loss is taken.
type point struct {
	a    schema.Attributes
	x, t local  // v128
	d    local  // v128: x − t
	q    local  // v128: free
	p    func() // pushes what is predicted
}

func pointwiseLosses() []Loss {
	return []Loss{
		pointwise{
			declared: schema.Declaration{Name: "mean-absolute-error", Doc: "The mean magnitude of the differences."},
			value:    func(c *code, k point) { magnitudeOf(c, k.d) },
			slope: func(c *code, k point) {
				for _, op := range []asm.Op{asm.F32x4Gt, asm.F32x4Lt} {
					c.Get(k.d)
					c.F32x4(0)
					c.Op(op)
					c.F32x4(1)
					c.Op(asm.V128And)
				}
				c.Op(asm.F32x4Sub)
			},
		},
		pointwise{declared: schema.Declaration{Name: "huber", Doc: "Half the square of small differences, the magnitude of large ones.", Attributes: []schema.Attribute{
			{Name: "delta", Kind: schema.Number, Default: 1, Min: schema.Above(0), Max: schema.AtMost(highestValue), Doc: "Up to where a difference is small."},
		}}, value: huberValue, slope: func(c *code, k point) {
			delta := Single(k.a.Float("delta"))
			c.Get(k.d)
			c.F32x4(-delta)
			c.Op(asm.F32x4PMax)
			c.F32x4(delta)
			c.Op(asm.F32x4PMin)
		}},
		pointwise{
			declared: schema.Declaration{Name: "log-cosh", Doc: "The logarithm of the hyperbolic cosine of the differences."},
			value: func(c *code, k point) {
				magnitudeOf(c, k.d)
				c.Tee(k.q)
				c.Get(k.q)
				c.F32x4(-2)
				c.Op(asm.F32x4Mul)
				c.Set(k.q)
				logOnePlusExp(c, k.q)
				c.Op(asm.F32x4Add)
				c.F32x4(float32(math.Ln2))
				c.Op(asm.F32x4Sub)
			},
			slope: func(c *code, k point) { Tanh(c, k.d) },
		},
		pointwise{
			declared: schema.Declaration{Name: BinaryCrossEntropy, Doc: "Minus the logarithm of the sigmoid of each output, or of 1 less it, by its target."}, sigmoid: true,
			value: func(c *code, k point) {
				c.Get(k.x)
				c.F32x4(0)
				c.Op(asm.F32x4PMax)
				c.Get(k.x, k.t)
				c.Op(asm.F32x4Mul, asm.F32x4Sub)
				magnitudeOf(c, k.x)
				c.Op(asm.F32x4Neg)
				c.Set(k.q)
				logOnePlusExp(c, k.q)
				c.Op(asm.F32x4Add)
			},
			slope: func(c *code, k point) {
				k.p()
				c.Get(k.t)
				c.Op(asm.F32x4Sub)
			},
		},
		pointwise{
			declared: schema.Declaration{Name: Poisson, Doc: "Minus the logarithm of a Poisson probability of the targets; outputs are logarithms of rates."},
			value: func(c *code, k point) {
				Exp(c, k.x)
				c.Get(k.t, k.x)
				c.Op(asm.F32x4Mul, asm.F32x4Sub)
			},
			slope: func(c *code, k point) {
				Exp(c, k.x)
				c.Get(k.t)
				c.Op(asm.F32x4Sub)
			},
		},
	}
}

func magnitudeOf(c *code, x local) {
	c.Get(x)
	c.Op(asm.F32x4Abs)
}

// logOnePlusExp pushes log(1 + e^x) of x ≤ 0.
func logOnePlusExp(c *code, x local) {
	Exp(c, x)
	c.F32x4(1)
	c.Op(asm.F32x4Add)
	c.Set(x)
	Log(c, x)
}

func huberValue(c *code, k point) {
	magnitudeOf(c, k.d)
	c.F32x4(Single(k.a.Float("delta")))
	c.Op(asm.F32x4PMin)
	c.Tee(k.q)
	magnitudeOf(c, k.d)
	c.F32x4(0.5)
	c.Get(k.q)
	c.Op(asm.F32x4Mul, asm.F32x4Sub, asm.F32x4Mul)
}

func (l pointwise) rule(a schema.Attributes, _ Head) lossRule { return pointwiseRule{l, a} }

func (l pointwise) Declaration() schema.Declaration { return l.declared }

type pointwiseRule struct {
	pointwise
	a schema.Attributes
}

func (l pointwiseRule) predict(h Head, c *code, p local) {
	switch {
	case h.pair() && l.sigmoid:
		l.predictPair(h, c, p)
		return
	case l.sigmoid:
		h.copyValues(c, p, Sigmoid)
		return
	}
	h.copyValues(c, p, nil)
}

// predictPair emits Predictions ← 1 − σ(x), σ(x).
func (pointwiseRule) predictPair(h Head, c *code, p local) {
	x := c.Local(asm.V128)
	c.SetI32(p, 0)
	h.lanes(c, func(v int) {
		c.Load(asm.V128Load, p, h.Values.Addr+v)
		c.Set(x)
		Sigmoid(c, x)
		c.Set(x)
		c.Get(p, x)
		c.Mem(asm.V128Store, h.Predictions.Addr+h.Predictions.Site()+v)
		c.Get(p)
		c.F32x4(1)
		c.Get(x)
		c.Op(asm.F32x4Sub)
		c.Mem(asm.V128Store, h.Predictions.Addr+v)
	})
	c.Release(p, x)
}

// at loads a point; x lies at an address.
func (l pointwiseRule) at(h Head, c *code, s scoring, x int, body func(c *code, k point)) {
	k := point{a: l.a, x: c.Local(asm.V128), t: c.Local(asm.V128), d: c.Local(asm.V128), q: c.Local(asm.V128)}
	predictions := h.Predictions.Addr + s.v
	if h.pair() {
		predictions += h.Predictions.Site()
	}
	k.p = func() { c.Load(asm.V128Load, s.p, predictions) }
	c.Load(asm.V128Load, s.p, x+s.v)
	c.Set(k.x)
	h.target(c, s.j, s.p, s.v)
	c.Set(k.t)
	c.Get(k.x, k.t)
	c.Op(asm.F32x4Sub)
	c.Set(k.d)
	body(c, k)
	c.Release(k.x, k.t, k.d, k.q)
}

func (l pointwiseRule) sum(h Head, c *code, s scoring) {
	s.each(func() {
		c.Get(s.loss)
		l.at(h, c, s, h.Values.Addr, l.value)
		c.Op(asm.F32x4Add)
		c.Set(s.loss)
	})
}

func (pointwiseRule) push(h Head, c *code, s scoring) { h.mean(c, s) }

func (pointwiseRule) prepare(Head, *code, scoring) {}

func (l pointwiseRule) slope(h Head, c *code, s scoring) {
	l.at(h, c, s, h.Predictions.Addr, l.pointwise.slope)
	c.F32x4(1 / float32(h.units()))
	c.Op(asm.F32x4Mul)
}
