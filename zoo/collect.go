package zoo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// LeastGrace is the shortest grace period. It is longer than a use may go without being noted.
const LeastGrace = 2 * Fresh

// DefaultGrace is longer than most uploads take.
const DefaultGrace = 24 * time.Hour

// CollectOptions tune Collect.
type CollectOptions struct {
	// Grace is how long a blob is kept that nothing names, since it was last stored or used; 0 means DefaultGrace. It must be
	// longer than the longest upload takes, or that has to send again what was collected meanwhile.
	Grace time.Duration
	// DryRun counts and deletes nothing.
	DryRun bool
	// Progress, if set, is told how many blobs of how many that nothing names have been looked at.
	Progress func(done, of int64)
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Collect deletes blobs that nothing names and that no writer has stored or counted on for the grace period, and what
// unfinished uploads have left for as long. What a version or tag leads to is kept, with the datasets of closures and with
// whatever is about it: records, signatures, withdrawals, and those about them.
//
// First it lists what is old, then it marks what is named, and only when all of that could be read it begins to delete. A
// manifest that cannot be read stops it, since nobody knows what that names: check the store with Fsck. Writers may go on
// meanwhile: they note what they count on (Sweeper.Use), and a blob is deleted only if nobody has. Interrupted, it leaves
// nothing but fewer blobs.
//
// A store that cannot be swept, or does not know all of its names, is ErrUnsupported.
func Collect(ctx context.Context, s Store, opts CollectOptions) (schema.CollectReport, error) {
	sweeper, ok := s.(Sweeper)
	if _, scoped := s.(Scoped); scoped && !ok {
		return schema.CollectReport{}, fmt.Errorf("collecting garbage: %w: a registry tells neither which blobs it has nor since when, and collects its own; "+
			"run its collector where it runs, which for a Reprise server is: reprise gc --store with the server's own store", ErrUnsupported)
	}
	if !ok {
		return schema.CollectReport{}, fmt.Errorf("collecting garbage: %w: the store is read-only", ErrUnsupported)
	}
	if c := s.Capabilities(); !c.Catalogue || c.PartialCatalogue {
		return schema.CollectReport{}, fmt.Errorf("collecting garbage: %w: it does not know all of its names", ErrUnsupported)
	}
	if opts.Grace == 0 {
		opts.Grace = DefaultGrace
	}
	if opts.Grace < LeastGrace {
		return schema.CollectReport{}, schema.Invalidf("grace period", "", "%s is too short: writers are safe from %s on", opts.Grace, LeastGrace)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &collection{store: s, sweeper: sweeper, opts: opts, before: opts.Now().Add(-opts.Grace)}
	c.report.DryRun = opts.DryRun
	if err := c.collect(ctx); err != nil {
		return schema.CollectReport{}, err
	}
	return c.report, nil
}

type collection struct {
	store   Store
	sweeper Sweeper
	opts    CollectOptions
	before  time.Time // blobs that were used after it are young
	report  schema.CollectReport
}

func (c *collection) collect(ctx context.Context) error {
	// What is listed before the marking began and turns out unmarked was unnamed then, or got its name from a writer that
	// used it since, which Sweep sees.
	var all []BlobUse
	for u, err := range c.sweeper.Uses(ctx) {
		if err != nil {
			return err
		}
		all = append(all, u)
	}
	marked, err := mark(ctx, c.store)
	if err != nil {
		return err
	}
	var old []BlobUse
	for _, u := range all {
		switch {
		case marked[u.Digest]:
			c.report.Kept++
		case u.Last.After(c.before):
			c.report.Young++
		default:
			old = append(old, u)
		}
	}
	for i, u := range old {
		if err := ctx.Err(); err != nil {
			return err
		}
		swept, err := c.sweep(ctx, u)
		if err != nil {
			return err
		}
		if swept {
			c.report.Blobs++
			c.report.Bytes += u.Size
		} else {
			c.report.Young++
		}
		if c.opts.Progress != nil {
			c.opts.Progress(int64(i+1), int64(len(old)))
		}
	}
	left, err := c.sweeper.SweepUploads(ctx, c.before, c.opts.DryRun)
	c.report.Uploads, c.report.UploadBytes = left.Files, left.Bytes
	return err
}

// sweep deletes a blob that nothing names, unless it is in use by now. The marker of an object about another goes first: it
// must not lead to what is gone. Where the blob stays after all, so does the marker.
func (c *collection) sweep(ctx context.Context, u BlobUse) (bool, error) {
	if c.opts.DryRun {
		return true, nil
	}
	l, about, err := c.referrer(ctx, u)
	if err != nil {
		return false, err
	}
	if about {
		if err := c.sweeper.DropReferrer(ctx, l.subject, u.Digest); err != nil {
			return false, err
		}
	}
	swept, err := c.sweeper.Sweep(ctx, u.Digest, c.before)
	if about && !swept {
		err = errors.Join(err, c.store.PutReferrer(context.WithoutCancel(ctx), l.subject, l.entry))
	}
	return swept, err
}

type markedReferrer struct {
	subject schema.Digest
	entry   Entry
}

// referrer finds the marker that leads to a blob, if that is a manifest about another object.
func (c *collection) referrer(ctx context.Context, u BlobUse) (markedReferrer, bool, error) {
	if u.Size > closure.MaxManifest || u.Size < 2 {
		return markedReferrer{}, false, nil
	}
	l, _, err := links(ctx, c.store, u.Digest, u.Size)
	switch {
	case errors.As(err, new(*schema.Invalid)), errors.As(err, new(*schema.Damaged)), errors.Is(err, ErrNotFound):
		return markedReferrer{}, false, nil // no manifest, or none any more
	case err != nil:
		return markedReferrer{}, false, err
	case l.Subject.IsZero():
		return markedReferrer{}, false, nil
	}
	about, err := c.store.Referrers(ctx, l.Subject)
	if err != nil {
		return markedReferrer{}, false, err
	}
	for _, e := range about {
		if e.Digest == u.Digest {
			return markedReferrer{l.Subject, e}, true, nil
		}
	}
	return markedReferrer{}, false, nil
}

// mark finds every blob that something names.
func mark(ctx context.Context, s Store) (map[schema.Digest]bool, error) {
	marked := map[schema.Digest]bool{}
	w := newWalk(s, true)
	w.visit = func(o *Selected) { // called with w's lock
		marked[o.Entry.Digest] = true
		for _, d := range slices.Concat(o.Links.Blobs, o.Links.Foreign) {
			marked[d.Digest] = true
		}
		o.Manifest, o.Links = nil, Links{} // no more is needed, and there may be many
	}
	if err := w.everything(ctx); err != nil {
		return nil, fmt.Errorf("nothing was deleted, since not all that is named could be read: %w", err)
	}
	return marked, nil
}
