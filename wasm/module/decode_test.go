package module_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reprise-ml/reprise/wasm/module"
)

// everything is a module with something in every section.
func everything() *module.Module {
	m := &module.Module{}
	unary := m.Type([]module.ValType{module.I32}, []module.ValType{module.I32})
	void := m.Type(nil, nil)
	m.Imports = []module.Import{
		{Module: "host", Name: "now", Kind: module.KindFunc, Type: []byte{byte(void)}},
		{Module: "host", Name: "base", Kind: module.KindGlobal, Type: []byte{byte(module.I32), 0}},
		{Module: "host", Name: "more", Kind: module.KindMemory, Type: []byte{1, 1, 2}},
		{Module: "host", Name: "calls", Kind: module.KindTable, Type: []byte{0x70, 0, 1}},
	}
	c := module.NewCode(module.I32)
	v := c.Local(module.V128)
	x := c.Local(module.F64)
	c.F32x4(1.5)
	c.Set(v)
	c.F64(0.1)
	c.Set(x)
	c.Get(0)
	c.If(func() {
		c.Repeat(10, func() {
			c.Call(2, 1)
			c.Get(v)
			c.Lane(module.I32x4Lane, 3)
		})
	})
	c.I32(-70000)
	double := c.Function(m, "double it", module.I32)
	m.Functions = []module.Function{
		double,
		{Type: void, Body: []byte{0x0b}},
		{Type: unary, Body: []byte{0x20, 0, 0x0e, 1, 0, 0, 0x0b}, Name: "a (third) one"},
	}
	start := uint32(2)
	m.Tables = []module.Table{{Element: 0x70, Min: 1, Max: 4, HasMax: true}}
	m.Memories = []module.Memory{{Min: 2, Max: 2, HasMax: true}}
	m.Globals = []module.Global{{Type: module.I64, Mutable: true, Init: module.ConstI64(-1 << 40)}, {Type: module.I32, Init: []byte{0x23, 0, 0x0b}}}
	m.Exports = []module.Export{{Name: "memory", Kind: module.KindMemory}, {Name: "größer", Kind: module.KindFunc, Index: 1}}
	m.Start = &start
	m.Elements = [][]byte{{0, 0x41, 0, 0x0b, 2, 1, 2}}
	m.DataCount = true
	m.Data = []module.Data{{Offset: module.ConstI32(1 << 16), Bytes: []byte("a\"\\\x00\xff")}, {Passive: true, Bytes: []byte{1, 2}}}
	m.Custom = []module.Custom{{Name: "about", Bytes: []byte("{}")}, {Name: "about", Bytes: nil}}
	return m
}

