package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Head is what stands behind the last layer: the loss with its gradient, the count of correct answers, and what predict
// writes. It works on a tile with the examples in the lanes.
type Head struct {
	Loss    lossRule
	Outputs Buffer // Rows: the last layer
	Grad    Buffer // Rows: the loss's gradient by it
	Classes int    // of a class target; 0 where the target is a vector of f32
	// Scratch: the outputs in Sites, what predict writes in Sites (probabilities, or the outputs), target vectors in
	// Sites, and one vector group of f32 or i32 each.
	Values, Predictions, Targets Buffer
	Normalizer, Labels, Valid    int // log Σ exp; class of each lane as i32; ~0 where the lane holds an example
	Losses                       int
	ClassWeights                 int // f32 of each class, where the loss has such
	Target                       int // the region target, rows of TargetBytes
	TargetDType                  string
	First, Count                 int // addresses of i32: the tile's first example, and the examples of the call
	Output                       int // the region output
	LossSum, Correct             int // addresses of i64
	// Sequence is where an output and a target belong to each of several positions.
	Sequence Sequence
}

// Loss is a rule by which outputs are compared with targets.
type Loss interface {
	Declaration() schema.Declaration
	// rule is the loss with resolved attributes, of a head whose fields say what its targets are.
	rule(a schema.Attributes, h Head) lossRule
}

// Losses of the vocabulary.
func Losses() []Loss {
	return append([]Loss{softmaxCrossEntropy{}, meanSquaredError{}, divergence{}, hinge{}}, pointwiseLosses()...)
}

// LossOf finds a loss; its attributes may lack defaults.
func LossOf(n schema.Named) (Loss, schema.Attributes, []schema.Problem) {
	for _, l := range Losses() {
		if d := l.Declaration(); d.Name == n.Kind {
			attributes, problems := d.Resolve("model.loss."+n.Kind, n.Attributes)
			return l, attributes, problems
		}
	}
	return nil, nil, []schema.Problem{{Path: "model.loss", Message: fmt.Sprintf("%q is not a loss; there are %v", n.Kind, lossNames())}}
}

func lossNames() (names []string) {
	for _, l := range Losses() {
		names = append(names, l.Declaration().Name)
	}
	return names
}

// lossRule emits what is particular to a loss.
type lossRule interface {
	// predict emits Values → Predictions, p being a free local.
	predict(h Head, c *code, p local)
	// sum emits a pass, or passes, over the outputs of the lanes at s.v, in which s.loss, 0 at first, comes to something.
	sum(h Head, c *code, s scoring)
	// push then pushes the lanes' losses.
	push(h Head, c *code, s scoring)
	// prepare emits what slope needs once.
	prepare(h Head, c *code, s scoring)
	// slope pushes the derivative of the lanes' losses by output s.j, from Predictions and targets.
	slope(h Head, c *code, s scoring)
}

// scoring is the state of a pass over the outputs of the lanes at v.
type scoring struct {
	j, p    local // i32: the output, and the byte offset of its site
	x, loss local // v128
	v       int
	each    func(body func()) // runs body for each output
}

// Names of losses that others ask for.
const (
	SoftmaxCrossEntropy = "softmax-cross-entropy"
	MeanSquaredError    = "mean-squared-error"
	BinaryCrossEntropy  = "binary-cross-entropy"
	KLDivergence        = "kl-divergence"
	Poisson             = "poisson"
)

// lossLimit and lossScale: each example's loss is clamped to ±2¹⁴ and counted in 2⁻²⁰ (DESIGN §5).
const (
	lossLimit = 1 << 14
	lossScale = 1 << 20
)

func (h Head) units() int { return h.Outputs.Elements() }

// pair says that one output decides between two classes, as a binary cross-entropy can. What is predicted are the
// probabilities of both then, so that a host finds the class as ever.
func (h Head) pair() bool { return h.Classes == 2 && h.units() == 1 }

// predicted is the number of values that are predicted.
func (h Head) predicted() int {
	if h.pair() {
		return 2
	}
	return h.units()
}

