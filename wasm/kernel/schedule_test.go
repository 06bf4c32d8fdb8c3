package kernel_test

import (
	"math"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

func TestSchedules(t *testing.T) {
	cases := []struct {
		name   string
		every  int64
		factor float64
	}{
		{"step", 1, 0.5},
		{"step", 3, 0.1},
		{"step", 1000, 0.95},
		{"exponential", 1, 0.5},
		{"exponential", 7, 0.1},
		{"exponential", 1000, 0.95},
		{"exponential", 12345, 1},
		{"constant", 1, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
				for _, s := range kernel.Schedules() {
					if s.Declaration().Name == c.name {
						return map[string]kernel.Fn{"at": kernel.Multiplier(e, s, map[string]any{"every": float64(c.every), "factor": c.factor, "warmUp": 0.0, "floor": 0.0})}
					}
				}
				t.Fatalf("there is no schedule %s", c.name)
				return nil
			})
			for _, step := range []int64{0, 1, 2, 3, 6, 7, 8, 999, 1000, 1001, 123456, math.MaxInt32} {
				want, smooth := float32(1), 1.0
				switch c.name {
				case "step":
					want = ref.StepSchedule(step, c.every, c.factor)
					smooth = math.Pow(c.factor, float64(step/c.every))
				case "exponential":
					want = ref.ExponentialSchedule(step, c.every, c.factor)
					smooth = math.Pow(c.factor, float64(step)/float64(c.every))
				}
				got := m.call("at", uint64(step))[0]
				if got != math.Float32bits(want) {
					t.Errorf("at %d: got %08x, want %08x", step, got, math.Float32bits(want))
				}
				if d := math.Abs(float64(want) - smooth); d > 1e-6*smooth && d > 0x1p-140 {
					t.Errorf("at %d: %g is not near %g", step, want, smooth)
				}
			}
		})
	}
}

func TestShapedSchedules(t *testing.T) {
	for _, c := range []struct {
		name       string
		attributes map[string]any
	}{
		{"constant", map[string]any{"warmUp": 7.0}},
		{"exponential", map[string]any{"every": 5.0, "factor": 0.1, "warmUp": 3.0, "floor": 0.01}},
		{"piecewise", map[string]any{"at": []float64{3, 1000}, "factors": []float64{0.3, 2}}},
		{"polynomial", map[string]any{"steps": 1000.0}},
		{"polynomial", map[string]any{"steps": 1001.0, "power": 0.9, "end": 0.1, "warmUp": 2.0}},
		{"cosine", map[string]any{"steps": 1000.0, "end": 0.01, "warmUp": 8.0, "floor": 0.05}},
		{"cosine-restarts", map[string]any{"steps": 3.0}},
		{"cosine-restarts", map[string]any{"steps": 1.0, "factor": 2.0, "end": 0.25}},
		{"one-cycle", map[string]any{"steps": 1001.0}},
		{"one-cycle", map[string]any{"steps": 4.0, "rise": 0.5}},
	} {
		for _, s := range kernel.Schedules() {
			d := s.Declaration()
			if d.Name != c.name {
				continue
			}
			attributes, problems := d.Resolve("schedule", c.attributes)
			if problems = append(problems, kernel.Check(s, "schedule", attributes)...); problems != nil {
				t.Fatal(problems)
			}
			m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
				return map[string]kernel.Fn{"at": kernel.Multiplier(e, s, attributes)}
			})
			for _, step := range []int64{0, 1, 2, 3, 4, 6, 7, 8, 299, 300, 999, 1000, 1001, 123456, math.MaxInt32, 1 << 52} {
				want := ref.Schedule(c.name, attributes, step)
				if got := m.call("at", uint64(step))[0]; got != math.Float32bits(want) {
					t.Errorf("%s %v at %d: got %g, want %g", c.name, c.attributes, step, math.Float32frombits(got), want)
				}
				if !(want >= 0 && want <= 2) {
					t.Errorf("%s %v at %d: %g", c.name, c.attributes, step, want)
				}
			}
		}
	}
}
