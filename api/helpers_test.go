package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/catalogue"
	"github.com/reprise-ml/reprise/zoo/memory"
)

// world is a service over a store with a few closures.
type world struct {
	t       testing.TB
	store   *memory.Store
	zoo     *apitest.Zoo
	service *api.Service
	handler http.Handler
	clock   *clock
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// inProcess is a compiler without a process of its own.
type inProcess struct{}

func (inProcess) Version() string { return wasm.Version }

func (inProcess) Compile(_ context.Context, r schema.Resolved) (schema.Digest, error) {
	b, err := wasm.Compile(r, wasm.Options{})
	return schema.DigestOf(b), err
}

// siteFiles are as a build leaves them.
func siteFiles() fs.FS {
	return fstest.MapFS{
		"index.html": {Data: []byte(`<!doctype html><html><head><title>Site</title><meta name="description" content="old"><script type="module" src="./assets/site-1.js"></script></head>` +
			`<body><div id="root"></div></body></html>`)},
		"list.html": {Data: []byte(`<!doctype html><html><head><title>List</title><script type="module" src="./assets/list-1.js"></script></head>` +
			`<body><div id="root"></div></body></html>`)},
		"assets/site-1.js": {Data: []byte(strings.Repeat("export const a = 1;\n", 200))},
		"favicon.svg":      {Data: []byte("<svg/>")},
		".secret":          {Data: []byte("hidden")},
	}
}

func newWorld(t testing.TB, assets fs.FS) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(), clock: &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	z, err := apitest.New(t.Context(), w.store)
	if err != nil {
		t.Fatal(err)
	}
	w.zoo = z
	w.serve(w.store, assets)
	return w
}

// serve makes the service, over s.
func (w *world) serve(s zoo.Store, assets fs.FS) {
	w.service = api.New(api.Options{
		Store: s, Catalogue: indexOf(w.t, s, w.clock.now), Patience: time.Minute, Kind: "memory", Version: "1.2.3", Compiler: inProcess{}, Assets: assets,
		Now: w.clock.now,
	})
	w.t.Cleanup(w.service.Close)
	w.handler = w.service.Handler()
}

// indexOf is an index of a store that lasts as long as the test.
func indexOf(t testing.TB, s zoo.Store, now func() time.Time) *catalogue.Catalogue {
	t.Helper()
	index, err := catalogue.Open(t.Context(), catalogue.Options{Store: s, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := index.Close(); err != nil {
			t.Error(err)
		}
	})
	return index
}

// publish puts a closure into the store, and lets the catalogue grow stale.
func (w *world) publish(name, version string, sample apitest.Sample) zoo.Entry {
	w.t.Helper()
	e, err := w.zoo.Publish(w.t.Context(), name, version, sample)
	if err != nil {
		w.t.Fatal(err)
	}
	w.clock.pass(time.Minute)
	return e
}

// request answers one request. headers are name, value, name, value.
func (w *world) request(method, address, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	q := httptest.NewRequest(method, address, r)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, q)
	return out
}

// read gets an answer as T.
func read[T any](w *world, address string) T {
	w.t.Helper()
	out := w.request(http.MethodGet, address, "")
	if out.Code != http.StatusOK {
		w.t.Fatalf("%s: %d %s", address, out.Code, out.Body)
	}
	return decode[T](w.t, out.Body.Bytes())
}

func decode[T any](t testing.TB, b []byte) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return v
}
