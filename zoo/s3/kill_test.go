package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/s3"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// These make this test binary a program that is to be killed.
const (
	childTask  = "REPRISE_TEST_CHILD_TASK"
	childPlace = "REPRISE_TEST_CHILD_PLACE"
	childDir   = "REPRISE_TEST_CHILD_DIR"
)

const (
	taskPublish = "publish" // version after version, each with a large blob
	taskPut     = "put"     // one large blob
	taskPull    = "pull"    // to childDir
)

const largeSize = 41*mib + 17

// childParts is how many parts a program sends at a time.
const childParts = 3

// child says what it has done, and an error if it was not killed.
func child(task, place string) error {
	ctx := context.Background()
	s, err := s3.Create(ctx, place, s3.Options{PartSize: 5 * mib, Parts: childParts})
	if err != nil {
		return err
	}
	switch task {
	case taskPut:
		b, d := blob(largeSize)
		return s.Put(ctx, d, largeSize, bytes.NewReader(b))
	case taskPull:
		_, err := zoo.Pull(ctx, s, "mnist", os.Getenv(childDir), zoo.PullOptions{Jobs: 1})
		return err
	}
	versions, err := s.Versions(ctx, "mnist")
	if err != nil {
		return err
	}
	for i := len(versions); ; i++ {
		version := fmt.Sprintf("1.0.%d", i)
		b, d := blob(5*mib + i)
		if err := s.Put(ctx, d, int64(len(b)), bytes.NewReader(b)); err != nil {
			return err
		}
		o := storetest.Object("mnist", version, version)
		if _, err := zoo.Publish(ctx, s, o, zoo.PublishOptions{Tags: []string{"best"}}); err != nil {
			return err
		}
		fmt.Println("published", version)
	}
}

// program is a child that runs.
type program struct {
	command *exec.Cmd
	out     *bufio.Scanner
	kill    func()
}

func start(t *testing.T, task, place string, more ...string) *program {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), append(more, childTask+"="+task, childPlace+"="+place)...)
	c.Stderr = os.Stderr
	stdout, err := c.StdoutPipe()
	check(t, err)
	check(t, c.Start())
	return &program{c, bufio.NewScanner(stdout), sync.OnceFunc(func() { _ = c.Process.Kill() })}
}

// wait returns what the child said until it ended, and whether it was killed.
func (p *program) wait(t *testing.T) (said []string, killed bool) {
	t.Helper()
	for p.out.Scan() {
		said = append(said, p.out.Text())
	}
	err := p.command.Wait()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if failed && exit.Exited() {
		t.Fatalf("the program failed: %v", said)
	}
	return said, failed
}

// kills is how many programs are killed: more in longer runs.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("REPRISE_TEST_KILLS"))
	if err != nil {
		return 16
	}
	t.Logf("%d kills", n)
	return n
}

// TestKilledPublisher kills publishers in the middle of their requests: before the server gets them, or after it did and before
// it answers.
func TestKilledPublisher(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	place := server.PlaceAt(proxy.Endpoint)
	s := create(t, place, s3.Options{})
	random := rand.New(rand.NewPCG(3, 4))
	var published []string
	insideWrite := 0
	for kill := range kills(t) {
		p := start(t, taskPublish, place)
		left, onWrite, after := random.IntN(60), kill%2 == 0, random.IntN(2) == 0
		hit := false
		proxy.SetFault(func(r *http.Request) s3test.Fault {
			write := r.Method == http.MethodPut || r.Method == http.MethodPost
			if left--; left > 0 || onWrite && !write || hit {
				return s3test.Fault{}
			}
			if hit = true; write {
				insideWrite++
			}
			if after {
				return s3test.Fault{After: p.kill}
			}
			return s3test.Fault{Before: p.kill}
		})
		said, killed := p.wait(t)
		proxy.SetFault(func(*http.Request) s3test.Fault { return s3test.Fault{} })
		if !killed {
			t.Fatalf("it was not killed: %v", said)
		}
		for _, line := range said {
			if version, ok := strings.CutPrefix(line, "published "); ok {
				published = append(published, version)
			}
		}
		for _, version := range published {
			want := zoo.EntryOf(storetest.Object("mnist", version, version).Manifest)
			if e, err := s.Version(t.Context(), "mnist", version); err != nil || e != want {
				t.Fatalf("kill %d: %s was published and is %+v, %v", kill, version, e, err)
			}
		}
		if kill%16 == 0 {
			wantSound(t, s)
		}
	}
	wantSound(t, s)
	t.Logf("%d versions published, %d kills inside a write", len(published), insideWrite)
	if insideWrite < kills(t)/2 || len(published) == 0 {
		t.Errorf("%d kills inside a write, %d versions published", insideWrite, len(published))
	}
	// Unfinished uploads are gone on with, or swept.
	left, err := s.SweepUploads(t.Context(), time.Now().Add(time.Hour), false)
	check(t, err)
	t.Logf("swept %+v", left)
	if again, err := s.SweepUploads(t.Context(), time.Now().Add(time.Hour), true); err != nil || again != (zoo.Leftovers{}) {
		t.Errorf("after a sweep there is %+v, %v", again, err)
	}
	wantSound(t, s)
}

