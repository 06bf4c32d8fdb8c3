package oci

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/schema"
)

// Unfinished transfers are files of a cache directory, so that another process can go on with them. Whoever works on one holds a
// lock on its file, which the system takes from a process that dies. Without a directory, or a lock, nothing is kept.

const (
	uploadSuffix   = ".upload"
	downloadSuffix = ".part"
	// forgotten is the age at which an unfinished transfer is removed: registries do not wait longer either.
	forgotten = 7 * 24 * time.Hour
)

// transferState is the note about an upload. The nil state notes nothing.
type transferState struct {
	file *os.File
	size int64 // of the blob
}

// uploadNote is the document of that file. The location can carry a token of the registry for this upload.
type uploadNote struct {
	Location string `json:"location"`
}

// openState opens the note about an upload. unlock leaves it for the next.
func (s *Store) openState(path string, d schema.Digest, size int64) (state *transferState, unlock func()) {
	key := schema.DigestOf([]byte(strings.Join([]string{s.c.root, path, d.String()}, "\n"))).Hex()
	f := s.lockTransfer(key+uploadSuffix, true)
	if f == nil {
		return nil, func() {}
	}
	return &transferState{file: f, size: size}, func() { f.Close() }
}

// lockTransfer opens and locks a file of the cache; nil if that cannot be done, or somebody else works on it.
func (s *Store) lockTransfer(name string, create bool) *os.File {
	if s.opts.Cache == "" {
		return nil
	}
	flags := os.O_RDWR
	if create {
		if err := os.MkdirAll(s.opts.Cache, 0o700); err != nil {
			return nil
		}
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(filepath.Join(s.opts.Cache, name), flags, 0o600)
	if err != nil {
		return nil
	}
	if !tryLock(f) {
		f.Close()
		return nil
	}
	return f
}

// load returns the location of an upload that was begun, or the empty string.
func (t *transferState) load() string {
	if t == nil {
		return ""
	}
	var note uploadNote
	// A note that was cut short when its process was killed is none.
	if err := json.NewDecoder(io.NewSectionReader(t.file, 0, 1<<16)).Decode(&note); err != nil {
		return ""
	}
	return note.Location
}

// save notes where an upload goes on; the empty string says that it begins anew. That it cannot be noted stops nobody.
func (t *transferState) save(location string) {
	if t == nil {
		return
	}
	b, err := json.Marshal(uploadNote{Location: location})
	if err != nil {
		return
	}
	if _, err := t.file.WriteAt(b, 0); err == nil {
		_ = t.file.Truncate(int64(len(b)))
	}
}

// remove forgets the upload.
func (t *transferState) remove() {
	if t != nil {
		_ = os.Remove(t.file.Name())
	}
}

// sweepTransfers removes what nobody has gone on with for long.
func (s *Store) sweepTransfers() {
	files, err := os.ReadDir(s.opts.Cache)
	if err != nil {
		return
	}
	for _, f := range files {
		name := f.Name()
		if !strings.HasSuffix(name, uploadSuffix) && !strings.HasSuffix(name, downloadSuffix) {
			continue
		}
		if info, err := f.Info(); err != nil || time.Since(info.ModTime()) < forgotten {
			continue
		}
		if locked := s.lockTransfer(name, false); locked != nil {
			_ = os.Remove(locked.Name())
			locked.Close()
		}
	}
}
