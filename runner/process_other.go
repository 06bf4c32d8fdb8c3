//go:build !linux

package runner

import (
	"os/exec"
	"runtime/debug"
)

// dieWithParent relies on the end of the child's input, which systems other than Linux have no second way to tell.
func dieWithParent(*exec.Cmd) {}

// limitMemory makes the collector keep to a limit. Memory of instances is bounded by Options.Memory.
func limitMemory(more int64) error {
	debug.SetMemoryLimit(more)
	return nil
}
