package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

func TestPool2d(t *testing.T) {
	for _, kind := range []string{"maxpool2d", "avgpool2d"} {
		for _, c := range []struct{ input, attributes string }{
			{"2, 2, 1", "size: 1"},
			{"4, 6, 3", "size: 2"},
			{"5, 7, 3", "size: 2"},
			{"5, 7, 3", "size: 2, padding: same"},
			{"5, 7, 3", "size: 3, stride: 2"},
			{"5, 7, 3", "size: 3, stride: 2, padding: same"},
			{"5, 7, 3", "size: 3, stride: 2, padding: 1"},
			{"5, 7, 3", "size: [1, 3], stride: [2, 1]"},
			{"5, 7, 3", "size: [3, 2], stride: [1, 2], padding: [2, 1]"},
			{"7, 7, 1", "size: 2, stride: 3"},
			{"7, 7, 1", "size: 2, stride: 3, padding: same"},
			{"6, 6, 5", "size: 3, stride: 1, padding: same"},
			{"3, 3, 17", "size: 3"},
			{"6, 6, 4", "size: [2, 3]"},
		} {
			t.Run(kind+" "+c.input+"; "+c.attributes, func(t *testing.T) {
				checkImage(t, optest.Model{Input: c.input}, fmt.Sprintf("- %s: {%s}", kind, c.attributes))
			})
		}
		for _, m := range microbatches {
			t.Run(fmt.Sprintf("%s, %d", kind, m), func(t *testing.T) {
				checkImage(t, optest.Model{Input: "5, 4, 3", Microbatch: m}, fmt.Sprintf("- %s: {size: 3, stride: 2, padding: same}", kind))
			})
		}
	}
}

// Bytes of few values have equal maxima in many windows: the first of them takes the gradient.
func TestPool2dTies(t *testing.T) {
	for _, attributes := range []string{"size: 2", "size: 3, stride: 2, padding: same"} {
		t.Run(attributes, func(t *testing.T) {
			optest.Check(t, optest.Model{
				Input: "6, 6, 2", DType: "u8", Normalize: "{scale: 0}", Classes: 3,
				Layers: "- conv2d: {filters: 3, kernel: 1, activation: relu}\n- maxpool2d: {" + attributes + "}\n- flatten\n- dense: {units: 3}",
			})
		})
	}
}