func (h Head) groups() int { return h.Outputs.Lanes / 4 }

// lanes runs body for each vector of four lanes, v being its byte offset in a site.
func (h Head) lanes(c *code, body func(v int)) {
	for g := range h.groups() {
		body(16 * g)
	}
}

// SetLoss makes the head one of a loss with resolved attributes. Its other fields are set before.
func (h *Head) SetLoss(l Loss, a schema.Attributes) { h.Loss = l.rule(a, *h) }

// Predict emits: Outputs → Predictions (and Values, Normalizer).
func (h Head) Predict(e *Emitter) Fn {
	return *e.define("head.predict", func(c *code) {
		if h.Sequence.Steps > 0 {
			return // each position is predicted where it is needed
		}
		transpose(c, h.Outputs, h.Values)
		h.Loss.predict(h, c, c.Local(asm.I32))
	})
}

// copyValues emits Values → Predictions, through a function of the vector in a local where there is one.
func (h Head) copyValues(c *code, p local, through func(c *code, x local)) {
	x := c.Local(asm.V128)
	eachVector(c, []int{h.Values.Addr, h.Predictions.Addr}, h.units()*h.Values.Site(), func(at func(int) (local, int)) {
		from, o := at(0)
		to, q := at(1)
		c.Get(to)
		c.Load(asm.V128Load, from, o)
		if through != nil {
			c.Set(x)
			through(c, x)
		}
		c.Mem(asm.V128Store, q)
	})
	c.Release(p, x)
}

// LoadTargets emits: the tile's targets → Labels or Targets, and Valid. Its result is 1 where a label is not a class.
func (h Head) LoadTargets(e *Emitter) Fn {
	return e.Define("head.targets", nil, []asm.ValType{asm.I32}, func(c *code, _ []local) {
		lane, example, label, bad := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		c.SetI32(bad, 0)
		c.For(lane, 0, h.Outputs.Lanes, 1, func() {
			c.I32(h.First)
			c.Mem(asm.I32Load, 0)
			c.Get(lane)
			c.Op(asm.I32Add)
			c.Set(example)
			scaled(c, lane, 4)
			c.I32(0)
			c.Get(example)
			c.I32(h.Count)
			c.Mem(asm.I32Load, 0)
			c.Op(asm.I32LtS, asm.I32Sub) // −1 where true
			c.Mem(asm.I32Store, h.Valid)
			if h.Classes == 0 {
				return
			}
			if h.Sequence.Steps > 0 {
				h.sequenceLabels(c, lane, example, bad)
				return
			}
			h.loadLabel(c, func() { c.Get(example) })
			c.Set(label)
			scaled(c, lane, 4)
			c.Get(label)
			c.Mem(asm.I32Store, h.Labels)
			h.checkLabel(c, label, lane, bad)
		})
		if h.Classes == 0 {
			h.targetVectors(c)
		}
		c.Get(bad)
		c.Release(lane, example, label)
	})
}

// loadLabel pushes the class of the target that index pushes.
func (h Head) loadLabel(c *code, index func()) {
	index()
	if h.TargetDType == "u16" {
		c.I32(2)
		c.Op(asm.I32Mul)
		c.Mem(asm.I32Load16U, h.Target)
		return
	}
	c.Mem(asm.I32Load8U, h.Target)
}

// checkLabel sets bad where a lane has an example whose label is not a class.
func (h Head) checkLabel(c *code, label, lane, bad local) {
	c.Get(label)
	c.I32(h.Classes)
	c.Op(asm.I32GeU)
	scaled(c, lane, 4)
	c.Mem(asm.I32Load, h.Valid)
	c.Op(asm.I32And)
	c.Get(bad)
	c.Op(asm.I32Or)
	c.Set(bad)
}

