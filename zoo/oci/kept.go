package oci

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// keptFrom is the size from which on a download is worth keeping until it is complete.
const keptFrom = 64 << 20

// openKept reads a blob, and goes on where an earlier process was stopped: what came of a large blob is kept until all of it came.
func (r *repository) openKept(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	k := &keptBlob{}
	name := d.Hex() + downloadSuffix
	if k.file = r.s.lockTransfer(name, false); k.file != nil {
		if info, err := k.file.Stat(); err == nil {
			k.have = info.Size()
		}
	}
	var err error
	k.rest, err = r.download(ctx, d, k.have, -1)
	if statusOf(err) != 0 && k.have > 0 {
		k.have = 0 // nothing lies beyond what is kept, or the registry knows no ranges
		k.rest, err = r.download(ctx, d, 0, -1)
	}
	if err != nil {
		if k.file != nil {
			k.file.Close()
		}
		return nil, err
	}
	if k.file == nil && k.rest.size() >= r.s.keptFrom() {
		r.s.sweepTransfers()
		k.file = r.s.lockTransfer(name, true)
	}
	var stream io.Reader = k.rest
	if k.file != nil {
		if _, err := k.file.Seek(k.have, io.SeekStart); err != nil || k.file.Truncate(k.have) != nil {
			k.forget()
		} else {
			stream = io.MultiReader(io.NewSectionReader(k.file, 0, k.have), io.TeeReader(k.rest, k))
		}
	}
	k.verified = closure.VerifyReader(stream, zoo.BlobPath(d), d, -1)
	return k, nil
}

func (s *Store) keptFrom() int64 {
	if s.opts.keptFrom > 0 {
		return s.opts.keptFrom
	}
	return keptFrom
}

// keptBlob is a blob, the beginning of which is in a file.
type keptBlob struct {
	file     *os.File // or nil
	have     int64    // bytes in the file at first
	rest     *blobReader
	verified io.Reader
}

// Read implements io.Reader.
func (k *keptBlob) Read(p []byte) (int, error) {
	n, err := k.verified.Read(p)
	if errors.Is(err, io.EOF) || errors.As(err, new(*schema.Damaged)) {
		k.forget() // there is nothing to go on with
	}
	return n, err
}

// Write keeps what comes. That it cannot be kept, on a full disk for instance, stops no download.
func (k *keptBlob) Write(p []byte) (int, error) {
	if k.file != nil {
		if _, err := k.file.Write(p); err != nil {
			k.forget()
		}
	}
	return len(p), nil
}

func (k *keptBlob) forget() {
	if k.file != nil {
		_ = os.Remove(k.file.Name())
		k.file.Close()
		k.file = nil
	}
}

// Close implements io.Closer.
func (k *keptBlob) Close() error {
	if k.file != nil {
		k.file.Close() // and keep it
	}
	return k.rest.Close()
}
