package oci_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/oci"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

const chunk = 1 << 20

// noise is bytes that do not repeat.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func put(ctx context.Context, s zoo.Store, content []byte) error {
	return zoo.BlobsOf(s, "mnist").Put(ctx, schema.DigestOf(content), int64(len(content)), bytes.NewReader(content))
}

func read(ctx context.Context, s zoo.Store, d schema.Digest) ([]byte, error) {
	r, err := zoo.BlobsOf(s, "mnist").Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func wantStored(t *testing.T, s zoo.Store, content []byte) {
	t.Helper()
	got, err := read(t.Context(), s, schema.DigestOf(content))
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("read %d bytes, %v; want the %d stored", len(got), err, len(content))
	}
}

func TestUploadsGoOn(t *testing.T) {
	content := noise(12*chunk + 12345)
	for _, c := range []struct {
		name  string
		fate  func(n int) fate
		again int64 // bytes that may be sent twice
	}{
		{"nothing happens", func(int) fate { return arrives }, 0},
		{"the connection is cut", func(n int) fate { return []fate{arrives, arrives, cut}[n%3] }, 0},
		{"replies are lost", func(n int) fate { return []fate{arrives, lostReply}[n%2] }, 0},
		{"the first chunk's upload is forgotten", func(n int) fate {
			if n == 1 {
				return forgotten
			}
			return arrives
		}, chunk},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlaky(t)
			f.chunk = c.fate
			s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk})
			if err := put(t.Context(), s, content); err != nil {
				t.Fatal(err)
			}
			wantStored(t, s, content)
			if got, _ := f.count(); got > int64(len(content))+c.again {
				t.Errorf("%d bytes were sent for a blob of %d", got, len(content))
			}
		})
	}
}

// TestForgottenUpload: when a registry forgets an upload that had begun, Put says so, and Publish begins again.
func TestForgottenUpload(t *testing.T) {
	f := newFlaky(t)
	f.chunk = func(n int) fate {
		if n == 3 {
			return forgotten
		}
		return arrives
	}
	s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk})
	content := noise(5 * chunk)
	if err := put(t.Context(), s, content); !errors.Is(err, zoo.ErrInterrupted) {
		t.Fatalf("got error %v", err)
	}
	if err := put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, content)
}

// TestKilledUpload kills a process in the middle of an upload, many times; each next one goes on where it stopped.
func TestKilledUpload(t *testing.T) {
	const size, kills = 24 * chunk, 6
	if host := os.Getenv("REPRISE_TEST_UPLOAD_TO"); host != "" {
		s := open(t, "oci://"+host+"/zoo", oci.Options{Chunk: chunk, Cache: os.Getenv("REPRISE_TEST_CACHE")})
		if err := put(t.Context(), s, noise(size)); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, cache := newFlaky(t), t.TempDir()
	f.on(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			r.Body = io.NopCloser(slowly{r.Body}) // so that there is a middle
		}
		return false
	})
	for range kills {
		before, _ := f.count()
		child := exec.Command(os.Args[0], "-test.run=^TestKilledUpload$")
		child.Env = append(os.Environ(), "REPRISE_TEST_UPLOAD_TO="+f.host, "REPRISE_TEST_CACHE="+cache)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for now := before; now < before+2*chunk; now, _ = f.count() {
			time.Sleep(time.Millisecond)
		}
		_ = child.Process.Kill()
		_ = child.Wait()
	}
	f.on(nil)
	s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk, Cache: cache})
	if err := put(t.Context(), s, noise(size)); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, noise(size))
	// A chunk whose end the registry saw, and nobody else, is asked for; so no byte need be sent twice, but those of a chunk
	// that was still in the pipe.
	if got, _ := f.count(); got > size+kills*chunk {
		t.Errorf("%d bytes arrived of a blob of %d in spite of %d kills: more than a chunk each", got, size, kills)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("the finished upload left %v, %v", left, err)
	}
}

type slowly struct{ io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Reader.Read(p[:min(len(p), chunk/16)])
}

// TestChunksRefused: a registry that knows no chunks gets blobs at once, and is not asked again.
func TestChunksRefused(t *testing.T) {
	for _, status := range []int{http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusBadRequest} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			f := newFlaky(t)
			f.on(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch {
					w.WriteHeader(status)
				}
				return r.Method == http.MethodPatch
			})
			s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk})
			for _, n := range []int{6 * chunk, 6*chunk + 1} {
				content := noise(n)
				if err := put(t.Context(), s, content); err != nil {
					t.Fatal(err)
				}
				wantStored(t, s, content)
			}
			if n := f.seen("PATCH"); n > 2 {
				t.Errorf("%d chunks were tried", n)
			}
			wrong := noise(7 * chunk)
			err := zoo.BlobsOf(s, "mnist").Put(t.Context(), schema.DigestOf([]byte("other")), int64(len(wrong)), bytes.NewReader(wrong))
			if _, ok := errors.AsType[*schema.Damaged](err); !ok {
				t.Errorf("wrong bytes: got error %v", err)
			}
		})
	}
}

