package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// isDirectory tells a closure directory from a reference.
func isDirectory(arg string) bool {
	if strings.HasPrefix(arg, ".") || filepath.IsAbs(arg) {
		return true
	}
	info, err := os.Stat(filepath.Join(arg, schema.PathClosure))
	return err == nil && info.Mode().IsRegular()
}

// loadArchive opens the closure that an argument names: a directory, or a reference into the store. Where stored bytes
// are damaged, the archive holds at least the digest if that is known.
func (a *app) loadArchive(ctx context.Context, arg string) (*runner.Archive, error) {
	if isDirectory(arg) {
		return a.directoryArchive(ctx, arg)
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return nil, err
	}
	r, err := zoo.Resolve(ctx, s, arg)
	if err != nil {
		return nil, err
	}
	archive := &runner.Archive{Digest: r.Entry.Digest, Blobs: zoo.BlobsOf(s, r.Name), Dataset: datasetsOf(s)}
	m, err := zoo.Manifest(ctx, s, r)
	if err != nil {
		return archive, err
	}
	if m.ArtifactType != schema.MediaTypeClosure {
		return nil, schema.Invalidf(arg, "", "is a %s, not a closure", zoo.Kind(m.ArtifactType))
	}
	archive.Closure, err = closure.LoadClosure(ctx, archive.Blobs, m)
	return archive, err
}

func (a *app) directoryArchive(ctx context.Context, dir string) (*runner.Archive, error) {
	d, err := closure.Open(dir)
	if err != nil {
		return nil, err
	}
	// Documents may have been edited; Pack takes them as they are. What else differs is for the caller to find.
	var damaged *schema.Damaged
	if _, _, err := d.Pack(ctx); err != nil && !errors.As(err, &damaged) {
		return nil, err
	}
	m, _, err := closure.ClosureManifest(d.Closure)
	if err != nil {
		return nil, err
	}
	return &runner.Archive{
		Closure: d.Closure, Digest: m.Digest(), Blobs: d.Blobs(),
		Dataset: func(ctx context.Context, c schema.ClosureDataset) (*schema.Dataset, closure.Blobs, error) {
			s, err := a.openStore(ctx)
			if err != nil {
				return nil, nil, err
			}
			return datasetsOf(s)(ctx, c)
		},
	}, nil
}

// datasetsOf finds the datasets of closures in a store, by digest.
func datasetsOf(s zoo.Store) func(context.Context, schema.ClosureDataset) (*schema.Dataset, closure.Blobs, error) {
	return func(ctx context.Context, c schema.ClosureDataset) (*schema.Dataset, closure.Blobs, error) {
		d, err := loadDataset(ctx, s, fmt.Sprintf("%s@%s", c.Name, c.Digest))
		if errors.Is(err, zoo.ErrNotFound) && exitCode(err) != exitDamaged {
			err = withHint(fmt.Errorf("the dataset %s:%s is not in the store: %w", c.Name, c.Version, err),
				"import it (reprise dataset import), or name the store that has it with --store")
		}
		if err != nil {
			return nil, nil, err
		}
		return d.document, d.blobs, nil
	}
}

// dataset is one that was found in a store.
type dataset struct {
	zoo.Resolved
	document *schema.Dataset
	blobs    closure.Blobs
}

func loadDataset(ctx context.Context, s zoo.Store, reference string) (*dataset, error) {
	r, err := zoo.Resolve(ctx, s, reference)
	if err != nil {
		return nil, err
	}
	m, err := zoo.Manifest(ctx, s, r)
	if err != nil {
		return nil, err
	}
	if m.ArtifactType != schema.MediaTypeDataset {
		return nil, schema.Invalidf(reference, "", "is a %s, not a dataset", zoo.Kind(m.ArtifactType))
	}
	blobs := zoo.BlobsOf(s, r.Name)
	document, err := closure.LoadDataset(ctx, blobs, m)
	if err != nil {
		return nil, err
	}
	return &dataset{Resolved: r, document: document, blobs: blobs}, nil
}
