package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Capabilities implements zoo.Catalogue. Conditional writes are promised once the server has shown that it has them: after
// Create, and after the first write to what was opened with Open.
func (s *Store) Capabilities() zoo.Capabilities {
	return zoo.Capabilities{ConditionalWrites: s.puts.proven(), Catalogue: true}
}

// PutVersion implements zoo.Versions.
func (s *Store) PutVersion(ctx context.Context, name, version string, e zoo.Entry) error {
	if err := zoo.CheckVersionEntry(ctx, name, version, e); err != nil {
		return err
	}
	have, err := s.putOnce(ctx, zoo.VersionPath(name, version), name, version, e)
	if err != nil {
		return err
	}
	return zoo.SameVersion(name, version, have, e)
}

// putOnce writes the document of an entry unless there is one, and returns the one that is there then.
func (s *Store) putOnce(ctx context.Context, path, name, selector string, e zoo.Entry) (zoo.Entry, error) {
	conditional, err := s.putsConditionally(ctx)
	if err != nil {
		return zoo.Entry{}, err
	}
	if !conditional {
		s.mu.Lock()
		defer s.mu.Unlock()
		have, _, err := s.entry(ctx, path, name, selector)
		if !isNotFound(err) {
			return have, err
		}
	}
	_, err = s.put(ctx, path, e.Encode(), documentType, condition{create: conditional})
	switch {
	case err == nil && conditional:
		return e, nil
	case err != nil && !conditionFailed(err):
		return zoo.Entry{}, s.fail(path, true, err)
	}
	// Somebody was faster, or it was this very write, whose answer was lost.
	have, _, err := s.entry(ctx, path, name, selector)
	return have, err
}

// entry reads an entry and the entity tag of its document.
func (s *Store) entry(ctx context.Context, path, name, selector string) (zoo.Entry, string, error) {
	doc, etag, err := s.get(ctx, path)
	if absent(err) {
		return zoo.Entry{}, "", fmt.Errorf("%s:%s: %w", name, selector, zoo.ErrNotFound)
	}
	if err != nil {
		return zoo.Entry{}, "", s.fail(path, false, err)
	}
	if zoo.IsDeletedTag(path, int64(len(doc))) {
		return zoo.Entry{}, etag, fmt.Errorf("%s:%s: %w", name, selector, zoo.ErrNotFound)
	}
	e, err := zoo.DecodeEntry(path, doc)
	if err != nil {
		return zoo.Entry{}, "", fmt.Errorf("%s:%s: %w", name, selector, err)
	}
	return e, etag, nil
}

func isNotFound(err error) bool { return errors.Is(err, zoo.ErrNotFound) }

// Version implements zoo.Versions.
func (s *Store) Version(ctx context.Context, name, version string) (zoo.Entry, error) {
	if err := zoo.CheckVersionOf(ctx, name, version); err != nil {
		return zoo.Entry{}, err
	}
	e, _, err := s.entry(ctx, zoo.VersionPath(name, version), name, version)
	return e, err
}

// Versions implements zoo.Versions.
func (s *Store) Versions(ctx context.Context, name string) ([]string, error) {
	if err := zoo.CheckNameOf(ctx, name); err != nil {
		return nil, err
	}
	return s.listFolder(ctx, zoo.VersionsPath(name), zoo.VersionOf, schema.CompareVersions)
}

// listFolder returns what the objects of a folder stand for. Objects that stand for nothing were put there by somebody else.
func (s *Store) listFolder(ctx context.Context, folder string, of func(file string) (string, bool), compare func(a, b string) int) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var found []string
	for o, err := range s.list(ctx, folder+"/") {
		if err != nil {
			return nil, s.fail(folder, false, err)
		}
		if one, ok := of(strings.TrimPrefix(o.path, folder+"/")); ok && !zoo.IsDeletedTag(o.path, o.Size) {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, compare)
	return found, nil
}

