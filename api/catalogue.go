package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/catalogue"
)

// Catalogue is an index of the store: zoo/catalogue. It answers from what it has; Refresh makes that what the store has now.
type Catalogue interface {
	Search(ctx context.Context, q catalogue.Query) (catalogue.Result, error)
	Versions(ctx context.Context, name string) ([]catalogue.Item, error)
	Object(ctx context.Context, d schema.Digest) (catalogue.Item, bool, error)
	Children(ctx context.Context, parent schema.Digest) ([]catalogue.Item, error)
	Users(ctx context.Context, dataset schema.Digest) ([]catalogue.Item, error)
	Counts(ctx context.Context) (catalogue.Counts, error)

	Refresh(ctx context.Context) (changed bool, err error)
	Recount(ctx context.Context, d schema.Digest) error
	Unread() int
}

// How the catalogue follows the store.
const (
	// staleAfter is the age at which the catalogue is compared with the store before it answers again. Where that takes long it is
	// done less often: it takes at most a part in restingFactor of the time.
	staleAfter    = 2 * time.Second
	restingFactor = 20
	// patience is how long a request waits for that, unless it took longer the last time.
	patience = 50 * time.Millisecond
	// firstPatience is how long a request waits for a catalogue that is read for the first time, if there is much to read, more
	// than few versions, or an earlier index to answer from.
	firstPatience = 250 * time.Millisecond
	few           = 200
)

// current keeps a catalogue current while requests come.
type current struct {
	Catalogue
	log      *slog.Logger
	now      func() time.Time
	patience time.Duration
	stopped  context.Context // when nobody asks any more

	mu       sync.Mutex
	complete bool      // the whole store was read at least once
	due      time.Time // when to look at the store again
	took     time.Duration
	changed  []schema.Digest
	running  *refresh
}

// refresh is a look at the store that is going on.
type refresh struct {
	done    chan struct{}
	err     error
	awaited bool // somebody has changed something and wants to see it
}

// Changed says that there is something new about an object: the next answer knows of it.
func (c *current) Changed(subject schema.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = time.Time{}
	if !slices.Contains(c.changed, subject) {
		c.changed = append(c.changed, subject)
	}
}

// Index returns the catalogue as of a few seconds ago or, where the store is slow, somewhat longer.
func (c *current) Index(ctx context.Context) (Catalogue, error) {
	c.mu.Lock()
	complete := c.complete
	if complete && c.now().Before(c.due) {
		c.mu.Unlock()
		return c.Catalogue, nil
	}
	r := c.running
	if r == nil {
		r = &refresh{done: make(chan struct{}), awaited: len(c.changed) > 0}
		c.running = r
		go c.refresh(c.stopped, r, c.changed) // also when this request is gone: the next one wants it too
		c.changed = nil
	}
	inVain := complete && !r.awaited && c.took > c.patience
	c.mu.Unlock()
	if inVain {
		return c.Catalogue, nil
	}
	if err := c.wait(ctx, r, complete); err != nil {
		return nil, err
	}
	return c.Catalogue, nil
}

func (c *current) wait(ctx context.Context, r *refresh, complete bool) error {
	enough := time.NewTimer(c.patience)
	defer enough.Stop()
	for first := true; ; first = false {
		select {
		case <-r.done:
			if complete {
				return nil // what went wrong is in the log
			}
			return r.err
		case <-ctx.Done():
			return ctx.Err()
		case <-enough.C:
			if complete || !first && (c.Unread() > few || c.hasAny(ctx)) {
				return nil
			}
			enough.Reset(max(c.patience, firstPatience))
		}
	}
}

func (c *current) hasAny(ctx context.Context) bool {
	n, err := c.Counts(ctx)
	return err == nil && n.Closures+n.Datasets > 0
}

func (c *current) refresh(ctx context.Context, r *refresh, changed []schema.Digest) {
	defer close(r.done)
	began := c.now()
	for _, d := range changed {
		if err := c.Recount(ctx, d); err != nil && ctx.Err() == nil {
			c.log.Error("catalogue", "object", d, "error", err)
		}
	}
	if _, r.err = c.Refresh(ctx); r.err != nil && ctx.Err() == nil {
		c.log.Error("catalogue", "error", r.err)
	}
	ended := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.took = nil, ended.Sub(began)
	c.complete = c.complete || r.err == nil
	if len(c.changed) == 0 {
		c.due = ended.Add(max(staleAfter, restingFactor*c.took))
	}
}