// TestBusyRegistry answers every request twice with an error that passes, before it answers it.
func TestBusyRegistry(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			f := newFlaky(t)
			var mu sync.Mutex
			failures := map[string]int{}
			f.on(func(w http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				key := r.Method + r.URL.Path + r.Header.Get("Content-Range")
				if failures[key]++; failures[key] > 2 {
					return false
				}
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(status)
				return true
			})
			s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk})
			content := noise(6 * chunk)
			if err := put(t.Context(), s, content); err != nil {
				t.Fatal(err)
			}
			wantStored(t, s, content)
			if _, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestLongPause: a server that asks for more patience than anybody has is not waited for.
func TestLongPause(t *testing.T) {
	f := newFlaky(t)
	s := open(t, "oci://"+f.host+"/zoo", oci.Options{})
	f.on(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	if _, err := s.Versions(t.Context(), "mnist"); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("got error %v", err)
	}
}

// TestLostReplies: what was done, and nobody was told, is found done.
func TestLostReplies(t *testing.T) {
	f := newFlaky(t)
	s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk})
	lost := map[string]bool{}
	var mu sync.Mutex
	f.on(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		key := r.Method + r.URL.Path
		if r.Method == http.MethodGet || r.Method == http.MethodHead || lost[key] {
			return false
		}
		lost[key] = true
		saved := f.hook()
		f.on(nil)
		f.ServeHTTP(httptest.NewRecorder(), r)
		f.on(saved)
		panic(http.ErrAbortHandler)
	})
	content := noise(6 * chunk)
	if err := put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, content)
	if _, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{Jobs: 1, Tags: []string{"best"}}); err != nil {
		t.Fatal(err)
	}
}

// TestDownloadsGoOn cuts every answer with the bytes of a blob after a while.
func TestDownloadsGoOn(t *testing.T) {
	content := noise(5 * chunk)
	for _, ranges := range []bool{true, false} {
		t.Run(fmt.Sprintf("ranges %v", ranges), func(t *testing.T) {
			f := newFlaky(t)
			s := open(t, "oci://"+f.host+"/zoo", oci.Options{})
			if err := put(t.Context(), s, content); err != nil {
				t.Fatal(err)
			}
			var sent atomic.Int64
			limit := int64(chunk)
			f.on(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/sha256") {
					return false
				}
				if !ranges {
					r.Header.Del("Range")
					limit += chunk // or it would never end
				}
				f.inner.ServeHTTP(&cutter{ResponseWriter: w, left: limit, sent: &sent}, r)
				return true
			})
			wantStored(t, s, content)
			if ranges && sent.Load() > int64(len(content)) {
				t.Errorf("%d bytes were sent of a blob of %d", sent.Load(), len(content))
			}
		})
	}
}

// cutter ends the connection after some bytes.
type cutter struct {
	http.ResponseWriter
	left int64
	sent *atomic.Int64
}

func (c *cutter) Write(p []byte) (int, error) {
	n := min(int64(len(p)), c.left)
	c.left -= n
	c.sent.Add(n)
	_, err := c.ResponseWriter.Write(p[:n])
	if n < int64(len(p)) {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return len(p), err
}

// TestKeptDownload: what an earlier process has downloaded of a blob is not downloaded again.
func TestKeptDownload(t *testing.T) {
	f, cache, content := newFlaky(t), t.TempDir(), noise(5*chunk)
	opts := oci.WithKeptFrom(oci.Options{Cache: cache}, chunk)
	place := "oci://" + f.host + "/zoo"
	s := open(t, place, opts)
	if err := put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	r, err := zoo.BlobsOf(s, "mnist").Open(t.Context(), schema.DigestOf(content))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 3*chunk); err != nil {
		t.Fatal(err)
	}
	r.Close()
	var asked atomic.Value
	f.on(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256") {
			asked.Store(r.Header.Get("Range"))
			r.Header.Set("Range", fmt.Sprintf("%s%d", r.Header.Get("Range"), len(content)-1)) // that registry wants an end
		}
		return false
	})
	s = open(t, place, opts)
	wantStored(t, s, content)
	if got, want := asked.Load(), fmt.Sprintf("bytes=%d-", 3*chunk); got != want {
		t.Errorf("asked for %v, want %s", got, want)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("the finished download left %v, %v", left, err)
	}
}

