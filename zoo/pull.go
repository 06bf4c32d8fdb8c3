package zoo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// PullOptions tune Pull. The zero value is right for most.
type PullOptions struct {
	// Jobs is the number of files fetched at a time; 0 means 4.
	Jobs int
	// Progress, if set, is told of every piece that is written. It is called from one goroutine at a time.
	Progress func(Progress)
}

// Pull writes the object that a reference means to a directory, which must be absent or empty. Every byte is verified;
// the directory appears whole or not at all. Errors are those of Resolve, and *schema.Damaged, which names the file.
//
// What was fetched when a pull ended early, even by being killed, lies in a hidden directory beside (or in) the wanted one, and
// the next pull of the same object to the same place goes on with it: in the middle of a file where the store is a
// RangeReader. What is gone on with is verified again. A power failure soon after can lose bytes of what was pulled, as of any copy:
// nothing waits for the disk, verifying finds it, and the store still has it.
func Pull(ctx context.Context, s Store, reference, dir string, opts PullOptions) (Resolved, error) {
	r, err := Resolve(ctx, s, reference)
	if err != nil {
		return Resolved{}, err
	}
	m, err := Manifest(ctx, s, r)
	if err != nil {
		return Resolved{}, err
	}
	st, err := openStage(dir, r.Entry.Digest)
	if err != nil {
		return Resolved{}, err
	}
	defer st.close()
	files := m.Blobs()
	total := int64(0)
	for _, d := range files {
		total += d.Size
	}
	counted := newProgress(opts.Progress, total)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(jobs(opts.Jobs))
	for i, d := range files {
		if inner.Err() != nil {
			break // the group has the reason
		}
		group.Go(func() error {
			f := fetch{from: BlobsOf(s, r.Name), file: d, counted: counted.count(d.Path(), d.Size)}
			return f.run(inner, st.partial(i), st.whole(d.Path()))
		})
	}
	if err := group.Wait(); err != nil {
		return Resolved{}, err
	}
	if err := ctx.Err(); err != nil {
		return Resolved{}, err
	}
	return r, st.finish(m.Config.Path())
}

// fetch is one file on its way from a store.
type fetch struct {
	from    Blobs
	file    closure.Descriptor
	counted *countingReader
}

// run makes the whole file, of the partial one if that is there. Both outlive an error.
func (f fetch) run(ctx context.Context, partial, whole string) error {
	if _, err := os.Lstat(whole); err == nil {
		// An earlier pull finished it. It is looked at again, and only what is right is kept.
		if err := os.Rename(whole, partial); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	err = f.fill(ctx, out)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(whole), 0o777); err != nil {
		return err
	}
	return os.Rename(partial, whole)
}

// fill completes a file whose beginning may be there.
func (f fetch) fill(ctx context.Context, out *os.File) error {
	info, err := out.Stat()
	if err != nil {
		return err
	}
	have := info.Size()
	ranges, ok := f.from.(RangeReader)
	if have > f.file.Size || have < f.file.Size && !ok {
		have = 0
	}
	if have > 0 {
		err := f.goOn(ctx, out, ranges, have)
		if _, wrong := errors.AsType[*schema.Damaged](err); !wrong {
			return err
		}
		// What was there is not the file's beginning, or the store has not the file's end: the beginning will tell.
		f.counted.restart()
	}
	if err := errors.Join(out.Truncate(0), rewind(out)); err != nil {
		return err
	}
	if ok {
		if err := f.goOn(ctx, out, ranges, 0); !isInvalid(err) {
			return f.discard(out, err)
		}
		// The store's blob is too short for the range that was asked for: read as a whole it is named for what it is.
	}
	r, err := closure.OpenBlob(ctx, f.from, f.file.Path(), f.file.Digest, f.file.Size)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(out, f.counted.of(contextReader{ctx, r}))
	return f.discard(out, err)
}

func isInvalid(err error) bool {
	_, ok := errors.AsType[*schema.Invalid](err)
	return ok
}

func rewind(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// discard empties a file that turned out to be wrong, so that nobody goes on with it.
func (f fetch) discard(out *os.File, err error) error {
	if _, wrong := errors.AsType[*schema.Damaged](err); wrong {
		return errors.Join(err, out.Truncate(0))
	}
	return err
}

// goOn reads what a file has, then the rest of the blob, and compares the digest of both together.
func (f fetch) goOn(ctx context.Context, out *os.File, from RangeReader, have int64) error {
	sum := sha256.New()
	if have > 0 {
		if _, err := io.Copy(sum, f.counted.of(io.LimitReader(contextReader{ctx, out}, have))); err != nil {
			return err
		}
	}
	if have < f.file.Size || have == 0 {
		if err := f.rest(ctx, io.MultiWriter(out, sum), from, have); err != nil {
			return err
		}
	}
	return f.verdict(sum)
}

func (f fetch) rest(ctx context.Context, to io.Writer, from RangeReader, have int64) error {
	path := f.file.Path()
	r, err := from.OpenRange(ctx, f.file.Digest, have, f.file.Size-have)
	if errors.Is(err, ErrNotFound) {
		// A manifest promises it.
		return fmt.Errorf("%w: %w", &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: path, Expected: f.file.Digest}}}, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer r.Close()
	if _, err := io.CopyBuffer(to, f.counted.of(contextReader{ctx, r}), make([]byte, 256<<10)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (f fetch) verdict(sum hash.Hash) error {
	observed := schema.DigestFromSum([sha256.Size]byte(sum.Sum(nil)))
	if observed == f.file.Digest {
		return nil
	}
	return &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: f.file.Path(), Expected: f.file.Digest, Observed: observed}}}
}

// partial is where a file lies until it is whole. Equal digests mean equal manifests, so its number names it.
func (s *stage) partial(i int) string { return filepath.Join(s.path, "partial", strconv.Itoa(i)) }

// whole is where a file lies from then on.
func (s *stage) whole(path string) string {
	return filepath.Join(s.path, "whole", filepath.FromSlash(path))
}
