package ref_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/wasm/ref"
)

// After every whole turn of the lanes through their blocks, no record may have been visited more than once more often
// than another.
func TestSelectVisitsEqually(t *testing.T) {
	for _, tt := range []struct {
		name     string
		examples int64
		order    ref.Order
	}{
		{"whole blocks", 320, ref.Order{Microbatch: 8, Lanes: 4, Block: 80}},
		{"a tail", 333, ref.Order{Microbatch: 8, Lanes: 4, Block: 80}},
		{"many blocks and a tail", 1009, ref.Order{Microbatch: 4, Lanes: 3, Block: 12}},
		{"iris", 120, ref.Order{Microbatch: 32, Lanes: 1, Block: 96}},
		{"iris, lanes beyond the data", 120, ref.Order{Microbatch: 32, Lanes: 8, Block: 1}},
		{"blocks of a record", 77, ref.Order{Microbatch: 6, Lanes: 5, Block: 1}},
		{"a block larger than the data", 20, ref.Order{Microbatch: 8, Lanes: 2, Block: 64}},
		{"one example", 1, ref.Order{Microbatch: 8, Lanes: 2, Block: 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range int64(5) {
				tt.order.Seed = seed
				visits := make([]int, tt.examples)
				read := 0
				for step := int64(1); step <= 400; step++ {
					for u := range int64(tt.order.Lanes) {
						for _, i := range tt.order.Select(step, u, tt.examples) {
							visits[i]++
						}
					}
					if read += tt.order.Microbatch; int64(read)%tt.order.Block != 0 {
						continue
					}
					if lo, hi := slices.Min(visits), slices.Max(visits); hi-lo > 1 {
						t.Fatalf("seed %d: after step %d a record has %d visits, another %d", seed, step, hi, lo)
					}
				}
			}
		})
	}
}

func TestSelectLocality(t *testing.T) {
	o := ref.Order{Seed: 3, Microbatch: 16, Lanes: 8, Block: 480}
	const examples = 12000 // 25 blocks
	for lane := range int64(8) {
		var blocks []uint32
		for step := int64(1); step <= 90; step++ {
			for _, u := range []int64{lane, lane + 8} { // the second round reads the same block
				for _, i := range o.Select(step, u, examples) {
					if b := i / 480; len(blocks) == 0 || blocks[len(blocks)-1] != b {
						blocks = append(blocks, b)
					}
				}
			}
		}
		if len(blocks) != 3 {
			t.Errorf("lane %d read the blocks %v in 90 steps, want one every 30", lane, blocks)
		}
	}
}

func TestSelectIsKeyed(t *testing.T) {
	o := ref.Order{Seed: 42, Microbatch: 16, Lanes: 8, Block: 480}
	const examples = 12000
	base := o.Select(1, 0, examples)
	if d := cmp.Diff(base, o.Select(0, 0, examples)); d != "" {
		t.Errorf("step 0 must use the records of step 1:\n%s", d)
	}
	other := o
	other.Seed = 43
	for name, got := range map[string][]uint32{
		"seed":                other.Select(1, 0, examples),
		"step":                o.Select(2, 0, examples),
		"lane":                o.Select(1, 1, examples),
		"round":               o.Select(1, 8, examples),
		"next epoch":          o.Select(1+examples/128, 0, examples),
		"epoch beyond 32 bit": o.Select(1<<40, 0, examples),
	} {
		if slices.Equal(base, got) {
			t.Errorf("another %s must give other records", name)
		}
	}
}

// Over the epochs, the permutations of few records and the places of a record among many must be equally likely. (All
// permutations of 5 and more are not quite: a Feistel network of more than four values is an even permutation.)
func TestSelectIsUniform(t *testing.T) {
	const epochs = 6000
	count := func(examples int, key func(epoch []uint32) string) map[string]int {
		o := ref.Order{Seed: 7, Microbatch: examples, Lanes: 1, Block: int64(examples)}
		counts := map[string]int{}
		for step := range int64(epochs) {
			counts[key(o.Select(step+1, 0, int64(examples)))]++
		}
		return counts
	}
	for _, tt := range []struct {
		name     string
		examples int
		values   int
		key      func(epoch []uint32) string
	}{
		{"permutations of 3", 3, 6, func(e []uint32) string { return fmt.Sprint(e) }},
		{"permutations of 4", 4, 24, func(e []uint32) string { return fmt.Sprint(e) }},
		{"first three of 7", 7, 210, func(e []uint32) string { return fmt.Sprint(e[:3]) }},
		{"first of 50", 50, 50, func(e []uint32) string { return fmt.Sprint(e[0]) }},
		{"place of record 7 of 50", 50, 50, func(e []uint32) string { return fmt.Sprint(slices.Index(e, 7)) }},
		{"distance of neighbours of 65", 65, 64, func(e []uint32) string { return fmt.Sprint((e[33] - e[32] + 65) % 65) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			counts := count(tt.examples, tt.key)
			mean := float64(epochs) / float64(tt.values)
			chi2 := mean * float64(tt.values-len(counts))
			for _, n := range counts {
				chi2 += (float64(n) - mean) * (float64(n) - mean) / mean
			}
			// Wilson and Hilferty: the cube root of χ²/f is nearly normal.
			f := float64(tt.values - 1)
			z := (math.Cbrt(chi2/f) - (1 - 2/(9*f))) / math.Sqrt(2/(9*f))
			if math.Abs(z) > 4 {
				t.Errorf("χ² = %.1f of %g degrees of freedom (z = %.1f)", chi2, f, z)
			}
		})
	}
}
