package zoo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// cutStore reads so many bytes of a range, then the line is cut. It remembers the ranges that were asked for.
type cutStore struct {
	*memory.Store
	after int64 // none if negative
	asked []string
}

var errCut = errors.New("the line was cut")

func (c *cutStore) OpenRange(ctx context.Context, d schema.Digest, offset, length int64) (io.ReadCloser, error) {
	c.asked = append(c.asked, fmt.Sprintf("%s %d at %d", d.Hex(), length, offset))
	r, err := c.Store.OpenRange(ctx, d, offset, length)
	if err != nil || c.after < 0 || length <= c.after {
		return r, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(r, c.after), iotest.ErrReader(errCut))), nil
}

// pullable is a store with an object, and the size of its engine, which is its largest file by far.
func pullable(t *testing.T) (s *cutStore, engine int64) {
	t.Helper()
	s = &cutStore{Store: memory.New(), after: -1}
	o := storetest.Object("mnist", "1.0.0", strings.Repeat("reprise ", 5000))
	publish(t, s, o, zoo.PublishOptions{})
	layer, _ := o.Manifest.Layer(schema.PathEngine)
	return s, layer.Size
}

func pull(t *testing.T, s zoo.Store, dir string) (zoo.Progress, error) {
	t.Helper()
	var last zoo.Progress
	_, err := zoo.Pull(t.Context(), s, "mnist", dir, zoo.PullOptions{Jobs: 1, Progress: func(p zoo.Progress) { last = p }})
	return last, err
}

// wantPulled checks that a directory holds the object, and that nothing is beside it.
func wantPulled(t *testing.T, dir string, engine int64) {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(schema.PathEngine)))
	if err != nil || info.Size() != engine {
		t.Errorf("the engine: %v, %v; want %d bytes", info, err, engine)
	}
	for _, pattern := range []string{filepath.Join(filepath.Dir(dir), ".*"), filepath.Join(dir, ".*")} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			t.Errorf("left over: %v, %v", left, err)
		}
	}
}

func TestPullGoesOnWhereItWasCut(t *testing.T) {
	for _, exists := range []bool{false, true} {
		t.Run(fmt.Sprintf("directory exists %v", exists), func(t *testing.T) {
			s, engine := pullable(t)
			dir := filepath.Join(t.TempDir(), "out")
			if exists {
				if err := os.Mkdir(dir, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			s.after = engine - 1000
			if _, err := pull(t, s, dir); !errors.Is(err, errCut) {
				t.Fatalf("got error %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, schema.PathClosure)); err == nil {
				t.Fatal("an unfinished pull is there")
			}
			s.after, s.asked = -1, nil
			last, err := pull(t, s, dir)
			if err != nil {
				t.Fatal(err)
			}
			r, err := zoo.Resolve(t.Context(), s, "mnist")
			if err != nil {
				t.Fatal(err)
			}
			m, err := zoo.Manifest(t.Context(), s, r)
			if err != nil {
				t.Fatal(err)
			}
			layer, _ := m.Layer(schema.PathEngine)
			var of []string
			for _, asked := range s.asked {
				if strings.HasPrefix(asked, layer.Digest.Hex()) {
					of = append(of, asked)
				}
			}
			if want := fmt.Sprintf("%s 1000 at %d", layer.Digest.Hex(), engine-1000); len(of) != 1 || of[0] != want {
				t.Errorf("of the engine was asked for %v, want %q", of, want)
			}
			if last.Sent != last.Total {
				t.Errorf("the last progress was %+v", last)
			}
			wantPulled(t, dir, engine)
		})
	}
}

// What an earlier pull left is verified with the rest: a changed beginning is fetched again.
func TestPullDoesNotTrustWhatItLeft(t *testing.T) {
	s, engine := pullable(t)
	dir := filepath.Join(t.TempDir(), "out")
	s.after = engine - 1000
	if _, err := pull(t, s, dir); !errors.Is(err, errCut) {
		t.Fatalf("got error %v", err)
	}
	changed := 0
	stages, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".partial-out-*"))
	if err != nil || len(stages) != 1 {
		t.Fatalf("stages: %v, %v", stages, err)
	}
	err = filepath.WalkDir(stages[0], func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return err
		}
		b[0] ^= 1
		changed++
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || changed < 2 {
		t.Fatalf("%d files to spoil, %v", changed, err)
	}
	s.after = -1
	last, err := pull(t, s, dir)
	if err != nil {
		t.Fatal(err)
	}
	if last.Sent != last.Total {
		t.Errorf("the last progress was %+v", last)
	}
	wantPulled(t, dir, engine)
	if _, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{}); err != nil {
		t.Error(err)
	}
}

// A store that cannot read from the middle sends a file from its beginning.
func TestPullWithoutRanges(t *testing.T) {
	s, engine := pullable(t)
	dir := filepath.Join(t.TempDir(), "out")
	s.after = engine - 1000
	if _, err := pull(t, s, dir); !errors.Is(err, errCut) {
		t.Fatalf("got error %v", err)
	}
	if _, err := pull(t, struct{ zoo.Store }{s}, dir); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, dir, engine)
}

func TestPullLeavesNoOtherObjectsBehind(t *testing.T) {
	s, engine := pullable(t)
	dir := filepath.Join(t.TempDir(), "out")
	s.after = 1000
	if _, err := pull(t, s, dir); !errors.Is(err, errCut) {
		t.Fatalf("got error %v", err)
	}
	s.after = -1
	other := storetest.Object("mnist", "1.0.1", strings.Repeat("Reprise ", 5000))
	publish(t, s, other, zoo.PublishOptions{})
	if _, err := pull(t, s, dir); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, dir, engine)
}

func TestPullsExcludeEachOther(t *testing.T) {
	s, engine := pullable(t)
	dir := filepath.Join(t.TempDir(), "out")
	var inner error
	once := false
	_, err := zoo.Pull(t.Context(), s, "mnist", dir, zoo.PullOptions{Jobs: 1, Progress: func(zoo.Progress) {
		if !once {
			once = true
			_, inner = zoo.Pull(t.Context(), s, "mnist", dir, zoo.PullOptions{})
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if inner == nil || !strings.Contains(inner.Error(), "another program is writing it") {
		t.Errorf("a second pull to the same place: %v", inner)
	}
	wantPulled(t, dir, engine)
}

func TestPullStopsWithItsContext(t *testing.T) {
	s, engine := pullable(t)
	dir := filepath.Join(t.TempDir(), "out")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := zoo.Pull(ctx, s, "mnist", dir, zoo.PullOptions{Jobs: 1, Progress: func(p zoo.Progress) {
		if p.Sent > 1000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v", err)
	}
	if _, err := pull(t, s, dir); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, dir, engine)
}