func TestDecodeReadsWhatEncodeWrites(t *testing.T) {
	for name, m := range map[string]*module.Module{"everything": everything(), "nothing": {}} {
		t.Run(name, func(t *testing.T) {
			wasm := m.Encode()
			got, err := module.Decode(wasm)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the module differs (-want +got):\n%s", diff)
			}
			if !bytes.Equal(got.Encode(), wasm) {
				t.Error("the bytes differ")
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	section := func(id byte, body ...byte) []byte { return append([]byte{id, byte(len(body))}, body...) }
	wasm := func(sections ...[]byte) []byte {
		return append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Join(sections, nil)...)
	}
	types := section(1, 1, 0x60, 0, 0)
	functions := section(3, 1, 0)
	code := section(10, 1, 2, 0, 0x0b)
	tests := []struct {
		name string
		wasm []byte
		want string
	}{
		{"no header", []byte("\x00asm"), "not a WebAssembly module of version 1"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "not a WebAssembly module of version 1"},
		{"a section of unknown number", wasm(section(13, 0)), "there is no section 13"},
		{"a section twice", wasm(types, types), "section 1 appears twice"},
		{"sections out of order", wasm(functions, types), "section 1 is out of order"},
		{"a section that is cut", wasm([]byte{1, 9, 0}), "9 bytes are announced but 1 remain"},
		{"a section with bytes left", wasm(section(1, 0, 0)), "1 bytes too many"},
		{"a section without a byte", wasm(section(1)), "ends too early"},
		{"a huge count", wasm(section(1, 0xff, 0xff, 0xff, 0xff, 0x0f)), "4294967295 items are announced"},
		{"a number of 33 bits", wasm(section(1, 0xff, 0xff, 0xff, 0xff, 0x1f)), "exceeds 32 bits"},
		{"a number of six bytes", wasm(section(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0)), "exceeds 32 bits"},
		{"a type of structs", wasm(section(1, 1, 0x5f, 0, 0)), "0x5f is not a function type"},
		{"a parameter of references", wasm(section(1, 1, 0x60, 1, 0x70, 0)), "0x70 is not a number or vector type"},
		{"an import of unknown kind", wasm(section(2, 1, 0, 0, 4, 0)), "unknown kind 4"},
		{"a table of numbers", wasm(section(4, 1, 0x7f, 0, 1)), "0x7f is not a reference type"},
		{"a shared memory", wasm(section(5, 1, 3, 1, 1)), "shared and 64-bit memories are not allowed"},
		{"a memory of more than 4 GiB", wasm(section(5, 1, 0, 0x81, 0x80, 4)), "are impossible"},
		{"a memory that shrinks", wasm(section(5, 1, 1, 2, 1)), "limits 2 to 1 are impossible"},
		{"a global neither mutable nor not", wasm(section(6, 1, 0x7f, 2, 0x41, 0, 0x0b)), "0x02 is neither 0 nor 1"},
		{"a constant that is computed", wasm(section(6, 1, 0x7f, 0, 0x41, 0, 0x45, 0x0b)), "i32.eqz is not constant"},
		{"a constant without end", wasm(section(6, 1, 0x7f, 0, 0x41, 0)), "ends too early"},
		{"an export of unknown kind", wasm(section(7, 1, 1, 'a', 4, 0)), "unknown kind 4"},
		{"a name that is not UTF-8", wasm(section(7, 1, 1, 0xff, 0, 0)), "not UTF-8"},
		{"passive elements", wasm(section(9, 1, 1, 0, 0)), "only active segments of functions"},
		{"functions without code", wasm(types, functions), "1 functions are declared but there is no code section"},
		{"code without functions", wasm(types, code), "0 functions are declared but 1 have a body"},
		{"a function without end", wasm(types, functions, section(10, 1, 2, 0, 0x01)), "function 0 has no end"},
		{"a function longer than its section", wasm(types, functions, section(10, 1, 3, 0, 0x0b)), "3 bytes are announced but 2 remain"},
		{"too many locals", wasm(types, functions, section(10, 1, 6, 1, 0xd1, 0x86, 3, 0x7f, 0x0b)), "at most 50000"},
		{"locals whose number overflows", wasm(types, functions, section(10, 1, 15, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0, 0x0b)), "at most 50000"},
		{"a wrong number of data segments", wasm(section(12, 2), section(11, 1, 1, 0)), "2 data segments are counted but there are 1"},
		{"a data segment of unknown form", wasm(section(11, 1, 2, 0, 0x41, 0, 0x0b, 0)), "flags 2"},
		{"names twice", wasm(section(0, append([]byte{4}, "name"...)...), section(0, append([]byte{4}, "name"...)...)), "the name section appears twice"},
		{"a name of no function", wasm(section(0, append([]byte{4}, "name\x01\x04\x01\x00\x01a"...)...)), "function 0 has a name but does not exist"},
		{"names out of order", wasm(types, section(3, 2, 0, 0), section(10, 2, 2, 0, 0x0b, 2, 0, 0x0b),
			section(0, append([]byte{4}, "name\x01\x07\x02\x01\x01a\x00\x01b"...)...)), "function names are out of order"},
		{"name subsections out of order", wasm(section(0, append([]byte{4}, "name\x01\x01\x00\x00\x01a"...)...)), "out of order"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := module.Decode(test.wasm)
			if _, ok := errors.AsType[*module.SyntaxError](err); !ok {
				t.Fatalf("got %v, want *module.SyntaxError", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("told: %v; want a part: %s", err, test.want)
			}
		})
	}
}

func TestDecodeRefusesEveryTruncation(t *testing.T) {
	m := everything()
	m.Custom = nil
	m.Functions[0].Name, m.Functions[2].Name = "", "" // a module may end after any section but must not lack data
	wasm := m.Encode()
	whole := map[int]bool{}
	for n := range wasm {
		if _, err := module.Decode(wasm[:n]); err == nil {
			whole[n] = true
		}
	}
	// Only ends of sections whose later ones are optional: everything up to the functions.
	for n := range whole {
		if got, err := module.Decode(wasm[:n]); err != nil || len(got.Functions) > 0 {
			t.Errorf("the first %d of %d bytes pass as a module", n, len(wasm))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(everything().Encode())
	f.Add((&module.Module{}).Encode())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := module.Decode(wasm)
		if err != nil {
			if _, ok := errors.AsType[*module.SyntaxError](err); !ok {
				t.Fatalf("not *module.SyntaxError: %v", err)
			}
			return
		}
		again, err := module.Decode(m.Encode())
		if err != nil {
			t.Fatalf("what it wrote does not read back: %v", err)
		}
		if !bytes.Equal(again.Encode(), m.Encode()) {
			t.Fatal("the second reading differs")
		}
		// Printing must not panic; bodies are not checked yet, so it may refuse.
		_ = module.Print(new(bytes.Buffer), m)
	})
}
