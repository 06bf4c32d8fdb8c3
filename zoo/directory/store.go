package directory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Capabilities implements zoo.Catalogue.
func (s *Store) Capabilities() zoo.Capabilities {
	return zoo.Capabilities{ConditionalWrites: true, Catalogue: true}
}

// PutVersion implements zoo.Versions.
func (s *Store) PutVersion(ctx context.Context, name, version string, e zoo.Entry) error {
	if err := zoo.CheckVersionEntry(ctx, name, version, e); err != nil {
		return err
	}
	err := s.putOnce(ctx, zoo.VersionPath(name, version), e)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	have, err := s.Version(ctx, name, version)
	if err != nil {
		return err
	}
	return zoo.SameVersion(name, version, have, e)
}

// putOnce writes the document of an entry unless there is one: then the error is fs.ErrExist.
func (s *Store) putOnce(ctx context.Context, rel string, e zoo.Entry) error {
	if _, err := os.Lstat(s.disk.abs(rel)); err == nil {
		return fmt.Errorf("%s: %w", rel, fs.ErrExist)
	}
	temp, err := s.uploadEntry(e)
	if err != nil {
		return err
	}
	return s.disk.place(ctx, temp, rel)
}

// uploadEntry writes the document of an entry. Another process may have stored what the entry points to and not have
// come to syncing the folder, so that is done first: what an entry promises is on disk before the entry is.
func (s *Store) uploadEntry(e zoo.Entry) (temp string, err error) {
	if err := s.syncBlobs(); err != nil {
		return "", err
	}
	return s.disk.upload(bytes.NewReader(e.Encode()))
}

// Version implements zoo.Versions.
func (s *Store) Version(ctx context.Context, name, version string) (zoo.Entry, error) {
	if err := zoo.CheckVersionOf(ctx, name, version); err != nil {
		return zoo.Entry{}, err
	}
	return s.entry(zoo.VersionPath(name, version), name, version)
}

