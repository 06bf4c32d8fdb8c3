package zoo_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// later is a clock by which everything is old.
func later() time.Time { return time.Now().Add(48 * time.Hour) }

func garbage(t *testing.T, s zoo.Store, text string) schema.Digest {
	t.Helper()
	d := schema.DigestOf([]byte(text))
	if err := s.Put(t.Context(), d, int64(len(text)), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return d
}

func collect(t *testing.T, s zoo.Store, opts zoo.CollectOptions) schema.CollectReport {
	t.Helper()
	r, err := zoo.Collect(t.Context(), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCollect(t *testing.T) {
	for name, s := range map[string]zoo.Store{"memory": memory.New(), "directory": func() zoo.Store { s, _ := newDirectory(t); return s }()} {
		t.Run(name, func(t *testing.T) {
			archive(t, s)
			// A dataset that only a closure leads to, and a record about it.
			data := storetest.Dataset("hidden", "1.0.0", "hidden")
			other := memory.New()
			e := publish(t, other, data, zoo.PublishOptions{})
			publish(t, other, storetest.Closure("user", "1.0.0", "user", storetest.On("hidden", e.Digest)), zoo.PublishOptions{})
			selected, err := zoo.Select(t.Context(), other, []string{"user"})
			if err != nil {
				t.Fatal(err)
			}
			for i := range selected.Objects {
				if selected.Objects[i].Name == "hidden" {
					selected.Objects[i].Refs = nil
				}
			}
			if _, err := zoo.Copy(t.Context(), selected, s, zoo.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			kept := blobCount(t, s.(zoo.BlobLister))
			d := garbage(t, s, "nothing names it")

			if r := collect(t, s, zoo.CollectOptions{}); r.Blobs != 0 || r.Young != 1 || r.Kept != int64(kept) {
				t.Errorf("within the grace period: %+v", r)
			}
			dry := collect(t, s, zoo.CollectOptions{DryRun: true, Now: later})
			if _, err := s.Stat(t.Context(), d); err != nil || dry.Blobs != 1 || dry.Bytes != 16 || !dry.DryRun {
				t.Errorf("a dry run: %+v, %v", dry, err)
			}
			var told int64
			r := collect(t, s, zoo.CollectOptions{Now: later, Progress: func(done, of int64) { told = of }})
			if diff := cmp.Diff(schema.CollectReport{Kept: int64(kept), Blobs: 1, Bytes: 16}, r); diff != "" || told != 1 {
				t.Errorf("(-want +got), told of %d:\n%s", told, diff)
			}
			if _, err := s.Stat(t.Context(), d); !isNotFound(err) {
				t.Errorf("what nothing names is there: %v", err)
			}
			if report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{}); err != nil || len(report.Damaged) > 0 || blobCount(t, s.(zoo.BlobLister)) != kept {
				t.Errorf("after it: %+v, %v", report, err)
			}
		})
	}
}

// An object that lost its tag goes with what is about it, markers included.
func TestCollectDropsMarkers(t *testing.T) {
	s := memory.New()
	o := storetest.Object("mnist", "1.0.0", "a")
	first := publish(t, s, o, zoo.PublishOptions{})
	second := publish(t, s, storetest.Object("other", "1.0.0", "b"), zoo.PublishOptions{})
	if err := zoo.MoveTag(t.Context(), s, "tagged", "best", first); err != nil {
		t.Fatal(err)
	}
	loose, blobs := storetest.Referrer(storetest.EntryFor("what never came"), "about what never came")
	for d, b := range blobs {
		if got := garbage(t, s, string(b)); got != d {
			t.Fatal(got)
		}
	}
	if err := s.PutReferrer(t.Context(), storetest.EntryFor("what never came").Digest, loose); err != nil {
		t.Fatal(err)
	}
	kept := refer(t, s, "other", second, "about what stays")
	collect(t, s, zoo.CollectOptions{Now: later})
	if about, err := s.Referrers(t.Context(), storetest.EntryFor("what never came").Digest); err != nil || len(about) != 0 {
		t.Errorf("a marker leads to what is gone: %v, %v", about, err)
	}
	if about, err := s.Referrers(t.Context(), second.Digest); err != nil || len(about) != 1 || about[0] != kept {
		t.Errorf("a marker of what stays: %v, %v", about, err)
	}
}

func TestCollectRefuses(t *testing.T) {
	s, root := newDirectory(t)
	archive(t, s)
	d := garbage(t, s, "nothing names it")
	e, err := s.Version(t.Context(), "cifar", "2.0.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		store zoo.Store
		grace time.Duration
		is    func(error) bool
		says  string
	}{
		{"a store that cannot be swept", struct{ zoo.Store }{s}, 0, isUnsupported, "read-only"},
		{"a registry", registryLike{s}, 0, isUnsupported, "run its collector where it runs"},
		{"a store that does not know its names", nameless{s}, 0, isUnsupported, "all of its names"},
		{"no grace", s, time.Minute, isInvalid, "too short"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := zoo.Collect(t.Context(), c.store, zoo.CollectOptions{Grace: c.grace, Now: later})
			if !c.is(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got error %v", err)
			}
		})
	}
	for what, path := range map[string]string{"manifest": zoo.BlobPath(e.Digest), "version": zoo.VersionPath("cifar", "2.0.0")} {
		file := filepath.Join(root, path)
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := zoo.Collect(t.Context(), s, zoo.CollectOptions{Now: later}); err == nil || !strings.Contains(err.Error(), "nothing was deleted") {
			t.Errorf("a damaged %s: got error %v", what, err)
		}
		if err := os.WriteFile(file, before, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := zoo.Collect(ctx, s, zoo.CollectOptions{Now: later}); !errors.Is(err, context.Canceled) {
		t.Errorf("a done context: got error %v", err)
	}
	if _, err := s.Stat(t.Context(), d); err != nil {
		t.Errorf("a refused collection deleted: %v", err)
	}
}

type nameless struct{ *directory.Store }

func (nameless) Capabilities() zoo.Capabilities {
	return zoo.Capabilities{Catalogue: true, PartialCatalogue: true}
}

func isUnsupported(err error) bool { return errors.Is(err, zoo.ErrUnsupported) }

// TestCollectBesidePublish collects and publishes at the same time, in a store where everything that the publishers need is
// there already, old, and named by nothing: what the collection would take if nobody came.
func TestCollectBesidePublish(t *testing.T) {
	s, root := newDirectory(t)
	const rounds, publishers = 12, 3
	won, swept := 0, int64(0)
	for round := range rounds {
		var objects []zoo.Object
		for p := range publishers {
			o := storetest.Object(fmt.Sprintf("p%d", p), fmt.Sprintf("1.0.%d", round), fmt.Sprint("round ", round))
			for _, d := range o.Manifest.Blobs() {
				if _, err := s.Stat(t.Context(), d.Digest); err != nil {
					garbage(t, s, string(o.Blobs.(storetest.Bytes)[d.Digest]))
				}
			}
			objects = append(objects, o)
		}
		age(t, root)
		var all sync.WaitGroup
		all.Go(func() {
			r, err := zoo.Collect(t.Context(), s, zoo.CollectOptions{})
			if err != nil {
				t.Error(err)
			}
			swept += r.Blobs
			if r.Blobs > 0 {
				won++
			}
		})
		for _, o := range objects {
			all.Go(func() {
				if _, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{Tags: []string{"latest"}}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
		if err != nil || len(report.Damaged) > 0 {
			t.Fatalf("round %d: %+v, %v", round, report.Damaged, err)
		}
	}
	t.Logf("%d blobs swept in %d of %d rounds", swept, won, rounds)
}

// age makes every blob two days old.
func age(t *testing.T, root string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(root, zoo.BlobsPath))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-48 * time.Hour)
	for _, f := range files {
		if err := os.Chtimes(filepath.Join(root, zoo.BlobsPath, f.Name()), old, old); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRetag tags what nothing else names any more, beside a collection.
func TestRetag(t *testing.T) {
	s, root := newDirectory(t)
	o := storetest.Object("mnist", "1.0.0", "a")
	source := memory.New()
	publish(t, source, o, zoo.PublishOptions{})
	for d, err := range source.AllBlobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := source.Open(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := source.Stat(t.Context(), d)
		if err := s.Put(t.Context(), d, size, r); err != nil {
			t.Fatal(err)
		}
	}
	age(t, root)
	r, err := zoo.Resolve(t.Context(), s, "mnist@"+o.Manifest.Digest().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := zoo.Retag(t.Context(), s, r, "best"); err != nil {
		t.Fatal(err)
	}
	// The tag is moved away and back; what it led to meanwhile counts as used.
	if report := collect(t, s, zoo.CollectOptions{}); report.Blobs != 0 {
		t.Errorf("%+v", report)
	}
	for u, err := range s.Uses(t.Context()) {
		if err != nil || time.Since(u.Last) > time.Hour {
			t.Errorf("%s was last used at %s, %v", u.Digest, u.Last, err)
		}
	}
	engine, _ := o.Manifest.Layer(schema.PathEngine)
	if err := s.DeleteBlob(t.Context(), engine.Digest); err != nil {
		t.Fatal(err)
	}
	if err := zoo.Retag(t.Context(), s, r, "better"); !isDamaged(err) {
		t.Errorf("tagging what is not whole: got error %v", err)
	}
}

func TestFsckFollowsWhatIsAbout(t *testing.T) {
	s := memory.New()
	archive(t, s)
	e, err := s.Version(t.Context(), "alice/mnist", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	about, err := s.Referrers(t.Context(), e.Digest)
	if err != nil {
		t.Fatal(err)
	}
	signature, blobs := storetest.Referrer(about[0], "its signature")
	layer := schema.DigestOf([]byte("its signature"))
	if blobs[layer] == nil {
		t.Fatal("no layer")
	}
	if err := s.DeleteBlob(t.Context(), layer); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []zoo.FsckOptions{{}, {Names: []string{"alice/mnist"}}} {
		report, err := zoo.Fsck(t.Context(), s, opts)
		if err != nil || len(report.Damaged) != 1 || report.Damaged[0].Expected != layer {
			t.Errorf("the layer of %s is gone: %+v, %v", signature.Digest, report, err)
		}
	}
	if report, err := zoo.Fsck(t.Context(), struct{ zoo.Store }{s}, zoo.FsckOptions{Names: []string{"cifar"}}); err != nil || len(report.Damaged) != 0 || report.Checked != 5 {
		t.Errorf("another name: %+v, %v", report, err)
	}
}

// registryLike keeps blobs by name, and cannot be swept.
type registryLike struct{ zoo.Store }

// BlobsOf implements zoo.Scoped.
func (r registryLike) BlobsOf(string) zoo.Blobs { return r.Store }
