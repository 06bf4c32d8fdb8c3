package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Augment changes the records of a tile at random before training sees them: a list of changes, each on its own, one after
// the other. They work on stored values, before normalisation, so that black is 0. Evaluation and prediction see records as
// they are.
//
// The change at place k of the list draws, for example n of the microbatch, the words w₀ … w₃ of the counter (n,
// PurposeAugment + k, microbatch mod 2^32, step mod 2^32). A number below N is drawn as ⌊w·N / 2^32⌋.
//
//	crop        pads by p pixels of 0 on each side and cuts the old size out: dy = (w₀ below 2p_h + 1) − p_h, dx likewise of
//	            w₁; pixel (y, x) becomes what was at (y + dy, x + dx)
//	flip        mirrors the image if w₀ >> 8 < probability·2^24
//	cutout      sets a rectangle to 0, whose middle is the pixel (w₀ below h, w₁ below w); what is outside the image is lost
//	            (DeVries, Taylor: "Improved regularization of convolutional neural networks with cutout", 2017)
//	brightness  v ← v·f, f = 1 + delta·(2u − 1) with the uniform number u of w₀
//	contrast    v ← m + (v − m)·f, m the mean of all values of the record, summed in f64 in their order
//
// Bytes are rounded to nearest even and kept within 0 … 255.
type Augment struct {
	Changes []schema.Component // of the vocabulary, resolved
	Region  int                // address of the records
	DType   string
	Shape   []int // of a record
	Lanes   int
	// Scratch: the tile's changed records, a record for the time of a change, and an i32 that is 0.
	Work, Spare, Zero int
	Context           Context
}

// Names of changes.
const (
	crop       = "crop"
	flip       = "flip"
	cutout     = "cutout"
	brightness = "brightness"
	contrast   = "contrast"
	horizontal = "horizontal"
	vertical   = "vertical"
)

// Augmentations of the vocabulary.
func Augmentations() []schema.Declaration {
	delta := func(what string) []schema.Attribute {
		return []schema.Attribute{{Name: "delta", Kind: schema.Number, Min: schema.AtLeast(0), Max: schema.AtMost(1), Doc: what}}
	}
	return []schema.Declaration{
		{Name: crop, Doc: "Pads the image with zeros and cuts its old size out at random: shifts it.", Attributes: []schema.Attribute{
			{Name: "padding", Kind: schema.Padding, Doc: "Pixels on each side."},
		}},
		{Name: flip, Doc: "Mirrors the image, or does not.", Attributes: []schema.Attribute{
			{Name: "direction", Kind: schema.Choice, Default: horizontal, Choices: []string{horizontal, vertical}, Doc: "Horizontally swaps left and right."},
			{Name: "probability", Kind: schema.Number, Default: 0.5, Min: schema.AtLeast(0), Max: schema.AtMost(1), Doc: "How often."},
		}},
		{Name: cutout, Doc: "Sets a rectangle somewhere in the image to zero.", Attributes: []schema.Attribute{
			{Name: "size", Kind: schema.Size, Doc: "Height and width of the rectangle."},
		}},
		{Name: brightness, Doc: "Multiplies all values of a record by a factor.", Attributes: delta("Factors are between 1 - delta and 1 + delta.")},
		{Name: contrast, Doc: "Multiplies the distances from the mean of the record by a factor.", Attributes: delta("Factors are between 1 - delta and 1 + delta.")},
	}
}

