package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// maskFill is the code that fills a dropout mask: for each element of each example 0, with the probability rate, or
// else 1/(1 − rate), so that expected values stay what they are (Srivastava et al., "Dropout", 2014, inverted).
//
// Element i of the microbatch's example n is dropped where the number u < rate; u is the uniform number of word i mod 4
// of the counter (n·⌈elements/4⌉ + i/4, PurposeDropout + layer, microbatch mod 2^32, step mod 2^32). Tiles and layouts do
// not show in it.
type maskFill struct {
	c    *code
	mask Buffer
	rate float32
	// value pushes what becomes of element i of four, given their words.
	value func(i int)

	word      [4]local // v128: the words of four counters
	counters  local    // v128: first words of the next four counters
	constants [3]local // v128: their other words
	p         local    // i32: offset in the mask
}

// DropoutMask emits the function that fills the mask of a tile; layer tells the streams of an engine's layers apart. The
// mask has no halo; the rate is below 1.
func (e *Emitter) DropoutMask(name string, mask Buffer, rate float32, layer int, x Context) Fn {
	return e.Define(name, nil, nil, func(c *code, _ []local) {
		f := newMaskFill(c, mask, layer, x)
		f.rate = rate
		f.value = func(i int) { f.factors(f.word[i]) }
		if mask.Layout == Rows {
			f.rows(x)
		} else {
			f.sites(x)
		}
	})
}

// newMaskFill has the words of a layer's stream.
func newMaskFill(c *code, mask Buffer, layer int, x Context) *maskFill {
	f := &maskFill{c: c, mask: mask}
	f.word = [4]local(c.Locals(asm.V128, 4))
	f.constants = [3]local(c.Locals(asm.V128, 3))
	f.counters, f.p = c.Local(asm.V128), c.Local(asm.I32)
	c.I32x4(int32(PurposeDropout | layer))
	c.Set(f.constants[0])
	for i, addr := range []int{x.Microbatch, x.Step} {
		c.I32(addr)
		c.Mem(asm.V128Splat32, 0)
		c.Set(f.constants[1+i])
	}
	return f
}

// start sets the counters to those of four examples or of four consecutive quads, apart by so much, from an example of the
// tile on (nil is the first).
func (f *maskFill) start(x Context, example *local, apart int) {
	c := f.c
	c.I32(x.Example)
	c.Mem(asm.I32Load, 0)
	if example != nil {
		c.Get(*example)
		c.Op(asm.I32Add)
	}
	c.I32(f.quads())
	c.Op(asm.I32Mul, asm.I32x4Splat)
	c.Vector([4]uint32{0, uint32(apart), uint32(2 * apart), uint32(3 * apart)})
	c.Op(asm.I32x4Add)
	c.Set(f.counters)
}

// quads is the number of counters that an example takes.
func (f *maskFill) quads() int { return (f.mask.Elements() + 3) / 4 }

// draw sets the words to those of the next four counters and adds a step to these.
func (f *maskFill) draw(x Context, step int) {
	c := f.c
	c.Get(f.counters)
	c.Tee(f.word[0])
	c.I32x4(int32(step))
	c.Op(asm.I32x4Add)
	c.Set(f.counters)
	for i, k := range f.constants {
		c.Get(k)
		c.Set(f.word[1+i])
	}
	philoxVectors(c, f.word, x.Seed)
}

// factors pushes what four words drop or keep.
func (f *maskFill) factors(words local) {
	c := f.c
	uniforms(c, words)
	c.F32x4(f.rate)
	c.Op(asm.F32x4Ge)
	c.F32x4(1 / (1 - f.rate))
	c.Op(asm.V128And)
}

// rows fills four vectors of a row at a time; what they reach behind its last element is padding, too.
func (f *maskFill) rows(x Context) {
	c := f.c
	example, q := c.Local(asm.I32), c.Local(asm.I32)
	c.For(example, 0, f.mask.Lanes, 1, func() {
		f.start(x, &example, 1)
		scaled(c, example, f.mask.Stride())
		c.Set(f.p)
		c.For(q, 0, (f.quads()+3)/4, 1, func() {
			f.draw(x, 4)
			transpose4(c, f.word)
			for i := 3; i >= 0; i-- {
				c.Get(f.p)
				f.factors(f.word[i])
				c.Mem(asm.V128Store, f.mask.Addr+16*i)
			}
			c.AddTo(f.p, 64)
		})
	})
	c.Release(example, q)
}

// sites fills four sites of four examples at a time, and then those that are left.
func (f *maskFill) sites(x Context) {
	c := f.c
	lane, q, site := c.Local(asm.I32), c.Local(asm.I32), f.mask.Site()
	four := func(sites int) {
		f.draw(x, 1)
		for i := sites - 1; i >= 0; i-- {
			c.Get(f.p)
			f.value(i)
			c.Mem(asm.V128Store, f.mask.Addr+i*site)
		}
		c.AddTo(f.p, 4*site)
	}
	whole, rest := f.mask.Elements()/4, f.mask.Elements()%4
	f.start(x, nil, f.quads())
	c.For(lane, 0, site, 16, func() {
		c.Get(lane)
		c.Set(f.p)
		if whole > 0 {
			c.For(q, 0, whole, 1, func() { four(4) })
		}
		if rest > 0 {
			four(rest)
		}
		// From the end of four examples to the start of the next four.
		c.Get(f.counters)
		c.I32x4(int32(3 * f.quads()))
		c.Op(asm.I32x4Add)
		c.Set(f.counters)
	})
}
