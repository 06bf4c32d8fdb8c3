package wasm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

// checkImage checks a layer on images as the first one, whose input has its padding in memory, and behind a convolution, for
// which its gradient by the input counts.
func checkImage(t *testing.T, m optest.Model, layer string) {
	t.Helper()
	m.Classes = 3
	for _, c := range []struct{ name, before string }{
		{"first", ""},
		{"behind", "- conv2d: {filters: %d, kernel: [2, 1], padding: same, activation: leaky-relu}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.before
			if before != "" {
				var h, w, channels int
				fmt.Sscanf(m.Input, "%d, %d, %d", &h, &w, &channels)
				before = fmt.Sprintf(before, channels)
			}
			m.Layers = before + layer + "\n- flatten\n- dense: {units: 3}"
			optest.Check(t, m)
		})
	}
}

func TestConv2dChannels(t *testing.T) {
	for _, channels := range oddSizes {
		for _, filters := range oddSizes {
			t.Run(fmt.Sprintf("%d to %d", channels, filters), func(t *testing.T) {
				checkImage(t, optest.Model{Input: fmt.Sprintf("4, 5, %d", channels)},
					fmt.Sprintf("- conv2d: {filters: %d, kernel: [2, 3], padding: same}", filters))
			})
		}
	}
}

func TestConv2dGeometry(t *testing.T) {
	for _, c := range []struct{ input, attributes string }{
		{"1, 1, 1", "kernel: 1"},
		{"1, 7, 2", "kernel: [1, 3]"},
		{"7, 1, 2", "kernel: [3, 1]"},
		{"5, 5, 2", "kernel: 5"},
		{"5, 7, 2", "kernel: 3"},
		{"5, 7, 2", "kernel: 3, padding: same"},
		{"5, 7, 2", "kernel: 3, padding: 1"},
		{"5, 7, 2", "kernel: 3, padding: 2"},
		{"5, 7, 2", "kernel: 3, padding: [0, 2]"},
		{"5, 7, 2", "kernel: [4, 2], padding: same"},
		{"5, 7, 2", "kernel: [2, 4], padding: [1, 3]"},
		{"3, 2, 2", "kernel: 5, padding: same"},
		{"3, 2, 2", "kernel: 5, padding: 4"},
		{"7, 9, 2", "kernel: 3, stride: 2"},
		{"7, 9, 2", "kernel: 3, stride: 2, padding: same"},
		{"8, 6, 2", "kernel: 3, stride: 2, padding: same"},
		{"7, 9, 2", "kernel: 3, stride: [1, 2], padding: 1"},
		{"7, 9, 2", "kernel: 3, stride: [2, 1], padding: same"},
		{"7, 9, 2", "kernel: [1, 2], stride: [3, 4]"},
		{"7, 9, 2", "kernel: 2, stride: 3, padding: same"},
		{"17, 17, 1", "kernel: 5, stride: 4, padding: 2"},
		{"6, 6, 3", "kernel: 5, padding: same"},
		{"6, 6, 4", "kernel: 5, padding: same"},
		{"5, 6, 3", "kernel: 3, padding: same, bias: false"},
		{"5, 6, 3", "kernel: 3, stride: 2, padding: same, bias: false"},
		{"5, 6, 3", "kernel: 3, padding: same, activation: relu"},
		{"5, 6, 3", "kernel: 3, padding: same, activation: leaky-relu, bias: false"},
		{"5, 6, 3", "kernel: 3, padding: same, activation: tanh"},
		{"5, 6, 10", "kernel: 3, padding: same, activation: relu"},
	} {
		t.Run(c.input+"; "+c.attributes, func(t *testing.T) {
			checkImage(t, optest.Model{Input: c.input}, "- conv2d: {filters: 3, "+c.attributes+"}")
		})
	}
}

func TestConv2dMicrobatches(t *testing.T) {
	for _, m := range microbatches {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			checkImage(t, optest.Model{Input: "5, 4, 3", DType: "u8", Normalize: "{scale: 0.00392156862745098}", Microbatch: m},
				"- conv2d: {filters: 5, kernel: 3, padding: same, activation: relu}\n- maxpool2d")
		})
	}
}

// Convolutions of so many weights that these are used as they lie: at every stride, where windows see nothing but padding in
// some of their elements, in one tile and in several.
func TestConv2dOfManyWeights(t *testing.T) {
	for _, c := range []struct{ input, attributes string }{
		{"3, 4, 64", "filters: 60, kernel: 3, padding: same, activation: relu"},
		{"4, 3, 64", "filters: 64, kernel: 3, stride: 2, padding: 1, bias: false"},
		{"1, 1, 60", "filters: 64, kernel: 3, padding: 1"},
		{"3, 3, 184", "filters: 180, kernel: 1, stride: 2"},
		{"1, 1, 10", "filters: 3277, kernel: 1"}, // not of fours
	} {
		for _, m := range []int{3, 22} {
			t.Run(fmt.Sprintf("%s; %s, %d", c.input, c.attributes, m), func(t *testing.T) {
				var channels int
				fmt.Sscanf(strings.Fields(c.input)[2], "%d", &channels)
				model := optest.Model{
					Input: strings.Join(strings.Fields(c.input)[:2], " ") + " 1", Classes: 3, Microbatch: m, Microbatches: 1,
					Layers: fmt.Sprintf("- conv2d: {filters: %d, kernel: 1}\n- conv2d: {%s}\n- flatten\n- dense: {units: 3}", channels, c.attributes),
				}
				optest.CheckResolved(t, model.Resolve(t), optest.Compiler())
			})
		}
	}
}