// CheckAugmentation tells what of a change, which is resolved, does not suit inputs of a shape.
func CheckAugmentation(path string, change schema.Component, shape []int) []schema.Problem {
	problem := func(attribute, format string, args ...any) []schema.Problem {
		return []schema.Problem{{Path: path + "." + change.Kind + attribute, Message: fmt.Sprintf(format, args...)}}
	}
	if change.Kind == brightness || change.Kind == contrast {
		return nil
	}
	if len(shape) != 3 {
		return problem("", "needs images, [height, width, channels]; the input has the shape %v", shape)
	}
	a := schema.Attributes(change.Attributes)
	switch change.Kind {
	case crop:
		if mode, h, w := a.Padding("padding"); mode != "" {
			return problem(".padding", "%q is not a number of pixels", mode)
		} else if h > shape[0] || w > shape[1] {
			return problem(".padding", "%d × %d is more than the image, %d × %d", h, w, shape[0], shape[1])
		}
	case cutout:
		if h, w := a.Size("size"); h > shape[0] || w > shape[1] {
			return problem(".size", "%d × %d is more than the image, %d × %d", h, w, shape[0], shape[1])
		}
	}
	return nil
}

// Bytes of the areas Work and Spare.
func (g Augment) Bytes() (work, spare int) {
	return g.Lanes*g.record() + slack, g.record() + slack
}

func (g Augment) element() int { return schema.DTypeSize(g.DType) }
func (g Augment) record() int  { return schema.Elements(g.Shape) * g.element() }

// Emit emits: the tile's records → Work, changed.
func (g Augment) Emit(e *Emitter) Fn {
	var changes []Fn
	for i, change := range g.Changes {
		changes = append(changes, g.change(e, i, change))
	}
	return *e.define("augment", func(c *code) {
		example, lane, at := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
		c.I32(g.Zero)
		c.I32(0)
		c.Mem(asm.I32Store, 0)
		c.I32(g.Work)
		c.I32(g.Context.Example)
		c.Mem(asm.I32Load, 0)
		c.Tee(example)
		c.I32(g.record())
		c.Op(asm.I32Mul)
		c.I32(g.Region)
		c.Op(asm.I32Add)
		c.MemCopy(g.Lanes * g.record())
		c.SetI32(at, g.Work)
		c.For(lane, 0, g.Lanes, 1, func() {
			for _, f := range changes {
				c.Get(at, example)
				call(c, f)
			}
			c.AddTo(at, g.record())
			c.AddTo(example, 1)
		})
	})
}

// change emits (address of the record, number of the example).
func (g Augment) change(e *Emitter, place int, change schema.Component) Fn {
	a := schema.Attributes(change.Attributes)
	return e.Define(fmt.Sprintf("augment.%d.%s", place, change.Kind), []asm.ValType{asm.I32, asm.I32}, nil, func(c *code, p []local) {
		w := c.Locals(asm.I32, 2)
		c.Get(p[1])
		c.I32(PurposeAugment | place)
		for _, addr := range []int{g.Context.Microbatch, g.Context.Step} {
			c.I32(addr)
			c.Mem(asm.I32Load, 0)
		}
		call(c, e.Random)
		c.Op(asm.Drop, asm.Drop)
		c.Set(w[1])
		c.Set(w[0])
		switch change.Kind {
		case crop:
			_, h, width := a.Padding("padding")
			g.crop(c, p[0], w, h, width)
		case flip:
			c.Get(w[0])
			c.I32(8)
			c.Op(asm.I32ShrU)
			c.I32(int(a.Float("probability") * (1 << 24)))
			c.Op(asm.I32LtU)
			c.If(func() {
				if a.Text("direction") == vertical {
					g.flipRows(c, p[0])
				} else {
					g.flipColumns(c, p[0])
				}
			})
		case cutout:
			h, width := a.Size("size")
			g.cutout(c, p[0], w, h, width)
		case brightness, contrast:
			g.factor(c, p[0], w[0], Single(a.Float("delta")), change.Kind == contrast)
		}
	})
}

// below replaces a random word by a number below n.
func below(c *code, word local, n int) {
	c.Get(word)
	c.Op(asm.I64ExtU)
	c.I64(int64(n))
	c.Op(asm.I64Mul)
	c.I64(32)
	c.Op(asm.I64ShrU, asm.I32Wrap)
	c.Set(word)
}

