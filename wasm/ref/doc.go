// Package ref is the oracle: every operation of an engine in plain Go, slow and obvious. What it computes is by definition what
// engines compute, bit for bit, so it states each order of additions once more, in the simplest loops that have it.
//
// Training is a whole engine, with the calls of the ABI. Network executes a graph forward and backward in float32, as engines
// do, or in float64, in which gradients can be measured. A file per family of operations bears the name of its kernel's.
//
// Products that are added to something are converted first, F(a*b) + c: compilers may else fuse the two on some processors.
package ref
