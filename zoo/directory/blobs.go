package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Open implements zoo.Blobs.
func (s *Store) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	f, _, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	return reader{closure.VerifyReader(f, zoo.BlobPath(d), d, -1), f}, nil
}

// OpenRange implements zoo.RangeReader.
func (s *Store) OpenRange(ctx context.Context, d schema.Digest, offset, length int64) (io.ReadCloser, error) {
	f, size, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := zoo.CheckRange(d, size, offset, length); err != nil {
		f.Close()
		return nil, err
	}
	return reader{io.NewSectionReader(f, offset, length), f}, nil
}

type reader struct {
	io.Reader
	io.Closer
}

func (s *Store) open(ctx context.Context, d schema.Digest) (*os.File, int64, error) {
	size, err := s.Stat(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(s.disk.abs(zoo.BlobPath(d)))
	if err != nil {
		return nil, 0, blobError(d, err)
	}
	return f, size, nil
}

func blobError(d schema.Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", d, zoo.ErrNotFound)
	}
	return readError(zoo.BlobPath(d), err)
}

// Stat implements zoo.Blobs.
func (s *Store) Stat(ctx context.Context, d schema.Digest) (int64, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return 0, err
	}
	info, err := os.Stat(s.disk.abs(zoo.BlobPath(d)))
	if err != nil {
		return 0, blobError(d, err)
	}
	if !info.Mode().IsRegular() {
		return 0, &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: zoo.BlobPath(d), Expected: d, Reason: "is no file"}}}
	}
	return info.Size(), nil
}

// Path implements zoo.PathFinder.
func (s *Store) Path(ctx context.Context, d schema.Digest) (string, error) {
	if _, err := s.Stat(ctx, d); err != nil {
		return "", err
	}
	return s.disk.abs(zoo.BlobPath(d)), nil
}

// Put implements zoo.Blobs. A blob that is there with another size was cut short by something else than this package,
// and is replaced. So is one whose use cannot be noted.
func (s *Store) Put(ctx context.Context, d schema.Digest, size int64, r io.Reader) error {
	if err := zoo.CheckPut(ctx, d, size); err != nil {
		return err
	}
	have, err := s.Use(ctx, d)
	if err == nil && have == size {
		return s.syncBlobs()
	}
	if err != nil && !errors.Is(err, zoo.ErrNotFound) {
		return err
	}
	temp, err := s.disk.upload(zoo.VerifyUpload(ctx, r, d, size))
	if err != nil {
		return err
	}
	return s.place(ctx, temp, d)
}

// TakeFile implements zoo.FileTaker.
func (s *Store) TakeFile(ctx context.Context, d schema.Digest, size int64, path string) error {
	if err := zoo.CheckPut(ctx, d, size); err != nil {
		return err
	}
	have, err := s.Use(ctx, d)
	if err == nil && have == size {
		return s.syncBlobs()
	}
	if err != nil && !errors.Is(err, zoo.ErrNotFound) {
		return err
	}
	temp, err := s.disk.take(path, size)
	if err != nil {
		return err
	}
	return s.place(ctx, temp, d)
}

// place makes an uploaded file a blob.
func (s *Store) place(ctx context.Context, temp string, d schema.Digest) error {
	// It may be there with another size, or as somebody's whose use cannot be noted.
	if _, err := os.Lstat(s.disk.abs(zoo.BlobPath(d))); err == nil {
		return s.disk.replace(temp, zoo.BlobPath(d))
	}
	if err := s.disk.place(ctx, temp, zoo.BlobPath(d)); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // another Put of the same bytes came first
}

// syncBlobs puts on disk the names of blobs that others may have stored a moment ago.
func (s *Store) syncBlobs() error {
	if _, err := os.Stat(s.disk.abs(zoo.BlobsPath)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.disk.syncDir(zoo.BlobsPath)
}

// AllBlobs implements zoo.BlobLister.
func (s *Store) AllBlobs(ctx context.Context) iter.Seq2[schema.Digest, error] {
	return func(yield func(schema.Digest, error) bool) {
		files, err := s.readDir(zoo.BlobsPath)
		if err != nil {
			yield(schema.Digest{}, err)
			return
		}
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				yield(schema.Digest{}, err)
				return
			}
			d, err := schema.DigestFromHex(f.Name())
			if err == nil && !yield(d, nil) {
				return
			}
		}
	}
}

// DeleteBlob implements zoo.BlobDeleter.
func (s *Store) DeleteBlob(ctx context.Context, d schema.Digest) error {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return err
	}
	rel := zoo.BlobPath(d)
	err := s.disk.do(opRemove, rel, func() error { return os.Remove(s.disk.abs(rel)) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.syncBlobs()
}
