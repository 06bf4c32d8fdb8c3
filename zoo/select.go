package zoo

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Selection is objects of a store with all that belongs to them: the datasets of closures, the objects about them (records,
// signatures, withdrawals) and about those in turn, the manifests of an index. It is what Copy copies and a bundle holds.
type Selection struct {
	From    Store
	Objects []Selected
}

// Selected is one object.
type Selected struct {
	Name     string
	Entry    Entry
	Manifest []byte
	Links    Links
	Refs     []Ref         // the versions and tags under which it is taken along; none for what only belongs to others
	Subject  schema.Digest // of an object that was found as a referrer
}

// Ref is a version or a tag, and the entry that it has.
type Ref struct {
	Version, Tag string // one of them
	Entry        Entry
}

// Select gathers the objects that references mean. A reference to a version takes that version along; one to a tag, the tag
// and the versions of the name that are the same object; one to a digest, all versions and tags that are it.
//
// Errors are those of Resolve; a dataset that a closure refers to and that is not there wraps ErrNotFound; manifests that
// are missing or wrong are *schema.Damaged.
func Select(ctx context.Context, s Store, references []string) (*Selection, error) {
	w := newWalk(s, false)
	for _, reference := range references {
		r, err := Resolve(ctx, s, reference)
		if err != nil {
			return nil, err
		}
		refs, err := refsOf(ctx, s, r)
		if err != nil {
			return nil, err
		}
		if len(refs) == 0 {
			return nil, schema.Invalidf(reference, "", "no version or tag is this object: publish or tag it first")
		}
		if err := w.object(ctx, r.Name, r.Entry, refs, schema.Digest{}); err != nil {
			return nil, fmt.Errorf("%s: %w", reference, err)
		}
	}
	return w.selection(), nil
}

// SelectAll gathers every version and tag of every name. Datasets that closures refer to and that are not there are left out.
func SelectAll(ctx context.Context, s Store) (*Selection, error) {
	w := newWalk(s, true)
	if err := w.everything(ctx); err != nil {
		return nil, err
	}
	return w.selection(), nil
}

// everything follows every version and tag of every name.
func (w *walk) everything(ctx context.Context) error {
	names, err := w.store.Names(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(walkers)
	for _, name := range names {
		group.Go(func() error {
			all, err := allRefs(ctx, w.store, name)
			if err != nil {
				return err
			}
			for _, ref := range all {
				if err := w.object(ctx, name, ref.Entry, []Ref{ref}, schema.Digest{}); err != nil {
					return fmt.Errorf("%s:%s%s: %w", name, ref.Version, ref.Tag, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// walkers read entries and manifests at the same time: they are small, so latency is all that counts.
const walkers = 16

// refsOf lists the refs that a reference takes along.
func refsOf(ctx context.Context, s Store, r Resolved) ([]Ref, error) {
	if r.Version != "" {
		return []Ref{{Version: r.Version, Entry: r.Entry}}, nil
	}
	all, err := allRefs(ctx, s, r.Name)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for _, ref := range all {
		if ref.Entry.Digest == r.Entry.Digest && (r.Tag == "" || ref.Tag == "" || ref.Tag == r.Tag) {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// allRefs lists the versions and tags of a name.
func allRefs(ctx context.Context, s Store, name string) ([]Ref, error) {
	var refs []Ref
	versions, err := s.Versions(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		e, err := s.Version(ctx, name, version)
		if err != nil {
			return nil, err
		}
		refs = append(refs, Ref{Version: version, Entry: e})
	}
	tags, err := s.Tags(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		e, err := s.Tag(ctx, name, tag)
		if errors.Is(err, ErrNotFound) {
			continue // deleted since it was listed
		}
		if err != nil {
			return nil, err
		}
		refs = append(refs, Ref{Tag: tag, Entry: e})
	}
	return refs, nil
}

// walk follows objects to what belongs to them, each once.
type walk struct {
	store    Store
	tolerant bool // of datasets that are not there
	visit    func(o *Selected)

	mu    sync.Mutex
	found map[walkKey]*Selected
	order []*Selected
}

type walkKey struct {
	name    string
	digest  schema.Digest
	subject schema.Digest
}

func newWalk(s Store, tolerant bool) *walk {
	return &walk{store: s, tolerant: tolerant, found: map[walkKey]*Selected{}}
}

// claim enters an object and reports whether it is new.
func (w *walk) claim(name string, e Entry, refs []Ref, subject schema.Digest) (*Selected, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := walkKey{name, e.Digest, subject}
	o, known := w.found[key]
	if !known {
		o = &Selected{Name: name, Entry: e, Subject: subject}
		w.found[key] = o
		w.order = append(w.order, o)
	}
	for _, ref := range refs {
		if !containsRef(o.Refs, ref) {
			o.Refs = append(o.Refs, ref)
		}
	}
	return o, !known
}

func containsRef(refs []Ref, ref Ref) bool {
	for _, r := range refs {
		if r.Version == ref.Version && r.Tag == ref.Tag {
			return true
		}
	}
	return false
}

func (w *walk) object(ctx context.Context, name string, e Entry, refs []Ref, subject schema.Digest) error {
	o, isNew := w.claim(name, e, refs, subject)
	if !isNew {
		return nil
	}
	blobs := BlobsOf(w.store, name)
	var err error
	if o.Links, o.Manifest, err = links(ctx, blobs, e.Digest, e.Size); err != nil {
		return err
	}
	for _, m := range o.Links.Manifests {
		child := Entry{ArtifactType: m.MediaType, Digest: m.Digest, MediaType: m.MediaType, Size: m.Size}
		if err := w.object(ctx, name, child, nil, schema.Digest{}); err != nil {
			return err
		}
	}
	uses, err := datasetsOf(ctx, blobs, o.Links)
	if err != nil {
		return err
	}
	for _, u := range uses {
		if err := w.dataset(ctx, u); err != nil {
			return err
		}
	}
	about, err := ReferrersOf(w.store, name).Referrers(ctx, e.Digest)
	if err != nil {
		return err
	}
	for _, r := range about {
		if err := w.object(ctx, name, r, nil, e.Digest); err != nil {
			return err
		}
	}
	if w.visit != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.visit(o)
	}
	return nil
}

// dataset takes along a dataset with the versions of its name that are the same object.
func (w *walk) dataset(ctx context.Context, u datasetUse) error {
	r, err := resolveDigest(ctx, w.store, u.Name, u.Digest)
	if errors.Is(err, ErrNotFound) && w.tolerant {
		return nil
	}
	if err != nil {
		return fmt.Errorf("its dataset %s: %w", u.Name, err)
	}
	all, err := allRefs(ctx, w.store, u.Name)
	if err != nil {
		return err
	}
	var refs []Ref
	for _, ref := range all {
		if ref.Version != "" && ref.Entry.Digest == u.Digest {
			refs = append(refs, ref)
		}
	}
	return w.object(ctx, u.Name, r.Entry, refs, schema.Digest{})
}

func (w *walk) selection() *Selection {
	s := &Selection{From: w.store}
	for _, o := range w.order {
		s.Objects = append(s.Objects, *o)
	}
	return s
}

// label is what progress calls a file of the object.
func (o Selected) label(d closure.Descriptor) string {
	path := d.Path()
	if path == "" {
		path = d.Digest.Short()
	}
	return o.Name + " " + path
}
