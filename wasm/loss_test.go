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
		{"smoothed", optest.Model{Loss: "{softmax-cross-entropy: {labelSmoothing: 0.1}}", Classes: 7, Layers: "- dense: {units: 7}", Microbatch: 18}},
		{"weighted", optest.Model{Loss: "{softmax-cross-entropy: {classWeights: [1, 0.5, 0, 3, 0.7]}}", Classes: 5, Layers: "- dense: {units: 5}", Microbatch: 7}},
		{"smoothed and weighted", optest.Model{Loss: "{softmax-cross-entropy: {labelSmoothing: 0.3, classWeights: [1, 0.5, 0, 3, 0.7]}}", Classes: 5, Layers: "- dense: {units: 5}", Microbatch: 20}},
		{"absolute, values", optest.Model{Loss: "mean-absolute-error", Outputs: 3, Layers: "- dense: {units: 3}"}},
		{"absolute, classes", optest.Model{Loss: "mean-absolute-error", Classes: 3, Layers: "- dense: {units: 3}", Microbatch: 18}},
		{"huber", optest.Model{Loss: "huber", Outputs: 5, Layers: "- dense: {units: 5}", Microbatch: 17}},
		{"huber, narrow", optest.Model{Loss: "{huber: {delta: 0.25}}", Outputs: 1, Layers: "- dense: {units: 1}"}},
		{"log-cosh", optest.Model{Loss: "log-cosh", Outputs: 4, Layers: "- dense: {units: 4}", Microbatch: 9}},
		{"binary, values", optest.Model{Loss: "binary-cross-entropy", Outputs: 3, Layers: "- dense: {units: 3}", Microbatch: 18}},
		{"binary, one value", optest.Model{Loss: "binary-cross-entropy", Outputs: 1, Layers: "- dense: {units: 1}"}},
		{"binary, classes", optest.Model{Loss: "binary-cross-entropy", Classes: 4, Layers: "- dense: {units: 4}", Microbatch: 6}},
		{"binary, one output for two classes", optest.Model{Loss: "binary-cross-entropy", Classes: 2, Layers: "- dense: {units: 1}", Microbatch: 18}},
		{"divergence", optest.Model{Loss: "kl-divergence", Outputs: 6, Layers: "- dense: {units: 6}", Microbatch: 17}},
		{"poisson", optest.Model{Loss: "poisson", Outputs: 3, Layers: "- dense: {units: 3}"}},
		{"hinge, classes", optest.Model{Loss: "hinge", Classes: 6, Layers: "- dense: {units: 6}", Microbatch: 19}},
		{"hinge, signs", optest.Model{Loss: "{hinge: {margin: 0.5}}", Outputs: 3, Layers: "- dense: {units: 3}", Microbatch: 17}},
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
		{"absolute", optest.Model{Loss: "mean-absolute-error", Outputs: 2, Layers: "- dense: {units: 2}"}},
		{"binary", optest.Model{Loss: "binary-cross-entropy", Outputs: 2, Layers: "- dense: {units: 2}"}},
		{"log-cosh", optest.Model{Loss: "log-cosh", Outputs: 2, Layers: "- dense: {units: 2}"}},
		{"hinge", optest.Model{Loss: "hinge", Classes: 4, Layers: "- dense: {units: 4}"}},
		{"divergence", optest.Model{Loss: "kl-divergence", Outputs: 2, Layers: "- dense: {units: 2}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.m.Input, c.m.Normalize, c.m.Optimizer = "6", "{scale: 100000}", "{sgd: {learningRate: 1.0e-12}}"
			optest.CheckBits(t, c.m)
		})
	}
}
