package runner_test

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that the thread has run, which other programs do not lengthen as much as that of the clock.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // the kernel has had it since 2.6.12
	}
	return time.Duration(t.Nano())
}