func (s *Store) entry(rel, name, selector string) (zoo.Entry, error) {
	f, err := os.Open(s.disk.abs(rel))
	if errors.Is(err, fs.ErrNotExist) {
		return zoo.Entry{}, fmt.Errorf("%s:%s: %w", name, selector, zoo.ErrNotFound)
	}
	if err != nil {
		return zoo.Entry{}, readError(rel, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && zoo.IsDeletedTag(rel, info.Size()) {
		return zoo.Entry{}, fmt.Errorf("%s:%s: %w", name, selector, zoo.ErrNotFound)
	}
	e, err := zoo.ReadEntry(rel, f)
	if err != nil {
		return zoo.Entry{}, fmt.Errorf("%s:%s: %w", name, selector, err)
	}
	return e, nil
}

// Versions implements zoo.Versions.
func (s *Store) Versions(ctx context.Context, name string) ([]string, error) {
	if err := zoo.CheckNameOf(ctx, name); err != nil {
		return nil, err
	}
	return s.list(zoo.VersionsPath(name), zoo.VersionOf, schema.CompareVersions)
}

// list returns what the files of a folder stand for. Files that stand for nothing were put there by somebody else.
func (s *Store) list(folder string, of func(file string) (string, bool), compare func(a, b string) int) ([]string, error) {
	files, err := s.readDir(folder)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, f := range files {
		one, ok := of(f.Name())
		if !ok || f.IsDir() {
			continue
		}
		if info, err := f.Info(); err == nil && zoo.IsDeletedTag(folder+"/"+f.Name(), info.Size()) {
			continue // in a copy of a bucket
		}
		found = append(found, one)
	}
	slices.SortFunc(found, compare)
	return found, nil
}

// readDir lists a folder; one that is not there is empty.
func (s *Store) readDir(rel string) ([]fs.DirEntry, error) {
	files, err := os.ReadDir(s.disk.abs(rel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, readError(rel, err)
	}
	return files, nil
}

// SwapTag implements zoo.Tags.
func (s *Store) SwapTag(ctx context.Context, name, tag string, old schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckTagEntry(ctx, name, tag, e); err != nil {
		return err
	}
	unlock, err := s.disk.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := s.Tag(ctx, name, tag)
	if err != nil && !errors.Is(err, zoo.ErrNotFound) {
		return err
	}
	if done, err := zoo.Swap(name, tag, current.Digest, old, e.Digest); done || err != nil {
		return err
	}
	temp, err := s.uploadEntry(e)
	if err != nil {
		return err
	}
	return s.disk.replace(temp, zoo.TagPath(name, tag))
}

// DeleteTag implements zoo.TagDeleter.
func (s *Store) DeleteTag(ctx context.Context, name, tag string, old schema.Digest) error {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return err
	}
	unlock, err := s.disk.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := s.Tag(ctx, name, tag)
	if err != nil && !errors.Is(err, zoo.ErrNotFound) {
		return err
	}
	if err := zoo.Untag(name, tag, current.Digest, old); err != nil {
		return err
	}
	rel := zoo.TagPath(name, tag)
	if err := s.disk.do(opRemove, rel, func() error { return os.Remove(s.disk.abs(rel)) }); err != nil {
		return err
	}
	return s.disk.syncDir(zoo.TagsPath(name))
}

// Tag implements zoo.Tags.
func (s *Store) Tag(ctx context.Context, name, tag string) (zoo.Entry, error) {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return zoo.Entry{}, err
	}
	return s.entry(zoo.TagPath(name, tag), name, tag)
}

// Tags implements zoo.Tags.
func (s *Store) Tags(ctx context.Context, name string) ([]string, error) {
	if err := zoo.CheckNameOf(ctx, name); err != nil {
		return nil, err
	}
	return s.list(zoo.TagsPath(name), zoo.TagOf, strings.Compare)
}

// PutReferrer implements zoo.Referrers.
func (s *Store) PutReferrer(ctx context.Context, subject schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckReferrer(ctx, subject, e); err != nil {
		return err
	}
	if err := s.putOnce(ctx, zoo.ReferrerPath(subject, e.Digest), e); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Referrers implements zoo.Referrers.
func (s *Store) Referrers(ctx context.Context, subject schema.Digest) ([]zoo.Entry, error) {
	if err := zoo.CheckDigest(ctx, subject); err != nil {
		return nil, err
	}
	files, err := s.readDir(zoo.SubjectPath(subject))
	if err != nil {
		return nil, err
	}
	var about []zoo.Entry
	for _, file := range files { // in the order of their names, which are the digests
		d, ok := zoo.ReferrerOf(file.Name())
		if !ok {
			continue
		}
		e, err := s.entry(zoo.ReferrerPath(subject, d), subject.String(), d.String())
		if err != nil {
			return nil, err
		}
		if e.Digest != d {
			return nil, schema.Invalidf(zoo.ReferrerPath(subject, d), "digest", "is %s, not that of the file's name", e.Digest)
		}
		about = append(about, e)
	}
	return about, nil
}

// WriteIndex implements zoo.IndexWriter.
func (s *Store) WriteIndex(ctx context.Context, index []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	temp, err := s.disk.upload(bytes.NewReader(index))
	if err != nil {
		return err
	}
	return s.disk.replace(temp, zoo.IndexPath)
}

// Names implements zoo.Catalogue.
func (s *Store) Names(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := s.namesUnder("", 2)
	slices.SortFunc(names, cmp.Compare[string])
	return names, err
}

// namesUnder lists the names in the folder of an owner (or in the root, for the empty one), depth parts deep.
func (s *Store) namesUnder(owner string, depth int) ([]string, error) {
	folders, err := s.readDir(zoo.RefsPath + "/" + owner)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range folders {
		name := strings.TrimPrefix(owner+"/"+f.Name(), "/")
		if !f.IsDir() || schema.CheckName(name) != nil {
			continue
		}
		used, err := s.used(name)
		if err != nil {
			return nil, err
		}
		if used {
			names = append(names, name)
		}
		if depth > 1 {
			owned, err := s.namesUnder(name, depth-1)
			if err != nil {
				return nil, err
			}
			names = append(names, owned...)
		}
	}
	return names, nil
}

// used reports whether a name has a version or a tag.
func (s *Store) used(name string) (bool, error) {
	versions, err := s.list(zoo.VersionsPath(name), zoo.VersionOf, strings.Compare)
	if err != nil || len(versions) > 0 {
		return err == nil, err
	}
	tags, err := s.list(zoo.TagsPath(name), zoo.TagOf, strings.Compare)
	return len(tags) > 0, err
}
