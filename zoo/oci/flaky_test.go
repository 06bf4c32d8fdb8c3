package oci_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// flaky is a registry to which things happen. Uploads are its own, as the specification has them, with progress that can be
// asked for; everything else is go-containerregistry's.
type flaky struct {
	inner http.Handler
	host  string

	// before, if set by on, sees each request and answers it itself by returning true.
	before func(w http.ResponseWriter, r *http.Request) bool
	// chunk, if set, is told of each PATCH, counted from 1, and says what happens to it.
	chunk func(n int) fate

	mu       sync.Mutex
	sessions map[string][]byte
	patches  int
	received int64 // bytes of uploads
	mounts   int
	requests []string
}

// fate is what happens to a chunk.
type fate int

const (
	arrives   fate = iota
	cut            // half of it arrives, then the connection ends
	lostReply      // it arrives, and nobody is told
	forgotten      // and with it the whole upload
)

func newFlaky(t *testing.T) *flaky {
	t.Helper()
	f := &flaky{inner: registry.New(registry.WithReferrersSupport(true), registry.Logger(quiet())), sessions: map[string][]byte{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.host = strings.TrimPrefix(server.URL, "http://")
	return f
}

func (f *flaky) on(before func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

func (f *flaky) hook() func(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before
}

func (f *flaky) count() (received int64, mounts int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.received, f.mounts
}

func (f *flaky) seen(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.mu.Unlock()
	if before := f.hook(); before != nil && before(w, r) {
		return
	}
	repository, id, isUpload := strings.Cut(r.URL.Path, "/blobs/uploads/")
	switch {
	case !isUpload:
		f.inner.ServeHTTP(w, r)
	case r.Method == http.MethodPost && r.URL.Query().Get("mount") != "":
		f.mount(w, r, repository)
	case r.Method == http.MethodPost:
		f.mu.Lock()
		id = fmt.Sprintf("session-%d", len(f.sessions))
		f.sessions[id] = []byte{}
		f.mu.Unlock()
		f.progress(w, r.URL.Path+id, 0, http.StatusAccepted)
	default:
		f.session(w, r, repository, id)
	}
}

// mount finds the blob in that other repository, by asking itself.
func (f *flaky) mount(w http.ResponseWriter, r *http.Request, repository string) {
	from := "/v2/" + r.URL.Query().Get("from") + "/blobs/" + r.URL.Query().Get("mount")
	probe := httptest.NewRecorder()
	f.inner.ServeHTTP(probe, httptest.NewRequest(http.MethodHead, from, nil))
	if probe.Code != http.StatusOK {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	f.mu.Lock()
	f.mounts++
	f.mu.Unlock()
	w.Header().Set("Location", repository+"/blobs/"+r.URL.Query().Get("mount"))
	w.WriteHeader(http.StatusCreated)
}

func (f *flaky) progress(w http.ResponseWriter, location string, size, status int) {
	w.Header().Set("Location", location+"?secret=state")
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, size-1)))
	w.WriteHeader(status)
}

func (f *flaky) session(w http.ResponseWriter, r *http.Request, repository, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have, ok := f.sessions[id]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.progress(w, r.URL.Path, len(have), http.StatusNoContent)
	case http.MethodDelete:
		delete(f.sessions, id)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPatch:
		var start int
		if _, err := fmt.Sscanf(r.Header.Get("Content-Range"), "%d-", &start); err != nil || start != len(have) {
			f.progress(w, r.URL.Path, len(have), http.StatusRequestedRangeNotSatisfiable)
			return
		}
		f.patches++
		what := arrives
		if f.chunk != nil {
			what = f.chunk(f.patches)
		}
		length := r.ContentLength
		if what == cut {
			length /= 2
		}
		b, _ := io.ReadAll(io.LimitReader(r.Body, length))
		f.received += int64(len(b))
		f.sessions[id] = append(have, b...)
		if what == forgotten {
			delete(f.sessions, id)
		}
		if what != arrives {
			panic(http.ErrAbortHandler)
		}
		f.progress(w, r.URL.Path, len(f.sessions[id]), http.StatusAccepted)
	case http.MethodPut:
		b, _ := io.ReadAll(r.Body)
		f.received += int64(len(b))
		whole := append(have, b...)
		put := httptest.NewRequest(http.MethodPost, repository+"/blobs/uploads/?digest="+r.URL.Query().Get("digest"), strings.NewReader(string(whole)))
		answer := httptest.NewRecorder()
		f.inner.ServeHTTP(answer, put)
		delete(f.sessions, id)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}
}
