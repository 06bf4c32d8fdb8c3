package api

import (
	"context"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/zoo/catalogue"
)

// slowCatalogue has something, and takes until it is told to compare that with the store.
type slowCatalogue struct {
	Catalogue
	counts  catalogue.Counts
	proceed chan struct{}
}

func (c *slowCatalogue) Counts(context.Context) (catalogue.Counts, error) { return c.counts, nil }
func (c *slowCatalogue) Unread() int                                      { return 0 }

func (c *slowCatalogue) Refresh(ctx context.Context) (bool, error) {
	select {
	case <-c.proceed:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// An index of an earlier time answers although the store is still being looked at; an empty one waits.
func TestFirstAnswer(t *testing.T) {
	slow := &slowCatalogue{counts: catalogue.Counts{Closures: 3}, proceed: make(chan struct{})}
	first := &current{Catalogue: slow, now: time.Now, patience: time.Millisecond, stopped: t.Context()}
	if _, err := first.Index(t.Context()); err != nil {
		t.Error(err)
	}
	slow.counts = catalogue.Counts{}
	empty := &current{Catalogue: slow, now: time.Now, patience: time.Millisecond, stopped: t.Context()}
	answered := make(chan error, 1)
	go func() {
		_, err := empty.Index(t.Context())
		answered <- err
	}()
	select {
	case <-answered:
		t.Error("nothing was known, and that was the answer")
	case <-time.After(2 * firstPatience):
	}
	close(slow.proceed)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	first.Close()
}

// Where looking at the store took longer than a request waits, requests do not wait at all.
func TestDoesNotWaitInVain(t *testing.T) {
	slow := &slowCatalogue{counts: catalogue.Counts{Closures: 3}, proceed: make(chan struct{})}
	c := &current{Catalogue: slow, now: time.Now, patience: time.Hour, stopped: t.Context(), complete: true, took: 2 * time.Hour}
	if _, err := c.Index(t.Context()); err != nil {
		t.Error(err)
	}
	close(slow.proceed)
	c.Close()
}
