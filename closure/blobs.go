package closure

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/reprise-ml/reprise/schema"
)

// ErrNotFound is wrapped by the error of a store that does not have what was asked for.
var ErrNotFound = errors.New("not found")

// Blobs reads blobs by digest. It is safe for concurrent use.
type Blobs interface {
	// Open returns the bytes of a blob. The reader verifies them while streaming and returns *schema.Damaged in place of
	// io.EOF where they differ, so bytes may be used only after io.EOF was seen. A missing blob gives ErrNotFound.
	Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error)
}

// BlobSink writes blobs. It is safe for concurrent use.
type BlobSink interface {
	// Put stores size bytes of r under their digest. Bytes that differ from d or size are not stored: the error is
	// *schema.Damaged. Storing a blob that is already there succeeds, and need not read r.
	Put(ctx context.Context, d schema.Digest, size int64, r io.Reader) error
}

// VerifyReader passes on the bytes of r and checks them against a digest and, unless size is negative, a size. Where they
// differ it returns *schema.Damaged, which names path, in place of io.EOF; it never passes on more than size bytes.
func VerifyReader(r io.Reader, path string, d schema.Digest, size int64) io.Reader {
	return &verifyReader{r: r, hash: sha256.New(), path: path, want: d, size: size}
}

// maxExcess bounds how much of what should not be there is hashed: a stream may never end.
const maxExcess = 64 << 20

type verifyReader struct {
	r    io.Reader
	hash hash.Hash
	path string
	want schema.Digest
	size int64 // negative: unknown
	n    int64
	err  error
}

func (v *verifyReader) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	v.n += int64(n)
	if v.size >= 0 && v.n > v.size {
		// The excess is hashed, so that the report names what is there, but not passed on.
		n -= int(min(v.n-v.size, int64(n)))
		if _, err := io.CopyN(v.hash, v.r, maxExcess); err != nil && !errors.Is(err, io.EOF) {
			v.err = err
			return n, v.err
		}
		v.err = v.damaged()
		return n, v.err
	}
	if errors.Is(err, io.EOF) {
		err = v.finish()
	}
	v.err = err
	return n, err
}

func (v *verifyReader) finish() error {
	if schema.DigestFromSum([sha256.Size]byte(v.hash.Sum(nil))) != v.want || (v.size >= 0 && v.n != v.size) {
		return v.damaged()
	}
	return io.EOF
}

func (v *verifyReader) damaged() error {
	b := schema.DamagedBlob{Path: v.path, Expected: v.want}
	if observed := schema.DigestFromSum([sha256.Size]byte(v.hash.Sum(nil))); observed != v.want {
		b.Observed = observed
	}
	return &schema.Damaged{Blobs: []schema.DamagedBlob{b}}
}

// OpenBlob opens a blob of a manifest or document. The store verifies the digest, the reader the size, unless that is negative;
// errors name path. A blob that the store does not have is damage here, since a document promises it: the error is
// *schema.Damaged and wraps ErrNotFound.
func OpenBlob(ctx context.Context, blobs Blobs, path string, d schema.Digest, size int64) (io.ReadCloser, error) {
	r, err := blobs.Open(ctx, d)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", missing(path, d), err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &blobReader{r: &sizedReader{r: renamed{r, path}, path: path, want: d, size: size}, c: r}, nil
}

// ReadBlob reads a blob of at most limit bytes into memory. It is for documents, engines and shards, whose size a
// document states.
func ReadBlob(ctx context.Context, blobs Blobs, path string, d schema.Digest, size, limit int64) ([]byte, error) {
	if size < 0 || size > limit {
		return nil, schema.Invalidf(path, "size", "%d bytes; at most %d are read", size, limit)
	}
	r, err := OpenBlob(ctx, blobs, path, d, size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// The verdict comes with the end of the stream.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	return b, nil
}

// missing is the damage of a file that is not there or has another size.
func missing(path string, d schema.Digest) *schema.Damaged {
	return &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: path, Expected: d}}}
}

// sizedReader checks that what a store has under a digest, and verifies, is as long as a document says.
type sizedReader struct {
	r    io.Reader
	path string
	want schema.Digest
	size int64 // negative: unknown
	n    int64
	err  error
}

func (s *sizedReader) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	switch over := s.n - s.size; {
	case s.size < 0:
	case over > 0:
		n -= int(min(over, int64(n)))
		// Perhaps the bytes are damaged, too, which the end of the stream tells.
		if err == nil {
			_, err = io.CopyN(io.Discard, s.r, maxExcess)
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = missing(s.path, s.want)
		}
	case over < 0 && errors.Is(err, io.EOF):
		err = missing(s.path, s.want)
	}
	s.err = err
	return n, err
}

type blobReader struct {
	r io.Reader
	c io.Closer
}

func (b *blobReader) Read(p []byte) (int, error) { return b.r.Read(p) }
func (b *blobReader) Close() error               { return b.c.Close() }

// renamed makes a store's *schema.Damaged name the file as the object knows it; a store knows only the digest.
type renamed struct {
	r    io.Reader
	path string
}

func (r renamed) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	var damaged *schema.Damaged
	if errors.As(err, &damaged) && len(damaged.Blobs) == 1 {
		b := damaged.Blobs[0]
		b.Path = r.path
		err = &schema.Damaged{Blobs: []schema.DamagedBlob{b}}
	}
	return n, err
}
