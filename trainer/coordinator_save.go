package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// wantSave asks for the record to be saved. The caller holds the lock.
func (c *Coordinator) wantSave() {
	c.asked++
	c.saving.Broadcast()
}

// save writes the record whenever that is asked for, until the context ends; then once more.
func (c *Coordinator) save(ctx context.Context) {
	stopped := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.saving.Broadcast()
		c.mu.Unlock()
	})
	defer stopped()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.asked == c.sealed && ctx.Err() == nil {
			c.saving.Wait()
		}
		if c.asked == c.sealed {
			return
		}
		ended := ctx.Err() != nil
		asked := c.asked
		err := c.write(context.WithoutCancel(ctx))
		if err == nil {
			c.sealed = asked
			c.saving.Broadcast()
			c.notes(&c.trouble.saving, nil)
			c.welcomeSaved()
			continue
		}
		c.env.Log.Error("a session could not be saved", "session", c.record.ID, "error", err)
		if errors.Is(err, ErrTaken) {
			c.fail(err)
			c.sealed = c.asked
			return
		}
		if ended {
			return
		}
		c.notes(&c.trouble.saving, err)
		c.saving.Broadcast()
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		c.mu.Lock()
	}
}

// write saves a record that goes on at the newest final snapshot. The lock is given up meanwhile.
func (c *Coordinator) write(ctx context.Context) error {
	r := *c.record
	newest := c.newestFinal()
	r.Snapshots = slices.Clone(r.Snapshots[:indexOf(r.Snapshots, newest)+1])
	r.Engines = slices.Clone(r.Engines)
	r.Statistics = c.round.Statistics()
	r.Participants = slices.Clone(r.Participants)
	for i := range r.Participants {
		p := &r.Participants[i]
		p.Standing = c.round.Standing(p.ID)
		p.Standing.Computed = c.record.Credits[newest.Step][p.ID]
		p.Standing.Verified = p.Standing.Computed
		if p.Standing.Unchecked > newest.Step+1 {
			p.Standing.Unchecked = 0
		}
	}
	r.Credits = maps.Clone(r.Credits)
	r.Log, r.Events = slices.Clone(r.Log), slices.Clone(r.Events)
	journal, err := c.ledger.text(c.header(), newest.Step)
	if err != nil {
		return err
	}
	// What the document is, nobody changes in place; but it is large, so it is written outside of the lock.
	waste := c.server.garbage
	c.server.garbage = nil
	c.mu.Unlock()
	err = r.save(ctx, c.env.Store, journal)
	grace := time.Minute
	if over(r.State) {
		grace = 0 // nobody joins any more
	}
	var young []garbage
	for _, g := range waste {
		if err != nil || time.Since(g.since) < grace {
			young = append(young, g)
		} else if err := c.env.Store.Discard(ctx, g.digest); err != nil {
			c.env.Log.Warn("a snapshot could not be discarded", "session", r.ID, "error", err)
		}
	}
	c.mu.Lock()
	c.server.garbage = append(young, c.server.garbage...)
	if err == nil {
		c.saved = newest.Step
	}
	return err
}

// keep notes a snapshot of the present engine, and what everybody has computed up to it.
func (c *Coordinator) keep(step int64, tensors wire.Blob) {
	r := c.record
	r.Snapshots = append(r.Snapshots, wire.Snapshot{Step: step, Tensors: &tensors, Hyperparameters: c.values(step), Engine: c.mark()})
	if r.Credits == nil {
		r.Credits = map[int64]map[string]int64{}
	}
	maps.DeleteFunc(r.Credits, func(at int64, _ map[string]int64) bool {
		return !slices.ContainsFunc(r.Snapshots, func(s wire.Snapshot) bool { return s.Step == at })
	})
	r.Credits[step] = c.round.Credits(step)
}

// indexOf is the place of a snapshot. Two of the same step are those of two engines.
func indexOf(snapshots []wire.Snapshot, s wire.Snapshot) int {
	i := len(snapshots) - 1
	for i > 0 && (snapshots[i].Step != s.Step || snapshots[i].Tensors != s.Tensors) {
		i--
	}
	return i
}

// durable waits until what was changed so far is saved, or the store is found to take nothing: ErrUnsaved.
func (c *Coordinator) durable(ctx context.Context) error {
	stopped := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.saving.Broadcast()
		c.mu.Unlock()
	})
	defer stopped()
	c.wantSave()
	want := c.asked
	for c.sealed < want {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.trouble.saving != nil {
			return fmt.Errorf("%w: %s; it is tried again every second", ErrUnsaved, storeTrouble(c.trouble.saving))
		}
		c.saving.Wait()
	}
	return nil
}

// copyOf is a deep copy of a document.
func copyOf[T any](v *T) (*T, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out T
	return &out, json.Unmarshal(b, &out)
}
