package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// WriteOptions tune Write. The zero value is right for most.
type WriteOptions struct {
	// Progress, if set, is told of every piece that is written.
	Progress func(zoo.Progress)
}

// Write writes a selection as a bundle. Equal selections give equal bytes: paths are in order, and there are no dates, owners
// or permissions of this machine. Every blob is verified; damage is *schema.Damaged, and what was written until then is no
// bundle.
func Write(ctx context.Context, w io.Writer, s *zoo.Selection, opts WriteOptions) error {
	tw := tar.NewWriter(w)
	for _, f := range documents(s) {
		if err := writeFile(tw, f.path, int64(len(f.content)), bytes.NewReader(f.content)); err != nil {
			return err
		}
	}
	blobs := blobsOf(s)
	var total int64
	for _, b := range blobs {
		total += b.Size
	}
	report := func(p zoo.Progress) {
		if opts.Progress != nil {
			opts.Progress(p)
		}
	}
	p := zoo.Progress{Total: total}
	report(p)
	for _, b := range blobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.Path, p.Done, p.Size = b.label, 0, b.Size
		err := b.write(ctx, tw, func(n int) {
			p.Done += int64(n)
			p.Sent += int64(n)
			report(p)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", b.label, err)
		}
	}
	return tw.Close()
}

type file struct {
	path    string
	content []byte
}

// documents are the small files, which come first: whoever reads a bundle as a stream knows at once what is in it.
func documents(s *zoo.Selection) []file {
	var entries []file
	for _, o := range s.Objects {
		for _, ref := range o.Refs {
			path := zoo.VersionPath(o.Name, ref.Version)
			if ref.Tag != "" {
				path = zoo.TagPath(o.Name, ref.Tag)
			}
			entries = append(entries, file{path, ref.Entry.Encode()})
		}
		if !o.Subject.IsZero() {
			entries = append(entries, file{zoo.ReferrerPath(o.Subject, o.Entry.Digest), o.Entry.Encode()})
		}
	}
	slices.SortFunc(entries, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	entries = slices.CompactFunc(entries, func(a, b file) bool { return a.path == b.path })
	return append([]file{{zoo.LayoutPath, []byte(zoo.LayoutDocument)}, {zoo.IndexPath, s.Index()}}, entries...)
}

// blob is one to be written.
type blob struct {
	closure.Descriptor
	label string
	from  closure.Blobs
	bytes []byte // of a manifest, which is known already
}

// blobsOf lists the blobs of a selection, each once, by digest.
func blobsOf(s *zoo.Selection) []blob {
	seen := map[schema.Digest]bool{}
	var list []blob
	add := func(b blob) {
		if !seen[b.Digest] {
			seen[b.Digest] = true
			list = append(list, b)
		}
	}
	for _, o := range s.Objects {
		add(blob{
			Descriptor: closure.Descriptor{Digest: o.Entry.Digest, Size: int64(len(o.Manifest))}, label: o.Name + " manifest", bytes: o.Manifest,
		})
	}
	for _, o := range s.Objects {
		for _, d := range o.Links.Blobs {
			add(blob{Descriptor: d, label: o.Name + " " + cmp.Or(d.Path(), d.Digest.Short()), from: zoo.BlobsOf(s.From, o.Name)})
		}
	}
	slices.SortFunc(list, func(a, b blob) int { return cmp.Compare(a.Digest.Hex(), b.Digest.Hex()) })
	return list
}

func (b blob) write(ctx context.Context, tw *tar.Writer, wrote func(n int)) error {
	var r io.Reader = bytes.NewReader(b.bytes)
	if b.from != nil {
		opened, err := closure.OpenBlob(ctx, b.from, b.label, b.Digest, b.Size)
		if err != nil {
			return err
		}
		defer opened.Close()
		r = opened
	}
	return writeFile(tw, zoo.BlobPath(b.Digest), b.Size, counting{ctx, r, wrote})
}

func writeFile(tw *tar.Writer, path string, size int64, r io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{tw}, r, make([]byte, copyBuffer))
	return err
}

const copyBuffer = 256 << 10

// counting reports what is read, and ends with its context.
type counting struct {
	ctx  context.Context
	r    io.Reader
	read func(n int)
}

func (c counting) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if n > 0 {
		c.read(n)
	}
	return n, err
}
