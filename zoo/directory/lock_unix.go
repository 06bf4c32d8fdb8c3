//go:build unix

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reprise-ml/reprise/zoo"
)

const lockPath = zoo.UploadsPath + "/lock"

// maxLockWait bounds the pause between two looks at a lock that somebody else holds. Holders write one small file, so
// the pause hardly matters; it keeps waiting from taking a core.
const maxLockWait = 10 * time.Millisecond

// lock makes its caller the only one, in this and all other processes, until unlock. It waits as long as ctx allows. The
// system takes the lock from a process that dies.
func (d disk) lock(ctx context.Context) (unlock func(), err error) {
	if err := d.mkdirs(zoo.UploadsPath); err != nil {
		return nil, err
	}
	var f *os.File
	err = d.do(opCreate, lockPath, func() (err error) {
		f, err = os.OpenFile(d.abs(lockPath), os.O_RDWR|os.O_CREATE, fileMode)
		return err
	})
	if err != nil {
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, maxLockWait) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("locking the store: %w", err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another process to move a tag: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
}

// touch sets a file's modification time to now, which everybody may do who may write the file.
func touch(path string) error {
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, now, 0); err != nil {
		return &fs.PathError{Op: "touch", Path: path, Err: err}
	}
	return nil
}