// targetVectors spreads f32 target rows over lanes.
func (h Head) targetVectors(c *code) {
	lane, j, from, to := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	units := h.units()
	c.For(lane, 0, h.Outputs.Lanes, 1, func() {
		c.I32(h.First)
		c.Mem(asm.I32Load, 0)
		c.Get(lane)
		c.Op(asm.I32Add)
		c.I32(4 * units)
		c.Op(asm.I32Mul)
		c.Set(from)
		scaled(c, lane, 4)
		c.Set(to)
		c.For(j, 0, units, 1, func() {
			c.Get(to)
			c.Load(asm.I32Load, from, h.Target)
			c.Mem(asm.I32Store, h.Targets.Addr)
			c.AddTo(from, 4)
			c.AddTo(to, h.Targets.Site())
		})
	})
	c.Release(lane, j, from, to)
}

// target pushes t_j for the lanes at v; j is the local with the class, p the byte offset of its site.
func (h Head) target(c *code, j, p local, v int) {
	if h.Classes == 0 {
		c.Load(asm.V128Load, p, h.Targets.Addr+v)
		return
	}
	if h.pair() {
		c.I32(h.Labels)
		c.Mem(asm.V128Load, v)
		c.Op(asm.F32x4ConvS)
		return
	}
	h.isTarget(c, j, v)
	c.F32x4(1)
	c.Op(asm.V128And)
}

// isTarget pushes ~0 in the lanes at v whose class is j.
func (h Head) isTarget(c *code, j local, v int) {
	c.I32(h.Labels)
	c.Mem(asm.V128Load, v)
	c.Get(j)
	c.Op(asm.I32x4Splat, asm.I32x4Eq)
}

// Score emits: adds the tile's losses and correct answers to LossSum and Correct.
func (h Head) Score(e *Emitter) Fn {
	return *e.define("head.score", func(c *code) { h.positions(c, h.score) })
}

// score adds the losses and correct answers of one position of a tile.
func (h Head) score(c *code) {
	j, p := c.Local(asm.I32), c.Local(asm.I32)
	x, best, which, loss := c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128), c.Local(asm.V128)
	site := h.Values.Site()
	through := func(n int, body func()) {
		c.SetI32(p, 0)
		c.For(j, 0, n, 1, func() {
			body()
			c.AddTo(p, site)
		})
	}
	each := func(body func()) { through(h.units(), body) }
	h.lanes(c, func(v int) {
		c.I32x4(0)
		c.Set(loss)
		s := scoring{j: j, p: p, x: x, loss: loss, v: v, each: each}
		h.Loss.sum(h, c, s)
		c.I32(h.Losses)
		h.Loss.push(h, c, s)
		c.Mem(asm.V128Store, v)
		if h.Classes == 0 {
			return
		}
		c.I32(0)
		c.Mem(asm.V128Load, h.Predictions.Addr+v)
		c.Set(best)
		c.I32x4(0)
		c.Set(which)
		through(h.predicted(), func() { // strictly greater: ties go to the lowest class
			c.Load(asm.V128Load, p, h.Predictions.Addr+v)
			c.Set(x)
			c.Get(j)
			c.Op(asm.I32x4Splat)
			c.Get(which)
			c.Get(x, best)
			c.Op(asm.F32x4Gt, asm.V128Bitsel)
			c.Set(which)
			c.Get(best, x)
			c.Op(asm.F32x4PMax)
			c.Set(best)
		})
		c.I32(h.Correct)
		c.I32(h.Correct)
		c.Mem(asm.I64Load, 0)
		c.Get(which)
		c.I32(h.Labels)
		c.Mem(asm.V128Load, v)
		c.Op(asm.I32x4Eq)
		c.I32(h.Valid)
		c.Mem(asm.V128Load, v)
		c.Op(asm.V128And, asm.I32x4Bitmask, asm.I32Popcnt, asm.I64ExtU, asm.I64Add)
		c.Mem(asm.I64Store, 0)
	})
	c.Release(x, best, which, loss)
	h.sumLosses(c, p)
	c.Release(j, p)
}

