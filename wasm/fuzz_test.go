package wasm_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// compiles checks what must hold for any resolved specification, and reports whether it gave an engine: the engine is valid,
// or the error is *schema.Invalid. Nothing panics.
func compiles(t *testing.T, r schema.Resolved) error {
	t.Helper()
	code, err := wasm.Compile(r, wasm.Options{})
	if err != nil {
		if _, ok := errors.AsType[*schema.Invalid](err); !ok {
			t.Errorf("%v is a %T, not *schema.Invalid", err, err)
		}
		return err
	}
	if _, err := engine.Parse(code); err != nil {
		t.Errorf("an engine that is not valid: %v", err)
	}
	return nil
}

// values are what a hostile document may hold anywhere.
func values() []any {
	return []any{
		nil, true, "", "x", "same", "u8", "f32",
		[]any{},
		map[string]any{},
		[]any{1.0, 2.0},
		[]any{1e9, 1e9},
		0, 1, 2, 3, 17, -1, 0.5, 255, 65536, 1 << 20, 1 << 31, 1 << 40, 1 << 62, 1e18, -1e18, 1e300,
	}
}

// places collects a function for every place in a document that sets it.
func places(node any, set func(any), list []func(any)) []func(any) {
	list = append(list, set)
	switch n := node.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(n)) {
			list = places(n[k], func(v any) { n[k] = v }, list)
		}
	case []any:
		for i := range n {
			list = places(n[i], func(v any) { n[i] = v }, list)
		}
	}
	return list
}

// One to three places of a valid document hold something else.
func TestMutatedSpecifications(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 1))
	for _, c := range fullModels {
		text, err := json.Marshal(c.m.Resolve(t))
		if err != nil {
			t.Fatal(err)
		}
		accepted := 0
		for range 700 {
			var document any
			if err := json.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			for range 1 + draw.IntN(3) {
				all, with := places(document, func(any) {}, nil), values()
				all[draw.IntN(len(all))](with[draw.IntN(len(with))])
			}
			mutated, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			var r schema.Resolved
			if json.Unmarshal(mutated, &r) != nil {
				continue
			}
			if compiles(t, r) == nil {
				accepted++
			}
			if t.Failed() {
				t.Fatalf("of %s", mutated)
			}
		}
		if accepted == 0 {
			t.Errorf("%s: nothing compiled", c.name)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, c := range fullModels {
		text, err := json.Marshal(c.m.Resolve(f))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	text, err := json.Marshal(optest.Model{Input: "3", Classes: 3, Layers: "- dense: {units: 3}"}.Resolve(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var r schema.Resolved
		if json.Unmarshal(text, &r) == nil {
			_ = compiles(t, r)
		}
	})
}
