package zoo

import (
	"context"
	"io"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// PullOptions tune Pull. The zero value is right for most.
type PullOptions struct {
	// Progress, if set, is told how many bytes of how many have been written.
	Progress func(written, total int64)
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
	p := &progress{report: opts.Progress}
	for _, d := range m.Blobs() {
		p.total += d.Size
	}
	p.add(0)
	return r, closure.Unpack(ctx, m, countingBlobs{BlobsOf(s, r.Name), p}, dir)
}

// countingBlobs reports what is read.
type countingBlobs struct {
	closure.Blobs
	p *progress
}

func (c countingBlobs) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	r, err := c.Blobs.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{countingReader{r, c.p}, r}, nil
}
