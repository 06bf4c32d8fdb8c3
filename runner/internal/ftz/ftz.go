//go:build amd64 || arm64

// Package ftz runs tests as a process does that flushes subnormal numbers to zero: one that loaded a library built with
// -ffast-math, an audio thread of a browser, or any 32-bit ARM. Nothing but tests imports it.
package ftz

import "runtime"

// Do calls f on a thread of its own whose floating-point unit flushes subnormal results, and takes subnormal operands for
// zero. What f starts on other goroutines does not flush.
func Do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := get()
		set(before | flush)
		defer set(before)
		f()
	}()
	<-done
}

// get reads the control register of this thread's floating-point unit.
func get() uint64

// set writes it.
func set(v uint64)
