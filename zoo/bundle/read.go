package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
)

// Bounds of what a bundle can make its reader remember.
const (
	maxFiles  = 1 << 22
	maxLayout = 4 << 10
	maxPath   = 512
)

// Open reads the headers and entries of a bundle. A file that is not there is zoo.ErrNotFound; one that is no bundle, or no
// acceptable one, is *schema.Invalid with the reason.
func Open(name string) (*Store, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, zoo.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	s, err := read(f, filepath.Base(name))
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// reading is a bundle whose headers are being read.
type reading struct {
	*Store
	name   string // of the file, for errors
	size   int64
	seen   map[string]bool
	layout bool
	found  int // entries
}

func read(f *os.File, name string) (*Store, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, schema.Invalidf(name, "", "is no file: a bundle cannot be read from a pipe or folder")
	}
	r := &reading{
		Store: &Store{file: f, blobs: map[schema.Digest]span{}, refs: memory.New()},
		name:  name, size: info.Size(), seen: map[string]bool{},
	}
	if err := r.refuseCompressed(); err != nil {
		return nil, err
	}
	tr := tar.NewReader(f)
	for {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, r.unreadable(err)
		}
		if err := r.member(header, tr); err != nil {
			return nil, err
		}
	}
	switch {
	case !r.layout:
		return nil, schema.Invalidf(name, zoo.LayoutPath, "is missing: this is no bundle")
	case r.found == 0:
		return nil, schema.Invalidf(name, zoo.RefsPath, "there is no version or tag: this is not a bundle of reprise export")
	}
	return r.Store, nil
}

func (r *reading) invalid(place, format string, args ...any) error {
	return schema.Invalidf(r.name, place, format, args...)
}

func (r *reading) unreadable(err error) error {
	switch {
	case len(r.seen) == 0 && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader)):
		return r.invalid("", "is no tar archive, or is cut short")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return r.invalid("", "is cut short")
	case errors.Is(err, tar.ErrHeader):
		return r.invalid("", "is damaged: a header is wrong")
	}
	return r.invalid("", "cannot be read as a tar archive: %v", err)
}

// refuseCompressed says what to do with a bundle that somebody compressed: its blobs are read where they lie.
func (r *reading) refuseCompressed() error {
	magic := make([]byte, 6)
	n, err := r.file.ReadAt(magic, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for begins, command := range map[string]string{"\x1f\x8b": "gunzip", "\x28\xb5\x2f\xfd": "unzstd", "\xfd7zXZ\x00": "unxz", "BZh": "bunzip2"} {
		if bytes.HasPrefix(magic[:n], []byte(begins)) {
			return r.invalid("", "is compressed: uncompress it first (%s)", command)
		}
	}
	return nil
}

// member takes in one file of the archive.
func (r *reading) member(h *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
		if name == "" || name == "." {
			return nil // the root of a folder that somebody packed
		}
	}
	shown := name
	if len(shown) > 80 {
		shown = shown[:80] + "…"
	}
	switch {
	case len(h.Name) > maxPath:
		return r.invalid(fmt.Sprintf("%q", shown), "a path of %d bytes; no path of a bundle is that long", len(h.Name))
	case name == "" || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") || strings.ContainsAny(name, "\\\x00"):
		return r.invalid(fmt.Sprintf("%q", shown), "the path leads out of the bundle, or is not in its shortest form")
	case len(r.seen) >= maxFiles:
		return r.invalid("", "more than %d files", maxFiles)
	case r.seen[name]:
		return r.invalid(shown, "is there twice")
	}
	r.seen[name] = true
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return r.invalid(shown, "is a sparse file")
		}
	}
	if h.Typeflag != tar.TypeReg {
		return r.invalid(shown, "is a link or device, not a file")
	}
	if h.Size < 0 || h.Size >= 1<<53 {
		return r.invalid(shown, "%d is not a size", h.Size)
	}
	return r.regular(name, h.Size, content)
}

// regular takes in a file by what its path says that it is.
func (r *reading) regular(name string, size int64, content io.Reader) error {
	folder, base := path.Split(name)
	switch {
	case name == zoo.LayoutPath:
		return r.readLayout(content)
	case name == zoo.IndexPath:
		return nil // for others
	case folder == zoo.BlobsPath+"/":
		return r.blob(name, base, size)
	case strings.HasPrefix(name, zoo.RefsPath+"/"):
		return r.ref(name, content)
	case strings.HasPrefix(name, zoo.ReferrersPath+"/"):
		return r.referrer(name, content)
	case strings.HasPrefix(name, zoo.UploadsPath+"/"), strings.HasPrefix(name, "index/"):
		return nil // of a store that somebody packed
	}
	return r.invalid(name, "is no file of a bundle")
}

func (r *reading) readLayout(content io.Reader) error {
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.NewDecoder(io.LimitReader(content, maxLayout)).Decode(&layout); err != nil {
		return r.invalid(zoo.LayoutPath, "cannot be read: %v", err)
	}
	if layout.Version != "1.0.0" {
		return r.invalid(zoo.LayoutPath, "imageLayoutVersion is %q; only 1.0.0 is known", layout.Version)
	}
	r.layout = true
	return nil
}

// blob remembers where a blob lies: the archive has just been read up to its first byte.
func (r *reading) blob(name, base string, size int64) error {
	d, err := schema.DigestFromHex(base)
	if err != nil {
		return r.invalid(name, "is not named by a sha256")
	}
	offset, err := r.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if size > r.size-offset {
		return r.invalid(name, "its header states %d bytes, but only %d follow: the bundle is cut short, or lies", size, r.size-offset)
	}
	r.blobs[d] = span{offset, size}
	return nil
}

func (r *reading) entry(name string, content io.Reader) (zoo.Entry, error) {
	e, err := zoo.ReadEntry(name, content)
	if err == nil {
		r.found++
		return e, nil
	}
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok && len(invalid.Problems) > 0 {
		return e, r.invalid(name, "%s", invalid.Problems[0])
	}
	return e, r.unreadable(err)
}

func (r *reading) ref(name string, content io.Reader) error {
	e, err := r.entry(name, content)
	if err != nil {
		return err
	}
	of := zoo.NameOf(name)
	switch path.Base(path.Dir(name)) {
	case "v":
		if version, ok := zoo.VersionOf(path.Base(name)); ok && zoo.VersionPath(of, version) == name {
			return r.taken(name, r.refs.PutVersion(context.Background(), of, version, e))
		}
	case "tags":
		if tag, ok := zoo.TagOf(path.Base(name)); ok && zoo.TagPath(of, tag) == name {
			return r.taken(name, r.refs.SwapTag(context.Background(), of, tag, schema.Digest{}, e))
		}
	}
	return r.invalid(name, "is neither a version nor a tag")
}

// taken says what is wrong with an entry that even a store in memory refuses.
func (r *reading) taken(name string, err error) error {
	if err != nil {
		return r.invalid(name, "%v", err)
	}
	return nil
}

func (r *reading) referrer(name string, content io.Reader) error {
	e, err := r.entry(name, content)
	if err != nil {
		return err
	}
	r.found-- // what is about an object is no object to import
	subject, err := schema.DigestFromHex(path.Base(path.Dir(name)))
	if err != nil || zoo.ReferrerPath(subject, e.Digest) != name {
		return r.invalid(name, "its path is not that of its subject and digest")
	}
	return r.taken(name, r.refs.PutReferrer(context.Background(), subject, e))
}