// sumLosses adds each valid lane's loss in fixed point. A NaN counts as the limit.
func (h Head) sumLosses(c *code, p local) {
	sum, x := c.Local(asm.I64), c.Local(asm.F32)
	c.I32(h.LossSum)
	c.Mem(asm.I64Load, 0)
	c.Set(sum)
	c.For(p, 0, 4*h.Outputs.Lanes, 4, func() {
		c.Load(asm.F32Load, p, h.Losses)
		c.Tee(x)
		c.F32(lossLimit)
		c.Get(x)
		c.F32(lossLimit)
		c.Op(asm.F32Lt, asm.Select)
		c.Tee(x)
		c.F32(-lossLimit)
		c.Get(x)
		c.F32(-lossLimit)
		c.Op(asm.F32Gt, asm.Select, asm.F64Promot)
		c.F64(lossScale)
		c.Op(asm.F64Mul, asm.F64Near, asm.I64SatF64S)
		c.Load(asm.I32Load, p, h.Valid)
		c.Op(asm.I64ExtS, asm.I64And)
		c.Get(sum)
		c.Op(asm.I64Add)
		c.Set(sum)
	})
	c.I32(h.LossSum)
	c.Get(sum)
	c.Mem(asm.I64Store, 0)
	c.Release(sum, x)
}

// Gradient emits: Grad from Predictions and targets; zero in lanes without an example.
func (h Head) Gradient(e *Emitter) Fn {
	return *e.define("head.gradient", func(c *code) {
		if h.Sequence.Steps > 0 {
			h.sequenceGradient(c)
			return
		}
		h.slopes(c)
		transpose(c, h.Values, h.Grad)
	})
}

// slopes emits: Values ← the loss's gradient by the outputs of one position.
func (h Head) slopes(c *code) {
	j, p := c.Local(asm.I32), c.Local(asm.I32)
	site := h.Values.Site()
	s := scoring{j: j, p: p, each: func(body func()) {
		c.SetI32(p, 0)
		c.For(j, 0, h.units(), 1, func() {
			body()
			c.AddTo(p, site)
		})
	}}
	h.lanes(c, func(v int) {
		s.v = v
		h.Loss.prepare(h, c, s)
	})
	s.each(func() {
		h.lanes(c, func(v int) {
			s.v = v
			c.Get(p)
			h.Loss.slope(h, c, s)
			c.I32(h.Valid)
			c.Mem(asm.V128Load, v)
			c.Op(asm.V128And)
			c.Mem(asm.V128Store, h.Values.Addr+v)
		})
	})
	c.Release(j, p)
}

// Write emits: Predictions → the tile's rows of the region output, [examples, units] without padding.
func (h Head) Write(e *Emitter) Fn {
	return *e.define("head.write", func(c *code) {
		if h.Sequence.Steps > 0 {
			h.writeSequence(c)
			return
		}
		rows := h.Grad // a row of a pair takes no more than that of one output
		rows.Shape = []int{h.predicted()}
		transpose(c, h.Predictions, rows)
		n, from, to, i := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		units := h.predicted()
		// n = min(lanes, Count − First) > 0
		c.I32(h.Count)
		c.Mem(asm.I32Load, 0)
		c.I32(h.First)
		c.Mem(asm.I32Load, 0)
		c.Op(asm.I32Sub)
		c.Tee(n)
		c.I32(h.Outputs.Lanes)
		c.Get(n)
		c.I32(h.Outputs.Lanes)
		c.Op(asm.I32LtS, asm.Select)
		c.Set(n)
		c.SetI32(from, 0)
		c.I32(h.First)
		c.Mem(asm.I32Load, 0)
		c.I32(4 * units)
		c.Op(asm.I32Mul)
		c.Set(to)
		c.Repeat(h.Outputs.Lanes, func() {
			// The last vector of a row may reach into the next one, which is written afterwards.
			c.For(i, 0, 4*roundUp(units, 4), 16, func() {
				c.Get(to, i)
				c.Op(asm.I32Add)
				c.Get(from, i)
				c.Op(asm.I32Add)
				c.Mem(asm.V128Load, h.Grad.Addr)
				c.Mem(asm.V128Store, h.Output)
			})
			c.AddTo(from, h.Grad.Stride())
			c.AddTo(to, 4*units)
			c.AddTo(n, -1)
			c.Get(n)
		})
		c.Release(n, from, to, i)
	})
}
