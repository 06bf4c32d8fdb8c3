package closure

import (
	"bytes"
	"context"
	"io"

	"github.com/reprise-ml/reprise/schema"
)

// Blob is a blob of a packed closure, to be put into a store.
type Blob struct {
	Descriptor
	// Open returns the bytes, which are verified while streaming. It may be called more than once.
	Open func() (io.ReadCloser, error)
}

// Pack checks the directory and returns the manifest of the closure and its blobs, closure.json first. README.md, LICENSE
// and CITATION.cff are taken as they are now, which updates d.Closure in memory; every other file must match closure.json,
// else the error is *schema.Damaged. Nothing is read into memory.
func (d *Directory) Pack(ctx context.Context) (*Manifest, []Blob, error) {
	files, err := d.hash(ctx)
	if err != nil {
		return nil, nil, err
	}
	d.Closure.Files = files
	m, document, err := ClosureManifest(d.Closure)
	if err != nil {
		return nil, nil, err
	}
	blobs := []Blob{{Descriptor: m.Config, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(document)), nil
	}}}
	for _, l := range m.Layers {
		blobs = append(blobs, Blob{Descriptor: l, Open: func() (io.ReadCloser, error) {
			return openVerified(d.Path(l.Path()), l.Path(), l.Digest, l.Size)
		}})
	}
	return m, blobs, nil
}

// PutAll puts the blobs of a packed closure into a sink, in order.
func PutAll(ctx context.Context, sink BlobSink, blobs []Blob) error {
	for _, b := range blobs {
		if err := putOne(ctx, sink, b); err != nil {
			return err
		}
	}
	return nil
}

func putOne(ctx context.Context, sink BlobSink, b Blob) error {
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return sink.Put(ctx, b.Digest, b.Size, r)
}

// LoadTensors reads a safetensors file of a closure.
func LoadTensors(ctx context.Context, blobs Blobs, f schema.File) ([]Tensor, error) {
	r, err := OpenBlob(ctx, blobs, f.Path, f.Digest, f.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tensors, _, err := ReadSafetensors(r, f.Size, f.Path)
	return tensors, err
}

// FindFile returns the file of that path, or false.
func FindFile(c *schema.Closure, path string) (schema.File, bool) {
	for _, f := range c.Files {
		if f.Path == path {
			return f, true
		}
	}
	return schema.File{}, false
}
