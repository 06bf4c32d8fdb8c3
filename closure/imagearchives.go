package closure

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reprise-ml/reprise/schema"
)

// archivePath checks the name of a file in an archive, and gives it with slashes.
func (w *imageFiles) archivePath(name string) (string, error) {
	p := strings.TrimSuffix(strings.ReplaceAll(name, `\`, "/"), "/") // some programs on Windows write backslashes
	for strings.HasPrefix(p, "./") {
		p = p[2:]
	}
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", w.refuse(name, "the name is not printable UTF-8")
	case strings.HasPrefix(p, "/") || len(p) >= 2 && p[1] == ':':
		return "", w.refuse(name, "an absolute name: an archive's names are relative to it")
	case slices.Contains(strings.Split(p, "/"), ".."):
		return "", w.refuse(name, "the name leads out of the archive")
	case p != "." && !fs.ValidPath(p):
		return "", w.refuse(name, "not a proper name of a file")
	}
	return p, nil
}

// zip visits the files of a ZIP archive in the order of its directory, which is checked before any file is read.
func (w *imageFiles) zip(ctx context.Context, f *sourceFile) error {
	w.name = f.name
	archive, err := zip.NewReader(f.file, f.size)
	if err != nil {
		return schema.Invalidf(f.name, "", "its directory cannot be read: %v: download it again", err)
	}
	type entry struct {
		path string
		file *zip.File
		at   int64
	}
	var entries []entry
	for _, file := range archive.File {
		p, err := w.archivePath(file.Name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(file.Name, "/") || file.Mode().IsDir() {
			continue
		}
		if ok, err := w.take(p); err != nil {
			return err
		} else if !ok {
			continue
		}
		at, err := w.checkEntry(p, file)
		if err != nil {
			return err
		}
		w.size += int64(file.UncompressedSize64)
		if limit := orDefault(w.options.MaxBytes, DefaultMaxBytes); w.size > limit {
			return schema.Invalidf(f.name, "", "it holds more than %d bytes when decompressed", limit)
		}
		entries = append(entries, entry{p, file, at})
	}
	inOrder := slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	for i, e := range inOrder {
		if i > 0 && e.at < inOrder[i-1].at+int64(inOrder[i-1].file.CompressedSize64) {
			return w.refuse(e.path, "its bytes are also those of %s", printable(inOrder[i-1].path))
		}
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := e.file.Open()
		if err != nil {
			return w.broken(e.path, err)
		}
		w.read += int64(e.file.UncompressedSize64)
		err = w.found(e.path, r, int64(e.file.UncompressedSize64))
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// checkEntry checks what the directory of a ZIP archive says of a file, and returns where its bytes begin.
func (w *imageFiles) checkEntry(p string, file *zip.File) (int64, error) {
	size, packed := file.UncompressedSize64, file.CompressedSize64
	switch {
	case !file.Mode().IsRegular():
		return 0, w.refuse(p, "%s: only plain files are read", modeName(file.Mode()))
	case file.Flags&1 != 0:
		return 0, w.refuse(p, "it is encrypted")
	case size > maxImageFile:
		return 0, w.refuse(p, "it has %d bytes; an image may have %d", size, maxImageFile)
	case size > ratioFrom && size/maxRatio > packed:
		return 0, w.refuse(p, "it grows from %d to %d bytes when decompressed: no image does", packed, size)
	}
	at, err := file.DataOffset()
	if err != nil {
		return 0, w.broken(p, err)
	}
	return at, nil
}

// tar visits the files of a TAR archive in their order.
func (w *imageFiles) tar(ctx context.Context, f *sourceFile) error {
	w.name = f.name
	archive := tar.NewReader(f.text)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, tar.ErrHeader) {
			return schema.Invalidf(f.name, "", "its TAR data is broken: download it again")
		}
		if err != nil {
			return w.broken("", err)
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		p, err := w.archivePath(header.Name)
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		if ok, err := w.take(p); err != nil {
			return err
		} else if !ok {
			continue
		}
		if header.Typeflag != tar.TypeReg {
			return w.refuse(p, "%s: only plain files are read", tarTypeName(header.Typeflag))
		}
		w.read, w.size = f.raw.n, f.size
		if err := w.found(p, archive, header.Size); err != nil {
			return err
		}
	}
}

func tarTypeName(flag byte) string {
	switch flag {
	case tar.TypeSymlink:
		return "a symbolic link"
	case tar.TypeLink:
		return "a hard link"
	}
	return "a device, pipe or socket"
}
