package oci_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/oci"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// server is a Reprise server over a store in memory.
type server struct {
	url   string
	token string // to push with
	spool string
	// meddle, if set, may change a request.
	meddle atomic.Pointer[func(r *http.Request)]
}

func newServer(t *testing.T, anonymousPull bool) *server {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	tokens := registry.NewTokens(t.TempDir())
	_, text, err := tokens.Create(registry.Token{Scope: registry.ScopeAdmin, Created: time.Now()}) // it may delete
	if err != nil {
		t.Fatal(err)
	}
	s := &server{token: text, spool: t.TempDir()}
	r := registry.New(registry.Options{Store: memory.New(), Spool: s.spool, Tokens: tokens, AnonymousPull: anonymousPull})
	t.Cleanup(r.Close)
	engine := gin.New()
	r.Mount(engine)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if meddle := s.meddle.Load(); meddle != nil {
			(*meddle)(q)
		}
		engine.ServeHTTP(w, q)
	}))
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

func (s *server) opts() oci.Options { return oci.WithToken(oci.Options{}, s.token) }

// TestConformanceServer runs the suite against a Reprise server.
func TestConformanceServer(t *testing.T) {
	storetest.Run(t, func(t *testing.T) zoo.Store {
		s := newServer(t, true)
		return open(t, s.url, s.opts())
	})
}

// TestServerDecides: a server, unlike other registries, decides races by itself, and has a catalogue.
func TestServerDecides(t *testing.T) {
	s := newServer(t, true)
	mine, other := open(t, s.url, s.opts()), open(t, s.url, s.opts())
	if c := mine.Capabilities(); !c.ConditionalWrites || !c.Catalogue || c.PartialCatalogue {
		t.Errorf("got %+v", c)
	}
	e := func(text string) zoo.Entry {
		published, err := zoo.Publish(t.Context(), other, storetest.Object("mnist", "0.1.0-"+text, text), zoo.PublishOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return published
	}
	a, b := e("a"), e("b")
	// Between the look and the write of mine, other writes.
	race := func(suffix string, do func() error) {
		var once atomic.Bool
		meddle := func(r *http.Request) {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, suffix) && !once.Swap(true) {
				if err := do(); err != nil {
					t.Error(err)
				}
			}
		}
		s.meddle.Store(&meddle)
	}
	race("/manifests/1.0.0", func() error { return other.PutVersion(t.Context(), "mnist", "1.0.0", a) })
	if err := mine.PutVersion(t.Context(), "mnist", "1.0.0", b); !errors.Is(err, zoo.ErrVersionExists) {
		t.Errorf("PutVersion: got error %v", err)
	}
	race("/manifests/best", func() error { return other.SwapTag(t.Context(), "mnist", "best", schema.Digest{}, a) })
	if err := mine.SwapTag(t.Context(), "mnist", "best", schema.Digest{}, b); !errors.Is(err, zoo.ErrTagMoved) {
		t.Errorf("SwapTag: got error %v", err)
	}
	s.meddle.Store(nil)
	for selector, get := range map[string]func() (zoo.Entry, error){
		"1.0.0": func() (zoo.Entry, error) { return mine.Version(t.Context(), "mnist", "1.0.0") },
		"best":  func() (zoo.Entry, error) { return mine.Tag(t.Context(), "mnist", "best") },
	} {
		if got, err := get(); err != nil || got != a {
			t.Errorf("%s: %+v, %v", selector, got, err)
		}
	}
}

// TestServerAccess: who has no token is told to log in; who may only read is told so.
func TestServerAccess(t *testing.T) {
	home(t)
	s := newServer(t, false)
	if _, err := oci.Open(t.Context(), s.url, oci.Options{}); err == nil || !strings.Contains(err.Error(), "reprise login "+s.url) {
		t.Errorf("no token: got error %v", err)
	}
	if _, err := oci.Login(t.Context(), s.url, "token", "wrong"); !isInvalid(err) {
		t.Errorf("a wrong token: got error %v", err)
	}
	if _, err := oci.Login(t.Context(), s.url, "token", s.token); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), open(t, s.url, oci.Options{}), []byte("text")); err != nil {
		t.Error(err)
	}
	public := newServer(t, true)
	reader := open(t, public.url, oci.Options{})
	if _, err := reader.Names(t.Context()); err != nil {
		t.Error(err)
	}
	if err := put(t.Context(), reader, []byte("text")); err == nil || !strings.Contains(err.Error(), "reprise login "+public.url) {
		t.Errorf("anonymous push: got error %v", err)
	}
}

// TestServerKilledUpload kills uploading processes; the server has what arrived, to the byte, and each next process goes on there.
func TestServerKilledUpload(t *testing.T) {
	const size, kills = 24 * chunk, 6
	if place := os.Getenv("REPRISE_TEST_SERVER"); place != "" {
		s := open(t, place, oci.WithToken(oci.Options{Chunk: chunk, Cache: os.Getenv("REPRISE_TEST_CACHE")}, os.Getenv("REPRISE_TEST_TOKEN")))
		if err := put(t.Context(), s, noise(size)); err != nil {
			t.Fatal(err)
		}
		return
	}
	s, cache := newServer(t, true), t.TempDir()
	var received atomic.Int64
	slow := func(r *http.Request) {
		if r.Method == http.MethodPatch {
			r.Body = countedBody{slowly{r.Body}, r.Body, &received}
		}
	}
	s.meddle.Store(&slow)
	for range kills {
		before := received.Load()
		child := exec.Command(os.Args[0], "-test.run=^TestServerKilledUpload$")
		child.Env = append(os.Environ(), "REPRISE_TEST_SERVER="+s.url, "REPRISE_TEST_CACHE="+cache, "REPRISE_TEST_TOKEN="+s.token)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for received.Load() < before+3*chunk/2 {
			time.Sleep(time.Millisecond)
		}
		_ = child.Process.Kill()
		_ = child.Wait()
	}
	opts := s.opts()
	opts.Chunk, opts.Cache = chunk, cache
	client := open(t, s.url, opts)
	if err := put(t.Context(), client, noise(size)); err != nil {
		t.Fatal(err)
	}
	wantStored(t, client, noise(size))
	if got := received.Load(); got > size+kills*chunk {
		t.Errorf("%d bytes arrived of a blob of %d in spite of %d kills: more than a chunk each", got, size, kills)
	} else {
		t.Logf("%d bytes arrived of a blob of %d, %d kills", got, size, kills)
	}
}

// countedBody counts what a server reads.
type countedBody struct {
	io.Reader
	io.Closer
	n *atomic.Int64
}

func (c countedBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// TestServerMountsAndRanges: what the server has under another name is not sent, and parts are read.
func TestServerMountsAndRanges(t *testing.T) {
	s := newServer(t, true)
	client, content := open(t, s.url, s.opts()), noise(3*chunk)
	if err := put(t.Context(), client, content); err != nil {
		t.Fatal(err)
	}
	d := schema.DigestOf(content)
	uploads := func(r *http.Request) {
		if r.Method == http.MethodPatch || r.Method == http.MethodPut {
			t.Errorf("%s %s: sent again", r.Method, r.URL.Path)
		}
	}
	s.meddle.Store(&uploads)
	other := zoo.BlobsOf(client, "alice/other")
	if err := other.Put(t.Context(), d, int64(len(content)), bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	part, err := other.(zoo.RangeReader).OpenRange(t.Context(), d, chunk, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	if got, err := io.ReadAll(part); err != nil || !bytes.Equal(got, content[chunk:chunk+1000]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
