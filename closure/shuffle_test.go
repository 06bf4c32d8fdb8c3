package closure

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// SplitMix64 from state 0, as published with the algorithm (https://prng.di.unimi.it/splitmix64.c).
func TestGeneratorKnownAnswers(t *testing.T) {
	g := generator{}
	for i, want := range []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec} {
		if got := g.next(); got != want {
			t.Errorf("number %d is %#x, want %#x", i, got, want)
		}
	}
}

// Stored datasets depend on these permutations.
func TestShuffleGolden(t *testing.T) {
	list := []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	newGenerator(42, "order of train").shuffle(list)
	if diff := cmp.Diff([]uint32{1, 4, 0, 5, 9, 8, 2, 6, 3, 7}, list); diff != "" {
		t.Error(diff)
	}
}

func TestBelowIsFair(t *testing.T) {
	g := newGenerator(1, "test")
	var counts [7]int
	for range 70000 {
		counts[g.below(7)]++
	}
	for i, n := range counts {
		if n < 9600 || n > 10400 {
			t.Errorf("%d came %d times of 70000", i, n)
		}
	}
	// Here half of all numbers are rejected.
	for range 1000 {
		if n := g.below(1<<63 + 1); n > 1<<63 {
			t.Fatalf("%d is not below 2^63+1", n)
		}
	}
}

func TestShuffleIsAPermutation(t *testing.T) {
	for n := range 20 {
		list := make([]uint32, n)
		for i := range list {
			list[i] = uint32(i)
		}
		newGenerator(0, "x").shuffle(list)
		slices.Sort(list)
		for i, v := range list {
			if int(v) != i {
				t.Fatalf("of %d: %v", n, list)
			}
		}
	}
}
