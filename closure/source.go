package closure

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/reprise-ml/reprise/schema"
)

// sourceFile reads a file that is being imported: it hashes the bytes as they are on disk, decompresses gzip by its magic
// bytes, and bounds what comes out.
type sourceFile struct {
	name string // base name, for errors and provenance
	size int64  // on disk
	raw  *countingReader
	text *bufio.Reader // decompressed

	file  *os.File
	left  int64 // decompressed bytes that may still come
	limit int64
}

type countingReader struct {
	r    io.Reader
	hash hash.Hash
	n    int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.hash.Write(p[:n])
	c.n += int64(n)
	return n, err
}

// openSource opens a file; limit bounds its decompressed size, 0 meaning DefaultMaxBytes.
func openSource(path string, limit int64) (*sourceFile, error) {
	limit = orDefault(limit, DefaultMaxBytes)
	s := &sourceFile{name: filepath.Base(path), left: limit, limit: limit}
	f, err := os.Open(path)
	if err != nil {
		if reason, ok := errors.AsType[*fs.PathError](err); ok {
			err = reason.Err // without the path
		}
		return nil, schema.Invalidf(s.name, "", "it cannot be opened: %v", err)
	}
	s.file = f
	if err := s.start(); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func (s *sourceFile) start() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return schema.Invalidf(s.name, "", "not a regular file")
	}
	s.size = info.Size()
	if s.size == 0 {
		return schema.Invalidf(s.name, "", "the file is empty")
	}
	s.raw = &countingReader{r: s.file, hash: sha256.New()}
	buffered := bufio.NewReaderSize(s.raw, 1<<16)
	var r io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		if r, err = gzip.NewReader(buffered); err != nil {
			return schema.Invalidf(s.name, "", "its gzip header is broken: %v", err)
		}
	}
	s.text = bufio.NewReaderSize(&boundedReader{s: s, r: r}, 1<<16)
	return nil
}

// boundedReader turns errors of the decompressor into those of the file, and refuses what never ends.
type boundedReader struct {
	s *sourceFile
	r io.Reader
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.s.left -= int64(n); b.s.left < 0 {
		return 0, schema.Invalidf(b.s.name, "", "it holds more than %d bytes when decompressed", b.s.limit)
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, schema.Invalidf(b.s.name, "", "its gzip data is truncated: download it again")
	case errors.Is(err, gzip.ErrChecksum):
		return n, schema.Invalidf(b.s.name, "", "its gzip checksum is wrong: download it again")
	case errors.Is(err, gzip.ErrHeader):
		return n, schema.Invalidf(b.s.name, "", "there are other bytes after its gzip data")
	}
	return n, schema.Invalidf(b.s.name, "", "it cannot be read: %v", err)
}

// source is the provenance of the file, once it was read to its end.
func (s *sourceFile) source() schema.Source {
	return schema.Source{Name: s.name, Size: s.raw.n, Digest: schema.DigestFromSum([sha256.Size]byte(s.raw.hash.Sum(nil)))}
}

func (s *sourceFile) Close() error { return s.file.Close() }
