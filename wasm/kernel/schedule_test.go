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
						return map[string]kernel.Fn{"at": s.Multiplier(e, map[string]any{"every": float64(c.every), "factor": c.factor})}
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
