package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/oci"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// killer stands before a server and kills it in the middle of requests.
type killer struct {
	mu     sync.Mutex
	target string
	kill   func() // nil: no more
	left   int    // requests that pass
	write  bool   // only a request that writes is hit
	mode   int

	hit, inside bool // the server was killed; inside an open write
}

// How a server is killed.
const (
	inBody = iota // when half of the body was passed on, or before the request if it has none
	inside        // a moment after the request was passed on
	behind        // after the answer, which is lost
	modes
)

func (k *killer) aim(target string, kill func(), left int, write bool, mode int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.target, k.kill, k.left, k.write, k.mode = target, kill, left, write, mode
	k.hit, k.inside = false, false
}

// take decides about a request, and returns where it goes, and how the server is killed on the way: nil if it is not.
func (k *killer) take(r *http.Request) (target string, kill func(), mode int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	write := r.Method != http.MethodGet && r.Method != http.MethodHead
	if k.left--; k.kill == nil || k.hit || k.left > 0 || k.write && !write {
		return k.target, nil, 0
	}
	k.hit, k.inside = true, write
	return k.target, k.kill, k.mode
}

func (k *killer) told() (hit, inside bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hit, k.inside
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, kill, mode := k.take(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "http", target[len("http://"):]
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	switch {
	case kill != nil && mode == inBody && len(body) == 0:
		kill()
	case kill != nil && mode == inBody:
		half := io.MultiReader(bytes.NewReader(body[:len(body)/2]), readerFunc(func([]byte) (int, error) { kill(); return 0, io.EOF }))
		out.Body = io.NopCloser(io.MultiReader(half, bytes.NewReader(body[len(body)/2:])))
	case len(body) == 0:
		out.Body = nil
	}
	if kill != nil && mode == inside {
		wait := time.Duration(rand.IntN(20)) * time.Millisecond
		go func() { time.Sleep(wait); kill() }()
	}
	resp, err := http.DefaultTransport.RoundTrip(out)
	if kill != nil {
		kill()
	}
	if err != nil || kill != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestServerKilledWhilePublishing kills servers at random moments while versions are published there, every other time at least inside
// a write. What was published stays, what is named is whole, and what was interrupted comes through in the end. More in longer runs.
func TestServerKilledWhilePublishing(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("REPRISE_TEST_KILLS"))
	if err != nil {
		kills = 6
	}
	d := newDesk(t)
	s := d.newServer(d.storePath())
	k := &killer{target: s.url}
	front := httptest.NewServer(k)
	t.Cleanup(front.Close)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if _, err := oci.Login(t.Context(), front.URL, "token", s.secret); err != nil {
		t.Fatal(err)
	}
	client, err := oci.Open(t.Context(), front.URL, oci.Options{Chunk: 1 << 20, Cache: t.TempDir(), Pause: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	files, err := directory.Open(s.store)
	if err != nil {
		t.Fatal(err)
	}
	// publish stores a version, and before it a blob that goes in chunks.
	publish := func(version string, i int) error {
		content := make([]byte, 5<<20+i)
		_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(content) // never fails
		err := zoo.BlobsOf(client, "mnist").Put(t.Context(), schema.DigestOf(content), int64(len(content)), bytes.NewReader(content))
		if err != nil {
			return err
		}
		_, err = zoo.Publish(t.Context(), client, storetest.Object("mnist", version, version), zoo.PublishOptions{Tags: []string{"best"}})
		return err
	}
	random := rand.New(rand.NewPCG(7, 8))
	insideWrite, failed := 0, 0
	var published []string
	sound := func(after int) {
		t.Helper()
		for _, version := range published {
			want := zoo.EntryOf(storetest.Object("mnist", version, version).Manifest)
			if e, err := client.Version(t.Context(), "mnist", version); err != nil || e != want {
				t.Fatalf("kill %d: %s was published and is %+v, %v", after, version, e, err)
			}
		}
		report, err := zoo.Fsck(t.Context(), files, zoo.FsckOptions{})
		if err != nil || len(report.Damaged) > 0 {
			t.Fatalf("kill %d: damaged %+v, %v", after, report.Damaged, err)
		}
	}
	for done := 0; done < kills; {
		version := fmt.Sprintf("1.0.%d", done)
		k.aim(s.url, sync.OnceFunc(s.kill), random.IntN(24), done%2 == 0, random.IntN(modes))
		err := publish(version, done)
		hit, inside := k.told()
		k.aim(s.url, nil, 0, false, 0)
		if hit {
			done++
			s.kill() // it may not have come to that yet
			s.start()
			k.aim(s.url, nil, 0, false, 0)
		}
		if inside {
			insideWrite++
		}
		if err != nil {
			if failed++; !hit || errors.Is(err, zoo.ErrVersionExists) {
				t.Fatal(err)
			}
			err = publish(version, done-1)
		}
		if err != nil {
			t.Fatalf("kill %d: %s does not come through: %v", done, version, err)
		}
		published = append(published, version)
		if done%16 == 0 {
			sound(done)
		}
	}
	sound(kills)
	t.Logf("%d kills, %d inside a write; %d of %d publications were interrupted and came through", kills, insideWrite, failed, len(published))
	if insideWrite < kills/2 || failed == 0 {
		t.Errorf("%d kills inside a write, %d publications interrupted", insideWrite, failed)
	}
}
