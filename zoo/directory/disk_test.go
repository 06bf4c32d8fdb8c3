//go:build unix

package directory

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestReadOnly(t *testing.T) {
	for _, cause := range []error{syscall.EROFS, syscall.EACCES} {
		t.Run(cause.Error(), func(t *testing.T) {
			root := t.TempDir()
			s, err := Create(root)
			check(t, err)
			e, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
			check(t, err)
			s.disk.before = func(string, string) error { return cause }
			d := schema.DigestOf([]byte("new"))
			for what, err := range map[string]error{
				"Put":         s.Put(t.Context(), d, 3, strings.NewReader("new")),
				"PutVersion":  s.PutVersion(t.Context(), "mnist", "2.0.0", e),
				"SwapTag":     s.SwapTag(t.Context(), "mnist", "best", schema.Digest{}, e),
				"PutReferrer": s.PutReferrer(t.Context(), e.Digest, e),
				"DeleteBlob":  s.DeleteBlob(t.Context(), e.Digest),
			} {
				if !errors.Is(err, zoo.ErrReadOnly) || !errors.Is(err, cause) {
					t.Errorf("%s: got error %v, want zoo.ErrReadOnly because of %v", what, err, cause)
				}
				if err != nil && strings.Contains(err.Error(), root) {
					t.Errorf("%s: the error tells a path of this machine: %v", what, err)
				}
			}
			if _, err := zoo.Resolve(t.Context(), s, "mnist"); err != nil {
				t.Errorf("a read-only store cannot be read: %v", err)
			}
			if _, err := create(disk{root: t.TempDir(), before: s.disk.before}); !errors.Is(err, zoo.ErrReadOnly) {
				t.Errorf("Create: got error %v", err)
			}
		})
	}
}

// TestWithoutHardLinks runs the whole suite as on a file system that has no links.
func TestWithoutHardLinks(t *testing.T) {
	for _, cause := range []error{syscall.EPERM, syscall.ENOTSUP} {
		t.Run(cause.Error(), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) zoo.Store {
				s, err := create(disk{root: t.TempDir(), before: func(op, _ string) error {
					if op == opLink {
						return cause
					}
					return nil
				}})
				check(t, err)
				return s
			})
		})
	}
}

func TestLockWaitsAndGivesUp(t *testing.T) {
	s, err := Create(t.TempDir())
	check(t, err)
	unlock, err := s.disk.lock(t.Context())
	check(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.disk.lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a held lock: got error %v, want context.Canceled", err)
	}

	var waiter sync.WaitGroup
	var waited error
	waiter.Go(func() { waited = s.SwapTag(t.Context(), "mnist", "best", schema.Digest{}, storetest.EntryFor("a")) })
	unlock()
	waiter.Wait()
	check(t, waited)
}
