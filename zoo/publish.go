package zoo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// defaultJobs is how many blobs are sent or checked at a time: enough to hide the latency of a network, few enough not to
// be mistaken for an attack.
const defaultJobs = 4

// Object is what Publish puts into a store.
type Object struct {
	Name, Version string
	Manifest      *closure.Manifest
	// Blobs opens what the manifest names. Only blobs that the store does not have are opened.
	Blobs closure.Blobs
}

// Packed makes the blobs of closure.Directory.Pack the source of an Object.
func Packed(blobs []closure.Blob) closure.Blobs {
	packed := make(packedBlobs, len(blobs))
	for _, b := range blobs {
		packed[b.Digest] = b
	}
	return packed
}

type packedBlobs map[schema.Digest]closure.Blob

// Open implements closure.Blobs.
func (p packedBlobs) Open(_ context.Context, d schema.Digest) (io.ReadCloser, error) {
	b, ok := p[d]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d, ErrNotFound)
	}
	return b.Open()
}

// PublishOptions tune Publish. The zero value is right for most.
type PublishOptions struct {
	// Tags are moved to the object after its version is published; each move wins over what the tag was before.
	Tags []string
	// Jobs is the number of blobs sent at a time; 0 means 4.
	Jobs int
	// Progress, if set, is told of every piece that is sent. It is called from one goroutine at a time.
	Progress func(Progress)
}

// Publish stores an object and makes it a version of its name, in the order blobs, manifest, version, tags. Only what the
// store does not have is sent, so publishing again goes on where an interrupted one stopped, and repairs missing blobs.
//
// It returns the version's entry; publishing the same object again succeeds. A version that has another digest is
// ErrVersionExists, found out before anything is sent. A blob whose bytes are not those that the manifest names is
// *schema.Damaged. A name that belongs to another kind of object is *schema.Invalid.
func Publish(ctx context.Context, s Store, o Object, opts PublishOptions) (Entry, error) {
	manifest := o.Manifest.Bytes()
	e := EntryOf(o.Manifest)
	if err := CheckVersionEntry(ctx, o.Name, o.Version, e); err != nil {
		return Entry{}, err
	}
	for _, tag := range opts.Tags {
		if err := CheckTagEntry(ctx, o.Name, tag, e); err != nil {
			return Entry{}, err
		}
	}
	if err := checkPublishable(ctx, s, o.Name, o.Version, e); err != nil {
		return Entry{}, err
	}
	blobs := BlobsOf(s, o.Name)
	var parcels []parcel
	for _, d := range o.Manifest.Blobs() {
		parcels = append(parcels, parcel{Descriptor: d, label: d.Path(), from: o.Blobs, to: blobs})
	}
	if _, err := send(ctx, parcels, opts.Jobs, opts.Progress); err != nil {
		return Entry{}, err
	}
	if err := blobs.Put(ctx, e.Digest, e.Size, bytes.NewReader(manifest)); err != nil {
		return Entry{}, fmt.Errorf("manifest of %s:%s: %w", o.Name, o.Version, err)
	}
	if err := s.PutVersion(ctx, o.Name, o.Version, e); err != nil {
		return Entry{}, err
	}
	for _, tag := range opts.Tags {
		if err := MoveTag(ctx, s, o.Name, tag, e); err != nil {
			return Entry{}, err
		}
	}
	return e, nil
}

// EntryOf is the entry that points to an object.
func EntryOf(m *closure.Manifest) Entry {
	b := m.Bytes()
	return Entry{
		ArtifactType: m.ArtifactType,
		Created:      m.Annotations["org.opencontainers.image.created"],
		Digest:       schema.DigestOf(b),
		MediaType:    closure.MediaTypeManifest,
		Size:         int64(len(b)),
	}
}

// MoveTag makes a tag point to e, wherever it was before.
func MoveTag(ctx context.Context, s Tags, name, tag string, e Entry) error {
	for {
		current, err := s.Tag(ctx, name, tag)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		// Whoever moved the tag in between made progress, so this ends; ctx bounds it all the same.
		if err = s.SwapTag(ctx, name, tag, current.Digest, e); !errors.Is(err, ErrTagMoved) {
			return err
		}
	}
}

// Retag makes a tag point to an object of its name that was resolved. What only a digest or another tag led to may be named by
// nothing soon, so everything that belongs to it is used first, as Publish does: a collection beside it leaves it alone. What
// is not there any more is *schema.Damaged.
func Retag(ctx context.Context, s Store, r Resolved, tag string) error {
	if r.Version == "" {
		w := newWalk(s, true)
		if err := w.object(ctx, r.Name, r.Entry, nil, schema.Digest{}); err != nil {
			return err
		}
		for _, o := range w.order {
			for _, d := range append(o.Links.Blobs, closure.Descriptor{Digest: o.Entry.Digest}) {
				if _, err := use(ctx, BlobsOf(s, o.Name), d.Digest); errors.Is(err, ErrNotFound) {
					return fmt.Errorf("%w: %w", &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: BlobPath(d.Digest), Expected: d.Digest}}}, err)
				} else if err != nil {
					return err
				}
			}
		}
	}
	return MoveTag(ctx, s, r.Name, tag, r.Entry)
}

// checkPublishable finds out before anything is sent what would make the version impossible.
func checkPublishable(ctx context.Context, s Versions, name, version string, e Entry) error {
	switch have, err := s.Version(ctx, name, version); {
	case err == nil:
		return SameVersion(name, version, have, e)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	versions, err := s.Versions(ctx, name)
	if err != nil || len(versions) == 0 {
		return err
	}
	first, err := s.Version(ctx, name, versions[0])
	if err != nil {
		return err
	}
	if first.ArtifactType != e.ArtifactType {
		return schema.Invalidf(name+":"+version, "name", "the name belongs to a %s, this is a %s: choose another name",
			Kind(first.ArtifactType), Kind(e.ArtifactType))
	}
	return nil
}

func distinct(all []closure.Descriptor) []closure.Descriptor {
	seen := map[schema.Digest]bool{}
	var once []closure.Descriptor
	for _, d := range all {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			once = append(once, d)
		}
	}
	return once
}
