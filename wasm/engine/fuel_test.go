package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

// program is a module whose function 0 is "run"; further functions follow.
func program(functions ...module.Function) *module.Module {
	return &module.Module{
		Functions: functions,
		Memories:  []module.Memory{{Min: 1, Max: 1, HasMax: true}},
		Exports:   []module.Export{{Name: "memory", Kind: module.KindMemory}, {Name: "run", Kind: module.KindFunc}},
	}
}

type running struct {
	t   *testing.T
	mod api.Module
}

func run(t *testing.T, wasm []byte) running {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { _ = r.Close(ctx) })
	mod, err := r.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatalf("instantiate: %v", err)
	}
	return running{t, mod}
}

// call runs "run" with a budget and returns its results and what is left.
func (r running) call(budget int64, args ...uint64) ([]uint64, int64, error) {
	r.t.Helper()
	fuel, ok := r.mod.ExportedGlobal(engine.FuelGlobal).(api.MutableGlobal)
	if !ok {
		r.t.Fatal("the counter is not an exported mutable global")
	}
	fuel.Set(uint64(budget))
	results, err := r.mod.ExportedFunction("run").Call(context.Background(), args...)
	return results, int64(fuel.Get()), err
}

func fuelled(t *testing.T, m *module.Module) []byte {
	t.Helper()
	wasm, err := engine.Fuelled(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// function is one whose body is given in bytes, for what the assembler has no method for.
func function(m *module.Module, params, results, locals []module.ValType, body ...byte) module.Function {
	return module.Function{Type: m.Type(params, results), Locals: locals, Body: append(body, 0x0b)}
}

func TestFuelIsExact(t *testing.T) {
	i32 := []module.ValType{module.I32}
	tests := []struct {
		name    string
		module  func() *module.Module
		arg     uint64
		want    uint64
		charged int64
	}{
		{
			name: "a function is one unit",
			module: func() *module.Module {
				m := program()
				m.Functions = append(m.Functions, function(m, i32, i32, nil, 0x20, 0))
				return m
			},
			arg: 5, want: 5, charged: 1,
		},
		{
			name: "a loop is one unit per pass",
			module: func() *module.Module {
				m := program()
				c := module.NewCode(module.I32)
				sum := c.Local(module.I32)
				c.Repeat(100, func() {
					c.Get(sum, 0)
					c.Op(module.I32Add)
					c.Set(sum)
					c.AddTo(0, -1)
					c.Get(0)
				})
				c.Get(sum)
				m.Functions = append(m.Functions, c.Function(m, "", module.I32))
				return m
			},
			arg: 100, want: 5050, charged: 101,
		},
		{
			name: "a callee charges the same counter",
			module: func() *module.Module {
				m := program()
				// run: loop { call 1; n-- } while n; 7
				m.Functions = append(m.Functions,
					function(m, i32, i32, nil, 0x03, 0x40, 0x10, 1, 0x20, 0, 0x41, 0x7f, 0x6a, 0x22, 0, 0x0d, 0, 0x0b, 0x41, 7),
					function(m, nil, nil, nil, 0x03, 0x40, 0x0b))
				return m
			},
			arg: 10, want: 7, charged: 1 + 10*(1+2),
		},
		{
			name: "return in a loop",
			module: func() *module.Module {
				m := program()
				// loop { if n == 3 return n; n--; br 0 }
				m.Functions = append(m.Functions,
					function(m, i32, i32, nil, 0x03, 0x40,
						0x20, 0, 0x41, 3, 0x46, 0x04, 0x40, 0x20, 0, 0x0f, 0x0b,
						0x20, 0, 0x41, 0x7f, 0x6a, 0x21, 0, 0x0c, 0, 0x0b, 0x00))
				return m
			},
			arg: 8, want: 3, charged: 1 + 6,
		},
		{
			name: "branch to the function's label",
			module: func() *module.Module {
				m := program()
				// loop { n; (n == 3) br_if 1; drop; n--; br 0 }
				m.Functions = append(m.Functions,
					function(m, i32, i32, nil, 0x03, 0x40,
						0x20, 0, 0x20, 0, 0x41, 3, 0x46, 0x0d, 1, 0x1a,
						0x20, 0, 0x41, 0x7f, 0x6a, 0x21, 0, 0x0c, 0, 0x0b, 0x00))
				return m
			},
			arg: 8, want: 3, charged: 1 + 6,
		},
		{
			name: "br_table to a loop's header and to the function's label",
			module: func() *module.Module {
				m := program()
				// run: call 1; memory[0]. Function 1: loop { memory[0] = --n; br_table by n == 2: 0 → header, 1 → out }
				m.Functions = append(m.Functions,
					function(m, i32, i32, nil, 0x20, 0, 0x10, 1, 0x41, 0, 0x28, 2, 0),
					function(m, i32, nil, nil, 0x03, 0x40,
						0x41, 0, 0x20, 0, 0x41, 0x7f, 0x6a, 0x22, 0, 0x36, 2, 0,
						0x20, 0, 0x41, 2, 0x46, 0x0e, 1, 0, 1, 0x0b))
				return m
			},
			arg: 9, want: 2, charged: 1 + 1 + 7,
		},
		{
			name: "a loop with parameters and results",
			module: func() *module.Module {
				m := program()
				two := m.Type([]module.ValType{module.I32, module.I32}, []module.ValType{module.I32, module.I32})
				// (n, 0) loop (a, b) → (a-1, b+a) while a-1 ≠ 0; the sum
				m.Functions = append(m.Functions,
					function(m, i32, i32, []module.ValType{module.I32, module.I32},
						0x20, 0, 0x41, 0, 0x03, byte(two),
						0x21, 2, 0x21, 1, // b, a
						0x20, 1, 0x41, 0x7f, 0x6a, 0x20, 2, 0x20, 1, 0x6a, // a-1, b+a
						0x20, 1, 0x41, 1, 0x47, 0x0d, 0, 0x0b,
						0x21, 2, 0x1a, 0x20, 2))
				return m
			},
			arg: 4, want: 10, charged: 1 + 4,
		},
		{
			name: "memory.fill and memory.copy by their length",
			module: func() *module.Module {
				m := program()
				m.Functions = append(m.Functions,
					function(m, i32, i32, nil,
						0x41, 0, 0x41, 9, 0x20, 0, 0xfc, 11, 0,
						0x41, 0x80, 0x80, 1, 0x41, 0, 0x20, 0, 0xfc, 10, 0, 0,
						0x41, 0x80, 0x80, 1, 0x2d, 0, 0))
				return m
			},
			arg: 6400, want: 9, charged: 1 + 2*100,
		},
		{
			name: "call_indirect",
			module: func() *module.Module {
				m := program()
				void := m.Type(nil, nil)
				m.Functions = append(m.Functions,
					function(m, i32, i32, nil, 0x41, 0, 0x11, byte(void), 0, 0x41, 0, 0x11, byte(void), 0, 0x20, 0),
					function(m, nil, nil, nil, 0x01))
				m.Tables = []module.Table{{Element: 0x70, Min: 1, Max: 1, HasMax: true}}
				m.Elements = [][]byte{{0, 0x41, 0, 0x0b, 1, 1}}
				return m
			},
			arg: 1, want: 1, charged: 3,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := test.module()
			original := run(t, m.Encode())
			results, err := original.mod.ExportedFunction("run").Call(context.Background(), test.arg)
			if err != nil || results[0] != test.want {
				t.Fatalf("the original gives %v, %v; want %d", results, err, test.want)
			}

			r := run(t, fuelled(t, m))
			const budget = 1_000_000
			results, rest, err := r.call(budget, test.arg)
			if err != nil || results[0] != test.want {
				t.Fatalf("the copy gives %v, %v; want %d", results, err, test.want)
			}
			if got := budget - rest; got != test.charged {
				t.Errorf("it charged %d units, want %d", got, test.charged)
			}
			if _, rest, err = r.call(test.charged, test.arg); err != nil || rest != 0 {
				t.Errorf("with exactly enough: rest %d, error %v", rest, err)
			}
			if _, rest, err = r.call(test.charged-1, test.arg); err == nil || rest >= 0 {
				t.Errorf("with one unit less: rest %d, error %v; want a trap and a rest below zero", rest, err)
			}
		})
	}
}

func TestFuelStops(t *testing.T) {
	tests := []struct {
		name string
		body []byte
	}{
		{"an endless loop", []byte{0x03, 0x40, 0x0c, 0, 0x0b}},
		{"a loop closed by br_table", []byte{0x03, 0x40, 0x41, 0, 0x0e, 0, 0, 0x0b}},
		{"recursion", []byte{0x10, 0}},
		{"fills", []byte{0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, 0x80, 0x80, 4, 0xfc, 11, 0, 0x0c, 0, 0x0b}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := program()
			m.Functions = append(m.Functions, function(m, nil, nil, nil, test.body...))
			_, rest, err := run(t, fuelled(t, m)).call(10_000)
			if err == nil || rest >= 0 {
				t.Errorf("rest %d, error %v; want a trap and a rest below zero", rest, err)
			}
		})
	}
}