// TestKilledUpload kills the upload of a large blob again and again. What had arrived is not sent again, so that each kill costs at most
// the parts that were on their way.
func TestKilledUpload(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	place := server.PlaceAt(proxy.Endpoint)
	s := create(t, place, s3.Options{PartSize: 5 * mib, Parts: childParts})
	b, d := blob(largeSize)
	var mu sync.Mutex
	arrived, known := map[string]bool{}, map[string]bool{} // parts; those before the program was started
	watch := func(also func() s3test.Fault) func(r *http.Request) s3test.Fault {
		mu.Lock()
		known = maps.Clone(arrived)
		mu.Unlock()
		return func(r *http.Request) s3test.Fault {
			part := r.URL.Query().Get("partNumber")
			if part == "" || strings.HasSuffix(r.URL.Path, zoo.LayoutPath) {
				return s3test.Fault{}
			}
			mu.Lock()
			defer mu.Unlock()
			if known[part] {
				t.Errorf("part %s had arrived and was sent again", part)
			}
			f := also()
			f.Answered = func() {
				mu.Lock()
				defer mu.Unlock()
				arrived[part] = true
			}
			return f
		}
	}
	before, died := proxy.Received(), int64(0)
	for _, parts := range []int{1, 3, 2} {
		p := start(t, taskPut, place)
		proxy.SetFault(watch(func() s3test.Fault {
			if parts--; parts >= 0 {
				return s3test.Fault{}
			}
			return s3test.Fault{Before: p.kill, Status: 500, Code: "InternalError"}
		}))
		if said, killed := p.wait(t); !killed {
			t.Fatalf("it was not killed: %v", said)
		}
		died++
		if _, err := s.Stat(t.Context(), d); !errors.Is(err, zoo.ErrNotFound) {
			t.Fatalf("an unfinished blob is there: %v", err)
		}
	}
	proxy.SetFault(watch(func() s3test.Fault { return s3test.Fault{} }))
	check(t, s.Put(t.Context(), d, largeSize, bytes.NewReader(b)))
	const documents = 64 << 10 // far more than all the documents sent
	sent := proxy.Received() - before
	t.Logf("%d bytes sent for %d, with %d kills", sent, largeSize, died)
	if sent > largeSize+died*childParts*5*mib+documents {
		t.Errorf("%d bytes were sent again; %d kills may cost %d", sent-largeSize, died, died*childParts*5*mib)
	}
	wantSound(t, s)
}

// TestKilledPull kills a pull in the middle of a large file. The next one asks for the rest alone.
func TestKilledPull(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	place := server.PlaceAt(proxy.Endpoint)
	s := create(t, place, s3.Options{})
	o := storetest.Object("mnist", "1.0.0", strings.Repeat("reprise ", mib))
	_, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{})
	check(t, err)
	engine, _ := o.Manifest.Layer(schema.PathEngine)
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	p := start(t, taskPull, place, childDir+"="+dir)
	proxy.SetFault(func(r *http.Request) s3test.Fault {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, engine.Digest.Hex()) {
			return s3test.Fault{}
		}
		return s3test.Fault{CutReply: engine.Size / 2, AtCut: func() {
			defer p.kill()
			for range 1000 {
				if largest(parent) > engine.Size/4 {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}}
	})
	if said, killed := p.wait(t); !killed {
		t.Fatalf("it was not killed: %v", said)
	}
	var asked []string
	proxy.SetFault(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, engine.Digest.Hex()) {
			asked = append(asked, r.Header.Get("Range"))
		}
		return s3test.Fault{}
	})
	_, err = zoo.Pull(t.Context(), s, "mnist", dir, zoo.PullOptions{})
	check(t, err)
	var first, last int64
	if len(asked) != 1 {
		t.Fatalf("the rest was asked for with %q", asked)
	}
	if _, err := fmt.Sscanf(asked[0], "bytes=%d-%d", &first, &last); err != nil || first <= engine.Size/4 || last != engine.Size-1 {
		t.Errorf("the rest was asked for with %q; %v", asked, err)
	}
	got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(schema.PathEngine)))
	check(t, err)
	if schema.DigestOf(got) != engine.Digest {
		t.Error("the file is another one")
	}
}

// largest is the size of the largest file in a directory.
func largest(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // it was renamed a moment ago
		}
		if info, err := e.Info(); err == nil {
			size = max(size, info.Size())
		}
		return nil
	})
	return size
}
