package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

// oddSizes are 1, the neighbours of the width of a vector and of twice that, and one more than the largest tile.
var oddSizes = []int{1, 3, 4, 5, 7, 17}

// microbatches are all widths of a tile, full and not, and several tiles.
var microbatches = []int{1, 2, 3, 4, 5, 8, 12, 16, 17, 20, 33, 64}

func TestDenseShapes(t *testing.T) {
	for _, inputs := range oddSizes {
		for _, units := range oddSizes {
			t.Run(fmt.Sprintf("%d to %d", inputs, units), func(t *testing.T) {
				optest.Check(t, optest.Model{
					Input: fmt.Sprint(inputs), Classes: 3,
					Layers: fmt.Sprintf("- dense: {units: %d, activation: tanh}\n- dense: {units: 3}", units),
				})
			})
		}
	}
}

func TestDense(t *testing.T) {
	for _, c := range []struct {
		name, layers string
	}{
		{"alone", "- dense: {units: 5}"},
		{"without bias", "- dense: {units: 6, bias: false}\n- dense: {units: 5, bias: false}"},
		{"deep", "- dense: {units: 9, activation: relu}\n- dense: {units: 2, activation: sigmoid}\n- dense: {units: 13}\n- dense: {units: 5}"},
		{"frozen", "- dense: {units: 6, activation: relu}\n  rate: 0\n- dense: {units: 5}"},
		{"slow", "- dense: {units: 6, activation: relu}\n  rate: 0.25\n- dense: {units: 5}"},
		{"32 units", "- dense: {units: 3}\n- dense: {units: 31}\n- dense: {units: 32}\n- dense: {units: 33}\n- dense: {units: 5}"},
		{"wide", "- dense: {units: 129, activation: relu}\n- dense: {units: 67, activation: relu}\n- dense: {units: 5}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			optest.Check(t, optest.Model{Input: "11", Classes: 5, Layers: c.layers})
		})
	}
}

func TestDenseMicrobatches(t *testing.T) {
	for _, m := range microbatches {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			optest.Check(t, optest.Model{
				Input: "7", Classes: 3, Microbatch: m, Layers: "- dense: {units: 5, activation: relu}\n- dense: {units: 35}\n- dense: {units: 3}",
			})
		})
	}
}
