package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// sweepTest is a test of stores that can be swept.
func sweepTest(name string, run func(t *testing.T, s zoo.Store, sweeper zoo.Sweeper)) test {
	return test{name, func(t *testing.T, s zoo.Store) {
		if sweeper, ok := s.(zoo.Sweeper); ok {
			run(t, s, sweeper)
		}
	}}
}

// future is later than any use, by any clock.
func future() time.Time { return time.Now().Add(24 * time.Hour) }

var sweepTests = []test{
	{"what cannot be swept says so, and keeps everything", func(t *testing.T, s zoo.Store) {
		if _, ok := s.(zoo.Sweeper); ok {
			return
		}
		d := put(t, zoo.BlobsOf(s, name), "nothing names it")
		_, err := zoo.Collect(t.Context(), s, zoo.CollectOptions{Now: future})
		wantErr(t, "Collect", err, zoo.ErrUnsupported)
		_, err = zoo.BlobsOf(s, name).Stat(t.Context(), d)
		check(t, err)
	}},
	sweepTest("Uses lists sizes and times", func(t *testing.T, s zoo.Store, sweeper zoo.Sweeper) {
		want := map[string]int64{put(t, s, "a").Hex(): 1, put(t, s, "bcd").Hex(): 3}
		for u, err := range sweeper.Uses(t.Context()) {
			check(t, err)
			if size, ok := want[u.Digest.Hex()]; !ok || u.Size != size {
				t.Errorf("%s has %d bytes, want %d", u.Digest, u.Size, size)
			}
			if age := time.Since(u.Last); age > time.Hour || age < -time.Hour {
				t.Errorf("a new blob was last used at %s", u.Last)
			}
			delete(want, u.Digest.Hex())
		}
		if len(want) != 0 {
			t.Errorf("not listed: %v", want)
		}
		for u, err := range sweeper.Uses(cancelled(t)) {
			wantErr(t, "Uses", err, context.Canceled)
			if u != (zoo.BlobUse{}) {
				t.Errorf("an error came with %+v", u)
			}
		}
	}),
	sweepTest("Use says what is there", func(t *testing.T, s zoo.Store, sweeper zoo.Sweeper) {
		d := put(t, s, "abc")
		size, err := sweeper.Use(t.Context(), d)
		check(t, err)
		if size != 3 {
			t.Errorf("got %d bytes, want 3", size)
		}
		_, err = sweeper.Use(t.Context(), schema.DigestOf([]byte("absent")))
		wantErr(t, "Use", err, zoo.ErrNotFound)
		_, err = sweeper.Use(t.Context(), schema.Digest{})
		wantInvalid(t, "Use", err)
		_, err = sweeper.Use(cancelled(t), d)
		wantErr(t, "Use", err, context.Canceled)
	}),
	sweepTest("Sweep takes what is old alone", func(t *testing.T, s zoo.Store, sweeper zoo.Sweeper) {
		kept, d := put(t, s, "kept"), put(t, s, "swept")
		swept, err := sweeper.Sweep(t.Context(), d, time.Now().Add(-24*time.Hour))
		check(t, err)
		if _, err := s.Stat(t.Context(), d); swept || err != nil {
			t.Fatalf("a new blob was swept: %v, %v", swept, err)
		}
		swept, err = sweeper.Sweep(t.Context(), d, future())
		check(t, err)
		if !swept {
			t.Error("an old blob was not swept")
		}
		wantAbsent(t, s, d)
		swept, err = sweeper.Sweep(t.Context(), d, future())
		check(t, err)
		if swept {
			t.Error("what is not there was swept")
		}
		_, err = s.Stat(t.Context(), kept)
		check(t, err)
		put(t, s, "swept")
		_, err = sweeper.Sweep(t.Context(), schema.Digest{}, future())
		wantInvalid(t, "Sweep", err)
	}),
	sweepTest("DropReferrer forgets one marker", func(t *testing.T, s zoo.Store, sweeper zoo.Sweeper) {
		subject, kept, gone := schema.DigestOf([]byte("subject")), EntryFor("kept"), EntryFor("gone")
		check(t, s.PutReferrer(t.Context(), subject, kept))
		check(t, s.PutReferrer(t.Context(), subject, gone))
		for range 2 {
			check(t, sweeper.DropReferrer(t.Context(), subject, gone.Digest))
		}
		got, err := s.Referrers(t.Context(), subject)
		check(t, err)
		if len(got) != 1 || got[0].Digest != kept.Digest {
			t.Errorf("got %v, want the other marker alone", got)
		}
		check(t, s.PutReferrer(t.Context(), subject, gone))
	}),
	sweepTest("SweepUploads takes nothing that is finished", func(t *testing.T, s zoo.Store, sweeper zoo.Sweeper) {
		d := put(t, s, "finished")
		check(t, s.PutVersion(t.Context(), "mnist", "1.0.0", EntryFor("a")))
		for _, countOnly := range []bool{true, false} {
			left, err := sweeper.SweepUploads(t.Context(), time.Now().Add(-24*time.Hour), countOnly)
			check(t, err)
			if left != (zoo.Leftovers{}) {
				t.Errorf("finished writes left %+v", left)
			}
		}
		_, err := s.Stat(t.Context(), d)
		check(t, err)
		_, err = s.Version(t.Context(), "mnist", "1.0.0")
		check(t, err)
	}),
	sweepTest("a blob is swept or used, not both", func(t *testing.T, s zoo.Store, sweeper zoo.Sweeper) {
		// Writers use or store a blob while it is swept. Whoever is told that it is there finds it there, if no sweep that
		// began later took it: here nothing older than a day is swept, so no blob may go at all.
		text := strings.Repeat("reprise", 100)
		d := put(t, s, text)
		for _, err := range race(func(i int) error {
			for range 20 {
				if i%2 == 0 {
					if swept, err := sweeper.Sweep(t.Context(), d, time.Now().Add(-24*time.Hour)); err != nil || swept {
						return errors.Join(err, errors.New("a used blob was swept"))
					}
					continue
				}
				if err := s.Put(t.Context(), d, int64(len(text)), strings.NewReader(text)); err != nil {
					return err
				}
				if _, err := sweeper.Use(t.Context(), d); err != nil {
					return err
				}
			}
			return nil
		}) {
			check(t, err)
		}
	}),
	{"WriteIndex replaces a file that is no part of the store", func(t *testing.T, s zoo.Store) {
		w, ok := s.(zoo.IndexWriter)
		if !ok {
			return
		}
		for _, text := range []string{"{}", `{"schemaVersion":2}`} {
			check(t, w.WriteIndex(t.Context(), []byte(text)))
		}
		wantErr(t, "WriteIndex", w.WriteIndex(cancelled(t), []byte("{}")), context.Canceled)
		wantEmpty(t, s)
	}},
	{"scans list every version and every marker", func(t *testing.T, s zoo.Store) {
		scanner, ok := s.(zoo.Scanner)
		if !ok {
			return
		}
		want := map[any]bool{}
		for _, v := range []zoo.NamedVersion{{Name: name, Version: "1.0.0"}, {Name: name, Version: "1.1.0-rc.1"}, {Name: "alice/" + name, Version: "1.0.0"}} {
			check(t, s.PutVersion(t.Context(), v.Name, v.Version, stored(t, s, v.Name, v.Version)))
			want[v] = true
		}
		check(t, s.SwapTag(t.Context(), name, "best", schema.Digest{}, stored(t, s, name, "tagged")))
		subject := schema.DigestOf([]byte("subject"))
		for _, text := range []string{"a", "b"} {
			e := record(t, s, name, subject, text)
			check(t, s.PutReferrer(t.Context(), subject, e))
			want[zoo.Marker{Subject: subject, Referrer: e.Digest}] = true
		}
		got := map[any]bool{}
		for v, err := range scanner.ScanVersions(t.Context()) {
			check(t, err)
			got[v.NamedVersion] = true
		}
		for m, err := range scanner.ScanReferrers(t.Context()) {
			check(t, err)
			got[m] = true
		}
		for one := range want {
			if !got[one] {
				t.Errorf("not listed: %v", one)
			}
			delete(got, one)
		}
		for one := range got {
			t.Errorf("listed: %v", one)
		}
		for _, err := range scanner.ScanVersions(cancelled(t)) {
			wantErr(t, "ScanVersions", err, context.Canceled)
		}
		for _, err := range scanner.ScanReferrers(t.Context()) {
			check(t, err)
			break // a caller may stop at any time
		}
	}},
}