// TestDamage: bytes that are not those of the digest are *schema.Damaged, and what was kept of them is forgotten.
func TestDamage(t *testing.T) {
	f, cache, content := newFlaky(t), t.TempDir(), noise(3*chunk)
	s := open(t, "oci://"+f.host+"/zoo", oci.WithKeptFrom(oci.Options{Cache: cache}, chunk))
	if err := put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	e, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.on(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		answer := httptest.NewRecorder()
		f.inner.ServeHTTP(answer, r)
		b := answer.Body.Bytes()
		maps.Copy(w.Header(), answer.Header())
		if len(b) > 100 {
			b[100] ^= 1
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(b)
		return true
	})
	_, err = read(t.Context(), s, schema.DigestOf(content))
	if _, ok := errors.AsType[*schema.Damaged](err); !ok {
		t.Errorf("a blob: got error %v", err)
	}
	fresh := open(t, "oci://"+f.host+"/zoo", oci.Options{})
	_, err = fresh.Version(t.Context(), "mnist", "1.0.0")
	if _, ok := errors.AsType[*schema.Damaged](err); !ok {
		t.Errorf("a manifest by its tag: got error %v", err)
	}
	_, err = read(t.Context(), fresh, e.Digest)
	if _, ok := errors.AsType[*schema.Damaged](err); !ok {
		t.Errorf("a manifest by its digest: got error %v", err)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("damaged bytes were kept: %v, %v", left, err)
	}
}

// TestStalledRegistry: a connection on which nothing comes is given up, and tried again.
func TestStalledRegistry(t *testing.T) {
	f, content := newFlaky(t), noise(3*chunk)
	s, err := oci.Open(t.Context(), "oci://"+f.host+"/zoo", oci.Options{Cache: t.TempDir(), Pause: time.Millisecond, Idle: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	var stalled atomic.Bool
	f.on(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/sha256") || stalled.Swap(true) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:chunk])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	wantStored(t, s, content)
}

// TestLostRace: between processes a registry decides nothing, so a race that was lost is told after the fact.
func TestLostRace(t *testing.T) {
	f := newFlaky(t)
	mine, other := open(t, "oci://"+f.host+"/zoo", oci.Options{}), open(t, "oci://"+f.host+"/zoo", oci.Options{})
	if mine.Capabilities().ConditionalWrites {
		t.Error("such a registry has no conditional writes")
	}
	intrude := func(path string, do func()) {
		var once sync.Once
		f.on(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, path) {
				once.Do(func() {
					saved := f.hook()
					f.on(nil)
					f.inner.ServeHTTP(httptest.NewRecorder(), r) // first this one
					do()                                         // then the other, and mine is gone
					f.on(saved)
					r.Body = io.NopCloser(strings.NewReader("{}")) // the rest comes to nothing
					r.URL.Path = "/v2/zoo/elsewhere/manifests/none"
				})
			}
			return false
		})
	}
	winner, err := zoo.Publish(t.Context(), other, storetest.Object("mnist", "0.1.0", "other"), zoo.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	intrude("/manifests/1.0.0", func() { overwrite(t, f, "1.0.0", winner, other) })
	_, err = zoo.Publish(t.Context(), mine, storetest.Object("mnist", "1.0.0", "mine"), zoo.PublishOptions{})
	if !errors.Is(err, zoo.ErrVersionExists) {
		t.Errorf("a version: got error %v", err)
	}
	f.on(nil)
	e, err := zoo.Publish(t.Context(), mine, storetest.Object("mnist", "1.1.0", "mine"), zoo.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	intrude("/manifests/best", func() { overwrite(t, f, "best", winner, other) })
	if err := mine.SwapTag(t.Context(), "mnist", "best", schema.Digest{}, e); !errors.Is(err, zoo.ErrTagMoved) {
		t.Errorf("a tag: got error %v", err)
	}
}

// overwrite puts a manifest where there may be one.
func overwrite(t *testing.T, f *flaky, tag string, e zoo.Entry, from zoo.Store) {
	t.Helper()
	b, err := read(t.Context(), from, e.Digest)
	if err != nil {
		t.Error(err)
	}
	put := httptest.NewRequest(http.MethodPut, "/v2/zoo/mnist/manifests/"+tag, bytes.NewReader(b))
	put.Header.Set("Content-Type", e.MediaType)
	answer := httptest.NewRecorder()
	f.inner.ServeHTTP(answer, put)
	if answer.Code != http.StatusCreated {
		t.Errorf("overwriting: %d", answer.Code)
	}
}

// TestMount: what another name of the registry has is not sent again.
func TestMount(t *testing.T) {
	f := newFlaky(t)
	s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk})
	content := noise(6 * chunk)
	if err := put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	sent, _ := f.count()
	// go-containerregistry's registry has all blobs in all repositories; one that does not says 404.
	f.on(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/other/blobs/") {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	})
	d := schema.DigestOf(content)
	if err := zoo.BlobsOf(s, "other").Put(t.Context(), d, int64(len(content)), bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if now, mounts := f.count(); now != sent || mounts != 1 {
		t.Errorf("%d bytes were sent again, and %d blobs mounted", now-sent, mounts)
	}
}
