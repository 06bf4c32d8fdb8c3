package closure

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Directory is a closure on disk: closure.json and the files that it lists.
type Directory struct {
	// Closure is the document, in whichever JSON spelling the file has.
	Closure *schema.Closure
	path    string
}

// Content is a file to be written into a closure directory.
type Content struct {
	Path  string // such as schema.PathParameters
	Write func(w io.Writer) error
}

// Bytes is the content of a file that is in memory.
func Bytes(path string, b []byte) Content {
	return Content{Path: path, Write: func(w io.Writer) error { _, err := w.Write(b); return err }}
}

// Safetensors is the content of a file of tensors.
func Safetensors(path string, tensors []Tensor) Content {
	return Content{Path: path, Write: func(w io.Writer) error { return WriteSafetensors(w, tensors, nil) }}
}

// Write completes a closure directory. It writes the contents, generates README.md, LICENSE and CITATION.cff where they are
// missing, sets c.Files to every file of the directory that a closure has a place for, and writes closure.json last and at
// once, so that a directory without closure.json is an unfinished one. Files that are there already, such as a journal,
// are taken as they are.
func Write(dir string, c *schema.Closure, contents ...Content) error {
	for _, content := range contents {
		if _, _, ok := Classify(content.Path); !ok {
			return schema.Invalidf(schema.PathClosure, "files", "a closure has no place for %q", content.Path)
		}
		if err := WriteFile(dir, content); err != nil {
			return err
		}
	}
	for _, content := range generated(c) {
		if _, err := os.Lstat(filepath.Join(dir, content.Path)); errors.Is(err, fs.ErrNotExist) {
			if err := WriteFile(dir, content); err != nil {
				return err
			}
		}
	}
	files, err := findFiles(dir)
	if err != nil {
		return err
	}
	c.Files = files
	_, document, err := ClosureManifest(c)
	if err != nil {
		return err
	}
	return WriteFile(dir, Bytes(schema.PathClosure, document))
}

// WriteFile writes one file of a directory through a temporary file, so that it is there whole or not at all.
func WriteFile(dir string, content Content) error {
	if err := CheckPath(content.Path); err != nil {
		return schema.Invalidf(schema.PathClosure, "files", "%v", err)
	}
	path := filepath.Join(dir, filepath.FromSlash(content.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing after the rename
	err = content.Write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", content.Path, err)
	}
	return os.Rename(f.Name(), path)
}

// findFiles lists the files that a closure has a place for, sorted by path.
func findFiles(dir string) ([]schema.File, error) {
	var files []schema.File
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			// Work folders (.work) and others that are none of a closure's are not looked into.
			if relative != "." && !isFolder(relative) {
				return filepath.SkipDir
			}
			return nil
		}
		role, mediaType, ok := Classify(relative)
		if !ok {
			return nil
		}
		if !entry.Type().IsRegular() {
			return schema.Invalidf(schema.PathClosure, "files", "%s is not a regular file", relative)
		}
		digest, size, err := hashFile(path)
		if err != nil {
			return err
		}
		files = append(files, schema.File{Path: relative, Role: role, MediaType: mediaType, Digest: digest, Size: size})
		return nil
	})
	slices.SortFunc(files, func(a, b schema.File) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}

func isFolder(relative string) bool {
	top, _, _ := strings.Cut(relative, "/")
	for _, f := range folders {
		if f.folder == top {
			return true
		}
	}
	return false
}

func hashFile(path string) (schema.Digest, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return schema.Digest{}, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return schema.DigestFromSum([sha256.Size]byte(h.Sum(nil))), n, err
}

// Open reads the document of a closure directory. It does not look at the other files; Check and Pack do.
func Open(dir string) (*Directory, error) {
	f, err := os.Open(filepath.Join(dir, schema.PathClosure))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, schema.Invalidf(schema.PathClosure, "", "there is none in %s: it is not a closure directory, or an unfinished one", dir)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxDocument {
		return nil, schema.Invalidf(schema.PathClosure, "", "more than %d bytes", maxDocument)
	}
	c, err := decodeClosure(b)
	if err != nil {
		return nil, err
	}
	return &Directory{Closure: c, path: dir}, nil
}

// Path is the place of a file of the closure on disk.
func (d *Directory) Path(file string) string { return filepath.Join(d.path, filepath.FromSlash(file)) }

// Check hashes every file that the document lists and returns *schema.Damaged, which names all that differ or are missing.
// Documents (README.md, LICENSE, CITATION.cff) may have been edited since: only a missing one is reported.
func (d *Directory) Check(ctx context.Context) error {
	_, err := d.hash(ctx)
	return err
}

// hash checks the files and returns their list with the documents as they are now.
func (d *Directory) hash(ctx context.Context) ([]schema.File, error) {
	files := slices.Clone(d.Closure.Files)
	var damaged []schema.DamagedBlob
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		digest, size, err := hashFile(d.Path(f.Path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			damaged = append(damaged, schema.DamagedBlob{Path: f.Path, Expected: f.Digest})
		case err != nil:
			return nil, err
		case f.Role == RoleDocument:
			files[i].Digest, files[i].Size = digest, size
		case digest != f.Digest:
			damaged = append(damaged, schema.DamagedBlob{Path: f.Path, Expected: f.Digest, Observed: digest})
		case size != f.Size:
			return nil, schema.Invalidf(schema.PathClosure, fmt.Sprintf("files[%d].size", i), "%d, but %s has %d bytes", f.Size, f.Path, size)
		}
	}
	if damaged != nil {
		return nil, &schema.Damaged{Blobs: damaged}
	}
	return files, nil
}

// Blobs reads the files of the directory by the digests in d.Closure, and the canonical closure.json itself by its own.
func (d *Directory) Blobs() Blobs { return directoryBlobs{d} }

type directoryBlobs struct{ d *Directory }

func (b directoryBlobs) Open(_ context.Context, digest schema.Digest) (io.ReadCloser, error) {
	for _, f := range b.d.Closure.Files {
		if f.Digest == digest {
			return openVerified(b.d.Path(f.Path), f.Path, digest, f.Size)
		}
	}
	if document, err := encodeClosure(b.d.Closure); err == nil && schema.DigestOf(document) == digest {
		return io.NopCloser(bytes.NewReader(document)), nil
	}
	return nil, fmt.Errorf("%s: %w", digest, ErrNotFound)
}

func openVerified(path, name string, digest schema.Digest, size int64) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return &blobReader{r: VerifyReader(f, name, digest, size), c: f}, nil
}
