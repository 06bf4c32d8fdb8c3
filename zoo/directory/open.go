// Package directory is a zoo.Store in a directory: the tree of package zoo as files.
//
// Several processes may use one directory at the same time, and any of them may be killed at any moment. What makes this
// safe is the order of every write: the bytes go to a new file under uploads/, which is synced to disk, then linked to its
// final name (link(2) fails where the name exists, so of racing creators exactly one wins), then the folder is synced.
// Tags, which move, are renamed into place under a lock of flock(2), which ends with its process. Files that a killed
// process leaves under uploads/ are never read.
package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Store is a store in a directory. Its methods are those of zoo.Store.
type Store struct{ disk disk }

var (
	_ zoo.Store       = (*Store)(nil)
	_ zoo.BlobLister  = (*Store)(nil)
	_ zoo.BlobDeleter = (*Store)(nil)
	_ zoo.Sweeper     = (*Store)(nil)
	_ zoo.Scanner     = (*Store)(nil)
	_ zoo.IndexWriter = (*Store)(nil)
	_ zoo.RangeReader = (*Store)(nil)
	_ zoo.TagDeleter  = (*Store)(nil)
	_ zoo.PathFinder  = (*Store)(nil)
)

// Open opens the store in the directory root, and changes nothing there. Without a store there it returns
// zoo.ErrNotFound; a tree of another layout version is *schema.Invalid.
func Open(root string) (*Store, error) {
	s := &Store{disk: disk{root: root}}
	return s, s.checkLayout()
}

// Create opens the store in the directory root, and makes one first if the directory is absent or empty. A directory
// that holds other things is refused as *schema.Invalid. Several processes may create one store at the same time.
func Create(root string) (*Store, error) { return create(disk{root: root}) }

func create(d disk) (*Store, error) {
	s := &Store{disk: d}
	if err := s.checkLayout(); !errors.Is(err, zoo.ErrNotFound) {
		return s, err
	}
	if err := refuseOccupied(d.root); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.root, dirMode); err != nil {
		return nil, writeError(fmt.Errorf("making a store: %w", err))
	}
	temp, err := s.disk.upload(bytes.NewReader([]byte(zoo.LayoutDocument)))
	if err != nil {
		return nil, err
	}
	if err := s.disk.place(context.Background(), temp, zoo.LayoutPath); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return s, s.checkLayout()
}

func (s *Store) checkLayout() error {
	b, err := os.ReadFile(s.disk.abs(zoo.LayoutPath))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("a store in %s: %w", s.disk.root, zoo.ErrNotFound)
	}
	if err != nil {
		return readError(zoo.LayoutPath, err)
	}
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(b, &layout); err != nil {
		return schema.Invalidf(zoo.LayoutPath, "", "cannot be read: %v", err)
	}
	if layout.Version != "1.0.0" {
		return schema.Invalidf(zoo.LayoutPath, "imageLayoutVersion", "%q; only 1.0.0 is known", layout.Version)
	}
	return nil
}

// refuseOccupied refuses a directory that holds what no store has. What an interrupted Create left is no obstacle.
func refuseOccupied(root string) error {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return readError(root, err)
	}
	for _, e := range entries {
		if e.Name() != zoo.UploadsPath && e.Name() != zoo.LayoutPath {
			return schema.Invalidf(root, "", "is no store, and not empty (it has %s): name a new directory", e.Name())
		}
	}
	return nil
}
