package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

// checkBoth checks a layer of images, of sequences and of rows as the first layer and behind another, at microbatches of one
// tile and of two.
func checkBoth(t *testing.T, layer string) {
	t.Helper()
	for _, c := range []struct{ name, input, before, after string }{
		{"image", "3, 4, 4", "- conv2d: {filters: 6, kernel: 2, padding: same}\n", "\n- flatten"},
		{"image of the input", "3, 4, 6", "", "\n- flatten"},
		{"sequence of the input", "5, 6", "", "\n- flatten"},
		{"row", "5", "- dense: {units: 6}\n", ""},
		{"row of the input", "6", "", ""},
	} {
		for _, m := range []int{5, 20} {
			t.Run(fmt.Sprintf("%s, %s, %d", layer, c.name, m), func(t *testing.T) {
				optest.Check(t, optest.Model{
					Input: c.input, Classes: 3, Microbatch: m, Layers: c.before + layer + c.after + "\n- dense: {units: 3}",
				})
			})
		}
	}
}

func TestPReLU(t *testing.T) {
	checkBoth(t, "- prelu")
	checkBoth(t, "- prelu: {shared: true, slope: -0.5}")
}

func TestMaxout(t *testing.T) {
	checkBoth(t, "- maxout")
	checkBoth(t, "- maxout: {size: 3}\n- activation: {function: sigmoid}")
}
