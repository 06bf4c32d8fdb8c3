package engine_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/engine"
)

// compiled is the engine of a small network on glyphs.
func compiled(t *testing.T) []byte {
	t.Helper()
	spec, err := schema.ReadSpecification("mlp.yaml", fixtures.Specification("mlp"))
	if err != nil {
		t.Fatal(err)
	}
	glyphs := &schema.Dataset{
		Classes: fixtures.GlyphClasses(), Content: schema.DigestOf(nil),
		Record: schema.RecordLayout{
			Size:  785,
			Input: schema.Field{DType: "u8", Shape: []int{28, 28, 1}}, Target: schema.Field{Offset: 784, DType: "u8", Shape: []int{}},
		},
		Splits: []schema.Split{{Name: "test", Records: 1000}, {Name: "train", Records: 1000}},
	}
	r, err := wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: glyphs, schema.RoleTest: glyphs})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := wasm.Compile(r, wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// A whole training leaves the same memory with and without fuel, and never uses more than the section states.
func TestFuelledTrainsAsTheOriginal(t *testing.T) {
	const microbatches, steps = 2, 3
	original := compiled(t)
	copied, err := engine.Fuelled(original)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Parse(original)
	if err != nil {
		t.Fatal(err)
	}
	images, labels := fixtures.Glyphs(1, e.Section.Capacity)
	train := func(r running) []byte {
		fuel, _ := r.mod.ExportedGlobal(engine.FuelGlobal).(api.MutableGlobal)
		call := func(export string, args ...uint64) {
			t.Helper()
			if fuel != nil {
				fuel.Set(uint64(e.Section.Fuel[export]))
			}
			if _, err := r.mod.ExportedFunction(export).Call(context.Background(), args...); err != nil {
				t.Fatalf("%s: %v", export, err)
			}
		}
		n := uint64(e.Section.Capacity)
		call(engine.ExportInit, 42)
		r.mod.Memory().Write(uint32(e.Section.Regions[schema.RegionInput].Offset), images)
		r.mod.Memory().Write(uint32(e.Section.Regions[schema.RegionTarget].Offset), labels)
		for step := range uint64(steps + 1) {
			sums := e.Section.Regions[schema.RegionAccumulators]
			r.mod.Memory().Write(uint32(sums.Offset), make([]byte, sums.Size))
			for u := range uint64(microbatches) {
				call(engine.ExportSelect, step, u, 1000)
				call(engine.ExportAccumulate, step, u, n)
			}
			call(engine.ExportApply, step)
			call(engine.ExportRestore)
		}
		call(engine.ExportPredict, n)
		call(engine.ExportEvaluate, n)
		memory, _ := r.mod.Memory().Read(0, r.mod.Memory().Size())
		return memory
	}
	if !bytes.Equal(train(run(t, original)), train(run(t, copied))) {
		t.Error("the memories differ")
	}
}
