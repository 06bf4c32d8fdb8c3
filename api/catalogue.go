package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// How the catalogue follows the store.
const (
	// staleAfter is the age at which a snapshot is compared with the store before it answers again.
	staleAfter = 2 * time.Second
	// patience is how long a request waits for that; a large store is answered for by the snapshot before.
	patience = 50 * time.Millisecond
	// recountAfter is the age at which records are counted again, for those that came by another way than this service.
	recountAfter = 30 * time.Second
	// maxListed is the largest document that is listed. Larger ones are still shown by themselves.
	maxListed = 1 << 20
	// loaders read documents at the same time: enough to hide a disk, or a network.
	loaders = 8
)

// Catalogue says what objects there are. Every snapshot that it returns is immutable.
type Catalogue interface {
	Snapshot(ctx context.Context) (*Snapshot, error)
	// Changed says that there is a new record about an object.
	Changed(subject schema.Digest)
}

// catalogue is made from a store, one snapshot after the other. Documents, which are immutable, are read once.
type catalogue struct {
	store zoo.Store
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	last    *Snapshot
	checked time.Time
	running *refresh

	documents sync.Map // schema.Digest to document, without name and version
	entries   sync.Map // name:version to zoo.Entry: a version never changes
	records   sync.Map // schema.Digest to Records, since counted
	counted   time.Time
}

// refresh is a look at the store that is going on.
type refresh struct {
	done     chan struct{}
	snapshot *Snapshot
	err      error
}

func newCatalogue(s zoo.Store, log *slog.Logger, now func() time.Time) *catalogue {
	return &catalogue{store: s, log: log, now: now}
}

// Changed makes the next answer look at the store again.
func (c *catalogue) Changed(subject schema.Digest) {
	c.records.Delete(subject)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = time.Time{}
}

