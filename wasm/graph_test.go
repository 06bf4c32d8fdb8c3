package wasm_test

import (
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

// Graphs with every kind of merge, of rows and of images, in which outputs have up to four readers.
func TestGraphs(t *testing.T) {
	for _, c := range []struct{ name, input, layers string }{
		{"residual", "5, 4, 3", `
- conv2d: {filters: 3, kernel: 3, padding: same, activation: relu}
- {conv2d: {filters: 3, kernel: 3, padding: same}, name: inner}
- {add: {}, inputs: [inner, conv1]}
- activation: {function: relu}
- flatten
- dense: {units: 3}`},
		{"residual of the input", "5, 4, 3", `
- conv2d: {filters: 3, kernel: 3, padding: same}
- {add: {}, inputs: [input, conv1]}
- activation: {function: tanh}
- flatten
- dense: {units: 3}`},
		{"the input first and then what is trained, in place", "6", `
- activation: {function: tanh}
- {dense: {units: 6}, inputs: [input]}
- {add: {}, inputs: [activation1, dense1]}
- activation: {function: relu}
- dense: {units: 3}`},
		{"an output twice", "5", `
- dense: {units: 7, activation: tanh}
- {add: {}, inputs: [dense1, dense1]}
- {multiply: {}, inputs: [add1, add1, dense1]}
- dense: {units: 3}`},
		{"four readers", "6", `
- dense: {units: 5, activation: sigmoid}
- {dense: {units: 5}, inputs: [dense1]}
- {dense: {units: 5}, inputs: [dense1], rate: 0}
- {activation: {function: linear}, inputs: [dense1]}
- {dropout: {rate: 0.5}, inputs: [dense1]}
- {average: {}, inputs: [dense3, activation1, dropout1, dense2]}
- dense: {units: 3}`},
		{"maximum", "4, 4, 2", `
- conv2d: {filters: 3, kernel: 2, activation: relu}
- {conv2d: {filters: 3, kernel: 2, activation: relu}, inputs: [input]}
- {conv2d: {filters: 3, kernel: 2, stride: 1}, inputs: [input]}
- {maximum: {}, inputs: [conv1, conv2, conv3]}
- activation: {function: leaky-relu}
- {maximum: {}, inputs: [activation1, conv2]}
- flatten
- dense: {units: 3}`},
		{"an image both ways", "4, 3, 2", `
- {flatten: {}, name: row}
- {conv2d: {filters: 5, kernel: 1}, inputs: [input]}
- {conv2d: {filters: 2, kernel: 1}, inputs: [conv1]}
- {concat: {}, inputs: [conv1, input, conv2], name: all}
- flatten
- {concat: {}, inputs: [row, flatten1]}
- dense: {units: 3}`},
		{"rows of odd lengths", "7", `
- dense: {units: 3}
- {dense: {units: 16}, inputs: [input]}
- {dense: {units: 5}, inputs: [dense1]}
- {concat: {}, inputs: [dense3, dense1, dense2, dense3, input]}
- dense: {units: 3}`},
		{"two flattened images", "4, 3, 2", `
- conv2d: {filters: 3, kernel: 2}
- {flatten: {}, name: a}
- {flatten: {}, inputs: [conv1], name: b}
- {flatten: {}, inputs: [b], name: c}
- {multiply: {}, inputs: [a, b, c]}
- dense: {units: 3}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, m := range []int{4, 20} {
				optest.Check(t, optest.Model{Input: c.input, Layers: c.layers, Classes: 3, Microbatch: m})
			}
		})
	}
}
