package zoo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/schema"
)

// Kind is the word for an artifact type in listings: closure, dataset, or the type itself.
func Kind(artifactType string) string {
	switch artifactType {
	case schema.MediaTypeClosure:
		return "closure"
	case schema.MediaTypeDataset:
		return "dataset"
	}
	return artifactType
}

// List returns what each name means by itself (see Resolve), in the order of names. Names that have tags only are left
// out, since nothing was published under them.
func List(ctx context.Context, s Store) ([]schema.ListEntry, error) {
	names, err := s.Names(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]*schema.ListEntry, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(walkers)
	for i, name := range names {
		group.Go(func() error {
			versions, err := s.Versions(ctx, name)
			if err != nil || len(versions) == 0 {
				return err
			}
			entry, err := listEntry(ctx, s, name, Latest(versions))
			found[i] = &entry
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	list := []schema.ListEntry{}
	for _, entry := range found {
		if entry != nil {
			list = append(list, *entry)
		}
	}
	return list, nil
}

// History returns every version of a name, the highest first. A name without any is ErrNotFound.
func History(ctx context.Context, s Store, name string) ([]schema.ListEntry, error) {
	versions, err := s.Versions(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, unknownName(ctx, s, name)
	}
	list := make([]schema.ListEntry, 0, len(versions))
	for _, version := range slices.Backward(versions) {
		entry, err := listEntry(ctx, s, name, version)
		if err != nil {
			return nil, err
		}
		list = append(list, entry)
	}
	return list, nil
}

func listEntry(ctx context.Context, s Store, name, version string) (schema.ListEntry, error) {
	e, err := s.Version(ctx, name, version)
	if err != nil {
		return schema.ListEntry{}, err
	}
	reason, err := withdrawnBecause(ctx, s, name, e.Digest)
	if err != nil {
		return schema.ListEntry{}, err
	}
	return schema.ListEntry{
		Name: name, Version: version, Digest: e.Digest, Kind: Kind(e.ArtifactType), Created: e.Created, Withdrawn: reason,
	}, nil
}

// unknownName is the error for a name without versions; it says what there is.
func unknownName(ctx context.Context, s Store, name string) error {
	names, err := s.Names(ctx)
	switch {
	case errors.Is(err, ErrUnsupported):
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	case err != nil:
		return err
	case len(names) == 0:
		return fmt.Errorf("%s: %w: the store is empty", name, ErrNotFound)
	}
	return fmt.Errorf("%s: %w: the store has %s", name, ErrNotFound, some(names))
}
