// Package memory is a zoo.Store in memory, for tests and for what need not last.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Store is an empty store until something is put into it. Its methods are those of zoo.Store.
type Store struct {
	mu        sync.Mutex
	blobs     map[schema.Digest]*blob
	refs      map[string]zoo.Entry // by zoo.VersionPath and zoo.TagPath
	referrers map[schema.Digest]map[schema.Digest]zoo.Entry
}

var (
	_ zoo.Store       = (*Store)(nil)
	_ zoo.BlobLister  = (*Store)(nil)
	_ zoo.BlobDeleter = (*Store)(nil)
	_ zoo.Sweeper     = (*Store)(nil)
	_ zoo.Scanner     = (*Store)(nil)
	_ zoo.RangeReader = (*Store)(nil)
	_ zoo.TagDeleter  = (*Store)(nil)
)

// blob is its bytes and when a writer last stored it or counted on it.
type blob struct {
	bytes []byte
	used  time.Time
}

// New makes an empty store.
func New() *Store {
	return &Store{
		blobs:     map[schema.Digest]*blob{},
		refs:      map[string]zoo.Entry{},
		referrers: map[schema.Digest]map[schema.Digest]zoo.Entry{},
	}
}

// Capabilities implements zoo.Catalogue.
func (s *Store) Capabilities() zoo.Capabilities {
	return zoo.Capabilities{ConditionalWrites: true, Catalogue: true}
}

// Open implements zoo.Blobs.
func (s *Store) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	b, err := s.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(closure.VerifyReader(bytes.NewReader(b), zoo.BlobPath(d), d, -1)), nil
}

// OpenRange implements zoo.RangeReader.
func (s *Store) OpenRange(ctx context.Context, d schema.Digest, offset, length int64) (io.ReadCloser, error) {
	b, err := s.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := zoo.CheckRange(d, int64(len(b)), offset, length); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(b[offset : offset+length])), nil
}

// Stat implements zoo.Blobs.
func (s *Store) Stat(ctx context.Context, d schema.Digest) (int64, error) {
	b, err := s.blob(ctx, d)
	return int64(len(b)), err
}

func (s *Store) blob(ctx context.Context, d schema.Digest) ([]byte, error) {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[d]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d, zoo.ErrNotFound)
	}
	return b.bytes, nil
}

// Put implements zoo.Blobs.
func (s *Store) Put(ctx context.Context, d schema.Digest, size int64, r io.Reader) error {
	if err := zoo.CheckPut(ctx, d, size); err != nil {
		return err
	}
	if _, err := s.Use(ctx, d); !errors.Is(err, zoo.ErrNotFound) {
		return err
	}
	b, err := io.ReadAll(zoo.VerifyUpload(ctx, r, d, size))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[d] = &blob{b, time.Now()}
	return nil
}

// AllBlobs implements zoo.BlobLister.
func (s *Store) AllBlobs(ctx context.Context) iter.Seq2[schema.Digest, error] {
	return func(yield func(schema.Digest, error) bool) {
		s.mu.Lock()
		digests := slices.Collect(maps.Keys(s.blobs))
		s.mu.Unlock()
		for _, d := range digests {
			if err := ctx.Err(); err != nil {
				yield(schema.Digest{}, err)
				return
			}
			if !yield(d, nil) {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, d)
	return nil
}

// PutVersion implements zoo.Versions.
func (s *Store) PutVersion(ctx context.Context, name, version string, e zoo.Entry) error {
	if err := zoo.CheckVersionEntry(ctx, name, version, e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := zoo.VersionPath(name, version)
	have, ok := s.refs[path]
	if !ok {
		s.refs[path] = e
		return nil
	}
	return zoo.SameVersion(name, version, have, e)
}

// Version implements zoo.Versions.
func (s *Store) Version(ctx context.Context, name, version string) (zoo.Entry, error) {
	if err := zoo.CheckVersionOf(ctx, name, version); err != nil {
		return zoo.Entry{}, err
	}
	return s.ref(zoo.VersionPath(name, version), name, version)
}

func (s *Store) ref(path, name, selector string) (zoo.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.refs[path]
	if !ok {
		return zoo.Entry{}, fmt.Errorf("%s:%s: %w", name, selector, zoo.ErrNotFound)
	}
	return e, nil
}

// Versions implements zoo.Versions.
func (s *Store) Versions(ctx context.Context, name string) ([]string, error) {
	return s.list(ctx, name, zoo.VersionsPath(name), zoo.VersionOf, schema.CompareVersions)
}

func (s *Store) list(ctx context.Context, name, folder string, of func(file string) (string, bool),
	compare func(a, b string) int,
) ([]string, error) {
	if err := zoo.CheckNameOf(ctx, name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for path := range s.refs {
		if file, ok := strings.CutPrefix(path, folder+"/"); ok {
			if one, ok := of(file); ok {
				found = append(found, one)
			}
		}
	}
	slices.SortFunc(found, compare)
	return found, nil
}

// SwapTag implements zoo.Tags.
func (s *Store) SwapTag(ctx context.Context, name, tag string, old schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckTagEntry(ctx, name, tag, e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := zoo.TagPath(name, tag)
	done, err := zoo.Swap(name, tag, s.refs[path].Digest, old, e.Digest)
	if err == nil && !done {
		s.refs[path] = e
	}
	return err
}

// DeleteTag implements zoo.TagDeleter.
func (s *Store) DeleteTag(ctx context.Context, name, tag string, old schema.Digest) error {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := zoo.TagPath(name, tag)
	if err := zoo.Untag(name, tag, s.refs[path].Digest, old); err != nil {
		return err
	}
	delete(s.refs, path)
	return nil
}

// Tag implements zoo.Tags.
func (s *Store) Tag(ctx context.Context, name, tag string) (zoo.Entry, error) {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return zoo.Entry{}, err
	}
	return s.ref(zoo.TagPath(name, tag), name, tag)
}

// Tags implements zoo.Tags.
func (s *Store) Tags(ctx context.Context, name string) ([]string, error) {
	return s.list(ctx, name, zoo.TagsPath(name), zoo.TagOf, strings.Compare)
}

// PutReferrer implements zoo.Referrers.
func (s *Store) PutReferrer(ctx context.Context, subject schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckReferrer(ctx, subject, e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	about := s.referrers[subject]
	if about == nil {
		about = map[schema.Digest]zoo.Entry{}
		s.referrers[subject] = about
	}
	if _, ok := about[e.Digest]; !ok {
		about[e.Digest] = e
	}
	return nil
}

// Referrers implements zoo.Referrers.
func (s *Store) Referrers(ctx context.Context, subject schema.Digest) ([]zoo.Entry, error) {
	if err := zoo.CheckDigest(ctx, subject); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.referrers[subject]), func(a, b zoo.Entry) int {
		return strings.Compare(a.Digest.Hex(), b.Digest.Hex())
	}), nil
}

// Names implements zoo.Catalogue.
func (s *Store) Names(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := map[string]bool{}
	for path := range s.refs {
		names[zoo.NameOf(path)] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}
