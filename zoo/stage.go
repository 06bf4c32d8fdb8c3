package zoo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/reprise-ml/reprise/schema"
)

// stage is the unfinished directory of a pull. It lies on the file system of what it becomes, and its name says which object
// is to become which directory, so that a later pull finds it.
type stage struct {
	dir    string // what it becomes
	exists bool   // dir does, and is empty but for the stage
	path   string
	unlock func()
}

const stagePrefix = ".partial-"

// openStage makes or finds the stage of an object that becomes dir, which must be absent or empty.
func openStage(dir string, d schema.Digest) (*stage, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, path: filepath.Join(filepath.Dir(dir), stagePrefix+filepath.Base(dir)+"-"+d.Short())}
	if s.exists, err = isVacant(dir); err != nil {
		return nil, err
	}
	if s.exists {
		s.path = filepath.Join(dir, stagePrefix+d.Short())
	}
	if err := os.MkdirAll(filepath.Join(s.path, "partial"), 0o777); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(s.path, "whole"), 0o777); err != nil {
		return nil, err
	}
	if s.unlock, err = LockDir(s.path); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(dir), err)
	}
	s.dropOthers(d)
	return s, nil
}

// isVacant reports whether a directory exists, in which there may be nothing but stages.
func isVacant(dir string) (exists bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, syscall.ENOTDIR):
		return false, schema.Invalidf(filepath.Base(dir), "", "it is not a directory: choose a new one")
	case err != nil:
		return false, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), stagePrefix) {
			return false, schema.Invalidf(filepath.Base(dir), "", "the directory is not empty: choose a new one")
		}
	}
	return true, nil
}

// dropOthers removes the stages of other objects that were to become the same directory, unless somebody is at work there.
func (s *stage) dropOthers(d schema.Digest) {
	stem := strings.TrimSuffix(s.path, d.Short())
	others, err := filepath.Glob(globEscape(stem) + strings.Repeat("[0-9a-f]", len(d.Short())))
	if err != nil {
		return
	}
	for _, other := range others {
		if other == s.path {
			continue
		}
		if unlock, err := LockDir(other); err == nil {
			os.RemoveAll(other)
			unlock()
		}
	}
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func globEscape(s string) string { return globEscaper.Replace(s) }

// finish gives the stage the name of what it becomes. Where that exists, its entries move in, the one of the given name last.
func (s *stage) finish(last string) error {
	if !s.exists {
		if err := os.Rename(s.whole("."), s.dir); err != nil {
			return err
		}
		return os.RemoveAll(s.path)
	}
	entries, err := os.ReadDir(s.whole("."))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == last {
			continue
		}
		if err := os.Rename(s.whole(e.Name()), filepath.Join(s.dir, e.Name())); err != nil {
			return err
		}
	}
	if err := os.Rename(s.whole(last), filepath.Join(s.dir, last)); err != nil {
		return err
	}
	return os.RemoveAll(s.path)
}

// close lets others go on. A stage in which nothing came is removed.
func (s *stage) close() {
	os.Remove(filepath.Join(s.path, "partial"))
	os.Remove(filepath.Join(s.path, "whole"))
	os.Remove(s.path)
	s.unlock()
}
