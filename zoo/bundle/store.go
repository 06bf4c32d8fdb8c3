// Package bundle is a store in one file: the tree of package zoo as a tar archive, for carrying objects to where there is no
// network. A bundle has an index.json too, so it is a plain OCI layout: other tools read it, packed or unpacked, and unpacked
// it is a store of package directory.
//
// Write makes one of a selection. Open reads one as a zoo.Store that takes no writes; importing is zoo.Copy from there. A
// bundle comes from anywhere, so Open looks at all of its headers first and refuses what no bundle has: links and devices,
// paths that lead out, files twice or of other names, sizes beyond the end. Bytes are verified as they are read.
package bundle

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
)

// Store is a bundle. Its methods are those of zoo.Store; those that write return zoo.ErrReadOnly. It is safe for concurrent
// use until Close.
type Store struct {
	file  *os.File
	blobs map[schema.Digest]span
	refs  *memory.Store // versions, tags and referrers
}

var (
	_ zoo.Store       = (*Store)(nil)
	_ zoo.RangeReader = (*Store)(nil)
)

// span is where a blob lies in the file.
type span struct{ offset, size int64 }

// Close ends the use of the file.
func (s *Store) Close() error { return s.file.Close() }

// Select gathers everything in the bundle, and checks that it is whole: every blob that a manifest names is there, with the
// size that the manifest states. What is not is *schema.Damaged.
func (s *Store) Select(ctx context.Context) (*zoo.Selection, error) {
	all, err := zoo.SelectAll(ctx, s)
	if err != nil {
		return nil, err
	}
	var damaged []schema.DamagedBlob
	for _, o := range all.Objects {
		for _, d := range o.Links.Blobs {
			switch at, ok := s.blobs[d.Digest]; {
			case !ok:
				damaged = append(damaged, schema.DamagedBlob{Path: zoo.BlobPath(d.Digest), Expected: d.Digest})
			case at.size != d.Size:
				damaged = append(damaged, schema.DamagedBlob{
					Path: zoo.BlobPath(d.Digest), Expected: d.Digest, Reason: fmt.Sprintf("has %d bytes, a manifest states %d", at.size, d.Size),
				})
			}
		}
	}
	if len(damaged) > 0 {
		return nil, &schema.Damaged{Blobs: damaged}
	}
	return all, nil
}

// Open implements zoo.Blobs.
func (s *Store) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	at, err := s.span(ctx, d)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(closure.VerifyReader(io.NewSectionReader(s.file, at.offset, at.size), zoo.BlobPath(d), d, at.size)), nil
}

// OpenRange implements zoo.RangeReader.
func (s *Store) OpenRange(ctx context.Context, d schema.Digest, offset, length int64) (io.ReadCloser, error) {
	at, err := s.span(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := zoo.CheckRange(d, at.size, offset, length); err != nil {
		return nil, err
	}
	return io.NopCloser(io.NewSectionReader(s.file, at.offset+offset, length)), nil
}

// Stat implements zoo.Blobs.
func (s *Store) Stat(ctx context.Context, d schema.Digest) (int64, error) {
	at, err := s.span(ctx, d)
	return at.size, err
}

func (s *Store) span(ctx context.Context, d schema.Digest) (span, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return span{}, err
	}
	at, ok := s.blobs[d]
	if !ok {
		return span{}, fmt.Errorf("%s: %w", d, zoo.ErrNotFound)
	}
	return at, nil
}

// Put implements zoo.Blobs.
func (s *Store) Put(context.Context, schema.Digest, int64, io.Reader) error { return errReadOnly }

var errReadOnly = fmt.Errorf("a bundle: %w: import it into a store", zoo.ErrReadOnly)

// PutVersion implements zoo.Versions.
func (s *Store) PutVersion(context.Context, string, string, zoo.Entry) error { return errReadOnly }

// Version implements zoo.Versions.
func (s *Store) Version(ctx context.Context, name, version string) (zoo.Entry, error) {
	return s.refs.Version(ctx, name, version)
}

// Versions implements zoo.Versions.
func (s *Store) Versions(ctx context.Context, name string) ([]string, error) {
	return s.refs.Versions(ctx, name)
}

// SwapTag implements zoo.Tags.
func (s *Store) SwapTag(context.Context, string, string, schema.Digest, zoo.Entry) error {
	return errReadOnly
}

// Tag implements zoo.Tags.
func (s *Store) Tag(ctx context.Context, name, tag string) (zoo.Entry, error) {
	return s.refs.Tag(ctx, name, tag)
}

// Tags implements zoo.Tags.
func (s *Store) Tags(ctx context.Context, name string) ([]string, error) {
	return s.refs.Tags(ctx, name)
}

// PutReferrer implements zoo.Referrers.
func (s *Store) PutReferrer(context.Context, schema.Digest, zoo.Entry) error { return errReadOnly }

// Referrers implements zoo.Referrers.
func (s *Store) Referrers(ctx context.Context, subject schema.Digest) ([]zoo.Entry, error) {
	return s.refs.Referrers(ctx, subject)
}

// Names implements zoo.Catalogue.
func (s *Store) Names(ctx context.Context) ([]string, error) { return s.refs.Names(ctx) }

// Capabilities implements zoo.Catalogue.
func (s *Store) Capabilities() zoo.Capabilities { return s.refs.Capabilities() }
