package runner

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent kills the child when the thread that starts it ends, should the parent be killed while the child's engine
// is running. The child also ends with its input, but an engine's endless loop may keep it from seeing that.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// limitMemory lets this process map so many bytes more than it has mapped. It is the address space that counts: Go's
// runtime reserves more of it than it uses, but a limit of data (RLIMIT_DATA) is not enforced when a reservation is put to
// use.
func limitMemory(more int64) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("memory limit: %w", err)
	}
	var used uint64
	_, line, found := bytes.Cut(status, []byte("VmSize:"))
	if _, err := fmt.Fscanf(bytes.NewReader(line), "%d kB", &used); !found || err != nil {
		return fmt.Errorf("memory limit: /proc/self/status has no VmSize")
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return fmt.Errorf("memory limit: %w", err)
	}
	limit.Cur = min(used<<10+uint64(more), limit.Max)
	if err := unix.Setrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return fmt.Errorf("memory limit: %w", err)
	}
	return nil
}