// Close waits for a look at the store that is going on, once stopped is done.
func (c *current) Close() {
	c.mu.Lock()
	r := c.running
	c.mu.Unlock()
	if r != nil {
		<-r.done
	}
}

// listed is what lists show of an object. One of closure and dataset is set. Nothing that its documents say is believed where they
// are damaged or no such documents: problem says so, and the object has its name alone.
type listed struct {
	catalogue.Item
	closure *schema.Closure
	dataset *schema.Dataset
	problem string
	summary Summary // of a closure, without what changes
}

// listedCache keeps documents that lists have shown, by their length.
const listedCache = 32 << 20

// listed reads the document of an item. It is checked against its schema before anything but texts and numbers is shown.
func (s *Service) listed(i catalogue.Item) *listed {
	key := i.Entry.Digest
	known, ok := s.lists.get(key)
	if !ok || (known.problem == "") != (i.Problem == "") {
		known = newListed(i)
		if known.problem == "" {
			s.lists.put(key, known, 2*int64(len(i.Document))+1000)
		}
	}
	o := *known
	o.Item = i
	o.summary.Name, o.summary.Version = i.Name, i.Version
	return &o
}

func newListed(i catalogue.Item) *listed {
	o := &listed{Item: i, problem: i.Problem}
	isClosure := i.Entry.ArtifactType == schema.MediaTypeClosure
	if isClosure {
		o.closure = &schema.Closure{}
		o.read(o.closure)
	} else {
		o.dataset = &schema.Dataset{}
		o.read(o.dataset)
	}
	if o.problem != "" {
		o.problem = shorten(o.problem, maxProblem)
		if isClosure {
			o.closure = &schema.Closure{}
		} else {
			o.dataset = &schema.Dataset{}
		}
	}
	if isClosure {
		o.summary = summarise(o.closure, i.Size, i.Entry)
		o.summary.Problem = o.problem
	}
	return o
}

func (o *listed) read(document any) {
	if o.problem != "" {
		return
	}
	if err := json.Unmarshal(o.Document, document); err != nil {
		o.problem = err.Error()
	}
}

// maxProblem is how much of what is wrong with a document a list says, in characters.
const maxProblem = 400

// objects are the items that are closures or datasets.
func objects(items []catalogue.Item) []catalogue.Item {
	return slices.DeleteFunc(items, func(i catalogue.Item) bool {
		return i.Entry.ArtifactType != schema.MediaTypeClosure && i.Entry.ArtifactType != schema.MediaTypeDataset
	})
}

// withdrawalOf is nil for what was not withdrawn.
func withdrawalOf(i catalogue.Item) *Withdrawal {
	if i.Withdrawn == "" {
		return nil
	}
	return &Withdrawal{Reason: i.Withdrawn, Created: i.WithdrawnAt}
}

// relatives finds the names of parents.
func relatives(ctx context.Context, index Catalogue, parents []schema.Parent) ([]Relative, error) {
	out := []Relative{}
	for _, p := range parents {
		r := Relative{Digest: p.Digest, Relation: p.Relation}
		i, ok, err := index.Object(ctx, p.Digest)
		if err != nil {
			return nil, err
		}
		if ok {
			r.Name, r.Version = i.Name, i.Version
		}
		out = append(out, r)
	}
	return out, nil
}

// childrenOf lists the closures that name this one as a parent.
func (s *Service) childrenOf(ctx context.Context, index Catalogue, d schema.Digest) ([]Relative, error) {
	items, err := index.Children(ctx, d)
	out := []Relative{}
	for _, i := range items {
		for _, p := range s.listed(i).closure.Parents {
			if p.Digest == d {
				out = append(out, Relative{Digest: i.Entry.Digest, Relation: p.Relation, Name: i.Name, Version: i.Version})
			}
		}
	}
	return out, err
}

// usersOf lists the closures that name a dataset.
func (s *Service) usersOf(ctx context.Context, index Catalogue, d schema.Digest) ([]UsedBy, error) {
	const most = 200
	items, err := index.Users(ctx, d)
	out := []UsedBy{}
	for _, i := range items[:min(len(items), most)] {
		out = append(out, UsedBy{Name: i.Name, Version: i.Version, Digest: i.Entry.Digest, Title: s.listed(i).closure.Title})
	}
	return out, err
}
