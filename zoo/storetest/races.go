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
			errs := race(func(i int) error {
				return s.PutVersion(t.Context(), "mnist", version, EntryFor(fmt.Sprint(i)))
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
			got, err := s.Version(t.Context(), "mnist", version)
			check(t, err)
			if want := EntryFor(fmt.Sprint(winner)); winner < 0 || got != want {
				t.Fatalf("racer %d was told that it won %s, which is %+v", winner, version, got)
			}
		}
	}},
	{"all publishers of the same succeed", func(t *testing.T, s zoo.Store) {
		for _, err := range race(func(int) error {
			return s.PutVersion(t.Context(), "mnist", "1.0.0", EntryFor("a"))
		}) {
			check(t, err)
		}
	}},
	{"no move of a tag is lost", func(t *testing.T, s zoo.Store) {
		// Every racer makes its moves by compare-and-swap on what it saw. Each successful swap names the digest it
		// replaced; if none was lost, these form one chain through all entries.
		const moves = 5
		var mu sync.Mutex
		next := map[schema.Digest]schema.Digest{}
		for _, err := range race(func(i int) error {
			for move := range moves {
				e := EntryFor(fmt.Sprintf("racer %d move %d", i, move))
				for {
					current, err := s.Tag(t.Context(), "mnist", "latest")
					if err != nil && !errors.Is(err, zoo.ErrNotFound) {
						return err
					}
					err = s.SwapTag(t.Context(), "mnist", "latest", current.Digest, e)
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
		got, err := s.Tag(t.Context(), "mnist", "latest")
		check(t, err)
		if got.Digest != at {
			t.Errorf("the tag is at %s, the last move was to %s", got.Digest, at)
		}
	}},
	{"all writers of one blob succeed", func(t *testing.T, s zoo.Store) {
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
		for _, err := range race(func(i int) error {
			return s.PutReferrer(t.Context(), subject, EntryFor(fmt.Sprint(i)))
		}) {
			check(t, err)
		}
		got, err := s.Referrers(t.Context(), subject)
		check(t, err)
		if len(got) != racers {
			t.Errorf("%d of %d referrers were kept", len(got), racers)
		}
	}},
	{"racing Publish has one winner", func(t *testing.T, s zoo.Store) {
		won := 0
		for _, err := range race(func(i int) error {
			_, err := zoo.Publish(t.Context(), s, Object("mnist", "1.0.0", fmt.Sprint(i)), zoo.PublishOptions{})
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
}
