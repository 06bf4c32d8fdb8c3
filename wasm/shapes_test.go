package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

// checkShapes checks a layer on an input of a shape as the first one and behind one that is trained, at microbatches of one tile and of
// two. Its output is flattened.
func checkShapes(t *testing.T, input, layer string) {
	t.Helper()
	for i, before := range []string{"", "- prelu\n"} {
		t.Run(fmt.Sprintf("%s, %s, %d", input, layer, i), func(t *testing.T) {
			optest.Check(t, optest.Model{
				Input: input, Classes: 3, Microbatch: []int{20, 5}[i], Layers: before + layer + "\n- flatten\n- dense: {units: 3}",
			})
		})
	}
}

func TestPadCropUpsample(t *testing.T) {
	for _, c := range [][2]string{
		{"3, 4, 2", "- pad: {top: 1, left: 2, right: 1}"},
		{"3, 4, 2", "- pad: {top: 2, bottom: 1, left: 3, right: 2, mode: reflect}"},
		{"5, 3", "- pad: {left: 2, right: 1, mode: reflect}"},
		{"5, 3", "- pad: {right: 3}"},
		{"4, 5, 3", "- crop: {top: 1, bottom: 2, right: 3}"},
		{"5, 2", "- crop: {left: 1, right: 2}"},
		{"2, 3, 2", "- upsample"},
		{"2, 3, 2", "- upsample: {factor: [1, 3]}"},
		{"4, 3", "- upsample"},
		{"3, 2, 2", "- upsample: {mode: bilinear}"},
		{"1, 3, 1", "- upsample: {factor: [2, 3], mode: bilinear}"},
		{"4, 2", "- upsample: {factor: 4, mode: bilinear}"},
	} {
		checkShapes(t, c[0], c[1])
	}
}

func TestReshapePermute(t *testing.T) {
	for _, c := range [][2]string{
		{"3, 4, 2", "- reshape: {shape: [24]}"},
		{"3, 4, 2", "- reshape: {shape: [4, 6]}\n- prelu"},
		{"12", "- reshape: {shape: [2, 3, 2]}\n- avgpool2d: {size: 1}"},
		{"12", "- reshape: {shape: [12]}"},
		{"6", "- permute: {order: [1]}"},
		{"4, 3", "- permute: {order: [2, 1]}"},
		{"3, 4, 2", "- permute: {order: [3, 1, 2]}"},
		{"3, 4, 2", "- permute: {order: [1, 2, 3]}"},
	} {
		checkShapes(t, c[0], c[1])
	}
	// What is reshaped in place has other readers, or is read by a backward pass.
	for _, layers := range []string{
		"- maxpool2d\n- reshape: {shape: [4, 3]}\n- activation: {function: relu}\n- flatten",
		"- {prelu: {}, name: a}\n- {reshape: {shape: [8, 6]}, name: b}\n- {reshape: {shape: [4, 12]}, inputs: [a], name: c}\n- {permute: {order: [2, 1]}, inputs: [c]}\n- {reshape: {shape: [8, 6]}, name: d}\n- {multiply: {}, inputs: [b, d]}\n- flatten",
	} {
		optest.Check(t, optest.Model{Input: "4, 4, 3", Classes: 3, Layers: layers + "\n- dense: {units: 3}"})
	}
}

func TestNoise(t *testing.T) {
	checkShapes(t, "3, 2, 3", "- gaussian-noise: {deviation: 0.5}")
	checkShapes(t, "5", "- gaussian-noise: {deviation: 2}\n- gaussian-noise: {deviation: 0}")
	optest.CheckBits(t, optest.Model{
		Input: "7", Classes: 3, Microbatch: 20, Local: "steps: 2", Layers: "- dense: {units: 6}\n- gaussian-noise: {deviation: 0.1}\n- dense: {units: 3}",
	})
}

func TestDot(t *testing.T) {
	for _, input := range []string{"5", "4, 3", "2, 3, 4"} {
		optest.Check(t, optest.Model{Input: input, Classes: 3, Microbatch: 20, Layers: `
- {prelu: {}, name: a}
- {prelu: {}, inputs: [input], name: b}
- {dot: {}, inputs: [a, b]}
- {dot: {}, inputs: [a, a]}
- {dot: {}, inputs: [input, b]}
- {concat: {}, inputs: [dot1, dot2, dot3]}
- flatten
- dense: {units: 3}`})
	}
}

func TestMoreMerges(t *testing.T) {
	for _, input := range []string{"5", "2, 3, 4"} {
		optest.Check(t, optest.Model{Input: input, Classes: 3, Microbatch: 20, Layers: `
- {prelu: {}, name: a}
- {activation: {function: tanh}, inputs: [input], name: b}
- {prelu: {}, inputs: [b], name: c}
- {subtract: {}, inputs: [a, c], name: d}
- {minimum: {}, inputs: [a, c, d], name: e}
- {subtract: {}, inputs: [b, e], name: f}
- activation: {function: relu}
- flatten
- dense: {units: 3}`})
	}
}
