package module

import "math"

// The items of which the sections of a module are lists (5.5.4 to 5.5.14).

func (c *cursor) funcType() FuncType {
	if b := c.byte(); b != 0x60 {
		c.fail("0x%02x is not a function type", b)
	}
	return FuncType{Params: c.valTypes(), Results: c.valTypes()}
}

func (c *cursor) importEntry() Import {
	im := Import{Module: c.name(), Name: c.name(), Kind: c.byte()}
	start := c.pos
	switch im.Kind {
	case KindFunc:
		c.u32()
	case KindTable:
		c.table()
	case KindMemory:
		c.memory()
	case KindGlobal:
		c.valType()
		c.flag()
	default:
		c.fail("import %q %q is of unknown kind %d", im.Module, im.Name, im.Kind)
	}
	if c.err == nil {
		im.Type = c.data[start:c.pos]
	}
	return im
}

func (c *cursor) table() Table {
	t := Table{Element: c.byte()}
	if t.Element != 0x70 && t.Element != 0x6f {
		c.fail("0x%02x is not a reference type", t.Element)
	}
	t.Min, t.Max, t.HasMax = c.limits(math.MaxUint32)
	return t
}

func (c *cursor) memory() Memory {
	const maxPages = 1 << 16 // 4 GiB
	var m Memory
	m.Min, m.Max, m.HasMax = c.limits(maxPages)
	return m
}

func (c *cursor) limits(most uint32) (lo, hi uint32, hasMax bool) {
	switch b := c.byte(); b {
	case 0:
	case 1:
		hasMax = true
	default:
		c.fail("limits with flags 0x%02x: shared and 64-bit memories are not allowed", b)
	}
	lo = c.u32()
	if hasMax {
		hi = c.u32()
	}
	if lo > most || hi > most || (hasMax && hi < lo) {
		c.fail("limits %d to %d are impossible", lo, hi)
	}
	return lo, hi, hasMax
}

func (c *cursor) flag() bool {
	b := c.byte()
	if b > 1 {
		c.fail("0x%02x is neither 0 nor 1", b)
	}
	return b == 1
}

// constant reads a constant expression with its end (3.3.7): one instruction, which nothing of a module read here
// exceeds.
func (c *cursor) constant() []byte {
	start := c.pos
	for c.err == nil {
		at := c.base + c.pos
		in, err := c.instruction()
		if err != nil {
			if c.err == nil {
				c.fail("%v", err)
			}
			return nil
		}
		switch in.Op {
		case End:
			return c.data[start:c.pos]
		case globalGet, i32Const, i64Const, f32Const, f64Const, v128Const:
		default:
			c.err = &SyntaxError{Offset: at, Message: in.Definition.Name + " is not constant"}
			c.pos = len(c.data)
		}
	}
	return nil
}

// element reads an active segment of functions for table 0 (5.5.12); engines need no other form.
func (c *cursor) element() []byte {
	start := c.pos
	if kind := c.u32(); kind != 0 {
		c.fail("an element segment has flags %d: only active segments of functions are read", kind)
	}
	c.constant()
	for range c.count(1) {
		c.u32()
	}
	if c.err != nil {
		return nil
	}
	return c.data[start:c.pos]
}

func (c *cursor) segment() Data {
	switch kind := c.u32(); kind {
	case 0:
		return Data{Offset: c.constant(), Bytes: c.bytes(c.u32())}
	case 1:
		return Data{Passive: true, Bytes: c.bytes(c.u32())}
	default:
		c.fail("a data segment has flags %d", kind)
		return Data{}
	}
}
