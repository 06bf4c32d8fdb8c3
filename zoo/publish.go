package zoo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

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
	// Progress, if set, is told how many bytes of how many have been sent. It is called from one goroutine at a time.
	Progress func(sent, total int64)
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
	if err := checkPublishable(ctx, s, o, e); err != nil {
		return Entry{}, err
	}
	blobs := BlobsOf(s, o.Name)
	if err := send(ctx, blobs, o, opts); err != nil {
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

// checkPublishable finds out before anything is sent what would make the version impossible.
func checkPublishable(ctx context.Context, s Store, o Object, e Entry) error {
	switch have, err := s.Version(ctx, o.Name, o.Version); {
	case err == nil:
		return SameVersion(o.Name, o.Version, have, e)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	versions, err := s.Versions(ctx, o.Name)
	if err != nil || len(versions) == 0 {
		return err
	}
	first, err := s.Version(ctx, o.Name, versions[0])
	if err != nil {
		return err
	}
	if first.ArtifactType != e.ArtifactType {
		return schema.Invalidf(o.Name+":"+o.Version, "name", "the name belongs to a %s, this is a %s: choose another name",
			Kind(first.ArtifactType), Kind(e.ArtifactType))
	}
	return nil
}

// send puts the blobs of the manifest that the store does not have.
func send(ctx context.Context, to Blobs, o Object, opts PublishOptions) error {
	missing, err := missingBlobs(ctx, to, o.Manifest, opts.Jobs)
	if err != nil {
		return err
	}
	p := &progress{report: opts.Progress}
	for _, d := range missing {
		p.total += d.Size
	}
	p.add(0)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs(opts.Jobs))
	for _, d := range missing {
		group.Go(func() error {
			r, err := closure.OpenBlob(ctx, o.Blobs, d.Path(), d.Digest, d.Size)
			if err != nil {
				return err
			}
			defer r.Close()
			if err := to.Put(ctx, d.Digest, d.Size, countingReader{r, p}); err != nil {
				return fmt.Errorf("%s: %w", d.Path(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// missingBlobs lists, each once and in the manifest's order, the blobs that are not there or not of their size.
func missingBlobs(ctx context.Context, in Blobs, m *closure.Manifest, n int) ([]closure.Descriptor, error) {
	all := distinct(m.Blobs())
	absent := make([]bool, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs(n))
	for i, d := range all {
		group.Go(func() error {
			size, err := use(ctx, in, d.Digest)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			absent[i] = err != nil || size != d.Size
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var missing []closure.Descriptor
	for i, d := range all {
		if absent[i] {
			missing = append(missing, d)
		}
	}
	return missing, nil
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

func jobs(n int) int {
	if n <= 0 {
		return defaultJobs
	}
	return n
}

// progress adds up what several goroutines have done.
type progress struct {
	mu          sync.Mutex
	done, total int64
	report      func(done, total int64)
}

func (p *progress) add(n int64) {
	if p.report == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.report(p.done, p.total)
}

type countingReader struct {
	r io.Reader
	p *progress
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if n > 0 {
		c.p.add(int64(n))
	}
	return n, err
}
