package kernel

import (
	"math"

	asm "github.com/reprise-ml/reprise/wasm/module"
)

// tiny is the bits of 2^−100. Smaller magnitudes are stored as +0: decaying state would else end in subnormal numbers,
// which are slow everywhere and flushed in some processes.
const tiny = (floatBias - 100) << mantissa

// updateUnroll is how many values a pass of the update's main loop takes.
const updateUnroll = 8

func updateTrips(values int) int64 { return int64(values/updateUnroll + updateUnroll/4) }

// update emits the function that updates a tensor: the addresses of values and sums, their number, the address of the
// exponent, the count and the rate (f32), the addresses of the slots. It returns the largest magnitude of
// what it stored, as bits, which order like integers with infinities and NaNs at the end.
func (e *Emitter) update(name string, s Step, longest int, as treatment) Fn {
	params := []asm.ValType{asm.I32, asm.I32, asm.I32, asm.I32, asm.F32, asm.F32}
	for range s.Rule.Slots {
		params = append(params, asm.I32)
	}
	return e.Define(name, params, as.results(), func(c *code, p []local) {
		left, stored := p[2], append([]local{p[0]}, p[6:]...)
		t := tensorUpdate{Update: s.updateCode(c), stored: stored, treatment: as}
		t.Rate = p[5]
		sums, unscale := p[1], t.unscale(s.Bits, p[3])
		t.gradient = func(offset int) {
			c.Load(asm.V128Load, sums, offset)
			c.Op(asm.F32x4ConvS)
			c.Get(unscale)
			c.Op(asm.F32x4Mul)
		}
		t.prepare(s, p[4])
		pointers := append([]local{sums}, stored...)
		// loop goes on while at least so many values are left.
		loop := func(trips, vectors, least int, body func(offset int)) {
			c.Repeat(trips, func() {
				// The highest address first: runtimes then drop the bounds checks of the others.
				for i := vectors - 1; i >= 0; i-- {
					body(16 * i)
				}
				for _, l := range pointers {
					c.AddTo(l, 16*vectors)
				}
				c.AddTo(left, -4*vectors)
				c.Get(left)
				c.I32(least)
				c.Op(asm.I32GeS)
			})
		}
		c.Get(left)
		c.I32(updateUnroll)
		c.Op(asm.I32GeS)
		c.If(func() {
			loop(max(longest/updateUnroll, 1), updateUnroll/4, updateUnroll, func(offset int) { t.vector(offset, nil) })
		})
		mask := c.Local(asm.V128)
		c.Get(left)
		c.If(func() {
			loop(updateUnroll/4, 1, 1, func(offset int) {
				c.Get(left)
				lanesBelow(c)
				c.Set(mask)
				t.vector(offset, &mask)
			})
		})
		t.result()
	})
}

// tensorUpdate is the state of emitting the update of one tensor.
type tensorUpdate struct {
	*Update
	treatment
	stored   []local          // addresses: values, then slots
	gradient func(offset int) // pushes four values of what is divided by count

	count, magnitude, least, most local
	clip, regularise, change      func(x Values)
	values                        Values
	squares                       squares
}

// treatment is what an update does to a tensor beside its rule.
type treatment struct {
	decayed    bool // the tensor is not a bias
	regularise bool // L1 and L2 are added to its gradient
	measure    bool // nothing is stored: the result is two sums of squares
	raw        bool // of a measurement: the gradient's as it is, before it is clipped
}

// results of the function: the largest magnitude of what it stored as bits, or the sums.
func (a treatment) results() []asm.ValType {
	if a.measure {
		return []asm.ValType{asm.F64, asm.F64}
	}
	return []asm.ValType{asm.I32}
}

// unscale emits 2^−s, by which sums are multiplied.
func (t *tensorUpdate) unscale(bits int, exponent local) local {
	unscale := t.Local(asm.F32)
	t.Load(asm.I32Load, exponent, 0)
	t.I32(NoExponent)
	t.Op(asm.I32Ne)
	t.If(func() { // else 0: without an exponent, nothing was added
		t.I32(floatBias)
		scaleExponent(t.Code, bits, exponent)
		t.Op(asm.I32Sub)
		t.I32(mantissa)
		t.Op(asm.I32Shl, asm.F32RefI32)
		t.Set(unscale)
	})
	return t.Splat(func() { t.Get(unscale) })
}

