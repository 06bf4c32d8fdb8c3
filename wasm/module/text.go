package module

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Print writes the module in the text format, for people and for other tools: flat, one instruction a line, indented by
// block, functions by name. Custom sections other than names appear as comments. Errors are those of Instructions and of
// the writer.
func Print(w io.Writer, m *Module) error {
	b := bufio.NewWriter(w)
	p := printer{b, m, functionIDs(m)}
	if err := p.module(); err != nil {
		return err
	}
	return b.Flush()
}

type printer struct {
	*bufio.Writer
	m   *Module
	ids []string // of functions, imported ones first: $name, else the number
}

func (p *printer) line(depth int, format string, args ...any) {
	// A failure stays in the buffered writer until Flush reports it.
	_, _ = fmt.Fprintf(p, "%*s"+format+"\n", append([]any{2 * depth, ""}, args...)...)
}

// functionIDs gives functions with a name a unique identifier.
func functionIDs(m *Module) []string {
	base := m.ImportedFunctions()
	ids := make([]string, base+len(m.Functions))
	used := map[string]bool{}
	for i := range ids {
		ids[i] = strconv.Itoa(i)
		if i < base {
			continue
		}
		id := identifier(m.Functions[i-base].Name)
		if id != "" && !used[id] {
			used[id] = true
			ids[i] = id
		}
	}
	return ids
}

