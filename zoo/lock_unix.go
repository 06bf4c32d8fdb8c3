//go:build unix

package zoo

import (
	"errors"
	"os"
	"syscall"
)

// LockDir makes its caller the only one at work in a directory, until unlock or the end of the process, however it ends. It does not wait:
// where another is at work, the error says what to do.
func LockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("another program is writing it: wait for it, or choose another directory")
		}
		return nil, err
	}
	return func() { f.Close() }, nil
}