// prepare emits what comes before the loop.
func (t *tensorUpdate) prepare(s Step, count local) {
	t.count = t.Splat(func() { t.Get(count) })
	t.Decayed = t.decayed
	t.clip, t.regularise, t.change = func(Values) {}, func(Values) {}, func(Values) {}
	if t.measure {
		t.squares = newSquares(t.Code)
	}
	if !t.raw {
		t.rules(s)
	}
	t.values = Values{W: t.Local(asm.V128), G: t.Local(asm.V128), Slots: t.Locals(asm.V128, len(s.Rule.Slots))}
}

// rules emits what the parts of a change need once.
func (t *tensorUpdate) rules(s Step) {
	if t.measure {
		t.clip = s.clip(t.Update)
		if t.treatment.regularise {
			t.regularise = regularisation(t.Update)
		}
		t.change = s.Rule.Measure(t.Update)
		return
	}
	t.magnitude, t.least, t.most = t.Local(asm.V128), t.Local(asm.V128), t.Local(asm.V128)
	t.I32x4(absMask)
	t.Set(t.magnitude)
	t.I32x4(tiny - 1)
	t.Set(t.least)
	t.clip = s.clip(t.Update)
	if t.treatment.regularise {
		t.regularise = regularisation(t.Update)
	}
	t.change = s.Rule.Tensor(t.Update)
}

// result pushes what the function returns.
func (t *tensorUpdate) result() {
	if t.measure {
		t.squares.push()
		return
	}
	foldLanes(t.Code, t.most, asm.I32x4MaxS)
}

// regularisation emits G ← (G + l2·w) + l1·sign(w), where the sign of ±0 is 0.
func regularisation(u *Update) func(x Values) {
	l1, l2 := u.SplatHyper(L1), u.SplatHyper(L2)
	return func(x Values) {
		u.Get(x.G, l2, x.W)
		u.Op(asm.F32x4Mul, asm.F32x4Add)
		u.Get(x.W)
		u.I32x4(math.MinInt32)
		u.Op(asm.V128And)
		u.Get(l1)
		u.Op(asm.V128Or)
		u.Get(x.W)
		u.F32x4(0)
		u.Op(asm.F32x4Ne, asm.V128And, asm.F32x4Add)
		u.Set(x.G)
	}
}

// vector emits the update of four values. With a mask, lanes outside of it keep what is in memory there.
func (t *tensorUpdate) vector(offset int, mask *local) {
	x := t.values
	t.gradient(offset)
	t.Get(t.count)
	t.Op(asm.F32x4Div)
	t.Set(x.G)
	locals := append([]local{x.W}, x.Slots...)
	for i, l := range locals {
		t.Load(asm.V128Load, t.stored[i], offset)
		t.Set(l)
	}
	t.clip(x)
	t.regularise(x)
	t.change(x)
	if t.measure {
		t.squares.add(x, mask)
		return
	}
	for i, l := range locals {
		t.store(t.stored[i], l, offset, mask)
	}
}

// store emits x ← +0 where |x| < 2^−100, keeps the largest magnitude, and stores x.
func (t *tensorUpdate) store(addr, x local, offset int, mask *local) {
	magnitude := t.values.G
	t.Get(x, t.magnitude)
	t.Op(asm.V128And)
	if mask != nil {
		t.Get(*mask)
		t.Op(asm.V128And)
	}
	t.Tee(magnitude)
	t.Get(t.most)
	t.Op(asm.I32x4MaxS)
	t.Set(t.most)

	t.Get(addr, x, magnitude, t.least)
	t.Op(asm.I32x4GtS, asm.V128And)
	if mask != nil {
		t.Load(asm.V128Load, addr, offset)
		t.Get(*mask)
		t.Op(asm.V128Bitsel)
	}
	t.Mem(asm.V128Store, offset)
}
