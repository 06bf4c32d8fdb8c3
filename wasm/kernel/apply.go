package kernel

import (
	"slices"

	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Step is what an update needs to know beside the parameters.
type Step struct {
	Bits     int
	Rule     Rule
	Schedule Fn // (t i64) → f32, of Schedule.Multiplier
	// Outer says that what was merged is changes of the parameters (InnerStep), which already contain the schedule,
	// regularisation and the tensors' multipliers of the rate. Apply leaves these out then; a multiplier of 0 still freezes.
	Outer bool
	// Hyper gives the address of a hyper-parameter (f32): those of the rule, L1 and L2.
	Hyper func(name string) int
	// Clip bounds gradients; the zero Clip does not.
	Clip Clip
	// EMA keeps averages of the parameters; the zero EMA does not.
	EMA EMA
	// Shared are the addresses of the rule's shared scalars, in its order.
	Shared []int
	// Count is the address of the segment (i64) by which apply divides the sums: it counts examples, or microbatches where
	// their changes were merged.
	Count int
	// Status is what an update returns where a value of p, or of its state, is no longer finite.
	Status func(p Parameter) int
}

// Apply emits (step i64) → status: what turns the merged accumulators into the next parameters.
//
// Step 0 only learns the exponents; so does every later step, after it has updated the parameters. A later step whose
// count is 0 changes nothing at all. The gradient of a value whose sum of integers is A is
//
//	G = f32(A)·2^−s / f32(count), clipped, and + l2·w + l1·sign(w) for a regularised tensor,
//
// with the s that the integers were made with. A tensor whose multiplier of the rate is 0 keeps its values and slots bit
// for bit. After a status other than 0, parameters and state are of no use: the host goes back to a snapshot.
func (e *Emitter) Apply(params []Parameter, s Step) Fn {
	longest := 1
	for _, p := range params {
		longest = max(longest, p.Rows*p.Cols)
	}
	u := s.updates(params, func(name string, as treatment) Fn { return e.update("apply."+name, s, longest, as) })
	u.constrain = e.constrain(params)
	learn := e.learn()
	average := e.average(params, s)
	return e.Define("apply", []asm.ValType{asm.I64}, []asm.ValType{asm.I32}, func(c *code, args []local) {
		step := args[0]
		c.Get(step)
		c.I64(0)
		c.Op(asm.I64Ne)
		c.If(func() {
			s.step(c, step, params, u)
			if average != nil {
				call(c, *average)
			}
		})
		for _, p := range params {
			c.I32(p.Exponent)
			c.I32(p.Peak)
			call(c, learn)
		}
		c.I32(0)
	})
}

// updates are the functions that update one tensor: a bias, or what the rule alone decays, and what is regularised.
type updates struct {
	plain, decayed, regularised Fn
	// Of rules that measure a tensor first: what does so for the latter two.
	measured, measuredRegularised *Fn
	norm                          *Fn // of the gradient, for clipping
	constrain                     *Fn
}

// updates emits the functions that are needed.
func (s Step) updates(params []Parameter, emit func(name string, as treatment) Fn) (u updates) {
	u.plain = emit("tensor", treatment{})
	u.decayed, u.regularised = u.plain, u.plain
	if s.Clip.norm() {
		u.norm = new(emit("norm", treatment{measure: true, raw: true}))
	}
	if s.Outer || !slices.ContainsFunc(params, func(p Parameter) bool { return p.Decayed }) {
		return u
	}
	u.regularised = emit("regularised", treatment{decayed: true, regularise: true})
	if s.Rule.Decays {
		u.decayed = emit("decayed", treatment{decayed: true})
	}
	if s.Rule.Measure != nil {
		u.measured = new(emit("measured", treatment{decayed: true, measure: true}))
		u.measuredRegularised = new(emit("measured.regularised", treatment{decayed: true, regularise: true, measure: true}))
	}
	return u
}

// step emits the update of all parameters by what was merged.
func (s Step) step(c *code, step local, params []Parameter, fns updates) {
	count, rate := c.Local(asm.F32), c.Local(asm.F32)
	load := func(op asm.Op, addr int) {
		c.I32(addr)
		c.Mem(op, 0)
	}
	load(asm.I64Load, s.Count)
	c.I64(0)
	c.Op(asm.I64LeS)
	c.If(func() {
		c.I32(0)
		c.Return()
	})
	// By way of f64: a conversion from i64 to f32 is a call on some 32-bit runtimes.
	load(asm.I64Load, s.Count)
	c.Op(asm.F64ConvL, asm.F32Demote)
	c.Set(count)
	s.change(c, params, fns, rate, func() {
		c.Get(step)
		c.I64(1)
		c.Op(asm.I64Sub)
	}, func(p Parameter) int64 {
		for _, a := range []int{p.Value, p.Sum, p.Rows * p.Cols, p.Exponent} {
			c.I32(a)
		}
		c.Get(count)
		return updateTrips(p.Rows * p.Cols)
	})
	c.Release(count, rate)
}

// change emits the update of all parameters; it sets rate. t pushes the number of the schedule's step, tensor an update's
// arguments before the rate; tensor returns the update's trips.
func (s Step) change(c *code, params []Parameter, fns updates, rate local, t func(), tensor func(p Parameter) int64) {
	regularise, most := c.Local(asm.I32), c.Local(asm.I32)
	s.rate(s.updateCode(c), fns, t, rate, regularise)
	norm := func(p Parameter) {
		trips := tensor(p)
		c.Get(rate)
		for _, a := range p.Slots {
			c.I32(a)
		}
		c.Call(fns.norm.Index, 1+trips)
	}
	if s.Clip.Kind == ClipNorm {
		s.Clip.whole(s.updateCode(c), params, norm)
	}
	for _, p := range params {
		c.I32(p.Rate)
		c.Mem(asm.F32Load, 0)
		c.F32(0)
		c.Op(asm.F32Ne)
		c.If(func() {
			if s.Clip.Kind == ClipTensorNorm {
				s.Clip.tensor(s.updateCode(c), func() { norm(p) })
			}
			update := func(f Fn, measured *Fn) {
				ratio := s.ratio(c, measured, p, tensor, rate)
				trips := tensor(p)
				c.Get(rate)
				if !s.Outer {
					c.I32(p.Rate)
					c.Mem(asm.F32Load, 0)
					c.Op(asm.F32Mul)
				}
				ratio()
				for _, a := range p.Slots {
					c.I32(a)
				}
				c.Call(f.Index, 1+trips)
				c.Set(most)
			}
			if p.Decayed && !s.Outer {
				c.Get(regularise)
				c.IfElse(func() { update(fns.regularised, fns.measuredRegularised) }, func() { update(fns.decayed, fns.measured) })
			} else {
				update(fns.plain, nil)
			}
			c.Get(most)
			c.I32(infinity << mantissa)
			c.Op(asm.I32GeS)
			c.If(func() {
				c.I32(s.Status(p))
				c.Return()
			})
			p.constrain(c, fns.constrain)
		})
	}
	c.Release(regularise, most)
}

// ratio emits the measurement of a tensor, where the rule wants one, and returns what multiplies the rate on the stack by
// the ratio that it gives.
func (s Step) ratio(c *code, measured *Fn, p Parameter, tensor func(p Parameter) int64, rate local) func() {
	if measured == nil {
		return func() {}
	}
	trips := tensor(p)
	c.Get(rate)
	for _, a := range p.Slots {
		c.I32(a)
	}
	c.Call(measured.Index, 1+trips)
	w, g, ratio := c.Local(asm.F64), c.Local(asm.F64), c.Local(asm.F32)
	for _, norm := range []local{g, w} {
		c.Op(asm.F64Sqrt)
		c.Set(norm)
	}
	s.Rule.Ratio(s.updateCode(c), w, g)
	c.Set(ratio)
	c.Release(w, g)
	return func() {
		c.Get(ratio)
		c.Op(asm.F32Mul)
		c.Release(ratio)
	}
}

// rate emits what all tensors have in common: the rate, whether there is regularisation, and the shared scalars.
func (s Step) rate(u *Update, fns updates, t func(), rate, regularise local) {
	c := u.Code
	u.Hyper(LearningRate)
	if !s.Outer {
		t()
		call(c, s.Schedule)
		c.Op(asm.F32Mul)
	}
	c.Set(rate)
	if fns.plain.Index != fns.regularised.Index {
		for _, name := range []string{L1, L2} {
			u.Hyper(name)
			c.F32(0)
			c.Op(asm.F32Ne)
		}
		c.Op(asm.I32Or)
		c.Set(regularise)
	}
	if s.Rule.Advance != nil {
		s.Rule.Advance(u)
	}
}

func (s Step) updateCode(c *code) *Update {
	u := &Update{Code: c, hyper: s.Hyper, shared: map[string]int{}}
	for i, name := range s.Rule.Shared {
		u.shared[name] = s.Shared[i]
	}
	return u
}

// learn emits the function that moves a tensor's exponent to that of its peak. Without a signal it stays.
func (e *Emitter) learn() Fn {
	return e.Define("apply.learn", []asm.ValType{asm.I32, asm.I32}, nil, func(c *code, p []local) {
		exponent, peak := p[0], p[1]
		c.Load(asm.I32Load, peak, 0)
		c.If(func() {
			c.Get(exponent)
			c.Load(asm.I32Load, peak, 0)
			c.I32(ExponentBias)
			c.Op(asm.I32Sub)
			c.Mem(asm.I32Store, 0)
		})
	})
}
