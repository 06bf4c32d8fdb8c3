package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/reprise-ml/reprise/zoo"
)

// The umask decides what is left of these, so that a group can share a store.
const (
	dirMode  fs.FileMode = 0o777
	fileMode fs.FileMode = 0o666
)

// tempPrefix begins the names of unfinished files under uploads/.
const tempPrefix = "tmp-"

// disk is every operation that changes the directory, and nothing else does. Paths are relative to root, with slashes.
type disk struct {
	root string
	// before is called ahead of every operation, and its error is returned in the operation's place (a write stores half
	// of its bytes first). Tests fail or stop the store there; otherwise it is nil.
	before func(op, path string) error
}

// Operations, as before is told of them.
const (
	opMkdir   = "mkdir"
	opCreate  = "create"
	opWrite   = "write"
	opSync    = "sync"
	opLink    = "link"
	opRename  = "rename"
	opRemove  = "remove"
	opTouch   = "touch"
	opSyncDir = "syncdir"
)

func (d disk) abs(rel string) string { return filepath.Join(d.root, filepath.FromSlash(rel)) }

func (d disk) at(op, rel string) error {
	if d.before == nil {
		return nil
	}
	return d.before(op, rel)
}

// do runs one operation. Its error names the path inside the store alone.
func (d disk) do(op, rel string, run func() error) error {
	err := d.at(op, rel)
	if err == nil {
		err = run()
	}
	if err == nil {
		return nil
	}
	return writeError(fmt.Errorf("%s %s: %w", op, rel, bare(err)))
}

// upload writes the bytes of r to a new file, syncs it, and returns its path. On an error nothing is left of it.
func (d disk) upload(r io.Reader) (rel string, err error) {
	if err := d.mkdirs(zoo.UploadsPath); err != nil {
		return "", err
	}
	rel = zoo.UploadsPath + "/" + tempPrefix + rand.Text()
	var f *os.File
	err = d.do(opCreate, rel, func() (err error) {
		f, err = os.OpenFile(d.abs(rel), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		return err
	})
	if err != nil {
		return "", err
	}
	if _, err = io.CopyBuffer(tempFile{f, d, rel}, struct{ io.Reader }{r}, make([]byte, copyBuffer)); err == nil {
		err = d.do(opSync, rel, f.Sync)
	}
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = writeError(fmt.Errorf("close %s: %w", rel, bare(closeErr)))
	}
	if err != nil {
		d.discard(rel)
		return "", err
	}
	return rel, nil
}

// take moves a file of size bytes from elsewhere on the same file system to uploads/, syncs it, and returns its path there.
func (d disk) take(from string, size int64) (rel string, err error) {
	if err := d.mkdirs(zoo.UploadsPath); err != nil {
		return "", err
	}
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != size) {
		err = fmt.Errorf("the file has %d bytes, not %d", info.Size(), size)
	}
	if err == nil {
		err = f.Chmod(fileMode)
	}
	rel = zoo.UploadsPath + "/" + tempPrefix + rand.Text()
	if err == nil {
		err = d.do(opSync, rel, f.Sync)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	err = d.do(opRename, rel, func() error { return os.Rename(from, d.abs(rel)) })
	if errors.Is(err, syscall.EXDEV) {
		return "", fmt.Errorf("a file of another file system: %w", zoo.ErrUnsupported)
	}
	return rel, err
}

// copyBuffer keeps the number of writes of a large blob low.
const copyBuffer = 256 << 10

// tempFile writes through before.
type tempFile struct {
	f   *os.File
	d   disk
	rel string
}

func (t tempFile) Write(p []byte) (n int, err error) {
	if err := t.d.at(opWrite, t.rel); err != nil {
		n, _ = t.f.Write(p[:len(p)/2])
		return n, writeError(fmt.Errorf("%s %s: %w", opWrite, t.rel, bare(err)))
	}
	if n, err = t.f.Write(p); err != nil {
		err = writeError(fmt.Errorf("%s %s: %w", opWrite, t.rel, bare(err)))
	}
	return n, err
}

// discard removes a file under uploads/. Nobody reads what it fails to remove, so its error does not matter.
func (d disk) discard(temp string) {
	_ = d.do(opRemove, temp, func() error { return os.Remove(d.abs(temp)) })
}

// place gives an uploaded file its final name, unless something has that name: then the error is fs.ErrExist. In both
// cases the upload is gone and what has the name is on disk.
func (d disk) place(ctx context.Context, temp, rel string) error {
	err := d.move(temp, rel, opLink, os.Link)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) {
		err = d.placeLocked(ctx, temp, rel)
	}
	d.discard(temp)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if syncErr := d.syncDir(path.Dir(rel)); syncErr != nil {
		return syncErr
	}
	return err
}

// placeLocked does what a link does on file systems that have none, such as those of memory cards.
func (d disk) placeLocked(ctx context.Context, temp, rel string) error {
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(d.abs(rel)); err == nil {
		return fmt.Errorf("%s: %w", rel, fs.ErrExist)
	}
	return d.move(temp, rel, opRename, os.Rename)
}

// replace gives an uploaded file its final name, whatever had it before.
func (d disk) replace(temp, rel string) error {
	if err := d.move(temp, rel, opRename, os.Rename); err != nil {
		d.discard(temp)
		return err
	}
	return d.syncDir(path.Dir(rel))
}

func (d disk) move(temp, rel, op string, move func(from, to string) error) error {
	if err := d.mkdirs(path.Dir(rel)); err != nil {
		return err
	}
	return d.do(op, rel, func() error { return move(d.abs(temp), d.abs(rel)) })
}

// mkdirs makes a folder and those above it, each on disk before it is used.
func (d disk) mkdirs(rel string) error {
	if rel == "." {
		return nil
	}
	if info, err := os.Stat(d.abs(rel)); err == nil && info.IsDir() {
		return nil
	}
	parent := path.Dir(rel)
	if err := d.mkdirs(parent); err != nil {
		return err
	}
	err := d.do(opMkdir, rel, func() error { return os.Mkdir(d.abs(rel), dirMode) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(parent)
}

// syncDir puts the names in a folder on disk.
func (d disk) syncDir(rel string) error {
	return d.do(opSyncDir, rel, func() error {
		f, err := os.Open(d.abs(rel))
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// bare takes the operation and the path of this machine off an error.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	if linkErr, ok := errors.AsType[*os.LinkError](err); ok {
		return linkErr.Err
	}
	return err
}

// writeError says so where the cause is that the directory cannot be written.
func writeError(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", zoo.ErrReadOnly, err)
	}
	return err
}

// readError names what could not be read by its path in the store.
func readError(rel string, err error) error { return fmt.Errorf("%s: %w", rel, bare(err)) }
