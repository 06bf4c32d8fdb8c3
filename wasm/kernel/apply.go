package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// Step is what apply needs to know beside the parameters.
type Step struct {
	Bits     int
	Rule     Rule
	Schedule Fn // (t i64) → f32, of Schedule.Multiplier
	// Hyper gives the address of a hyper-parameter (f32): those of the rule, L1 and L2.
	Hyper func(name string) int
	// Shared are the addresses of the rule's shared scalars, in its order.
	Shared []int
	// Examples is the address of the segment that counts examples (i64).
	Examples int
	// Status is what apply returns where a value of p, or of its state, is no longer finite.
	Status func(p Parameter) int
}

// Apply emits (step i64) → status: what turns the merged accumulators into the next parameters.
//
// Step 0 only learns the exponents; so does every later step, after it has updated the parameters. A later step without
// examples changes nothing at all. The gradient of a value whose sum of integers is A is
//
//	G = f32(A)·2^−s / f32(examples), and + l2·w + l1·sign(w) for a regularised tensor,
//
// with the s that the integers were made with. A tensor whose multiplier of the rate is 0 keeps its values and slots bit
// for bit. After a status other than 0, parameters and state are of no use: the host goes back to a snapshot.
func (e *Emitter) Apply(params []Parameter, s Step) Fn {
	longest, decayed := 1, false
	for _, p := range params {
		longest = max(longest, p.Rows*p.Cols)
		decayed = decayed || p.Decayed
	}
	plain := e.update("apply.tensor", s, longest, false)
	regularised := plain
	if decayed {
		regularised = e.update("apply.regularised", s, longest, true)
	}
	learn := e.learn()
	return e.Define("apply", []asm.ValType{asm.I64}, []asm.ValType{asm.I32}, func(c *code, args []local) {
		step := args[0]
		c.Get(step)
		c.I64(0)
		c.Op(asm.I64Ne)
		c.If(func() { s.step(c, step, params, plain, regularised) })
		for _, p := range params {
			c.I32(p.Exponent)
			c.I32(p.Peak)
			call(c, learn)
		}
		c.I32(0)
	})
}

// step emits the update of all parameters.
func (s Step) step(c *code, step local, params []Parameter, plain, regularised Fn) {
	examples, rate := c.Local(asm.F32), c.Local(asm.F32)
	regularise, most := c.Local(asm.I32), c.Local(asm.I32)
	u := s.updateCode(c)

	load := func(op asm.Op, addr int) {
		c.I32(addr)
		c.Mem(op, 0)
	}
	load(asm.I64Load, s.Examples)
	c.I64(0)
	c.Op(asm.I64LeS)
	c.If(func() {
		c.I32(0)
		c.Return()
	})
	// By way of f64: a conversion from i64 to f32 is a call on some 32-bit runtimes.
	load(asm.I64Load, s.Examples)
	c.Op(asm.F64ConvL, asm.F32Demote)
	c.Set(examples)

	u.Hyper(LearningRate)
	c.Get(step)
	c.I64(1)
	c.Op(asm.I64Sub)
	call(c, s.Schedule)
	c.Op(asm.F32Mul)
	c.Set(rate)

	if plain != regularised {
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
	for _, p := range params {
		load(asm.F32Load, p.Rate)
		c.F32(0)
		c.Op(asm.F32Ne)
		c.If(func() {
			update := func(f Fn) {
				for _, a := range []int{p.Value, p.Sum, p.Rows * p.Cols, p.Exponent} {
					c.I32(a)
				}
				c.Get(examples, rate)
				load(asm.F32Load, p.Rate)
				c.Op(asm.F32Mul)
				for _, a := range p.Slots {
					c.I32(a)
				}
				c.Call(f.Index, 1+updateTrips(p.Rows*p.Cols))
				c.Set(most)
			}
			if p.Decayed {
				c.Get(regularise)
				c.IfElse(func() { update(regularised) }, func() { update(plain) })
			} else {
				update(plain)
			}
			c.Get(most)
			c.I32(infinity << mantissa)
			c.Op(asm.I32GeS)
			c.If(func() {
				c.I32(s.Status(p))
				c.Return()
			})
		})
	}
	c.Release(examples, rate, regularise, most)
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
