package module

import "encoding/binary"

// Section numbers (5.5.2).
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionMemory   = 5
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionElement  = 9
	sectionCode     = 10
	sectionData     = 11
	sectionCount    = 12
)

var header = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// Encode writes the module. Equal modules give equal bytes.
func (m *Module) Encode() []byte {
	out := append([]byte(nil), header...)
	section := func(id byte, n int, each func(b []byte, i int) []byte) {
		if n == 0 {
			return
		}
		body := AppendU32(nil, uint32(n))
		for i := range n {
			body = each(body, i)
		}
		out = appendSection(out, id, body)
	}
	section(sectionType, len(m.Types), func(b []byte, i int) []byte {
		b = append(b, 0x60)
		b = appendBytes(b, bytesOf(m.Types[i].Params))
		return appendBytes(b, bytesOf(m.Types[i].Results))
	})
	section(sectionImport, len(m.Imports), func(b []byte, i int) []byte {
		im := m.Imports[i]
		b = appendBytes(b, []byte(im.Module))
		b = appendBytes(b, []byte(im.Name))
		return append(append(b, im.Kind), im.Type...)
	})
	section(sectionFunction, len(m.Functions), func(b []byte, i int) []byte { return AppendU32(b, m.Functions[i].Type) })
	section(sectionTable, len(m.Tables), func(b []byte, i int) []byte {
		t := m.Tables[i]
		return appendLimits(append(b, t.Element), t.Min, t.Max, t.HasMax)
	})
	section(sectionMemory, len(m.Memories), func(b []byte, i int) []byte {
		return appendLimits(b, m.Memories[i].Min, m.Memories[i].Max, m.Memories[i].HasMax)
	})
	section(sectionGlobal, len(m.Globals), func(b []byte, i int) []byte {
		g := m.Globals[i]
		return append(append(b, byte(g.Type), boolByte(g.Mutable)), g.Init...)
	})
	section(sectionExport, len(m.Exports), func(b []byte, i int) []byte {
		e := m.Exports[i]
		return AppendU32(append(appendBytes(b, []byte(e.Name)), e.Kind), e.Index)
	})
	if m.Start != nil {
		out = appendSection(out, sectionStart, AppendU32(nil, *m.Start))
	}
	section(sectionElement, len(m.Elements), func(b []byte, i int) []byte { return append(b, m.Elements[i]...) })
	if m.DataCount {
		out = appendSection(out, sectionCount, AppendU32(nil, uint32(len(m.Data))))
	}
	section(sectionCode, len(m.Functions), func(b []byte, i int) []byte {
		f := m.Functions[i]
		return appendBytes(b, append(appendLocals(nil, f.Locals), f.Body...))
	})
	section(sectionData, len(m.Data), func(b []byte, i int) []byte {
		d := m.Data[i]
		if d.Passive {
			return appendBytes(append(b, 1), d.Bytes)
		}
		return appendBytes(append(append(b, 0), d.Offset...), d.Bytes)
	})
	if names := m.nameSection(); names != nil {
		out = appendSection(out, sectionCustom, append(appendBytes(nil, []byte("name")), names...))
	}
	for _, c := range m.Custom {
		out = appendSection(out, sectionCustom, append(appendBytes(nil, []byte(c.Name)), c.Bytes...))
	}
	return out
}

// nameSection is the function name subsection (appendix, 7.4.1), so that a trap in a browser names the kernel.
func (m *Module) nameSection() []byte {
	var n uint32
	var body []byte
	base := uint32(0)
	for _, im := range m.Imports {
		if im.Kind == KindFunc {
			base++
		}
	}
	for i, f := range m.Functions {
		if f.Name != "" {
			body = appendBytes(AppendU32(body, base+uint32(i)), []byte(f.Name))
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return appendBytes([]byte{1}, append(AppendU32(nil, n), body...))
}

// appendLocals run-length encodes local declarations (5.5.13).
func appendLocals(b []byte, locals []ValType) []byte {
	var runs []byte
	n := uint32(0)
	for i := 0; i < len(locals); {
		j := i
		for j < len(locals) && locals[j] == locals[i] {
			j++
		}
		runs = append(AppendU32(runs, uint32(j-i)), byte(locals[i]))
		n++
		i = j
	}
	return append(AppendU32(b, n), runs...)
}

func appendSection(b []byte, id byte, body []byte) []byte { return appendBytes(append(b, id), body) }

func appendBytes(b, s []byte) []byte { return append(AppendU32(b, uint32(len(s))), s...) }

func appendLimits(b []byte, lo, hi uint32, hasMax bool) []byte {
	b = AppendU32(append(b, boolByte(hasMax)), lo)
	if hasMax {
		b = AppendU32(b, hi)
	}
	return b
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// AppendU32 appends unsigned LEB128 (5.2.2).
func AppendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// AppendS64 appends signed LEB128 (5.2.2), which also encodes every i32 constant.
func AppendS64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// ConstI32 is the constant expression of an i32, as offsets of data segments need it.
func ConstI32(v int32) []byte { return append(AppendS64([]byte{0x41}, int64(v)), 0x0b) }

// ConstI64 is the constant expression of an i64, as globals need it.
func ConstI64(v int64) []byte { return append(AppendS64([]byte{0x42}, v), 0x0b) }
