package closure

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/reprise-ml/reprise/schema"
)

// blobContent is a blob as a file of a directory, called path there and name in errors. It is verified while it is written.
func blobContent(ctx context.Context, blobs Blobs, path, name string, d schema.Digest, size int64) Content {
	return Content{Path: path, Write: func(w io.Writer) error { return copyBlob(ctx, blobs, name, d, size, w) }}
}

// fillDirectory makes a directory of what fill writes to a temporary one. It must be absent, and appears at once, or empty, and
// is filled, the file of the name last; anything else gives *schema.Invalid. Where fill fails there is nothing new.
func fillDirectory(dir, last string, fill func(partial string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	exists, err := isEmpty(dir)
	if err != nil {
		return err
	}
	// The temporary directory lies on the same file system as what it becomes.
	parent := dir
	if !exists {
		parent = filepath.Dir(dir)
		if err := os.MkdirAll(parent, 0o777); err != nil {
			return err
		}
	}
	partial, err := os.MkdirTemp(parent, ".partial-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(partial) // does nothing after the rename
	if err := fill(partial); err != nil {
		return err
	}
	if exists {
		return moveInto(partial, dir, last)
	}
	if err := os.Chmod(partial, 0o755); err != nil {
		return err
	}
	return os.Rename(partial, dir)
}

// isEmpty reports whether the directory exists, which must then be empty.
func isEmpty(dir string) (exists bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, syscall.ENOTDIR):
		return false, schema.Invalidf(filepath.Base(dir), "", "it is not a directory: choose a new one")
	case err != nil:
		return false, err
	case len(entries) > 0:
		return false, schema.Invalidf(filepath.Base(dir), "", "the directory is not empty: choose a new one")
	}
	return true, nil
}

// moveInto moves the entries of one directory to another, that of the given name last.
func moveInto(from, to, last string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == last {
			continue
		}
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(from, last), filepath.Join(to, last))
}
