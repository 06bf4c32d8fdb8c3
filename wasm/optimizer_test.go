package wasm_test

import (
	"fmt"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/optest"
)

func TestTraining(t *testing.T) {
	for k, c := range []struct{ name, optimizer, algorithm string }{
		{"sgd", "{sgd: {learningRate: 0.1}}", ""},
		{"momentum", "{sgd: {learningRate: 0.1, momentum: 0.9}}", ""},
		{"nesterov", "{sgd: {learningRate: 0.1, momentum: 0.9, nesterov: true}}", ""},
		{"adagrad", "{adagrad: {learningRate: 0.02}}", ""},
		{"adam", "adam", ""},
		{"adam, all attributes", "{adam: {learningRate: 0.01, beta1: 0.5, beta2: 0.99, epsilon: 0.001}}", ""},
		{"adamw", "adamw", ""},
		{"adamw, all attributes", "{adamw: {learningRate: 0.01, beta1: 0.5, beta2: 0.99, epsilon: 0.001, weightDecay: 0.3}}", "regularization: {l2: 0.01}"},
		{"adamax", "{adamax: {learningRate: 0.01}}", ""},
		{"nadam", "{nadam: {learningRate: 0.01}}", ""},
		{"adadelta", "{adadelta: {rho: 0.8}}", ""},
		{"rmsprop", "rmsprop", ""},
		{"rmsprop, centred", "{rmsprop: {centered: true}}", ""},
		{"rmsprop, momentum", "{rmsprop: {momentum: 0.8}}", ""},
		{"rmsprop, both", "{rmsprop: {momentum: 0.8, centered: true, alpha: 0.9}}", "regularization: {l1: 0.01}"},
		{"lamb", "{lamb: {learningRate: 0.01}}", ""},
		{"lamb, regularised", "{lamb: {learningRate: 0.01}}", "regularization: {l1: 0.001, l2: 0.01}"},
		{"lars", "lars", ""},
		{"lars, regularised", "{lars: {momentum: 0.5, trustCoefficient: 0.1}}", "regularization: {l2: 0.01}"},
		{"lars, zeros", "{lars: {momentum: 0.5, trustCoefficient: 0.1}}", "initializer: zeros"},
		{"clipping by value", "adamw", "clipping: {value: {limit: 0.05}}"},
		{"clipping by norm", "{sgd: {learningRate: 0.1, momentum: 0.9, nesterov: true}}", "clipping: {norm: {limit: 0.1}}"},
		{"clipping by a norm that is not reached", "rmsprop", "clipping: {norm: {limit: 1000}}"},
		{"clipping tensors", "{lamb: {learningRate: 0.01}}", "clipping: {tensor-norm: {limit: 0.1}}"},
		{"averages", "{sgd: {learningRate: 0.1}}", "averaging: {ema: {decay: 0.9}}"},
		{"averages, warmed up", "nadam", "averaging: {ema: {warmUp: true}}"},
		{"warm-up and floor", "{sgd: {learningRate: 0.1}}", "schedule: {step: {every: 1, factor: 0.1, warmUp: 1, floor: 0.5}}"},
		{"cosine", "{sgd: {learningRate: 0.1}}", "schedule: {cosine: {steps: 5}}"},
		{"regularised", "{sgd: {learningRate: 0.1}}", "regularization: {l1: 0.001, l2: 0.01}"},
		{"step schedule", "{sgd: {learningRate: 0.1}}", "schedule: {step: {every: 1, factor: 0.7}}"},
		{"exponential schedule", "{sgd: {learningRate: 0.1}}", "schedule: {exponential: {every: 7, factor: 0.1}}"},
		{"blocks", "{sgd: {learningRate: 0.1}}", "block: 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			some := widths
			if k > 5 { // what rules do to values does not depend on the width of gradients
				some = widths[k%len(widths):][:1]
			}
			for _, bits := range some {
				optest.CheckBits(t, optest.Model{
					Input: "6", Classes: 3, Layers: "- dense: {units: 9, activation: relu}\n- dense: {units: 3}", Microbatches: 3, Examples: 50,
					Optimizer: c.optimizer, Algorithm: c.algorithm, Bits: bits,
				})
			}
		})
	}
	for _, d := range kernel.Initializers() {
		name := d.Name
		if name == "constant" {
			name = "{constant: {value: 0.25}}"
		}
		t.Run(d.Name, func(t *testing.T) {
			optest.CheckBits(t, optest.Model{
				Input: "5, 5, 3", Classes: 3, Layers: "- conv2d: {filters: 5, kernel: 3}\n- flatten\n- dense: {units: 3}",
				Algorithm: fmt.Sprintf("initializer: %s", name),
			})
		})
	}
}
