// Package optest checks engines against the oracle of wasm/ref, bit for bit, and the oracle against numeric gradients. A test
// names a model; everything else is the same for all.
package optest
