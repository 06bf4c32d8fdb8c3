//go:build !linux

package runner_test

import "time"

var started = time.Now()

// cpuTime is the clock's, for want of the thread's.
func cpuTime() time.Duration { return time.Since(started) }