// SwapTag implements zoo.Tags. Where the answer to a swap is lost and somebody else moves the tag on before it is asked again,
// the swap is reported as lost though it took place.
func (s *Store) SwapTag(ctx context.Context, name, tag string, old schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckTagEntry(ctx, name, tag, e); err != nil {
		return err
	}
	conditional, err := s.putsConditionally(ctx)
	if err != nil {
		return err
	}
	if !conditional {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	path := zoo.TagPath(name, tag)
	for range maxSwaps {
		current, etag, err := s.entry(ctx, path, name, tag)
		if err != nil && !isNotFound(err) {
			return err
		}
		if done, err := zoo.Swap(name, tag, current.Digest, old, e.Digest); done || err != nil {
			return err
		}
		_, err = s.put(ctx, path, e.Encode(), documentType, s.replacing(etag))
		switch {
		case conditionFailed(err):
			continue // the tag has moved, perhaps to where it was to go
		case err != nil:
			return s.fail(path, true, err)
		case conditional:
			return nil
		}
		current, _, err = s.entry(ctx, path, name, tag)
		if err != nil && !isNotFound(err) {
			return err
		}
		_, err = zoo.Swap(name, tag, current.Digest, e.Digest, e.Digest)
		return err
	}
	return fmt.Errorf("%s: the server refuses to move the tag, which is where it was: try again", path)
}

// maxSwaps bounds how often a tag is tried to move that others move away and back.
const maxSwaps = 100

// DeleteTag implements zoo.TagDeleter. What decides a write by its condition need not decide a deletion by one, so the tag's document
// becomes zoo.DeletedTag, and stays.
func (s *Store) DeleteTag(ctx context.Context, name, tag string, old schema.Digest) error {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return err
	}
	conditional, err := s.putsConditionally(ctx)
	if err != nil {
		return err
	}
	if !conditional {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	path := zoo.TagPath(name, tag)
	for try := range maxSwaps {
		current, etag, err := s.entry(ctx, path, name, tag)
		if isNotFound(err) && try > 0 {
			return nil // this very write, whose answer was lost, or somebody else's
		}
		if err != nil && !isNotFound(err) {
			return err
		}
		if err := zoo.Untag(name, tag, current.Digest, old); err != nil {
			return err
		}
		if _, err = s.put(ctx, path, []byte(zoo.DeletedTag), documentType, s.replacing(etag)); !conditionFailed(err) {
			return s.fail(path, true, err)
		}
	}
	return fmt.Errorf("%s: the server refuses to delete the tag, which is where it was: try again", path)
}

// Tag implements zoo.Tags.
func (s *Store) Tag(ctx context.Context, name, tag string) (zoo.Entry, error) {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return zoo.Entry{}, err
	}
	e, _, err := s.entry(ctx, zoo.TagPath(name, tag), name, tag)
	return e, err
}

// Tags implements zoo.Tags.
func (s *Store) Tags(ctx context.Context, name string) ([]string, error) {
	if err := zoo.CheckNameOf(ctx, name); err != nil {
		return nil, err
	}
	return s.listFolder(ctx, zoo.TagsPath(name), zoo.TagOf, strings.Compare)
}

// PutReferrer implements zoo.Referrers.
func (s *Store) PutReferrer(ctx context.Context, subject schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckReferrer(ctx, subject, e); err != nil {
		return err
	}
	_, err := s.putOnce(ctx, zoo.ReferrerPath(subject, e.Digest), subject.String(), e.Digest.String(), e)
	return err
}

// markersAtATime hides the latency of reading markers, which are small.
const markersAtATime = 16

// Referrers implements zoo.Referrers.
func (s *Store) Referrers(ctx context.Context, subject schema.Digest) ([]zoo.Entry, error) {
	if err := zoo.CheckDigest(ctx, subject); err != nil {
		return nil, err
	}
	digests := map[string]schema.Digest{}
	files, err := s.listFolder(ctx, zoo.SubjectPath(subject), func(file string) (string, bool) {
		d, ok := zoo.ReferrerOf(file)
		digests[d.Hex()] = d
		return d.Hex(), ok
	}, strings.Compare)
	if err != nil {
		return nil, err
	}
	about := make([]zoo.Entry, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(markersAtATime)
	for i, file := range files {
		group.Go(func() error {
			d := digests[file]
			path := zoo.ReferrerPath(subject, d)
			e, _, err := s.entry(ctx, path, subject.String(), d.String())
			if err == nil && e.Digest != d {
				err = schema.Invalidf(path, "digest", "is %s, not that of the file's name", e.Digest)
			}
			about[i] = e
			return err
		})
	}
	return about, group.Wait()
}

// Names implements zoo.Catalogue.
func (s *Store) Names(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := map[string]bool{}
	for o, err := range s.list(ctx, zoo.RefsPath+"/") {
		if err != nil {
			return nil, s.fail(zoo.RefsPath, false, err)
		}
		if name, ok := nameOf(o.path); ok && !zoo.IsDeletedTag(o.path, o.Size) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// nameOf returns the name to which the object at a path belongs, if it is the entry of a version or tag.
func nameOf(path string) (string, bool) {
	folder, file, ok := cutLast(path)
	if !ok {
		return "", false
	}
	name := zoo.NameOf(path)
	if schema.CheckName(name) != nil {
		return "", false
	}
	switch folder {
	case zoo.VersionsPath(name):
		_, ok = zoo.VersionOf(file)
	case zoo.TagsPath(name):
		_, ok = zoo.TagOf(file)
	default:
		ok = false
	}
	return name, ok
}

func cutLast(path string) (folder, file string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}
