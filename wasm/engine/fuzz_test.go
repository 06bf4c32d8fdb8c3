package engine_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

// FuzzEngine: what is not refused can be rewritten, the copy reads back, and a runtime accepts the copy if and only if it
// accepts the original.
func FuzzEngine(f *testing.F) {
	f.Add(fixtures.Idle())
	for _, h := range fixtures.Hostile() {
		f.Add(h.Wasm)
	}
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	accepts := func(wasm []byte) (bool, error) {
		c, err := runtime.CompileModule(ctx, wasm)
		if err != nil {
			return false, err
		}
		return true, c.Close(ctx)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		var invalid *schema.Invalid
		if _, err := engine.Parse(wasm); err != nil && !errors.As(err, &invalid) {
			t.Fatalf("not *schema.Invalid: %v", err)
		}
		// Fuelled stands alone: it must be right even for modules that Parse would refuse.
		copied, err := engine.Fuelled(wasm)
		if err != nil {
			if !errors.As(err, &invalid) {
				t.Fatalf("not *schema.Invalid: %v", err)
			}
			return
		}
		if _, err := module.Decode(copied); err != nil {
			t.Fatalf("the copy does not read back: %v", err)
		}
		m, err := module.Decode(wasm)
		if err != nil {
			t.Fatal(err)
		}
		// Debug names are no part of what is compared.
		original, why := accepts(m.Encode())
		if got, whyNot := accepts(copied); got != original {
			t.Fatalf("original accepted: %v (%v), copy: %v (%v)", original, why, got, whyNot)
		}
	})
}

// FuzzBody: the copy of a function that ends within its budget gives what the original gives, traps included.
func FuzzBody(f *testing.F) {
	for _, body := range [][]byte{
		{0x20, 0},
		{0x03, 0x40, 0x20, 0, 0x41, 3, 0x46, 0x04, 0x40, 0x20, 0, 0x0f, 0x0b, 0x20, 0, 0x41, 0x7f, 0x6a, 0x21, 0, 0x0c, 0, 0x0b, 0x00},
		{0x03, 0x40, 0x20, 0, 0x20, 0, 0x41, 3, 0x46, 0x0d, 1, 0x1a, 0x20, 0, 0x41, 0x7f, 0x6a, 0x21, 0, 0x0c, 0, 0x0b, 0x00},
		{0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 0x7f, 0x6a, 0x10, 0, 0x0f, 0x0b, 0x41, 7},
		{0x41, 0, 0x41, 9, 0x20, 0, 0xfc, 11, 0, 0x41, 8, 0x41, 0, 0x41, 8, 0xfc, 10, 0, 0, 0x41, 8, 0x2d, 0, 0},
		{0x02, 0x7f, 0x41, 1, 0x20, 0, 0x0e, 1, 0, 1, 0x0b, 0x41, 2, 0x6a},
		{0x41, 5, 0x20, 0, 0x11, 0, 0},
	} {
		f.Add(body, int32(5))
	}
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	start := func(wasm []byte) (api.Module, error) {
		return runtime.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
	}
	f.Fuzz(func(t *testing.T, body []byte, argument int32) {
		const budget = 1000
		i32 := []module.ValType{module.I32}
		m := program()
		m.Functions = append(m.Functions, function(m, i32, i32, i32, body...))
		m.Tables = []module.Table{{Element: 0x70, Min: 1, Max: 1, HasMax: true}}
		m.Elements = [][]byte{{0, 0x41, 0, 0x0b, 1, 0}}
		original, why := start(m.Encode())
		if original != nil {
			defer func() { _ = original.Close(ctx) }()
		}
		wasm, err := engine.Fuelled(m.Encode())
		if err != nil {
			return // refused before any runtime sees it
		}
		copied, whyNot := start(wasm)
		if (why == nil) != (whyNot == nil) {
			t.Fatalf("original: %v, copy: %v", why, whyNot)
		}
		if whyNot != nil {
			return
		}
		defer func() { _ = copied.Close(ctx) }()
		fuel := copied.ExportedGlobal(engine.FuelGlobal).(api.MutableGlobal)
		fuel.Set(budget)
		got, gotErr := copied.ExportedFunction("run").Call(ctx, api.EncodeI32(argument))
		if int64(fuel.Get()) < 0 {
			if gotErr == nil {
				t.Fatal("it returned although it had run out of fuel")
			}
			return // the original may be endless
		}
		want, wantErr := original.ExportedFunction("run").Call(ctx, api.EncodeI32(argument))
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("original: %v, copy: %v", wantErr, gotErr)
		}
		if gotErr == nil && got[0] != want[0] {
			t.Fatalf("original: %d, copy: %d", want[0], got[0])
		}
		size := original.Memory().Size()
		before, _ := original.Memory().Read(0, size)
		after, _ := copied.Memory().Read(0, size)
		if !bytes.Equal(before, after) {
			t.Fatal("the memories differ")
		}
	})
}
