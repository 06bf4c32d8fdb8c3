package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Input is the copy of a tile's records from the region input into the model's first buffer, as x·scale + offset in f32.
type Input struct {
	Region int // address of the region: rows of RecordBytes
	DType  string
	Out    Buffer
	First  int // address of an i32: the tile's first example
	// Scale and Offset have one value, or one for each element of an example. Scales and Offsets are the addresses of
	// the latter's tables in memory.
	Scale, Offset   []float32
	Scales, Offsets int
}

func (in Input) recordBytes() int {
	return schema.DTypeSize(in.DType) * in.Out.Elements()
}

// normalize turns the vector on the stack, of elements at the byte offset of a table, into x·scale + offset. load reads
// a table: four elements side by side in Rows, one element spread in Sites.
func (in Input) normalize(c *code, load asm.Op, table local, offset int) {
	if len(in.Scale) > 1 {
		c.Load(load, table, in.Scales+offset)
		c.Op(asm.F32x4Mul)
		c.Load(load, table, in.Offsets+offset)
		c.Op(asm.F32x4Add)
		return
	}
	if in.Scale[0] != 1 {
		c.F32x4(in.Scale[0])
		c.Op(asm.F32x4Mul)
	}
	if in.Offset[0] != 0 {
		c.F32x4(in.Offset[0])
		c.Op(asm.F32x4Add)
	}
}

// Emit emits the copy. Zeros of a halo are written too, so that nothing of an earlier call shows.
func (in Input) Emit(e *Emitter) Fn {
	return *e.define("input", func(c *code) {
		from := c.Local(asm.I32)
		c.I32(in.First)
		c.Mem(asm.I32Load, 0)
		c.I32(in.recordBytes())
		c.Op(asm.I32Mul)
		c.Set(from)
		if in.Out.Layout == Rows {
			in.rows(c, from)
		} else {
			in.sites(c, from)
		}
		c.Release(from)
	})
}

func (in Input) rows(c *code, from local) {
	n := in.Out.Elements()
	example, i, p, to := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	size := in.recordBytes() / n
	c.For(example, 0, in.Out.Lanes, 1, func() {
		c.Get(from)
		scaled(c, example, in.recordBytes())
		c.Op(asm.I32Add)
		c.Set(p)
		c.For(i, 0, roundUp(n, 4)*4, 16, func() { // the last vector may read behind the record; that is padding then
			scaled(c, example, in.Out.Stride())
			c.Get(i)
			c.Op(asm.I32Add)
			c.Set(to)
			c.Get(to)
			switch in.DType {
			case "u8":
				c.Load(asm.V128Load32Z, p, in.Region)
				c.Op(asm.I16x8ExtLU, asm.I32x4ExtLU, asm.F32x4ConvS)
			case "u16":
				c.Load(asm.V128Load64Z, p, in.Region)
				c.Op(asm.I32x4ExtLU, asm.F32x4ConvS)
			default:
				c.Load(asm.V128Load, p, in.Region)
			}
			in.normalize(c, asm.V128Load, i, 0)
			c.Mem(asm.V128Store, in.Out.Addr)
			c.AddTo(p, 4*size)
		})
	})
	c.Release(example, i, p, to)
}

func (in Input) sites(c *code, from local) {
	h, w, ch := hwc(in.Out.Shape)
	site, record := in.Out.Site(), in.recordBytes()
	rowElements := w * ch
	if in.Out.Halo != (Halo{}) {
		c.MemFill(in.Out.Addr, in.Out.Bytes()-slack)
	} else {
		h, rowElements = 1, h*rowElements
	}
	size := record / in.Out.Elements()
	y, x, lane := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	p, to, table := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	v := [4]local(c.Locals(asm.V128, 4))
	block := func(elements int) { // elements x … x+elements−1 of row y
		c.For(lane, 0, in.Out.Lanes, 4, func() {
			// p = from + (y·rowElements + x)·size + lane·record, table = (y·rowElements + x)·4
			scaled(c, y, rowElements)
			c.Get(x)
			c.Op(asm.I32Add)
			c.Tee(table)
			c.I32(size)
			c.Op(asm.I32Mul)
			scaled(c, lane, record)
			c.Op(asm.I32Add)
			c.Get(from)
			c.Op(asm.I32Add)
			c.Set(p)
			scaled(c, table, 4)
			c.Set(table)
			// to = y·rowSites·site + x·site + lane·4
			scaled(c, y, in.Out.rowSites()*site)
			scaled(c, x, site)
			c.Op(asm.I32Add)
			scaled(c, lane, 4)
			c.Op(asm.I32Add)
			c.Set(to)
			in.load4(c, p, v, record)
			for i := range elements {
				c.Get(to, v[i])
				in.normalize(c, asm.V128Splat32, table, 4*i)
				c.Mem(asm.V128Store, in.Out.origin()+i*site)
			}
		})
	}
	c.For(y, 0, h, 1, func() {
		if whole := rowElements / 4 * 4; whole > 0 {
			c.For(x, 0, whole, 4, func() { block(4) })
		}
		if rest := rowElements % 4; rest > 0 {
			c.SetI32(x, rowElements-rest)
			block(rest)
		}
	})
	c.Release(y, x, lane, p, to, table)
	c.Release(v[:]...)
}

// load4 loads four elements of four records at p as f32, the records in the lanes.
func (in Input) load4(c *code, p local, v [4]local, record int) {
	if in.DType != "u8" {
		for i, x := range v {
			if in.DType == "u16" {
				c.Load(asm.V128Load64Z, p, in.Region+i*record)
				c.Op(asm.I32x4ExtLU, asm.F32x4ConvS)
			} else {
				c.Load(asm.V128Load, p, in.Region+i*record)
			}
			c.Set(x)
		}
		transpose4(c, v)
		return
	}
	b := c.Local(asm.V128)
	c.Load(asm.V128Load32Z, p, in.Region)
	c.Set(b)
	for i := 1; i < 4; i++ {
		c.Get(p, b)
		c.MemLane(asm.V128LoadL32, in.Region+i*record, byte(i))
		c.Set(b)
	}
	c.Get(b, b)
	c.Shuffle8([16]byte{0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15})
	c.Set(b)
	for i, x := range v {
		c.Get(b)
		c.Op([...]asm.Op{asm.I16x8ExtLU, asm.I16x8ExtHU}[i/2], [...]asm.Op{asm.I32x4ExtLU, asm.I32x4ExtHU}[i%2], asm.F32x4ConvS)
		c.Set(x)
	}
	c.Release(b)
}
