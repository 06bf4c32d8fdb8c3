package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// Local steps: a microbatch of H equal parts is H steps of the optimizer, each with the gradient of one part, on a copy of
// the parameters and from zero state. What is quantised and merged is
//
//	θ0 − θ     the parameters before the microbatch, less those after it: one subtraction in f32
//
// and apply follows the mean of it over the microbatches as if it were a gradient, with Nesterov's momentum (Douillard et
// al., "DiLoCo: distributed low-communication training of language models", 2023).

// Outer is that rule of apply. Its hyper-parameters have names of their own, beside those of the optimizer inside.
func Outer(rate, mu float64) Rule {
	rule := sgd{}.Rule(map[string]any{LearningRate: rate, momentum: mu, nesterov: true})
	for i := range rule.Hyperparameters {
		h := &rule.Hyperparameters[i]
		h.Name = OuterName(h.Name)
	}
	return rule
}

// OuterName is what a hyper-parameter or a piece of state of apply is called where the optimizer inside may have one of
// the same name.
func OuterName(name string) string { return "outer." + name }

// InnerStep emits (t i64, examples i32) → status: a step of the optimizer with the gradient of one part, the sum over
// its examples, t being the number of the schedule's step. The gradient that the rule gets is
//
//	G = g / f32(examples), clipped, and + l2·w + l1·sign(w) for a regularised tensor.
//
// A tensor whose multiplier of the rate is 0 keeps its values. Slots and shared scalars are scratch.
func (e *Emitter) InnerStep(params []Parameter, s Step) Fn {
	longest := int64(1)
	for _, p := range params {
		longest = max(longest, gradientTrips(p))
	}
	u := s.updates(params, func(name string, as treatment) Fn { return e.innerUpdate("step."+name, s, longest, as) })
	u.constrain = e.constrain(params)
	return e.Define("step", []asm.ValType{asm.I64, asm.I32}, []asm.ValType{asm.I32}, func(c *code, args []local) {
		count, rate := c.Local(asm.F32), c.Local(asm.F32)
		c.Get(args[1])
		c.Op(asm.F32ConvS)
		c.Set(count)
		s.change(c, params, u, rate, func() { c.Get(args[0]) }, func(p Parameter) int64 {
			gradientArguments(c, p)
			c.I32(p.Value)
			c.Get(count)
			return gradientTrips(p)
		})
		c.I32(0)
	})
}

// innerUpdate emits the function that updates a tensor by its gradient: gradientParams, the address of the values, the
// count and the rate (f32), the addresses of the slots. It returns what update does.
func (e *Emitter) innerUpdate(name string, s Step, trips int64, as treatment) Fn {
	params := append(append([]asm.ValType(nil), gradientParams...), asm.I32, asm.F32, asm.F32)
	for range s.Rule.Slots {
		params = append(params, asm.I32)
	}
	return e.Define(name, params, as.results(), func(c *code, p []local) {
		row, rows, cols, stride := p[0], p[1], p[2], p[3]
		next := append([]local{p[4]}, p[7:]...) // the stored tensors' next rows
		t := tensorUpdate{Update: s.updateCode(c), stored: c.Locals(asm.I32, len(next)), treatment: as}
		t.Rate = p[6]
		t.gradient = func(offset int) { c.Load(asm.V128Load, row, offset) }
		t.prepare(s, p[5])
		walk(c, trips, row, rows, cols, stride, func() {
			for i, l := range next {
				c.Get(l)
				c.Set(t.stored[i])
				c.Get(l, cols)
				c.I32(2)
				c.Op(asm.I32Shl, asm.I32Add)
				c.Set(l)
			}
		}, t.vector, func(bytes int) {
			for _, l := range t.stored {
				c.AddTo(l, bytes)
			}
		})
		t.result()
	})
}

// Delta emits what ends a microbatch of local steps: by how much the parameters differ from what they were takes the place
// of the gradients. The copy of what they were, at the address before, has the same distances from tensor to tensor.
func (e *Emitter) Delta(params []Parameter, before int) Fn {
	longest := int64(1)
	for _, p := range params {
		longest = max(longest, gradientTrips(p))
	}
	tensor := e.delta(longest)
	return e.Define("delta", nil, nil, func(c *code, _ []local) {
		for _, p := range params {
			gradientArguments(c, p)
			c.I32(p.Value)
			c.I32(before + p.Value - params[0].Value)
			c.Call(tensor.Index, 1+gradientTrips(p))
		}
	})
}

// delta emits the function that does so for a tensor: gradientParams, the addresses of the values and of those before.
func (e *Emitter) delta(trips int64) Fn {
	params := append(append([]asm.ValType(nil), gradientParams...), asm.I32, asm.I32)
	return e.Define("delta.tensor", params, nil, func(c *code, p []local) {
		row, rows, cols, stride, values, before := p[0], p[1], p[2], p[3], p[4], p[5]
		nextRow := c.Local(asm.I32) // bytes of the values of a row
		c.Get(cols)
		c.I32(2)
		c.Op(asm.I32Shl)
		c.Set(nextRow)
		from := c.Locals(asm.I32, 2)
		walk(c, trips, row, rows, cols, stride, func() {
			for i, l := range []local{values, before} {
				c.Get(l)
				c.Tee(from[i])
				c.Get(nextRow)
				c.Op(asm.I32Add)
				c.Set(l)
			}
		}, func(offset int, _ *local) { // what is stored behind a row's last value is padding
			c.Get(row)
			c.Load(asm.V128Load, from[1], offset)
			c.Load(asm.V128Load, from[0], offset)
			c.Op(asm.F32x4Sub)
			c.Mem(asm.V128Store, offset)
		}, func(bytes int) {
			for _, l := range from {
				c.AddTo(l, bytes)
			}
		})
	})
}