// Snapshot returns what is in the store, as of a second ago or, where the store is slow, somewhat longer.
func (c *catalogue) Snapshot(ctx context.Context) (*Snapshot, error) {
	c.mu.Lock()
	last := c.last
	if last != nil && c.now().Sub(c.checked) < staleAfter {
		c.mu.Unlock()
		return last, nil
	}
	r := c.running
	if r == nil {
		r = &refresh{done: make(chan struct{})}
		c.running = r
		c.checked = c.now()
		if c.checked.Sub(c.counted) >= recountAfter {
			c.records.Clear()
			c.counted = c.checked
		}
		// It goes on when this request is gone: the next one wants it too.
		go c.refresh(context.WithoutCancel(ctx), r, last)
	}
	c.mu.Unlock()
	var enough <-chan time.Time
	if last != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-r.done:
		if r.err != nil && last != nil {
			return last, nil // it is in the log
		}
		return r.snapshot, r.err
	case <-enough:
		return last, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *catalogue) refresh(ctx context.Context, r *refresh, last *Snapshot) {
	defer close(r.done)
	r.snapshot, r.err = c.read(ctx)
	if r.err != nil {
		c.log.Error("catalogue", "error", r.err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = nil
	if r.err == nil {
		c.last = r.snapshot
	} else if last == nil {
		c.checked = time.Time{}
	}
}

// read looks at every version of every name.
func (c *catalogue) read(ctx context.Context) (*Snapshot, error) {
	names, err := c.store.Names(ctx)
	if err != nil {
		return nil, err
	}
	found := make([][]*Object, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(loaders, 2*runtime.NumCPU()))
	for i, name := range names {
		group.Go(func() error {
			var err error
			found[i], err = c.name(ctx, name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return newSnapshot(found), nil
}

// name reads the versions of a name, the highest first. One that cannot be read is left out, and logged.
func (c *catalogue) name(ctx context.Context, name string) ([]*Object, error) {
	versions, err := c.store.Versions(ctx, name)
	if err != nil {
		return nil, err
	}
	var objects []*Object
	for _, version := range slices.Backward(versions) {
		e, err := c.entry(ctx, name, version)
		if err == nil {
			var o *Object
			if o, err = c.object(ctx, name, version, e); err == nil && o != nil {
				objects = append(objects, o)
			}
		}
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			c.log.Warn("not listed", "name", name, "version", version, "error", err)
		}
	}
	return objects, nil
}

func (c *catalogue) object(ctx context.Context, name, version string, e zoo.Entry) (*Object, error) {
	document, err := c.document(ctx, name, e)
	if e.ArtifactType == schema.MediaTypeClosure && (isDamaged(err) || isInvalid(err)) {
		c.log.Warn("listed by its name alone", "name", name, "version", version, "error", err)
		return unreadable(name, version, e, err), nil
	}
	if err != nil || document == nil {
		return nil, err
	}
	o := *document
	o.Name, o.Version, o.Entry = name, version, e
	o.summary.Name, o.summary.Version = name, version
	if o.Closure == nil {
		return &o, nil
	}
	o.Records, err = c.count(ctx, name, e.Digest)
	return &o, err
}

// unreadable is a closure whose documents are damaged or no documents of a closure: nothing that they say is believed.
func unreadable(name, version string, e zoo.Entry, err error) *Object {
	o := &Object{Name: name, Version: version, Entry: e, Closure: &schema.Closure{Name: name, Version: version}}
	o.summary = summarise(o.Closure, nil, e)
	o.summary.Problem = shorten(err.Error(), maxProblem)
	o.words = wordsOf(o.summary)
	return o
}

// maxProblem is how much of what is wrong with a document a list says, in characters.
const maxProblem = 400

func (c *catalogue) entry(ctx context.Context, name, version string) (zoo.Entry, error) {
	key := name + ":" + version
	if known, ok := c.entries.Load(key); ok {
		return known.(zoo.Entry), nil
	}
	e, err := c.store.Version(ctx, name, version)
	if err == nil {
		c.entries.Store(key, e)
	}
	return e, err
}

// count looks at the records about an object. None is signed in a way that this release can check.
func (c *catalogue) count(ctx context.Context, name string, d schema.Digest) (Records, error) {
	if known, ok := c.records.Load(d); ok {
		return known.(Records), nil
	}
	about, err := zoo.ReferrersOf(c.store, name).Referrers(ctx, d)
	if err != nil {
		return Records{}, err
	}
	var n Records
	for _, r := range about {
		if r.ArtifactType == schema.MediaTypeVerification {
			n.Unsigned++
		}
	}
	c.records.Store(d, n)
	return n, nil
}

// document reads what an object is, once. What is neither a closure nor a dataset is nil. What is invalid stays so; other errors
// are tried again: damage can be repaired.
func (c *catalogue) document(ctx context.Context, name string, e zoo.Entry) (*Object, error) {
	if known, ok := c.documents.Load(e.Digest); ok {
		d := known.(document)
		return d.object, d.err
	}
	o, err := c.load(ctx, name, e)
	if err != nil && !isInvalid(err) {
		return nil, err
	}
	c.documents.Store(e.Digest, document{o, err})
	return o, err
}

// document is what was found out about a manifest.
type document struct {
	object *Object
	err    error // *schema.Invalid
}

func (c *catalogue) load(ctx context.Context, name string, e zoo.Entry) (*Object, error) {
	if e.ArtifactType != schema.MediaTypeClosure && e.ArtifactType != schema.MediaTypeDataset {
		return nil, nil
	}
	blobs := zoo.BlobsOf(c.store, name)
	if e.ArtifactType == schema.MediaTypeDataset {
		m, err := zoo.Manifest(ctx, c.store, zoo.Resolved{Name: name, Entry: e})
		if err != nil {
			return nil, err
		}
		d, err := closure.LoadDataset(ctx, blobs, m)
		if err != nil {
			return nil, err
		}
		return &Object{Dataset: d, sample: isImages(d.Record.Input), words: wordsOfDataset(d)}, nil
	}
	return loadListed(ctx, blobs, e)
}

// loadListed reads a closure for a list. Its documents are checked against their digests, and must name what the entry names.
// Checking them against their schemas costs ten times as much, and is done before anything but texts and numbers is shown.
func loadListed(ctx context.Context, blobs closure.Blobs, e zoo.Entry) (*Object, error) {
	text, err := closure.ReadBlob(ctx, blobs, "manifest", e.Digest, e.Size, maxListed)
	if err != nil {
		return nil, err
	}
	var m struct {
		ArtifactType string
		Config       closure.Descriptor
		Layers       []closure.Descriptor
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, schema.Invalidf("manifest", "", "%v", err)
	}
	if text, err = closure.ReadBlob(ctx, blobs, schema.PathClosure, m.Config.Digest, m.Config.Size, maxListed); err != nil {
		return nil, err
	}
	d := &schema.Closure{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, schema.Invalidf(schema.PathClosure, "", "%v", err)
	}
	if m.ArtifactType != schema.MediaTypeClosure || m.Config.MediaType != schema.MediaTypeClosure {
		return nil, schema.Invalidf("manifest", "artifactType", "%q with a config of %q is no closure", m.ArtifactType, m.Config.MediaType)
	}
	o := &Object{Closure: d, summary: summarise(d, append(m.Layers, m.Config), e)}
	if created, err := time.Parse(time.RFC3339, d.Created); err == nil {
		o.created = created
	}
	o.words = wordsOf(o.summary)
	return o, nil
}
