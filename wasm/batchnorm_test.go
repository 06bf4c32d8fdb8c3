package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

// Batch norms of rows and of images, first and behind others, fused with an activation or not, at microbatches that fill
// their tile or not, and in one tile of more than 16 examples.
func TestBatchNorm(t *testing.T) {
	for _, c := range []struct{ name, input, layers string }{
		{"rows", "5", "- dense: {units: 7}\n- batch-norm\n- dense: {units: 3}"},
		{"rows of the input", "5", "- batch-norm: {activation: tanh}\n- dense: {units: 3}"},
		{"images", "5, 4, 3", `
- conv2d: {filters: 5, kernel: 3, padding: same}
- batch-norm: {activation: relu}
- conv2d: {filters: 4, kernel: 3, stride: 2, padding: 1}
- batch-norm: {epsilon: 0.001, momentum: 0.3, activation: leaky-relu}
- batch-norm: {momentum: 1}
- flatten
- dense: {units: 3}`},
		{"images of the input", "3, 4, 2", "- batch-norm\n- global-average-pool\n- dense: {units: 3}"},
		{"residual", "4, 4, 3", `
- conv2d: {filters: 6, kernel: 3, padding: same}
- {batch-norm: {activation: relu}, name: stem}
- conv2d: {filters: 6, kernel: 3, padding: same, stride: 2}
- {batch-norm: {}, name: main}
- {conv2d: {filters: 6, kernel: 1, stride: 2}, inputs: [stem]}
- {batch-norm: {}, name: side}
- {add: {}, inputs: [main, side]}
- {activation: {function: relu}}
- global-average-pool
- dense: {units: 3}`},
		{"frozen", "5", "- dense: {units: 7}\n- {batch-norm: {}, rate: 0}\n- dense: {units: 3}"},
	} {
		for _, m := range []int{11, 16, 40} {
			t.Run(fmt.Sprintf("%s, %d", c.name, m), func(t *testing.T) {
				optest.Check(t, optest.Model{Input: c.input, Layers: c.layers, Classes: 3, Microbatch: m})
			})
		}
		t.Run(c.name+", local steps", func(t *testing.T) {
			optest.CheckBits(t, optest.Model{Input: c.input, Layers: c.layers, Classes: 3, Microbatch: 30, Local: "steps: 3"})
		})
	}
}