// identifier makes a name one of the text format (6.3.5).
func identifier(name string) string {
	if name == "" {
		return ""
	}
	return "$" + strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),;[]{}`, r) {
			return r
		}
		return '_'
	}, name)
}

func (p *printer) function(i uint32) string {
	if uint64(i) < uint64(len(p.ids)) {
		return p.ids[i]
	}
	return strconv.FormatUint(uint64(i), 10)
}

func (p *printer) module() error {
	m := p.m
	p.line(0, "(module")
	for i, t := range m.Types {
		p.line(1, "(type (;%d;) (func%s%s))", i, typeList("param", t.Params), typeList("result", t.Results))
	}
	for _, im := range m.Imports {
		text, err := importText(im)
		if err != nil {
			return err
		}
		p.line(1, "(import %s %s %s)", quote([]byte(im.Module)), quote([]byte(im.Name)), text)
	}
	for i, t := range m.Tables {
		p.line(1, "(table (;%d;) %s)", m.imported(KindTable)+i, tableText(t))
	}
	for i, mem := range m.Memories {
		p.line(1, "(memory (;%d;) %s)", m.imported(KindMemory)+i, limitsText(mem.Min, mem.Max, mem.HasMax))
	}
	for i, g := range m.Globals {
		init, err := p.expression(g.Init)
		if err != nil {
			return fmt.Errorf("global %d: %w", i, err)
		}
		p.line(1, "(global (;%d;) %s (%s))", m.imported(KindGlobal)+i, globalText(g.Type, g.Mutable), init)
	}
	kinds := [...]string{"func", "table", "memory", "global"}
	for _, e := range m.Exports {
		index := strconv.FormatUint(uint64(e.Index), 10)
		if e.Kind == KindFunc {
			index = p.function(e.Index)
		}
		p.line(1, "(export %s (%s %s))", quote([]byte(e.Name)), kinds[e.Kind], index)
	}
	if m.Start != nil {
		p.line(1, "(start %s)", p.function(*m.Start))
	}
	for i, e := range m.Elements {
		if err := p.element(e); err != nil {
			return fmt.Errorf("element segment %d: %w", i, err)
		}
	}
	base := m.ImportedFunctions()
	for i, f := range m.Functions {
		if err := p.body(base+i, f); err != nil {
			return fmt.Errorf("function %s: %w", p.ids[base+i], err)
		}
	}
	for i, d := range m.Data {
		offset := ""
		if !d.Passive {
			at, err := p.expression(d.Offset)
			if err != nil {
				return fmt.Errorf("data segment %d: %w", i, err)
			}
			offset = "(" + at + ") "
		}
		p.line(1, "(data (;%d;) %s%s)", i, offset, quote(d.Bytes))
	}
	for _, c := range m.Custom {
		p.line(1, ";; custom section %s, %d bytes", quote([]byte(c.Name)), len(c.Bytes))
	}
	p.line(0, ")")
	return nil
}

func (p *printer) body(i int, f Function) error {
	id := p.ids[i]
	if id[0] != '$' {
		id = "(;" + id + ";)"
	}
	if uint64(f.Type) >= uint64(len(p.m.Types)) {
		return fmt.Errorf("type %d does not exist", f.Type)
	}
	t := p.m.Types[f.Type]
	p.line(1, "(func %s (type %d)%s%s", id, f.Type, typeList("param", t.Params), typeList("result", t.Results))
	if len(f.Locals) > 0 {
		p.line(2, "%s", strings.TrimPrefix(typeList("local", f.Locals), " "))
	}
	depth := 2
	for in, err := range Instructions(f.Body) {
		if err != nil {
			return err
		}
		if in.End == len(f.Body) && in.Op == End {
			break // the parenthesis stands for it
		}
		if in.Op == End || in.Op == Else {
			depth = max(depth-1, 2)
		}
		p.line(depth, "%s", p.instruction(in))
		switch in.Op {
		case Block, Loop, If, Else:
			depth++
		}
	}
	p.line(1, ")")
	return nil
}

// element prints an active segment of functions, the only form that is read.
func (p *printer) element(e []byte) error {
	c := &cursor{data: e}
	c.u32()
	offset, err := p.expression(c.constant())
	if err != nil {
		return err
	}
	var ids strings.Builder
	for range c.count(1) {
		ids.WriteString(" " + p.function(c.u32()))
	}
	if c.err != nil {
		return c.err
	}
	p.line(1, "(elem (%s) func%s)", offset, ids.String())
	return nil
}

// expression prints a constant expression, which is one instruction.
func (p *printer) expression(body []byte) (string, error) {
	var parts []string
	for in, err := range Instructions(body) {
		if err != nil {
			return "", err
		}
		if in.Op != End {
			parts = append(parts, p.instruction(in))
		}
	}
	return strings.Join(parts, ") ("), nil
}

func (p *printer) instruction(in Instruction) string {
	name := in.Definition.Name
	switch in.Definition.Immediates {
	case ImmBlock:
		switch in.Block {
		case BlockValue:
			return name + typeList("result", []ValType{in.Value})
		case BlockType:
			return fmt.Sprintf("%s (type %d)", name, in.Index)
		}
	case ImmLabel, ImmLocal, ImmGlobal:
		return fmt.Sprintf("%s %d", name, in.Index)
	case ImmFunction:
		return name + " " + p.function(in.Index)
	case ImmLabels:
		for _, l := range in.Labels {
			name += fmt.Sprintf(" %d", l)
		}
	case ImmIndirect:
		return fmt.Sprintf("%s %d (type %d)", name, in.Table, in.Index)
	case ImmTypes:
		return name + typeList("result", in.Types)
	case ImmAccess:
		return name + accessText(in)
	case ImmLaneAccess:
		return fmt.Sprintf("%s%s %d", name, accessText(in), in.Lane)
	case ImmLane:
		return fmt.Sprintf("%s %d", name, in.Lane)
	case ImmI32, ImmI64:
		return fmt.Sprintf("%s %d", name, in.Int)
	case ImmF32:
		bits := binary.LittleEndian.Uint32(in.Bytes)
		return name + " " + floatText(float64(math.Float32frombits(bits)), 32, bits>>31 != 0, uint64(bits&(1<<23-1)))
	case ImmF64:
		bits := binary.LittleEndian.Uint64(in.Bytes)
		return name + " " + floatText(math.Float64frombits(bits), 64, bits>>63 != 0, bits&(1<<52-1))
	case ImmV128:
		name += " i32x4"
		for lane := range 4 {
			name += fmt.Sprintf(" 0x%08x", binary.LittleEndian.Uint32(in.Bytes[4*lane:]))
		}
	case ImmShuffle:
		for _, l := range in.Bytes {
			name += fmt.Sprintf(" %d", l)
		}
	}
	return name
}

func accessText(in Instruction) string {
	s := ""
	if in.Offset != 0 {
		s = fmt.Sprintf(" offset=%d", in.Offset)
	}
	return s + fmt.Sprintf(" align=%d", uint64(1)<<min(in.Align, 63))
}

// floatText writes the shortest decimal that reads back as the same bits; NaNs with their payload.
func floatText(v float64, bits int, negative bool, payload uint64) string {
	sign := ""
	if negative {
		sign = "-"
	}
	switch {
	case math.IsNaN(v):
		return fmt.Sprintf("%snan:0x%x", sign, payload)
	case math.IsInf(v, 0):
		return sign + "inf"
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}

func typeList(kind string, ts []ValType) string {
	if len(ts) == 0 {
		return ""
	}
	words := []string{kind}
	for _, t := range ts {
		words = append(words, t.String())
	}
	return " (" + strings.Join(words, " ") + ")"
}

func importText(im Import) (string, error) {
	c := &cursor{data: im.Type}
	var text string
	switch im.Kind {
	case KindFunc:
		text = fmt.Sprintf("(func (type %d))", c.u32())
	case KindTable:
		text = "(table " + tableText(c.table()) + ")"
	case KindMemory:
		m := c.memory()
		text = "(memory " + limitsText(m.Min, m.Max, m.HasMax) + ")"
	case KindGlobal:
		text = "(global " + globalText(c.valType(), c.flag()) + ")"
	}
	return text, c.err
}

func tableText(t Table) string {
	element := "funcref"
	if t.Element == 0x6f {
		element = "externref"
	}
	return limitsText(t.Min, t.Max, t.HasMax) + " " + element
}

func globalText(t ValType, mutable bool) string {
	if mutable {
		return "(mut " + t.String() + ")"
	}
	return t.String()
}

func limitsText(lo, hi uint32, hasMax bool) string {
	if hasMax {
		return fmt.Sprintf("%d %d", lo, hi)
	}
	return strconv.FormatUint(uint64(lo), 10)
}

// quote writes bytes as a string of the text format (6.3.3).
func quote(b []byte) string {
	var s strings.Builder
	s.WriteByte('"')
	for _, c := range b {
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, `\%02x`, c)
		}
	}
	s.WriteByte('"')
	return s.String()
}
