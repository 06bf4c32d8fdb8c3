package zoo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// recorder notes what is written to a store, in order.
type recorder struct {
	*memory.Store
	mu     sync.Mutex
	writes []string
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, s)
}

func (r *recorder) Put(ctx context.Context, d schema.Digest, size int64, b io.Reader) error {
	r.note(d.String())
	return r.Store.Put(ctx, d, size, b)
}

func (r *recorder) PutVersion(ctx context.Context, name, version string, e zoo.Entry) error {
	r.note("version")
	return r.Store.PutVersion(ctx, name, version, e)
}

func (r *recorder) SwapTag(ctx context.Context, name, tag string, old schema.Digest, e zoo.Entry) error {
	r.note("tag")
	return r.Store.SwapTag(ctx, name, tag, old, e)
}

func TestPublishOrder(t *testing.T) {
	s := &recorder{Store: memory.New()}
	o := storetest.Object("mnist", "1.0.0", "text")
	e := publish(t, s, o, zoo.PublishOptions{Tags: []string{"best"}})
	if len(s.writes) != 7 { // config, three distinct layers, manifest, version, tag
		t.Fatalf("got the writes %v", s.writes)
	}
	if tail := s.writes[4:]; !slices.Equal(tail, []string{e.Digest.String(), "version", "tag"}) {
		t.Errorf("the last writes are %v, want manifest, version, tag", tail)
	}

	// Another version shares README and LICENSE.
	s.writes = nil
	publish(t, s, storetest.Object("mnist", "1.1.0", "other"), zoo.PublishOptions{})
	if len(s.writes) != 5 {
		t.Errorf("got the writes %v, want what is new: config, two layers, manifest, version", s.writes)
	}
}

func TestPublishProgress(t *testing.T) {
	s := memory.New()
	o := storetest.Object("mnist", "1.0.0", "text")
	var want int64
	seen := map[schema.Digest]bool{}
	for _, d := range o.Manifest.Blobs() {
		if !seen[d.Digest] {
			want += d.Size
		}
		seen[d.Digest] = true
	}
	var last, total int64
	progress := func(p zoo.Progress) {
		sent, of := p.Sent, p.Total
		if sent < last {
			t.Errorf("progress went back from %d to %d", last, sent)
		}
		last, total = sent, of
	}
	publish(t, s, o, zoo.PublishOptions{Progress: progress})
	if last != want || total != want {
		t.Errorf("progress ended at %d of %d, want %d", last, total, want)
	}
	last = 0
	publish(t, s, o, zoo.PublishOptions{Progress: progress})
	if last != 0 || total != 0 {
		t.Errorf("publishing again sent %d of %d bytes", last, total)
	}
}

