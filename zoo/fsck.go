package zoo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// FsckOptions tune Fsck. The zero value is right for most.
type FsckOptions struct {
	// Jobs is the number of blobs read at a time; 0 means 4.
	Jobs int
	// Names are checked instead of all that the store knows; a store without a catalogue needs them.
	Names []string
	// Progress, if set, is told how many blobs have been checked. It is called from one goroutine at a time.
	Progress func(checked int64)
}

// Fsck reads the whole store. It checks every blob against its digest (where the store cannot list its blobs, every blob
// that an entry leads to), that every entry can be read and its manifest is there, and that every blob a manifest names
// is there and of the size stated. The report names each thing that is wrong once, by its path in the tree, in the order
// of paths. Unfinished uploads and blobs that nothing names are no damage.
//
// The error is for a store that could not be read to the end; damage is in the report alone.
func Fsck(ctx context.Context, s Store, opts FsckOptions) (schema.FsckReport, error) {
	f := &fsck{store: s, opts: opts, blobs: map[scopedBlob]blobState{}, subjects: map[scopedBlob]bool{}, damaged: map[string]schema.DamagedBlob{}}
	if err := f.listed(ctx); err != nil {
		return schema.FsckReport{}, err
	}
	if err := f.names(ctx); err != nil {
		return schema.FsckReport{}, err
	}
	report := schema.FsckReport{Checked: f.checked, Damaged: []schema.DamagedBlob{}}
	for _, d := range f.damaged {
		report.Damaged = append(report.Damaged, d)
	}
	slices.SortFunc(report.Damaged, func(a, b schema.DamagedBlob) int { return cmp.Compare(a.Path, b.Path) })
	return report, nil
}

type fsck struct {
	store Store
	opts  FsckOptions

	mu      sync.Mutex
	checked int64
	blobs   map[scopedBlob]blobState
	damaged map[string]schema.DamagedBlob // by path

	subjects map[scopedBlob]bool // whose referrers were followed
}

// scopedBlob is a blob of a name, or of all names where the store does not keep them apart.
type scopedBlob struct {
	name   string
	digest schema.Digest
}

// scope is the name by which blobs are told apart.
func (f *fsck) scope(name string) string {
	if _, ok := f.store.(Scoped); ok {
		return name
	}
	return ""
}

// blobState is what is known of a blob that was looked at.
type blobState struct {
	size    int64
	present bool // and its bytes are right
}

// listed checks the blobs that the store can list.
func (f *fsck) listed(ctx context.Context) error {
	lister, ok := f.store.(BlobLister)
	if !ok {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs(f.opts.Jobs))
	for d, err := range lister.AllBlobs(ctx) {
		if err != nil {
			group.Go(func() error { return err })
			break
		}
		group.Go(func() error {
			_, err := f.blob(ctx, f.store, scopedBlob{digest: d})
			if errors.Is(err, ErrNotFound) {
				return nil // collected since it was listed
			}
			return err
		})
	}
	return group.Wait()
}

// blob reads a blob once and remembers what it found. The error ErrNotFound leaves no trace.
func (f *fsck) blob(ctx context.Context, in closure.Blobs, b scopedBlob) (blobState, error) {
	f.mu.Lock()
	state, known := f.blobs[b]
	f.mu.Unlock()
	if known {
		return state, nil
	}
	size, err := readThrough(ctx, in, b.digest)
	var damaged *schema.Damaged
	if err != nil && !errors.As(err, &damaged) {
		return blobState{}, err
	}
	state = blobState{size: size, present: err == nil}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blobs[b] = state
	if damaged != nil {
		for _, b := range damaged.Blobs {
			f.damaged[b.Path] = b
		}
	}
	f.checked++
	if f.opts.Progress != nil {
		f.opts.Progress(f.checked)
	}
	return state, nil
}

func readThrough(ctx context.Context, in closure.Blobs, d schema.Digest) (int64, error) {
	r, err := in.Open(ctx, d)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, contextReader{ctx, r})
	if err != nil {
		return n, fmt.Errorf("%s: %w", BlobPath(d), err)
	}
	return n, nil
}