// pixel and row are bytes.
func (g Augment) pixel() int { return g.Shape[2] * g.element() }
func (g Augment) row() int   { return g.Shape[1] * g.pixel() }

func (g Augment) crop(c *code, at local, w []local, padHeight, padWidth int) {
	y, from, to, bytes := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	for i, pad := range []int{padHeight, padWidth} {
		below(c, w[i], 2*pad+1)
		c.AddTo(w[i], -pad)
	}
	dy, dx := w[0], w[1]
	c.I32(g.Spare)
	c.Get(at)
	c.MemCopy(g.record())
	c.Get(at)
	c.I32(0)
	c.I32(g.record())
	c.Fill(g.record())
	// from and to are the offsets in a row, at max(dx, 0) and max(−dx, 0); what they have in common is bytes long.
	clamp := func(sign int) {
		c.I32(sign * g.pixel())
		c.Get(dx)
		c.Op(asm.I32Mul)
		c.Tee(bytes)
		c.I32(0)
		c.Get(bytes)
		c.I32(0)
		c.Op(asm.I32GtS, asm.Select)
	}
	clamp(1)
	c.Set(from)
	clamp(-1)
	c.Set(to)
	c.I32(g.row())
	c.Get(from, to)
	c.Op(asm.I32Add, asm.I32Sub)
	c.Set(bytes)
	c.Get(to, at)
	c.Op(asm.I32Add)
	c.Set(to)
	c.Get(from, dy)
	c.I32(g.row())
	c.Op(asm.I32Mul, asm.I32Add)
	c.Set(from)
	c.For(y, 0, g.Shape[0], 1, func() {
		c.Get(y, dy)
		c.Op(asm.I32Add)
		c.I32(g.Shape[0])
		c.Op(asm.I32LtU)
		c.If(func() {
			c.Get(to, from)
			c.I32(g.Spare)
			c.Op(asm.I32Add)
			c.Get(bytes)
			c.Copy(g.row())
		})
		for _, l := range []local{from, to} {
			c.AddTo(l, g.row())
		}
	})
}

func (g Augment) flipRows(c *code, at local) {
	if g.Shape[0] < 2 {
		return
	}
	top, bottom, y := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	move := func(to, from func()) {
		to()
		from()
		c.MemCopy(g.row())
	}
	spare := func() { c.I32(g.Spare) }
	c.Get(at)
	c.Set(top)
	c.Get(at)
	c.I32((g.Shape[0] - 1) * g.row())
	c.Op(asm.I32Add)
	c.Set(bottom)
	c.For(y, 0, g.Shape[0]/2, 1, func() {
		move(spare, func() { c.Get(top) })
		move(func() { c.Get(top) }, func() { c.Get(bottom) })
		move(func() { c.Get(bottom) }, spare)
		c.AddTo(top, g.row())
		c.AddTo(bottom, -g.row())
	})
}

func (g Augment) flipColumns(c *code, at local) {
	if g.Shape[1] < 2 {
		return
	}
	load, store := asm.I32Load, asm.I32Store
	if g.element() == 1 {
		load, store = asm.I32Load8U, asm.I32Store8
	}
	row, left, right, x, y, k, v := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	c.Get(at)
	c.Set(row)
	c.For(y, 0, g.Shape[0], 1, func() {
		c.Get(row)
		c.Set(left)
		c.Get(row)
		c.I32(g.row() - g.pixel())
		c.Op(asm.I32Add)
		c.Set(right)
		c.For(x, 0, g.Shape[1]/2, 1, func() {
			c.For(k, 0, g.Shape[2], 1, func() {
				c.Load(load, left, 0)
				c.Set(v)
				c.Get(left)
				c.Load(load, right, 0)
				c.Mem(store, 0)
				c.Get(right, v)
				c.Mem(store, 0)
				c.AddTo(left, g.element())
				c.AddTo(right, g.element())
			})
			c.AddTo(right, -2*g.pixel())
		})
		c.AddTo(row, g.row())
	})
}

