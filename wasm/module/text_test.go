package module_test

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/wasm/module"
)

var update = flag.Bool("update", false, "write the golden files anew")

// floats is a function with the constants that are hard to write.
func floats() *module.Module {
	m := &module.Module{}
	c := module.NewCode()
	for _, bits := range []uint32{0, 1 << 31, 1, 0x3dcccccd, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffa00001} {
		c.F32(math.Float32frombits(bits))
		c.Op(module.Drop)
	}
	for _, bits := range []uint64{1, 0x3fb999999999999a, 0x7ff8000000000000, 0xfff0000000000000} {
		c.F64(math.Float64frombits(bits))
		c.Op(module.Drop)
	}
	m.Functions = []module.Function{c.Function(m, "floats")}
	return m
}

// allInstructions has every instruction once, in no order that would be valid.
func allInstructions() *module.Module {
	m := &module.Module{}
	c := module.NewCode()
	body := c.Bytes()
	for op := range module.Op(0xfd<<16 + 0x200) {
		d, ok := module.Define(op)
		if !ok || d.Refused != "" || op == module.Else || op == module.End {
			continue
		}
		if prefix := op >> 16; prefix != 0 {
			body = module.AppendU32(append(body, byte(prefix)), uint32(op&0xffff))
		} else {
			body = append(body, byte(op))
		}
		switch d.Immediates {
		case module.ImmBlock:
			body = append(body, 0x7f, 0x0b)
		case module.ImmLabels:
			body = append(body, 1, 0, 0)
		case module.ImmTypes:
			body = append(body, 1, 0x7b)
		case module.ImmIndirect, module.ImmAccess, module.ImmMemories:
			body = append(body, 0, 0)
		case module.ImmLabel, module.ImmFunction, module.ImmLocal, module.ImmGlobal, module.ImmMemory, module.ImmI32, module.ImmI64, module.ImmLane:
			body = append(body, 0)
		case module.ImmLaneAccess:
			body = append(body, 0, 4, 1)
		case module.ImmF32:
			body = append(body, 0, 0, 0x80, 0x3f)
		case module.ImmF64:
			body = append(body, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)
		case module.ImmV128, module.ImmShuffle:
			body = append(body, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
		}
	}
	m.Functions = []module.Function{{Type: m.Type(nil, nil), Body: append(body, byte(module.End))}}
	return m
}

// The golden files are accepted by wat2wasm --no-check (wabt 1.0.32), which gives the same instructions again.
func TestPrint(t *testing.T) {
	tests := map[string]*module.Module{"everything": everything(), "floats": floats(), "instructions": allInstructions()}
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := module.Print(&got, m); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".wat")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrintRefuses(t *testing.T) {
	m := &module.Module{}
	m.Functions = []module.Function{{Type: m.Type(nil, nil), Body: []byte{0x40, 0, 0x0b}}}
	err := module.Print(new(bytes.Buffer), m)
	if _, ok := errors.AsType[*module.RefusedError](err); !ok {
		t.Errorf("got %v, want *module.RefusedError", err)
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestPrintReportsTheWriter(t *testing.T) {
	if err := module.Print(full{}, everything()); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
