package kernel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// The emitted select must agree with the oracle, in whichever order microbatches are asked for.
func TestSelect(t *testing.T) {
	const seedAt, indicesAt = 64, 1024
	for _, tt := range []struct {
		name       string
		examples   int64
		microbatch int
		lanes      int
		block      int64
	}{
		{"mnist", 60000, 16, 8, 1296},
		{"one lane", 1437, 64, 1, 1408},
		{"iris", 120, 32, 1, 96},
		{"iris, lanes beyond the data", 120, 32, 8, 1},
		{"blocks of a record", 1000, 10, 3, 1},
		{"blocks of a microbatch", 103, 4, 5, 4},
		{"blocks not of whole microbatches", 1001, 16, 4, 50},
		{"fewer examples than a block", 20, 16, 4, 64},
		{"one example", 1, 8, 2, 8},
		{"two examples", 2, 3, 2, 1},
		{"very many", 1<<32 - 1, 16, 8, 1 << 20},
		{"very many, singly", 1<<32 - 1, 16, 8, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			order := kernel.Order{Microbatch: tt.microbatch, Lanes: tt.lanes, Block: tt.block, Indices: indicesAt}
			m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
				return map[string]kernel.Fn{"select": e.Select(order, e.Philox(seedAt))}
			})
			for _, seed := range []int64{42, -1, 1<<53 - 1} {
				m.Memory().WriteUint64Le(seedAt, uint64(seed))
				oracle := ref.Order{Seed: seed, Microbatch: tt.microbatch, Lanes: tt.lanes, Block: tt.block}
				for _, step := range []int64{3, 0, 1, 2, 7, 8, 9, 1000, 99999, 1 << 50, -5} {
					for _, u := range []int64{int64(tt.lanes) - 1, 0, 1, 5, int64(3*tt.lanes) + 1, 1 << 40} {
						n := m.call("select", uint64(step), uint64(u), uint64(tt.examples))[0]
						want := oracle.Select(step, u, tt.examples)
						if d := cmp.Diff(want, m.words(indicesAt, int(n))); d != "" {
							t.Fatalf("seed %d, step %d, microbatch %d (-oracle +engine):\n%s", seed, step, u, d)
						}
					}
				}
			}
			for _, examples := range []int64{0, -1, 1 << 32, -1 << 63} {
				if n := m.call("select", 1, 0, uint64(examples))[0]; n != 0 {
					t.Errorf("%d examples: n = %d, want 0", examples, n)
				}
			}
		})
	}
}

func TestDefaultBlock(t *testing.T) {
	for _, tt := range []struct {
		name             string
		examples, shard  int64
		microbatch, lane int
		want             int64
	}{
		{"an equal part for each lane", 60000, 1 << 20, 16, 8, 7488},
		{"at most a shard", 60000, 1300, 16, 8, 1296},
		{"one lane", 60000, 1 << 20, 64, 1, 59968},
		{"a shard smaller than a microbatch", 60000, 10, 16, 8, 16},
		{"a part smaller than a microbatch", 120, 120, 16, 8, 1},
		{"no examples", 0, 0, 16, 8, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := kernel.DefaultBlock(tt.examples, tt.shard, tt.microbatch, tt.lane); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