func (g Augment) cutout(c *code, at local, w []local, height, width int) {
	first, last := [2]local(c.Locals(asm.I32, 2)), [2]local(c.Locals(asm.I32, 2))
	for i, size := range []int{height, width} {
		limit := g.Shape[i]
		below(c, w[i], limit)
		c.AddTo(w[i], -(size / 2))
		// last = min(limit, w + size), first = max(0, w)
		c.Get(w[i])
		c.I32(size)
		c.Op(asm.I32Add)
		c.Tee(last[i])
		c.I32(limit)
		c.Get(last[i])
		c.I32(limit)
		c.Op(asm.I32LtS, asm.Select)
		c.Set(last[i])
		c.Get(w[i])
		c.I32(0)
		c.Get(w[i])
		c.I32(0)
		c.Op(asm.I32GtS, asm.Select)
		c.Set(first[i])
	}
	to, bytes := c.Local(asm.I32), c.Local(asm.I32)
	c.Get(last[1], first[1])
	c.Op(asm.I32Sub)
	c.I32(g.pixel())
	c.Op(asm.I32Mul)
	c.Set(bytes)
	scaled(c, first[0], g.row())
	scaled(c, first[1], g.pixel())
	c.Op(asm.I32Add)
	c.Get(at)
	c.Op(asm.I32Add)
	c.Set(to)
	c.Repeat(height, func() { // the middle is in the image, so there is a row at least
		c.Get(to)
		c.I32(0)
		c.Get(bytes)
		c.Fill(g.row())
		c.AddTo(to, g.row())
		c.AddTo(first[0], 1)
		c.Get(first[0], last[0])
		c.Op(asm.I32LtS)
	})
}

func (g Augment) factor(c *code, at, word local, delta float32, aroundMean bool) {
	factor, mean, sum, p, i := c.Local(asm.F32), c.Local(asm.F32), c.Local(asm.F64), c.Local(asm.I32), c.Local(asm.I32)
	n := schema.Elements(g.Shape)
	value := func() {
		if g.element() == 1 {
			c.Load(asm.I32Load8U, p, 0)
			c.Op(asm.F32ConvS)
		} else {
			c.Load(asm.F32Load, p, 0)
		}
	}
	each := func(body func()) {
		c.Get(at)
		c.Set(p)
		c.For(i, 0, n, 1, func() {
			body()
			c.AddTo(p, g.element())
		})
	}
	// factor = 1 + delta·(2u − 1)
	c.F32(1)
	c.F32(delta)
	c.Get(word)
	c.I32(8)
	c.Op(asm.I32ShrU, asm.F32ConvS)
	c.F32(0x1p-23)
	c.Op(asm.F32Mul)
	c.F32(1)
	c.Op(asm.F32Sub, asm.F32Mul, asm.F32Add)
	c.Set(factor)
	if aroundMean {
		c.F64(0)
		c.Set(sum)
		each(func() {
			c.Get(sum)
			value()
			c.Op(asm.F64Promot, asm.F64Add)
			c.Set(sum)
		})
		c.Get(sum)
		c.F64(float64(n))
		c.Op(asm.F64Div, asm.F32Demote)
		c.Set(mean)
	}
	each(func() {
		c.Get(p)
		if aroundMean {
			c.Get(mean)
			value()
			c.Get(mean)
			c.Op(asm.F32Sub)
			c.Get(factor)
			c.Op(asm.F32Mul, asm.F32Add)
		} else {
			value()
			c.Get(factor)
			c.Op(asm.F32Mul)
		}
		if g.element() != 1 {
			c.Mem(asm.F32Store, 0)
			return
		}
		c.F32(0)
		c.Op(asm.F32Max)
		c.F32(255)
		c.Op(asm.F32Min, asm.F32Near, asm.I32SatF32S)
		c.Mem(asm.I32Store8, 0)
	})
}
