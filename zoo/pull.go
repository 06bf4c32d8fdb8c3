package zoo

import (
	"context"
	"io"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// PullOptions tune Pull. The zero value is right for most.
type PullOptions struct {
	// Progress, if set, is told of every piece that is written.
	Progress func(Progress)
}

// Pull writes the object that a reference means to a directory, which must be absent or empty. Every byte is verified;
// the directory appears whole or not at all. Errors are those of Resolve, and *schema.Damaged, which names the file.
func Pull(ctx context.Context, s Store, reference, dir string, opts PullOptions) (Resolved, error) {
	r, err := Resolve(ctx, s, reference)
	if err != nil {
		return Resolved{}, err
	}
	m, err := Manifest(ctx, s, r)
	if err != nil {
		return Resolved{}, err
	}
	total, files := int64(0), map[schema.Digest]closure.Descriptor{}
	for _, d := range m.Blobs() {
		total += d.Size
		files[d.Digest] = d
	}
	return r, closure.Unpack(ctx, m, countingBlobs{BlobsOf(s, r.Name), newProgress(opts.Progress, total), files}, dir)
}

// countingBlobs reports what is read.
type countingBlobs struct {
	closure.Blobs
	p     *progress
	files map[schema.Digest]closure.Descriptor
}

func (c countingBlobs) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	r, err := c.Blobs.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{c.p.file(c.files[d].Path(), c.files[d].Size, r), r}, nil
}
