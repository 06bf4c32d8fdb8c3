package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/optest"
)

func TestTraining(t *testing.T) {
	for _, c := range []struct{ name, optimizer, algorithm string }{
		{"sgd", "{sgd: {learningRate: 0.1}}", ""},
		{"momentum", "{sgd: {learningRate: 0.1, momentum: 0.9}}", ""},
		{"nesterov", "{sgd: {learningRate: 0.1, momentum: 0.9, nesterov: true}}", ""},
		{"adagrad", "{adagrad: {learningRate: 0.02}}", ""},
		{"adam", "adam", ""},
		{"adam, all attributes", "{adam: {learningRate: 0.01, beta1: 0.5, beta2: 0.99, epsilon: 0.001}}", ""},
		{"regularised", "{sgd: {learningRate: 0.1}}", "regularization: {l1: 0.001, l2: 0.01}"},
		{"step schedule", "{sgd: {learningRate: 0.1}}", "schedule: {step: {every: 1, factor: 0.7}}"},
		{"exponential schedule", "{sgd: {learningRate: 0.1}}", "schedule: {exponential: {every: 7, factor: 0.1}}"},
		{"blocks", "{sgd: {learningRate: 0.1}}", "block: 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, bits := range widths {
				optest.CheckBits(t, optest.Model{
					Input: "6", Classes: 3, Layers: "- dense: {units: 9, activation: relu}\n- dense: {units: 3}", Microbatches: 3, Examples: 50,
					Optimizer: c.optimizer, Algorithm: c.algorithm, Bits: bits,
				})
			}
		})
	}
	for _, name := range kernel.Initializers() {
		t.Run(name, func(t *testing.T) {
			optest.CheckBits(t, optest.Model{
				Input: "5, 5, 3", Classes: 3, Layers: "- conv2d: {filters: 5, kernel: 3}\n- flatten\n- dense: {units: 3}",
				Algorithm: fmt.Sprintf("initializer: %s", name),
			})
		})
	}
}
