package wasm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

// list is n different constants.
func list(n int, scale float64) string {
	var s []string
	for i := range n {
		s = append(s, fmt.Sprint(scale*float64(i+1)))
	}
	return "[" + strings.Join(s, ", ") + "]"
}

func TestInput(t *testing.T) {
	normalizations := []struct{ name, text string }{
		{"none", ""},
		{"scale", "{scale: 0.0078125}"},
		{"offset", "{scale: 1, offset: -0.5}"},
		{"scale and offset", "{scale: 0.00784313725490196, offset: -1}"},
		{"mean and deviation", "{mean: 33.3184, deviation: 78.567}"},
		{"scale per channel", "{scale: " + list(3, 0.003) + "}"},
		{"scale and offset per channel", "{scale: " + list(3, 0.003) + ", offset: " + list(3, -0.3) + "}"},
		{"one scale, offset per channel", "{scale: 0.01, offset: " + list(3, -0.3) + "}"},
		{"one mean, deviation per channel", "{mean: 12, deviation: " + list(3, 40) + "}"},
		{"mean and deviation per element", "{mean: " + list(45, 3) + ", deviation: " + list(45, 7) + "}"},
	}
	layouts := []struct{ name, layers string }{
		{"rows", "- flatten"},
		{"sites", "- maxpool2d"},
		{"padded sites", "- conv2d: {filters: 2, kernel: 3, padding: same}"},
		{"lopsided sites", "- conv2d: {filters: 2, kernel: [2, 4], padding: same}"},
	}
	for _, dtype := range []string{"u8", "f32"} {
		for _, n := range normalizations {
			for _, l := range layouts {
				t.Run(dtype+", "+n.name+", "+l.name, func(t *testing.T) {
					layers := l.layers + "\n- dense: {units: 3}"
					if l.name != "rows" {
						layers = l.layers + "\n- flatten\n- dense: {units: 3}"
					}
					optest.CheckBits(t, optest.Model{
						Input: "5, 3, 3", DType: dtype, Normalize: n.text, Classes: 3, Microbatch: 5, Layers: layers,
					})
				})
			}
		}
	}
}

func TestInputShapes(t *testing.T) {
	for _, c := range []struct{ input, layers string }{
		{"1", ""},
		{"3", ""},
		{"784", ""},
		{"7, 3", "- flatten\n"},
		{"2, 3, 5", "- flatten\n- flatten\n"},
		{"2, 3, 5, 2", "- flatten\n"},
		{"3, 3, 1", "- avgpool2d: {size: 3}\n- flatten\n"},
		{"2, 2, 4", "- avgpool2d\n- conv2d: {filters: 2, kernel: 1}\n- flatten\n"},
	} {
		t.Run(c.input, func(t *testing.T) {
			for _, dtype := range []string{"u8", "f32"} {
				optest.Check(t, optest.Model{
					Input: c.input, DType: dtype, Normalize: "{scale: 0.0625}", Classes: 3, Microbatch: 7, Layers: c.layers + "- dense: {units: 3}",
				})
			}
		})
	}
}
