package module

import "bytes"

// Limits of a module that is read, beyond those that its size implies. They are those of browsers, or tighter.
const (
	// maxLocals of one function.
	maxLocals = 50_000
	// maxAllLocals of all functions together: run lengths let a few bytes declare many.
	maxAllLocals = 4_000_000
)

// Decode reads a module strictly: every section at most once, in order, with no byte missing or left over; names in
// UTF-8. It does not look into function bodies (see Instructions), nor check types. Byte slices of the result are shared
// with data. Debug names other than those of functions are dropped. Errors are *SyntaxError.
func Decode(data []byte) (*Module, error) {
	c := &cursor{data: data}
	if !bytes.HasPrefix(data, header) {
		c.fail("not a WebAssembly module of version 1")
		return nil, c.err
	}
	c.pos = len(header)
	d := decoder{m: &Module{}}
	last := 0
	for !c.done() && c.err == nil {
		id := c.byte()
		s := c.sub(c.u32())
		if c.err != nil {
			break
		}
		if id == sectionCustom {
			d.custom(s)
			c.finish(s, "a custom section")
			continue
		}
		rank := sectionRank(id)
		switch {
		case rank == 0:
			s.fail("there is no section %d", id)
		case rank == last:
			s.fail("section %d appears twice", id)
		case rank < last:
			s.fail("section %d is out of order", id)
		}
		last = rank
		if s.err == nil {
			d.section(id, s)
		}
		c.finish(s, "a section")
	}
	if c.err == nil {
		d.finish(c)
	}
	if c.err != nil {
		return nil, c.err
	}
	return d.m, nil
}

// sectionRank is the position of a section in the prescribed order (5.5.16): the data count comes before the code.
func sectionRank(id byte) int {
	switch {
	case id >= sectionType && id <= sectionElement:
		return int(id)
	case id == sectionCount:
		return 10
	case id == sectionCode:
		return 11
	case id == sectionData:
		return 12
	}
	return 0
}

type decoder struct {
	m         *Module
	locals    int // declared so far
	hasCode   bool
	dataCount int
	names     map[uint32]string
	namesSeen bool
}

func (d *decoder) section(id byte, c *cursor) {
	m := d.m
	switch id {
	case sectionType:
		m.Types = list(c, 3, (*cursor).funcType)
	case sectionImport:
		m.Imports = list(c, 4, (*cursor).importEntry)
	case sectionFunction:
		m.Functions = list(c, 1, func(c *cursor) Function { return Function{Type: c.u32()} })
	case sectionTable:
		m.Tables = list(c, 3, (*cursor).table)
	case sectionMemory:
		m.Memories = list(c, 2, (*cursor).memory)
	case sectionGlobal:
		m.Globals = list(c, 3, func(c *cursor) Global {
			return Global{Type: c.valType(), Mutable: c.flag(), Init: c.constant()}
		})
	case sectionExport:
		m.Exports = list(c, 3, func(c *cursor) Export {
			e := Export{Name: c.name(), Kind: c.byte(), Index: c.u32()}
			if e.Kind > KindGlobal {
				c.fail("export %q is of unknown kind %d", e.Name, e.Kind)
			}
			return e
		})
	case sectionStart:
		start := c.u32()
		m.Start = &start
	case sectionElement:
		m.Elements = list(c, 2, (*cursor).element)
	case sectionCount:
		m.DataCount, d.dataCount = true, int(c.u32())
	case sectionCode:
		d.code(c)
	case sectionData:
		m.Data = list(c, 2, (*cursor).segment)
	}
}

// list reads a vector of items of at least size bytes each.
func list[T any](c *cursor, size int, read func(*cursor) T) []T {
	n := c.count(size)
	var items []T
	for i := 0; i < n && c.err == nil; i++ {
		items = append(items, read(c))
	}
	return items
}

func (d *decoder) code(c *cursor) {
	d.hasCode = true
	n := c.count(3)
	if n != len(d.m.Functions) {
		c.fail("%d functions are declared but %d have a body", len(d.m.Functions), n)
	}
	for i := 0; i < n && c.err == nil; i++ {
		s := c.sub(c.u32())
		d.m.Functions[i].Locals = d.readLocals(s)
		d.m.Functions[i].Body = s.bytes(uint32(len(s.data) - s.pos))
		if b := d.m.Functions[i].Body; s.err == nil && (len(b) == 0 || b[len(b)-1] != byte(End)) {
			s.fail("function %d has no end", i)
		}
		c.finish(s, "a function")
	}
}

func (d *decoder) readLocals(c *cursor) []ValType {
	var locals []ValType
	for range c.count(2) {
		n := c.u32()
		t := c.valType()
		if c.err != nil {
			return nil
		}
		d.locals += int(min(n, maxAllLocals))
		if uint64(len(locals))+uint64(n) > maxLocals || d.locals > maxAllLocals {
			c.fail("too many local variables: at most %d are read", maxLocals)
			return nil
		}
		for range n {
			locals = append(locals, t)
		}
	}
	return locals
}

func (d *decoder) custom(c *cursor) {
	name := c.name()
	if name == "name" {
		if d.namesSeen {
			c.fail("the name section appears twice")
		}
		d.namesSeen = true
		d.nameSection(c)
		return
	}
	if c.err == nil {
		d.m.Custom = append(d.m.Custom, Custom{Name: name, Bytes: c.bytes(uint32(len(c.data) - c.pos))})
	}
}

// nameSection reads the names of functions and skips those of anything else (7.4.1).
func (d *decoder) nameSection(c *cursor) {
	const functionNames = 1
	last := -1
	for !c.done() && c.err == nil {
		id := int(c.byte())
		s := c.sub(c.u32())
		if id <= last {
			s.fail("a name subsection is out of order")
		}
		last = id
		if id != functionNames {
			c.finish(&cursor{err: s.err}, "")
			continue
		}
		d.names = map[uint32]string{}
		n, before := s.count(2), int64(-1)
		for range n {
			i, name := s.u32(), s.name()
			if int64(i) <= before {
				s.fail("function names are out of order")
			}
			if s.err != nil {
				break
			}
			before = int64(i)
			d.names[i] = name
		}
		c.finish(s, "the function names")
	}
}

// finish checks what several sections must agree on and gives the functions their names.
func (d *decoder) finish(c *cursor) {
	m := d.m
	if len(m.Functions) > 0 && !d.hasCode {
		c.fail("%d functions are declared but there is no code section", len(m.Functions))
	}
	if m.DataCount && d.dataCount != len(m.Data) {
		c.fail("%d data segments are counted but there are %d", d.dataCount, len(m.Data))
	}
	base := uint32(m.ImportedFunctions())
	for i, name := range d.names {
		switch {
		case uint64(i) >= uint64(base)+uint64(len(m.Functions)):
			c.fail("function %d has a name but does not exist", i)
		case i >= base:
			m.Functions[i-base].Name = name
		}
	}
}

// ImportedFunctions is the number of functions that the module imports, which come first in the numbering.
func (m *Module) ImportedFunctions() int { return m.imported(KindFunc) }

func (m *Module) imported(kind byte) int {
	n := 0
	for _, im := range m.Imports {
		if im.Kind == kind {
			n++
		}
	}
	return n
}