func TestPublishTwice(t *testing.T) {
	s := memory.New()
	first := publish(t, s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
	again := publish(t, s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
	if first != again {
		t.Errorf("got %+v, then %+v", first, again)
	}
}

func TestPublishRefuses(t *testing.T) {
	object := func(change func(o *zoo.Object)) zoo.Object {
		o := storetest.Object("mnist", "1.0.0", "new")
		change(&o)
		return o
	}
	for _, c := range []struct {
		name   string
		object zoo.Object
		tags   []string
		want   func(error) bool
	}{
		{"another digest of a version", object(func(*zoo.Object) {}), nil, isVersionExists},
		{"a bad name", object(func(o *zoo.Object) { o.Name = "../mnist" }), nil, isInvalid},
		{"a bad version", object(func(o *zoo.Object) { o.Version = "1" }), nil, isInvalid},
		{"a bad tag", object(func(o *zoo.Object) { o.Version = "2.0.0" }), []string{"1.0.0"}, isInvalid},
		{"a closure under a dataset's name", object(func(o *zoo.Object) { o.Name, o.Version = "digits", "2.0.0" }), nil, isInvalid},
		{"a missing blob", object(func(o *zoo.Object) { o.Version, o.Blobs = "2.0.0", storetest.Bytes{} }), nil, isDamaged},
		{"other bytes", object(func(o *zoo.Object) {
			o.Version = "2.0.0"
			engine, _ := o.Manifest.Layer(schema.PathEngine)
			blobs := o.Blobs.(storetest.Bytes)
			blobs[engine.Digest] = []byte(strings.ToUpper(string(blobs[engine.Digest])))
		}), nil, isDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &recorder{Store: memory.New()}
			publish(t, s, storetest.Object("mnist", "1.0.0", "old"), zoo.PublishOptions{})
			publish(t, s, storetest.Dataset("digits", "1.0.0", "old"), zoo.PublishOptions{})
			s.writes = nil
			_, err := zoo.Publish(t.Context(), s, c.object, zoo.PublishOptions{Tags: c.tags})
			if !c.want(err) {
				t.Errorf("got error %v", err)
			}
			if isDamaged(err) {
				if !strings.Contains(err.Error(), schema.PathEngine) && c.name == "other bytes" {
					t.Errorf("the error %q does not name the file", err)
				}
			} else if len(s.writes) > 0 {
				t.Errorf("%v was written before it was refused", s.writes)
			}
			if slices.Contains(s.writes, "version") {
				t.Error("the version was published all the same")
			}
		})
	}
}

func TestPublishPacked(t *testing.T) {
	o := storetest.Object("mnist", "1.0.0", "text")
	var blobs []closure.Blob
	source := o.Blobs
	for _, d := range o.Manifest.Blobs() {
		blobs = append(blobs, closure.Blob{Descriptor: d, Open: func() (io.ReadCloser, error) { return source.Open(t.Context(), d.Digest) }})
	}
	o.Blobs = zoo.Packed(blobs)
	publish(t, memory.New(), o, zoo.PublishOptions{})
	if _, err := o.Blobs.Open(t.Context(), schema.DigestOf(nil)); !isNotFound(err) {
		t.Errorf("a blob that was not packed: got error %v", err)
	}
}

// TestScoped publishes to a store that keeps the blobs of each name apart, as registries do.
func TestScoped(t *testing.T) {
	s := scoped{memory.New(), memory.New()}
	publish(t, s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
	for range s.AllBlobs(t.Context()) {
		t.Fatal("a blob went to the store instead of to its name's part")
	}
	r, err := zoo.Pull(t.Context(), s, "mnist:1.0.0", t.TempDir(), zoo.PullOptions{})
	if err != nil || r.Version != "1.0.0" {
		t.Errorf("Pull: got %+v, %v", r, err)
	}
}

type scoped struct {
	*memory.Store
	part *memory.Store
}

func (s scoped) BlobsOf(string) zoo.Blobs { return s.part }

func publish(t *testing.T, s zoo.Store, o zoo.Object, opts zoo.PublishOptions) zoo.Entry {
	t.Helper()
	e, err := zoo.Publish(t.Context(), s, o, opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func isNotFound(err error) bool      { return errors.Is(err, zoo.ErrNotFound) }
func isVersionExists(err error) bool { return errors.Is(err, zoo.ErrVersionExists) }
func isInvalid(err error) bool       { return errors.As(err, new(*schema.Invalid)) }
func isDamaged(err error) bool       { return errors.As(err, new(*schema.Damaged)) }

// forgetful loses an upload a few times before it takes it.
type forgetful struct {
	*memory.Store
	mu     sync.Mutex
	losses int
}

func (f *forgetful) Put(ctx context.Context, d schema.Digest, size int64, r io.Reader) error {
	f.mu.Lock()
	lost := f.losses > 0
	f.losses--
	f.mu.Unlock()
	if lost {
		_, _ = io.CopyN(io.Discard, r, size/2)
		return fmt.Errorf("%s: %w", d, zoo.ErrInterrupted)
	}
	return f.Store.Put(ctx, d, size, r)
}

// TestPublishBeginsAgain: an upload that the place has lost is begun again, and progress ends at the total all the same.
func TestPublishBeginsAgain(t *testing.T) {
	s := &forgetful{Store: memory.New(), losses: 3}
	var last zoo.Progress
	publish(t, s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{Jobs: 1, Progress: func(p zoo.Progress) { last = p }})
	if last.Sent != last.Total || last.Total == 0 {
		t.Errorf("progress ended at %d of %d", last.Sent, last.Total)
	}
	s = &forgetful{Store: memory.New(), losses: 100}
	_, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{Jobs: 1})
	if !errors.Is(err, zoo.ErrInterrupted) {
		t.Errorf("got error %v", err)
	}
}
