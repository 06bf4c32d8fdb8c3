package wasm_test

import (
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// Each function as an attribute of dense (rows) and conv2d (sites), where some are fused, as a layer behind one that cannot
// fuse it, and as the first layer.
func TestActivations(t *testing.T) {
	for _, f := range kernel.Activations() {
		for _, c := range []struct{ name, layers string }{
			{"of dense", "- flatten\n- dense: {units: 7, activation: F}\n- dense: {units: 3}"},
			{"of conv2d", "- conv2d: {filters: 5, kernel: 3, activation: F}\n- flatten\n- dense: {units: 3}"},
			{"layer", "- conv2d: {filters: 5, kernel: 3}\n- avgpool2d: {size: 2}\n- activation: {function: F}\n- flatten\n- activation: {function: F}\n- dense: {units: 3}"},
			{"twice", "- flatten\n- dense: {units: 7, activation: F}\n- activation: {function: F}\n- dense: {units: 3}"},
			{"first, sites", "- activation: {function: F}\n- conv2d: {filters: 2, kernel: 3, padding: same}\n- flatten\n- dense: {units: 3}"},
			{"first, rows", "- activation: {function: F}\n- flatten\n- dense: {units: 3}"},
			{"last", "- flatten\n- dense: {units: 3, activation: F}"},
			{"of a maximum", "- conv2d: {filters: 5, kernel: 2}\n- maxpool2d\n- activation: {function: F}\n- flatten\n- dense: {units: 3}"},
			{"of a flat maximum", "- conv2d: {filters: 5, kernel: 2}\n- maxpool2d\n- flatten\n- activation: {function: F}\n- dense: {units: 3}"},
			{"behind others", "- flatten\n- dense: {units: 7, activation: tanh}\n- flatten\n- activation: {function: linear}\n- activation: {function: F}\n- dense: {units: 3}"},
		} {
			t.Run(f+" "+c.name, func(t *testing.T) {
				optest.Check(t, optest.Model{Input: "5, 4, 3", Classes: 3, Layers: replaceF(c.layers, f)})
			})
		}
	}
}
