package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

const racers = 16

// race runs do at the same time in as many goroutines as there are racers, and returns their errors.
func race(do func(i int) error) []error {
	errs := make([]error, racers)
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range racers {
		done.Go(func() {
			start.Wait()
			errs[i] = do(i)
		})
	}
	start.Done()
	done.Wait()
	return errs
}

var raceTests = []test{
	{"one publisher of a version wins", func(t *testing.T, s zoo.Store) {
		for round := range 20 {
			version := fmt.Sprintf("1.0.%d", round)
			entries := make([]zoo.Entry, racers)
			for i := range entries {
				entries[i] = stored(t, s, name, fmt.Sprint(i))
			}
			errs := race(func(i int) error {
				return s.PutVersion(t.Context(), name, version, entries[i])
			})
			winner := -1
			for i, err := range errs {
				switch {
				case err == nil && winner >= 0:
					t.Fatalf("%d and %d both published %s", winner, i, version)
				case err == nil:
					winner = i
				case !errors.Is(err, zoo.ErrVersionExists):
					t.Fatal(err)
				}
			}
			got, err := s.Version(t.Context(), name, version)
			check(t, err)
			if winner < 0 || got != entries[winner] {
				t.Fatalf("racer %d was told that it won %s, which is %+v", winner, version, got)
			}
		}
	}},
	{"all publishers of the same succeed", func(t *testing.T, s zoo.Store) {
		e := stored(t, s, name, "a")
		for _, err := range race(func(int) error {
			return s.PutVersion(t.Context(), name, "1.0.0", e)
		}) {
			check(t, err)
		}
	}},
	{"no move of a tag is lost", func(t *testing.T, s zoo.Store) {
		// Every racer makes its moves by compare-and-swap on what it saw. Each successful swap names the digest it
		// replaced; if none was lost, these form one chain through all entries.
		const moves = 5
		var entries [racers][moves]zoo.Entry
		for i := range entries {
			for move := range entries[i] {
				entries[i][move] = stored(t, s, name, fmt.Sprintf("racer %d move %d", i, move))
			}
		}
		var mu sync.Mutex
		next := map[schema.Digest]schema.Digest{}
		for _, err := range race(func(i int) error {
			for _, e := range entries[i] {
				for {
					current, err := s.Tag(t.Context(), name, "latest")
					if err != nil && !errors.Is(err, zoo.ErrNotFound) {
						return err
					}
					err = s.SwapTag(t.Context(), name, "latest", current.Digest, e)
					if errors.Is(err, zoo.ErrTagMoved) {
						continue
					}
					if err != nil {
						return err
					}
					mu.Lock()
					_, twice := next[current.Digest]
					next[current.Digest] = e.Digest
					mu.Unlock()
					if twice {
						return fmt.Errorf("the tag was moved twice from %q", current.Digest)
					}
					break
				}
			}
			return nil
		}) {
			check(t, err)
		}
		var at schema.Digest
		for range racers * moves {
			to, ok := next[at]
			if !ok {
				t.Fatalf("nobody moved the tag on from %q", at)
			}
			at = to
		}
		got, err := s.Tag(t.Context(), name, "latest")
		check(t, err)
		if got.Digest != at {
			t.Errorf("the tag is at %s, the last move was to %s", got.Digest, at)
		}
	}},
	{"all writers of one blob succeed", func(t *testing.T, store zoo.Store) {
		s := zoo.BlobsOf(store, name)
		text := strings.Repeat("reprise", 50_000)
		d := schema.DigestOf([]byte(text))
		for _, err := range race(func(int) error {
			return s.Put(t.Context(), d, int64(len(text)), strings.NewReader(text))
		}) {
			check(t, err)
		}
		size, err := s.Stat(t.Context(), d)
		check(t, err)
		if size != int64(len(text)) {
			t.Errorf("got %d bytes, want %d", size, len(text))
		}
	}},
	{"all referrers of a subject are kept", func(t *testing.T, s zoo.Store) {
		subject := schema.DigestOf([]byte("subject"))
		about := zoo.ReferrersOf(s, name)
		var entries [racers]zoo.Entry
		for i := range entries {
			entries[i] = record(t, s, name, subject, fmt.Sprint(i))
		}
		for _, err := range race(func(i int) error {
			return about.PutReferrer(t.Context(), subject, entries[i])
		}) {
			check(t, err)
		}
		got, err := about.Referrers(t.Context(), subject)
		check(t, err)
		if len(got) != racers {
			t.Errorf("%d of %d referrers were kept", len(got), racers)
		}
	}},
	{"racing Publish has one winner", func(t *testing.T, s zoo.Store) {
		won := 0
		for _, err := range race(func(i int) error {
			_, err := zoo.Publish(t.Context(), s, Object(name, "1.0.0", fmt.Sprint(i)), zoo.PublishOptions{})
			return err
		}) {
			if err == nil {
				won++
			} else if !errors.Is(err, zoo.ErrVersionExists) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d publishers were told that they won", won)
		}
	}},
	{"a tag is deleted or moved, not both", func(t *testing.T, s zoo.Store) {
		deleter, ok := s.(zoo.TagDeleter)
		if !ok || !s.Capabilities().ConditionalWrites {
			return // where nobody decides, a move beside a deletion can be lost
		}
		a, b := stored(t, s, name, "a"), stored(t, s, name, "b")
		for range 20 {
			check(t, s.SwapTag(t.Context(), name, "latest", schema.Digest{}, a))
			errs := race(func(i int) error {
				if i%2 == 0 {
					return deleter.DeleteTag(t.Context(), name, "latest", a.Digest)
				}
				return s.SwapTag(t.Context(), name, "latest", a.Digest, b)
			})
			moved, deleted := false, false
			for i, err := range errs {
				switch {
				case err == nil && i%2 == 0:
					deleted = true
				case err == nil:
					moved = true // all who move it there are told so
				case !errors.Is(err, zoo.ErrTagMoved) && !errors.Is(err, zoo.ErrNotFound):
					t.Fatal(err)
				}
			}
			got, err := s.Tag(t.Context(), name, "latest")
			if moved == deleted || moved && (err != nil || got != b) || deleted && !errors.Is(err, zoo.ErrNotFound) {
				t.Fatalf("moved: %t, deleted: %t, and it is %+v, %v", moved, deleted, got, err)
			}
			if moved {
				check(t, deleter.DeleteTag(t.Context(), name, "latest", b.Digest))
			}
		}
	}},
}
