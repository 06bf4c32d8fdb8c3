package wasm_test

import (
	"testing"

	"github.com/reprise-ml/reprise/wasm/optest"
)

func TestLosses(t *testing.T) {
	for _, c := range []struct {
		name string
		m    optest.Model
	}{
		{"softmax, one class", optest.Model{Classes: 1, Layers: "- dense: {units: 1}"}},
		{"softmax, two classes", optest.Model{Classes: 2, Layers: "- dense: {units: 2}"}},
		{"softmax, 17 classes", optest.Model{Classes: 17, Layers: "- dense: {units: 17}", Microbatch: 33}},
		{"softmax, all 256 bytes", optest.Model{Classes: 256, Layers: "- dense: {units: 256}"}},
		{"softmax, 300 classes", optest.Model{Classes: 300, Target: "u16", Layers: "- dense: {units: 300}", Microbatch: 17}},
		{"softmax, ties", optest.Model{Classes: 5, Layers: "- dense: {units: 5, bias: false}", Algorithm: "initializer: zeros", Microbatch: 20}},
		{"softmax, far apart", optest.Model{Classes: 5, Layers: "- dense: {units: 5}", Normalize: "{scale: 100}"}},
		{"squares, values", optest.Model{Loss: "mean-squared-error", Outputs: 3, Layers: "- dense: {units: 3}"}},
		{"squares, one value", optest.Model{Loss: "mean-squared-error", Outputs: 1, Layers: "- dense: {units: 1}", Microbatch: 5}},
		{"squares, 17 values", optest.Model{Loss: "mean-squared-error", Outputs: 17, Layers: "- dense: {units: 17}", Microbatch: 20}},
		{"squares, classes", optest.Model{Loss: "mean-squared-error", Classes: 6, Layers: "- dense: {units: 6, activation: sigmoid}", Microbatch: 17}},
		{"squares, u16 classes", optest.Model{Loss: "mean-squared-error", Classes: 6, Target: "u16", Layers: "- dense: {units: 6}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.m.Input = "6"
			optest.Check(t, c.m)
		})
	}
}

// Losses beyond ±2^14 count as that, and numeric gradients of such numbers mean nothing.
func TestLossIsClamped(t *testing.T) {
	for _, c := range []struct {
		name string
		m    optest.Model
	}{
		{"softmax", optest.Model{Classes: 4, Layers: "- dense: {units: 4}"}},
		{"squares", optest.Model{Loss: "mean-squared-error", Outputs: 2, Layers: "- dense: {units: 2}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.m.Input, c.m.Normalize, c.m.Optimizer = "6", "{scale: 100000}", "{sgd: {learningRate: 1.0e-12}}"
			optest.CheckBits(t, c.m)
		})
	}
}
