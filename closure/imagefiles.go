package closure

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reprise-ml/reprise/schema"
)

// Bounds of a folder or archive, beside those of an Import.
const (
	maxImageFile = 64 << 20 // bytes of one image file
	maxRatio     = 200      // of a file in a ZIP archive that is larger than ratioFrom; images hardly compress
	ratioFrom    = 1 << 20
)

// imageFile is a file that should be an image.
type imageFile struct {
	path     string // in the folder or archive, with slashes
	data     []byte
	progress Progress
}

// imageFiles reads the image files of a folder, or of a ZIP or TAR archive, the latter also gzipped. It gives them to visit
// one at a time, in an order that depends on the folder or archive alone.
type imageFiles struct {
	options Import
	name    string // of the folder or archive
	visit   func(imageFile) error
	names   map[string]bool // seen so far
	read    int64           // bytes
	size    int64           // of how many
	skipped int64           // files that are no images
	source  *schema.Source  // an archive
}

// walk visits all image files.
func (w *imageFiles) walk(ctx context.Context, path string) error {
	w.names = map[string]bool{}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return w.folder(ctx, path)
	}
	f, err := openSource(path, w.options.MaxBytes)
	if err != nil {
		return err
	}
	defer f.Close()
	start, err := f.text.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	text := string(start)
	switch {
	case strings.HasPrefix(text, "PK\x03\x04") || strings.HasPrefix(text, "PK\x05\x06"):
		err = w.zip(ctx, f)
	case len(text) >= 262 && text[257:262] == "ustar":
		err = w.tar(ctx, f)
	default:
		return schema.Invalidf(f.name, "", "neither a folder nor a ZIP or TAR archive, but %s", whatItIs(start))
	}
	if err != nil {
		return err
	}
	// To the end, so that the digest is that of the whole file.
	if _, err := io.Copy(io.Discard, f.text); err != nil {
		return err
	}
	source := f.source()
	w.source = &source
	return nil
}

// take decides by a path whether the file is to be read.
func (w *imageFiles) take(p string) (bool, error) {
	if w.names[p] {
		return false, w.refuse(p, "it is there twice")
	}
	w.names[p] = true
	if limit := orDefault(w.options.MaxFiles, DefaultMaxFiles); int64(len(w.names)) > limit {
		return false, schema.Invalidf(w.name, "", "it has more than %d files", limit)
	}
	if isJunk(p) {
		w.skipped++
		return false, nil
	}
	switch extension := strings.ToLower(path.Ext(p)); extension {
	case ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif":
		return true, nil
	case ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg", ".psd":
		return false, w.refuse(p, "a %s image is not read: convert it to PNG or JPEG", extension)
	}
	w.skipped++
	return false, nil
}

// isJunk tells files that nobody meant to be data: hidden ones, and what desktops leave behind.
func isJunk(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		switch strings.ToLower(part) {
		case "__macosx", "thumbs.db", "desktop.ini", "@eadir":
			return true
		}
		if strings.HasPrefix(part, ".") {
			return true
		}
	}
	return false
}

func (w *imageFiles) refuse(p, format string, args ...any) error {
	return schema.Invalidf(w.name, printable(p), format, args...)
}

// printable is a path as it may stand in a message.
func printable(p string) string {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", p)
	}
	return p
}

// found reads a file of an archive or folder and visits it.
func (w *imageFiles) found(p string, r io.Reader, size int64) error {
	if size > maxImageFile {
		return w.refuse(p, "it has %d bytes; an image may have %d", size, maxImageFile)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxImageFile+1))
	if err != nil {
		return w.broken(p, err)
	}
	if int64(len(data)) != size {
		return w.refuse(p, "it has not the %d bytes that it should have: the file changes, or its header lies", size)
	}
	return w.visit(imageFile{path: p, data: data, progress: Progress{
		File: printable(path.Base(p)), Read: w.read, Size: w.size, Skipped: w.skipped,
	}})
}

// broken words an error of reading.
func (w *imageFiles) broken(p string, err error) error {
	if _, ok := errors.AsType[*schema.Invalid](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // without the path
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, zip.ErrFormat):
		return w.refuse(p, "it has not the bytes that its header promises: the archive is damaged, or its header lies")
	case errors.Is(err, zip.ErrChecksum):
		return w.refuse(p, "its checksum is wrong: the archive is damaged")
	case errors.Is(err, zip.ErrAlgorithm):
		return w.refuse(p, "its compression is not supported: make the archive with deflate")
	}
	return w.refuse(p, "it cannot be read: %v", err)
}

// folder visits the files of a folder, by name, folder by folder. Nothing outside it is opened.
func (w *imageFiles) folder(ctx context.Context, folder string) error {
	w.name = folderName(folder)
	root, err := os.OpenRoot(folder)
	if err != nil {
		return w.broken("", err)
	}
	defer root.Close()
	type file struct {
		path string
		size int64
	}
	var files []file
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return w.broken(p, err)
		case ctx.Err() != nil:
			return ctx.Err()
		case p == ".":
			return nil
		case d.IsDir() && isJunk(d.Name()):
			w.skipped++
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		if ok, err := w.take(p); err != nil || !ok {
			return err
		}
		if !d.Type().IsRegular() {
			return w.refuse(p, "%s: only plain files are read", modeName(d.Type()))
		}
		info, err := d.Info()
		if err != nil {
			return w.broken(p, err)
		}
		files = append(files, file{p, info.Size()})
		w.size += info.Size()
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := root.Open(f.path)
		if err != nil {
			return w.broken(f.path, err)
		}
		w.read += f.size
		err = w.found(f.path, r, f.size)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// folderName is the last part of a folder's path, for messages and provenance.
func folderName(folder string) string {
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	if name := filepath.Base(folder); name != string(filepath.Separator) {
		return name
	}
	return "folder"
}

func modeName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a folder"
	case mode.IsRegular():
		return "a file"
	}
	return "a device, pipe or socket"
}
