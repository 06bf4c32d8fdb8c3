package wasm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// The same specification gives the same bytes: again, at the same time, and after it went through JSON.
func TestCompileIsPure(t *testing.T) {
	for _, c := range fullModels {
		t.Run(c.name, func(t *testing.T) {
			r := c.m.Resolve(t)
			want := optest.Compile(t, r)
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					for range 4 {
						if got, err := wasm.Compile(r, wasm.Options{}); err != nil || !bytes.Equal(got, want) {
							t.Errorf("other bytes; error %v", err)
						}
					}
				})
			}
			group.Wait()
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var again schema.Resolved
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(optest.Compile(t, again), want) {
				t.Error("other bytes after a round through JSON")
			}
			after, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(after, text) {
				t.Error("compiling changed the specification")
			}
		})
	}
}

// What an engine does not depend on, and some of what it does.
func TestWhatEnginesDependOn(t *testing.T) {
	model := fullModels[1].m
	base := model.Specification(t)
	dataset := model.Dataset(t)
	resolve := func(change func(s *schema.Specification, d *schema.Dataset)) []byte {
		t.Helper()
		s, d := *base, *dataset
		change(&s, &d)
		r, err := wasm.Resolve(&s, map[string]*schema.Dataset{schema.RoleTrain: &d})
		if err != nil {
			t.Fatal(err)
		}
		return optest.Compile(t, r)
	}
	want := resolve(func(*schema.Specification, *schema.Dataset) {})
	for _, c := range []struct {
		name   string
		same   bool
		change func(s *schema.Specification, d *schema.Dataset)
	}{
		{"title", true, func(s *schema.Specification, _ *schema.Dataset) { s.Title = "another" }},
		{"authors", true, func(s *schema.Specification, _ *schema.Dataset) { s.Authors = []schema.Author{{Name: "Ada Example"}} }},
		{"version", true, func(s *schema.Specification, _ *schema.Dataset) { s.Version = "2.0.0" }},
		{"steps", true, func(s *schema.Specification, _ *schema.Dataset) { s.Algorithm.Steps = 1000 }},
		{"seed", true, func(s *schema.Specification, _ *schema.Dataset) { s.Algorithm.Seed = 7 }},
		{"evaluations", true, func(s *schema.Specification, _ *schema.Dataset) {
			s.Algorithm.Evaluate = &schema.Evaluate{Every: 3}
		}},
		{"content of the data", true, func(_ *schema.Specification, d *schema.Dataset) { d.Content = schema.DigestOf([]byte("x")) }},
		{"a default, spelt out", true, func(s *schema.Specification, _ *schema.Dataset) { s.Algorithm.Initializer.Kind = "he-normal" }},
		{"initializer", false, func(s *schema.Specification, _ *schema.Dataset) { s.Algorithm.Initializer.Kind = "glorot-uniform" }},
		{"bits", false, func(s *schema.Specification, _ *schema.Dataset) {
			s.Algorithm.Aggregation = &schema.Aggregation{Mode: "gradient", Bits: 8}
		}},
		{"learning rate", false, func(s *schema.Specification, _ *schema.Dataset) {
			s.Algorithm.Optimizer.Attributes = map[string]any{"learningRate": 0.02}
		}},
		{"block", false, func(s *schema.Specification, _ *schema.Dataset) { s.Algorithm.Block = 20 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if same := bytes.Equal(resolve(c.change), want); same != c.same {
				t.Errorf("the same engine: %v, want %v", same, c.same)
			}
		})
	}
}

// The section tells what is in the engine: tensors and segments of every parameter, a memory that holds all of it and is not
// larger than it has to be.
func TestSection(t *testing.T) {
	for _, c := range fullModels {
		t.Run(c.name, func(t *testing.T) {
			r := c.m.Resolve(t)
			e, err := engine.Parse(optest.Compile(t, r))
			if err != nil {
				t.Fatal(err)
			}
			s := e.Section
			if s.Compiler != wasm.Version || s.Capacity != r.Algorithm.MicrobatchSize {
				t.Errorf("compiler %q, capacity %d", s.Compiler, s.Capacity)
			}
			g, err := wasm.Graph(r)
			if err != nil {
				t.Fatal(err)
			}
			count, rates, sums, averages := 0, 0, 0, 0
			for _, n := range g.Nodes {
				for _, a := range n.Averages {
					averages += schema.Elements(a.Shape)
				}
			}
			for _, p := range s.Parameters {
				count += schema.Elements(p.Shape)
			}
			for _, h := range s.Hyperparameters {
				if len(h.Name) > 5 && h.Name[:5] == "rate." {
					rates++
				}
			}
			for _, g := range s.Segments {
				if g.Type == "i32" && g.Combine == schema.CombineAdd {
					sums += g.Count
				}
			}
			trained := 0
			for _, n := range g.Nodes {
				trained += len(n.Parameters)
			}
			if want := g.ParameterCount(); count != want+averages || sums != want || rates != trained {
				t.Errorf("%d values and %d sums of %d and %d averages, %d rates of %d tensors", count, sums, want, averages, rates, trained)
			}
			end := 0
			for _, region := range s.Regions {
				end = max(end, region.Offset+region.Size)
			}
			const table = 4096 // constants, slack
			if spare := e.Memory - int64(end); spare < 0 || spare > 1<<16+table {
				t.Errorf("%d bytes of memory, of which regions reach to %d", e.Memory, end)
			}
		})
	}
}

// The fuel that the section states suffices for every call at full capacity.
func TestFuelSuffices(t *testing.T) {
	for _, c := range fullModels {
		t.Run(c.name, func(t *testing.T) { optest.CheckFuel(t, c.m) })
	}
}

// sample is a sample specification on images, resolved after a change.
func sample(t testing.TB, name string, change func(s *schema.Specification)) schema.Resolved {
	t.Helper()
	spec, err := schema.ReadSpecification(name+".yaml", fixtures.Specification(name))
	if err != nil {
		t.Fatal(err)
	}
	change(spec)
	shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(spec.Model.Input.Shape), " ", ", "), "[]")
	d := optest.Model{Input: shape, DType: "u8", Classes: 10, Examples: 100}.Dataset(t)
	delete(spec.Datasets, schema.RoleTest)
	r, err := wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: d})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Networks of the sizes that people train, against the oracle.
func TestSampleNetworks(t *testing.T) {
	for name, microbatch := range map[string]int{"lenet": 5, "w1": 33, "w2": 17, "w3": 5, "w4": 3} {
		t.Run(name, func(t *testing.T) {
			r := sample(t, name, func(s *schema.Specification) {
				s.Algorithm.MicrobatchSize, s.Algorithm.BatchSize, s.Algorithm.Block = microbatch, microbatch, 0
			})
			optest.CheckResolved(t, r, optest.Compiler())
		})
	}
}

func BenchmarkCompileLeNet(b *testing.B) {
	r := sample(b, "lenet", func(*schema.Specification) {})
	for b.Loop() {
		optest.Compile(b, r)
	}
}