// names follows every version and tag of every name.
func (f *fsck) names(ctx context.Context) error {
	names := f.opts.Names
	if len(names) == 0 {
		var err error
		if names, err = f.store.Names(ctx); err != nil {
			return err
		}
	}
	for _, name := range names {
		versions, err := f.store.Versions(ctx, name)
		if err != nil {
			return err
		}
		for _, version := range versions {
			e, err := f.store.Version(ctx, name, version)
			if err := f.entry(ctx, name, VersionPath(name, version), e, err); err != nil {
				return err
			}
		}
		tags, err := f.store.Tags(ctx, name)
		if err != nil {
			return err
		}
		for _, tag := range tags {
			e, err := f.store.Tag(ctx, name, tag)
			if err := f.entry(ctx, name, TagPath(name, tag), e, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry follows one entry, which was read with err, to its object and to those about it.
func (f *fsck) entry(ctx context.Context, name, path string, e Entry, err error) error {
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		f.damage(schema.DamagedBlob{Path: path, Reason: reason(invalid)})
		return nil
	}
	if errors.Is(err, ErrNotFound) {
		return nil // a tag that was deleted since it was listed
	}
	if err != nil {
		return err
	}
	if err := f.object(ctx, name, path, e); err != nil {
		return err
	}
	return f.about(ctx, name, e.Digest)
}

// about follows the referrers of an object, and theirs.
func (f *fsck) about(ctx context.Context, name string, subject schema.Digest) error {
	key := scopedBlob{f.scope(name), subject}
	if f.subjects[key] {
		return nil
	}
	f.subjects[key] = true
	about, err := ReferrersOf(f.store, name).Referrers(ctx, subject)
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		f.damage(schema.DamagedBlob{Path: invalid.Document, Reason: reason(invalid)})
		return nil
	}
	if err != nil {
		return err
	}
	for _, r := range about {
		if err := f.object(ctx, name, ReferrerPath(subject, r.Digest), r); err != nil {
			return err
		}
		if err := f.about(ctx, name, r.Digest); err != nil {
			return err
		}
	}
	return nil
}

// object checks the manifest to which the entry at path points, and the blobs and manifests that it names.
func (f *fsck) object(ctx context.Context, name, path string, e Entry) error {
	blobs := BlobsOf(f.store, name)
	usable, err := f.promised(ctx, blobs, name, path, e.Digest, e.Size)
	if err != nil || !usable {
		return err
	}
	l, err := f.links(ctx, name, e)
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		f.damage(schema.DamagedBlob{Path: path, Reason: "points to what is no manifest: " + reason(invalid)})
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range distinct(l.Blobs) {
		if _, err := f.promised(ctx, blobs, name, BlobPath(e.Digest), d.Digest, d.Size); err != nil {
			return err
		}
	}
	for _, d := range distinct(l.Manifests) {
		child := Entry{ArtifactType: d.MediaType, Digest: d.Digest, MediaType: d.MediaType, Size: d.Size}
		if err := f.object(ctx, name, BlobPath(e.Digest), child); err != nil {
			return err
		}
	}
	return nil
}

// links reads what a manifest names: strictly, if it is of a kind that Reprise writes.
func (f *fsck) links(ctx context.Context, name string, e Entry) (Links, error) {
	if Kind(e.ArtifactType) != e.ArtifactType {
		m, err := Manifest(ctx, f.store, Resolved{Name: name, Entry: e})
		if err != nil {
			return Links{}, err
		}
		return Links{Blobs: m.Blobs()}, nil
	}
	l, _, err := links(ctx, BlobsOf(f.store, name), e.Digest, e.Size)
	return l, err
}

// promised checks a blob that the document at path promises, and reports whether it is whole.
func (f *fsck) promised(ctx context.Context, in closure.Blobs, name, path string, d schema.Digest, size int64) (bool, error) {
	state, err := f.blob(ctx, in, scopedBlob{f.scope(name), d})
	switch {
	case errors.Is(err, ErrNotFound):
		f.damage(schema.DamagedBlob{Path: BlobPath(d), Expected: d})
		return false, nil
	case err != nil:
		return false, err
	case state.present && state.size != size:
		f.damage(schema.DamagedBlob{Path: path, Reason: fmt.Sprintf("states %d bytes for %s, which has %d", size, d, state.size)})
		return false, nil
	}
	return state.present, nil
}

func (f *fsck) damage(b schema.DamagedBlob) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.damaged[b.Path] = b
}

// reason is what is wrong in a document, without the document's name.
func reason(e *schema.Invalid) string {
	if len(e.Problems) == 0 {
		return e.Error()
	}
	return e.Problems[0].String()
}