func TestOtherTrapsLeaveFuel(t *testing.T) {
	m := program()
	m.Functions = append(m.Functions, function(m, nil, nil, nil, 0x00))
	_, rest, err := run(t, fuelled(t, m)).call(100)
	if err == nil || rest < 0 {
		t.Errorf("rest %d, error %v; want a trap and a rest that is not below zero", rest, err)
	}
}

func TestFuelledRefuses(t *testing.T) {
	i64 := []module.ValType{module.I64}
	tests := []struct {
		name   string
		change func(m *module.Module)
	}{
		{"a local variable that the rewriting would add", func(m *module.Module) {
			m.Functions = append(m.Functions, function(m, nil, i64, nil, 0x20, 0))
		}},
		{"a global that the rewriting would add", func(m *module.Module) {
			m.Functions = append(m.Functions, function(m, nil, i64, nil, 0x23, 0))
		}},
		{"an export of the global that the rewriting would add", func(m *module.Module) {
			m.Functions = append(m.Functions, function(m, nil, nil, nil))
			m.Exports = append(m.Exports, module.Export{Name: "mine", Kind: module.KindGlobal})
		}},
		{"the reserved export", func(m *module.Module) {
			m.Functions = append(m.Functions, function(m, nil, nil, nil))
			m.Exports = append(m.Exports, module.Export{Name: engine.FuelGlobal, Kind: module.KindFunc})
		}},
		{"an open block", func(m *module.Module) {
			m.Functions = append(m.Functions, function(m, nil, nil, nil, 0x02, 0x40))
		}},
		{"instructions after the end", func(m *module.Module) {
			m.Functions = append(m.Functions, function(m, nil, nil, nil, 0x0b))
		}},
		{"memory.grow", func(m *module.Module) {
			m.Functions = append(m.Functions, function(m, nil, nil, nil, 0x41, 1, 0x40, 0, 0x1a))
		}},
		{"a type that does not exist", func(m *module.Module) {
			m.Functions = append(m.Functions, module.Function{Type: 9, Body: []byte{0x0b}})
		}},
		{"an import", func(m *module.Module) {
			m.Type(nil, nil)
			m.Imports = append(m.Imports, module.Import{Module: "env", Name: "now", Kind: module.KindFunc, Type: []byte{0}})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := program()
			test.change(m)
			_, err := engine.Fuelled(m.Encode())
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Errorf("got %v, want *schema.Invalid", err)
			}
		})
	}
}
