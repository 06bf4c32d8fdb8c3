package engine_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/module"
)

// changed is the idle engine with another section.
func changed(t *testing.T, change func(s *schema.EngineSection)) []byte {
	t.Helper()
	m, err := module.Decode(fixtures.Idle())
	if err != nil {
		t.Fatal(err)
	}
	var s schema.EngineSection
	if err := json.Unmarshal(m.Custom[0].Bytes, &s); err != nil {
		t.Fatal(err)
	}
	change(&s)
	m.Custom = nil
	m, err = engine.AppendSection(m, s)
	if err != nil {
		t.Fatal(err)
	}
	return m.Encode()
}

func TestParse(t *testing.T) {
	e, err := engine.Parse(fixtures.Idle())
	if err != nil {
		t.Fatal(err)
	}
	if e.Section.Capacity != 4 || len(e.Section.Parameters) != 1 {
		t.Errorf("section: %+v", e.Section)
	}
	if e.Memory%module.PageSize != 0 || e.Memory < int64(e.Section.Parameters[0].Bytes()) {
		t.Errorf("memory: %d bytes", e.Memory)
	}
}

func TestParseRefusesSections(t *testing.T) {
	region := func(s *schema.EngineSection, name string, change func(r *schema.Region)) {
		r := s.Regions[name]
		change(&r)
		s.Regions[name] = r
	}
	type section = schema.EngineSection
	tests := []struct {
		name   string
		change func(s *section)
		want   string // a part of the message
	}{
		{"another ABI", func(s *section) { s.ABI = 2 }, "abi: 2"},
		{"sums that overflow", func(s *section) { s.Bound = 32767; s.MaxMicrobatches = 65539 }, "section.bound: 65539 microbatches of values up to 32767 exceed an i32"},
		{"no output", func(s *section) { delete(s.Regions, "output") }, "section.regions.output: it is missing"},
		{"an unknown region", func(s *section) { s.Regions["outputs"] = schema.Region{DType: "u8", Shape: []int{0}} }, "section.regions.outputs: there is no such region"},
		{"indices of another dtype", func(s *section) {
			region(s, "indices", func(r *schema.Region) { r.DType = "i32" })
		}, `section.regions.indices.dtype: it is "i32"; it must be "u32"`},
		{"an input without capacity", func(s *section) {
			region(s, "input", func(r *schema.Region) { r.Shape = []int{28 * 28, 4} })
		}, "section.regions.input.shape: it is [784 4]; the capacity is 4"},
		{"a size that disagrees with its shape", func(s *section) {
			region(s, "input", func(r *schema.Region) { r.Size++ })
		}, "section.regions.input.size: 3137 bytes are not [4 28 28 1] of u8"},
		{"a region outside the memory", func(s *section) {
			region(s, "input", func(r *schema.Region) { r.Offset = 65536 - 100 })
		}, "are outside the memory of 65536 bytes"},
		{"an enormous offset", func(s *section) {
			region(s, "input", func(r *schema.Region) { r.Offset = 1<<53 - 1 })
		}, "are outside the memory"},
		{"a misaligned region", func(s *section) {
			region(s, "output", func(r *schema.Region) { r.Offset += 2 })
		}, "is not a multiple of 4, as f32 needs"},
		{"regions that overlap", func(s *section) {
			region(s, "target", func(r *schema.Region) { r.Offset = s.Regions["input"].Offset })
		}, "it overlaps section.regions."},
		{"a tensor inside a region", func(s *section) { s.Parameters[0].Offset = s.Regions["output"].Offset }, "it overlaps section."},
		{"a tensor outside the memory", func(s *section) { s.Parameters[0].Offset = 65536 - 8 }, "section.parameters[0]: 16 bytes at 65528 are outside"},
		{"an enormous tensor", func(s *section) { s.Parameters[0].Shape = []int{1 << 20, 1 << 20, 1 << 20, 1 << 20} }, "parameters[0].shape"},
		{"a tensor larger than memory", func(s *section) { s.Parameters[0].Shape = []int{1 << 20} }, "section.parameters[0].shape"},
		{"tensors of one name", func(s *section) { s.State = append(s.State, s.Parameters[0]) }, "already has the name"},
		{"a hyper-parameter without region", func(s *section) {
			s.Hyperparameters = []schema.Hyperparameter{{Name: "rate", Type: "f32", Max: 1, Offset: 64}}
		}, "section.hyperparameters[0].offset: 64 is not an f32 in the region"},
		{"two hyper-parameters in one place", func(s *section) {
			s.Regions["hyperparameters"] = schema.Region{Offset: 65528, Size: 8, DType: "f32", Shape: []int{2}}
			s.Hyperparameters = []schema.Hyperparameter{
				{Name: "rate", Type: "f32", Max: 1, Offset: 65528}, {Name: "decay", Type: "f32", Max: 1, Offset: 65528},
			}
		}, "section.hyperparameters[1].offset: another one is at 65528"},
		{"a reserved segment of another type", func(s *section) { s.Segments[0].Type = "i32" }, "the reserved segment loss must be one i64"},
		{"a segment outside the accumulators", func(s *section) { s.Segments[2].Offset += 64 }, "section.segments[2].offset"},
		{"a segment too long", func(s *section) { s.Segments[2].Name = "more"; s.Segments[2].Count = 1 << 30 }, "section.segments[2].count"},
		{"a misaligned segment", func(s *section) { s.Segments[2].Offset -= 4 }, "is not a multiple of 8, as i64 needs"},
		{"segments that overlap", func(s *section) { s.Segments[2].Offset = s.Segments[1].Offset }, "section.segments[2]: it overlaps section.segments[1]"},
		{"no examples", func(s *section) { s.Segments[1].Name = "seen" }, "the segment examples is missing"},
		{"no count", func(s *section) { s.Metrics[0] = "seen" }, "the metric count is missing"},
		{"a metric without place", func(s *section) { s.Metrics = append(s.Metrics, "more") }, "24 bytes are not one i64 for each of 4 metrics"},
		{"an export without fuel", func(s *section) { delete(s.Fuel, "apply") }, "section.fuel.apply: 0 is not in 1 …"},
		{"fuel of no export", func(s *section) { s.Fuel["tune"] = 1 }, "section.fuel.tune: there is no such export"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := engine.Parse(changed(t, test.change))
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Fatalf("got %v, want *schema.Invalid", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("told:\n%v\nwant a part:\n%s", err, test.want)
			}
		})
	}
}

func TestParseRefusesBytes(t *testing.T) {
	tests := []struct {
		name string
		wasm []byte
		want string
	}{
		{"nothing", nil, "not a WebAssembly module"},
		{"a text", []byte("(module)"), "not a WebAssembly module"},
		{"too many bytes", make([]byte, engine.MaxSize+1), "at most 33554432 are read"},
		{"an empty module", []byte("\x00asm\x01\x00\x00\x00"), "there are 0 custom sections"},
		{"a truncated engine", fixtures.Idle()[:100], "at byte"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := engine.Parse(test.wasm)
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Fatalf("got %v, want *schema.Invalid", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("told: %v; want a part: %s", err, test.want)
			}
		})
	}
}
