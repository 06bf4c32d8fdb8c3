package zoo

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/schema"
)

// CopyOptions tune Copy. The zero value is right for most.
type CopyOptions struct {
	// Jobs is the number of blobs sent at a time; 0 means 4.
	Jobs int
	// Progress, if set, is told of every piece that is sent. It is called from one goroutine at a time.
	Progress func(Progress)
}

// Copied is what Copy has done.
type Copied struct {
	Sent
	// Refs are the versions and tags that the other store now has, in the order of the selection.
	Refs []CopiedRef
}

// CopiedRef is a version or tag that was copied, or was there already.
type CopiedRef struct {
	Name string
	Ref
	Present bool
}

// Copy writes a selection to another store, with the same digests and entries. Only blobs that are not there are sent, several
// at a time, so copying again goes on where an interrupted copy stopped, and repairs what is missing. The order is that of
// Publish: blobs, manifests, what is found by its subject, versions (datasets first), tags; whoever sees a version can
// read all of it.
//
// What would make a version impossible is found out before anything is sent: a version with another digest is
// ErrVersionExists, a name of another kind *schema.Invalid. Tags move, wherever they were. Damage in the source is
// *schema.Damaged, and no version that needs the damaged blob is written.
func Copy(ctx context.Context, from *Selection, to Store, opts CopyOptions) (Copied, error) {
	present, err := checkCopy(ctx, from, to, opts.Jobs)
	if err != nil {
		return Copied{}, err
	}
	var parcels []parcel
	for _, o := range from.Objects {
		source, target, scope := BlobsOf(from.From, o.Name), BlobsOf(to, o.Name), scopeOf(to, o.Name)
		for _, d := range o.Links.Blobs {
			parcels = append(parcels, parcel{Descriptor: d, label: o.label(d), from: source, to: target, scope: scope})
		}
	}
	var done Copied
	if done.Sent, err = send(ctx, parcels, opts.Jobs, opts.Progress); err != nil {
		return Copied{}, err
	}
	if err := copyManifests(ctx, from, to, opts.Jobs); err != nil {
		return Copied{}, err
	}
	if err := copyVersions(ctx, from, to, present, &done); err != nil {
		return Copied{}, err
	}
	for _, o := range from.Objects {
		for _, ref := range o.Refs {
			if ref.Tag == "" {
				continue
			}
			if err := MoveTag(ctx, to, o.Name, ref.Tag, ref.Entry); err != nil {
				return Copied{}, err
			}
			done.Refs = append(done.Refs, CopiedRef{Name: o.Name, Ref: ref})
		}
	}
	return done, nil
}

// checkCopy finds out what would make a version impossible, and which versions are there.
func checkCopy(ctx context.Context, from *Selection, to Store, n int) (map[string]bool, error) {
	found := make([][]bool, len(from.Objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs(n))
	for i, o := range from.Objects {
		found[i] = make([]bool, len(o.Refs))
		group.Go(func() error {
			for j, ref := range o.Refs {
				if ref.Tag != "" {
					if err := CheckTagEntry(ctx, o.Name, ref.Tag, ref.Entry); err != nil {
						return err
					}
					continue
				}
				if err := CheckVersionEntry(ctx, o.Name, ref.Version, ref.Entry); err != nil {
					return err
				}
				have, err := to.Version(ctx, o.Name, ref.Version)
				if found[i][j] = err == nil && have.Digest == ref.Entry.Digest; found[i][j] {
					continue
				}
				if err := checkPublishable(ctx, to, o.Name, ref.Version, ref.Entry); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	present := map[string]bool{}
	for i, o := range from.Objects {
		for j, ref := range o.Refs {
			if found[i][j] {
				present[VersionPath(o.Name, ref.Version)] = true
			}
		}
	}
	return present, nil
}

// copyManifests writes manifests, those of an index before the index, and then the markers of what is about others.
func copyManifests(ctx context.Context, from *Selection, to Store, n int) error {
	for _, indexes := range []bool{false, true} {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(jobs(n))
		for _, o := range from.Objects {
			if (len(o.Links.Manifests) > 0) != indexes {
				continue
			}
			group.Go(func() error {
				err := BlobsOf(to, o.Name).Put(ctx, o.Entry.Digest, int64(len(o.Manifest)), bytes.NewReader(o.Manifest))
				if err != nil {
					return fmt.Errorf("manifest of %s: %w", o.Name, err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	for _, o := range from.Objects {
		if o.Subject.IsZero() {
			continue
		}
		if err := ReferrersOf(to, o.Name).PutReferrer(ctx, o.Subject, o.Entry); err != nil {
			return err
		}
	}
	return nil
}

// copyVersions writes versions: those of datasets, on which closures depend, first.
func copyVersions(ctx context.Context, from *Selection, to Store, present map[string]bool, done *Copied) error {
	for _, datasets := range []bool{true, false} {
		for _, o := range from.Objects {
			if (o.Entry.ArtifactType == schema.MediaTypeDataset) != datasets {
				continue
			}
			for _, ref := range o.Refs {
				if ref.Version == "" {
					continue
				}
				if err := to.PutVersion(ctx, o.Name, ref.Version, ref.Entry); err != nil {
					return err
				}
				done.Refs = append(done.Refs, CopiedRef{Name: o.Name, Ref: ref, Present: present[VersionPath(o.Name, ref.Version)]})
			}
		}
	}
	return nil
}
