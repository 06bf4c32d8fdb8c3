package trainer

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// ErrUnsaved says that a command is carried out, but would not survive a crash yet, since the store takes nothing.
var ErrUnsaved = errors.New("it is done, but not saved yet")

// trouble is what the store refuses, to those who write: the record, and the server's replica. While there is any, no step begins: what
// cannot be saved would only be lost. It passes by itself, and the session goes on.
type trouble struct {
	saving, replica error
}

// why says for visitors what the trouble is; empty if there is none. What the store says, paths of the server among it, is in the log.
func (t trouble) why() string {
	if err := errors.Join(t.saving, t.replica); err != nil {
		return storeTrouble(err)
	}
	return ""
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func storeTrouble(err error) string {
	if diskFull(err) {
		return "the disk of the server is full"
	}
	return "the store of the server does not answer as it should"
}

// storeError is an error of the store, which may pass.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

// ofStore marks an error of the store, but for bytes that are damaged: they stay so.
func ofStore(err error) error {
	var damaged *schema.Damaged
	if err == nil || errors.As(err, &damaged) {
		return err
	}
	return storeError{err}
}

func storeFailed(err error) bool {
	_, ok := errors.AsType[storeError](err)
	return ok
}

// notes takes what became of one of the two; nil is the end of its trouble. The caller holds the lock.
func (c *Coordinator) notes(of *error, err error) {
	before := c.trouble.why()
	*of = err
	switch now := c.trouble.why(); {
	case now == before:
	case now != "":
		c.log("state", "waits: %s", now)
	default:
		c.log("state", "goes on: the store is well again")
		c.proceed()
		c.act()
	}
}

// recovered notes that the replica has done something, and so has no trouble any more.
func (s *serverReplica) recovered() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.notes(&s.c.trouble.replica, nil)
}

// away waits a moment for a store that cannot be read, and begins anew with the newest snapshot.
func (s *serverReplica) away(ctx context.Context, err error) {
	s.c.env.Log.Error("the store cannot be read", "session", s.c.record.ID, "error", err)
	s.c.mu.Lock()
	s.c.notes(&s.c.trouble.replica, err)
	s.c.mu.Unlock()
	s.valid = false
	select {
	case <-ctx.Done():
	case <-time.After(storePause):
	}
}

// storePause is the time between two attempts.
const storePause = time.Second

// put stores a snapshot. It tries again until the store takes it, or the session goes back, or the context ends.
func (s *serverReplica) put(ctx context.Context, file []byte) (wire.Blob, error) {
	for {
		blob, err := putBlob(ctx, s.c.env.Store, file)
		if ctx.Err() != nil {
			return blob, err
		}
		s.c.mu.Lock()
		s.c.notes(&s.c.trouble.replica, err)
		back := s.back != nil
		s.c.mu.Unlock()
		if err == nil {
			return blob, nil
		}
		s.c.env.Log.Error("a snapshot could not be saved", "session", s.c.record.ID, "error", err)
		if back {
			return blob, fmt.Errorf("a snapshot that is not needed any more: %w", err)
		}
		select {
		case <-ctx.Done():
			return blob, ctx.Err()
		case <-time.After(storePause):
		}
	}
}
