package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

func TestDropout(t *testing.T) {
	for _, c := range []struct{ name, layers string }{
		{"rows", "- flatten\n- dense: {units: 7, activation: relu}\n- dropout: {rate: 0.5}\n- dense: {units: 3}"},
		{"sites", "- conv2d: {filters: 5, kernel: 3, activation: relu}\n- dropout: {rate: 0.3}\n- flatten\n- dense: {units: 3}"},
		{"first, rows", "- dropout: {rate: 0.2}\n- flatten\n- dense: {units: 3}"},
		{"first, sites", "- dropout: {rate: 0.2}\n- conv2d: {filters: 2, kernel: 3, padding: same}\n- flatten\n- dense: {units: 3}"},
		{"twice", "- flatten\n- dense: {units: 9}\n- dropout: {rate: 0.5}\n- dropout: {rate: 0.5}\n- dense: {units: 3}"},
		{"before an activation", "- conv2d: {filters: 5, kernel: 3}\n- dropout: {rate: 0.3}\n- activation: {function: relu}\n- flatten\n- dense: {units: 3}"},
		{"never", "- flatten\n- dense: {units: 9}\n- dropout: {rate: 0}\n- dense: {units: 3}"},
		{"nearly always", "- flatten\n- dense: {units: 90}\n- dropout: {rate: 0.99}\n- dense: {units: 3}"},
		{"last", "- flatten\n- dense: {units: 3}\n- dropout: {rate: 0.3}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			optest.Check(t, optest.Model{Input: "5, 5, 3", Classes: 3, Layers: c.layers})
		})
	}
	for _, m := range microbatches {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			optest.Check(t, optest.Model{
				Input: "3, 3, 3", Classes: 3, Microbatch: m, Microbatches: 3,
				Layers: "- conv2d: {filters: 5, kernel: 2}\n- dropout: {rate: 0.5}\n- flatten\n- dense: {units: 7}\n- dropout: {rate: 0.5}\n- dense: {units: 3}",
			})
		})
	}
}
