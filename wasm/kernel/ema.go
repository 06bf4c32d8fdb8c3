package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// EMA keeps, beside the values that are trained, the exponential moving average of each, which evaluation and
// prediction read. At the end of apply, the n-th that changed the parameters, with their new values w:
//
//	a ← w                       n = 1
//	a ← a + (1 − β)·(w − a)     then (PyTorch's AveragedModel with get_ema_multi_avg_fn)
//
// With a warm-up, β is at most n/(n + 9) (as TensorFlow's ExponentialMovingAverage with num_updates). A magnitude below
// 2^−100 becomes +0.
type EMA struct {
	Kind   string // "" is none
	WarmUp bool
	Count  int // address of n, i64, state
}

// Names of averages.
const (
	ema = "ema"
	// EMADecay is the hyper-parameter β.
	EMADecay = "averaging.decay"
	// EMACount is the state n.
	EMACount = "averaging.count"
	// TrainedName is the suffix, in the state, of the values that are trained.
	TrainedName = "trained"
)

// Averagings of the vocabulary.
func Averagings() []schema.Declaration {
	return []schema.Declaration{{
		Name: ema, Doc: "The exponential moving average.", Attributes: []schema.Attribute{
			{Name: "decay", Kind: schema.Number, Default: 0.999, Min: schema.AtLeast(0), Max: schema.AtMost(0.999999), Doc: "Part of the average that is kept from step to step."},
			{Name: warmUp, Kind: schema.Boolean, Default: false, Doc: "Keep less of it in the first steps."},
		},
	}}
}

// EMAHyperparameter is the decay with its default.
func EMAHyperparameter(decay float64) schema.Hyperparameter {
	return quantity{name: EMADecay, max: 0.999999}.hyperparameter(decay)
}

// average emits the function that moves all averages, if there are any.
func (e *Emitter) average(params []Parameter, s Step) *Fn {
	if s.EMA.Kind == "" {
		return nil
	}
	tensor := e.averageTensor()
	return e.define("average", func(c *code) {
		u := s.updateCode(c)
		n, beta, other := c.Local(asm.I64), c.Local(asm.F32), c.Local(asm.F32)
		c.I32(s.EMA.Count)
		c.I32(s.EMA.Count)
		c.Mem(asm.I64Load, 0)
		c.I64(1)
		c.Op(asm.I64Add)
		c.Tee(n)
		c.Mem(asm.I64Store, 0)
		u.Hyper(EMADecay)
		c.Set(beta)
		if s.EMA.WarmUp {
			c.Get(n)
			c.Op(asm.F64ConvL)
			c.Get(n)
			c.I64(9)
			c.Op(asm.I64Add, asm.F64ConvL, asm.F64Div, asm.F32Demote)
			c.Tee(other)
			c.Get(beta, other, beta)
			c.Op(asm.F32Lt, asm.Select)
			c.Set(beta)
		}
		// The first average is the values: 1 − β = 1.
		c.F32(1)
		c.F32(1)
		c.Get(beta)
		c.Op(asm.F32Sub)
		c.Get(n)
		c.I64(1)
		c.Op(asm.I64Eq, asm.Select)
		c.Set(beta)
		for _, p := range params {
			vectors := (p.Rows*p.Cols + 3) / 4
			c.I32(p.Average)
			c.I32(p.Value)
			c.I32(vectors)
			c.Get(beta)
			c.Call(tensor.Index, int64(1+vectors))
		}
	})
}

// averageTensor emits (averages, values, vectors i32, 1 − β f32). It stores whole vectors: behind the last value of a tensor
// there is room. 1 − β = 1 copies.
func (e *Emitter) averageTensor() Fn {
	return e.Define("average.tensor", []asm.ValType{asm.I32, asm.I32, asm.I32, asm.F32}, nil, func(c *code, p []local) {
		to, from, left := p[0], p[1], p[2]
		part, a, x := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
		c.Get(p[3])
		c.Op(asm.F32x4Splat)
		c.Set(part)
		c.Repeat(1, func() {
			c.Load(asm.V128Load, to, 0)
			c.Tee(a)
			c.Get(part)
			c.Load(asm.V128Load, from, 0)
			c.Get(a)
			c.Op(asm.F32x4Sub, asm.F32x4Mul, asm.F32x4Add)
			c.Load(asm.V128Load, from, 0)
			c.Get(part)
			c.F32x4(1)
			c.Op(asm.F32x4Ne, asm.V128Bitsel)
			c.Set(x)
			c.Get(to, x, x)
			c.I32x4(absMask)
			c.Op(asm.V128And)
			c.I32x4(tiny - 1)
			c.Op(asm.I32x4GtS, asm.V128And)
			c.Mem(asm.V128Store, 0)
			for _, l := range []local{to, from} {
				c.AddTo(l, 16)
			}
			c.AddTo(left, -1)
			c.Get(left)
		})
	})
}
