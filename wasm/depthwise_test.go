package wasm_test

import (
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

func TestDepthwise(t *testing.T) {
	for _, c := range []struct{ input, attributes string }{
		{"1, 1, 1", "kernel: 1"},
		{"5, 7, 3", "kernel: 3"},
		{"5, 4, 5", "kernel: 3, padding: same, activation: relu"},
		{"5, 7, 2", "kernel: [2, 3], stride: [1, 2], padding: 1, bias: false"},
		{"7, 6, 4", "kernel: 3, stride: 2, padding: same, activation: tanh"},
	} {
		t.Run(c.input+"; "+c.attributes, func(t *testing.T) {
			checkImage(t, optest.Model{Input: c.input, Microbatch: 21}, "- depthwise-conv2d: {"+c.attributes+"}")
		})
	}
	t.Run("separable, normalized", func(t *testing.T) {
		optest.Check(t, optest.Model{Input: "6, 5, 3", Classes: 3, Microbatch: 24, Layers: `
- depthwise-conv2d: {kernel: 3, padding: same}
- batch-norm: {activation: relu}
- conv2d: {filters: 5, kernel: 1}
- batch-norm: {activation: relu}
- global-average-pool
- dense: {units: 3}`})
	})
}
