package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/s3"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, place string, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Create(t.Context(), place, o)
	check(t, err)
	return s
}

// blob is bytes of which no two parts are equal.
func blob(size int) ([]byte, schema.Digest) {
	b := make([]byte, size)
	state := uint64(size)
	for i := range b {
		state = state*6364136223846793005 + 1442695040888963407
		b[i] = byte(state >> 56)
	}
	return b, schema.DigestOf(b)
}

func put(ctx context.Context, s zoo.Blobs, b []byte) error {
	return s.Put(ctx, schema.DigestOf(b), int64(len(b)), bytes.NewReader(b))
}

// wantSound checks that everything that is published can be read.
func wantSound(t *testing.T, s zoo.Store) {
	t.Helper()
	report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{})
	check(t, err)
	if len(report.Damaged) > 0 {
		t.Errorf("damaged: %+v", report.Damaged)
	}
}

const mib = 1 << 20

// A server that ignores conditions is found out, said, and used as well as it can be.
func TestServerWithoutConditions(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	for _, c := range []struct {
		name  string
		fault func(r *http.Request) s3test.Fault
	}{
		{"ignored", func(*http.Request) s3test.Fault { return s3test.Fault{Forget: true} }},
		{"refused", func(r *http.Request) s3test.Fault {
			if r.Method == http.MethodPut && r.Header.Get("If-Match")+r.Header.Get("If-None-Match") != "" {
				return s3test.Fault{Status: http.StatusNotImplemented, Code: "NotImplemented"}
			}
			return s3test.Fault{}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			proxy.SetFault(c.fault)
			storetest.Run(t, func(t *testing.T) zoo.Store {
				var warnings []string
				s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{Warn: func(m string) { warnings = append(warnings, m) }})
				if len(warnings) != 1 || !strings.Contains(warnings[0], "ignores conditional writes") || s.Capabilities().ConditionalWrites {
					t.Fatalf("warned %q, capabilities %+v", warnings, s.Capabilities())
				}
				return s
			})
		})
	}
}

// A server may decide single writes by their condition, and the ends of multipart uploads not.
func TestServerWithoutConditionsOnParts(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	proxy.SetFault(func(r *http.Request) s3test.Fault { return s3test.Fault{Forget: r.Method == http.MethodPost} })
	var warnings []string
	s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{PartSize: 5 * mib, Warn: func(m string) { warnings = append(warnings, m) }})
	if len(warnings) != 0 || !s.Capabilities().ConditionalWrites {
		t.Fatalf("warned %q, capabilities %+v", warnings, s.Capabilities())
	}
	b, _ := blob(6 * mib)
	check(t, put(t.Context(), s, b))
	if len(warnings) != 1 || !strings.Contains(warnings[0], "multipart") {
		t.Errorf("warned %q", warnings)
	}
	wantSound(t, s)
}

// TestFaults publishes and pulls through faults that pass.
func TestFaults(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	every := func(nth int, f s3test.Fault) func(r *http.Request) s3test.Fault {
		n := 0
		return func(*http.Request) s3test.Fault {
			if n++; n%nth == 0 {
				return f
			}
			return s3test.Fault{}
		}
	}
	// firstReply loses the reply to the first attempt of each write.
	firstReply := func() func(r *http.Request) s3test.Fault {
		seen := map[string]bool{}
		return func(r *http.Request) s3test.Fault {
			key := r.Method + r.URL.String() + r.Header.Get("If-Match")
			if r.Method != http.MethodPut && r.Method != http.MethodPost || seen[key] {
				return s3test.Fault{}
			}
			seen[key] = true
			return s3test.Fault{LoseReply: true}
		}
	}
	firstTimes := func(times int, f s3test.Fault) func(r *http.Request) s3test.Fault {
		seen := map[string]int{}
		return func(r *http.Request) s3test.Fault {
			key := r.Method + r.URL.String()
			if r.Method != http.MethodPut && r.Method != http.MethodPost || seen[key] == times {
				return s3test.Fault{}
			}
			seen[key]++
			return f
		}
	}
	for _, c := range []struct {
		name  string
		fault func(r *http.Request) s3test.Fault
	}{
		{"every third answer is 500", every(3, s3test.Fault{Status: 500, Code: "InternalError"})},
		{"every tenth answer is 503 with Retry-After", every(10, s3test.Fault{Status: 503, Code: "SlowDown", Headers: map[string]string{"Retry-After": "1"}})},
		{"every third connection is cut", every(3, s3test.Fault{LoseReply: true})},
		{"every reply is cut at 100000 bytes", func(*http.Request) s3test.Fault { return s3test.Fault{CutReply: 100_000} }},
		{"the first reply to each write is lost", firstReply()},
		{"writes conflict with others", firstTimes(3, s3test.Fault{Status: 409, Code: "ConditionalRequestConflict"})},
		{"each write arrives changed once", firstTimes(1, s3test.Fault{FlipRequest: true})},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{PartSize: 5 * mib})
			proxy.SetFault(c.fault)
			defer proxy.SetFault(func(*http.Request) s3test.Fault { return s3test.Fault{} })
			e, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", strings.Repeat("text", 100_000)), zoo.PublishOptions{Tags: []string{"best"}})
			check(t, err)
			b, d := blob(12 * mib)
			check(t, put(t.Context(), s, b))
			if got, err := s.Version(t.Context(), "mnist", "1.0.0"); err != nil || got != e {
				t.Errorf("version: %+v, %v", got, err)
			}
			if got, err := s.Tag(t.Context(), "mnist", "best"); err != nil || got != e {
				t.Errorf("tag: %+v, %v", got, err)
			}
			_, err = zoo.Pull(t.Context(), s, "mnist", filepath.Join(t.TempDir(), "out"), zoo.PullOptions{})
			check(t, err)
			r, err := s.Open(t.Context(), d)
			check(t, err)
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, b) {
				t.Errorf("read %d bytes of %d, %v", len(got), len(b), err)
			}
			wantSound(t, s)
		})
	}
}

// TestLastingFaults meets faults that do not pass: a clear error, and nothing stored.
func TestLastingFaults(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	writes := func(f s3test.Fault) func(r *http.Request) s3test.Fault {
		return func(r *http.Request) s3test.Fault {
			if r.Method == http.MethodPut {
				return f
			}
			return s3test.Fault{}
		}
	}
	for _, c := range []struct {
		name  string
		fault s3test.Fault
		is    error
		says  string
	}{
		{"what is sent is changed", s3test.Fault{FlipRequest: true}, nil, "the server answers"},
		{"the server is full", s3test.Fault{Status: 507, Code: "InsufficientStorage"}, syscall.ENOSPC, "the server is full"},
		{"the quota is used up", s3test.Fault{Status: 403, Code: "QuotaExceeded"}, syscall.ENOSPC, "the server is full"},
		{"writing is not allowed", s3test.Fault{Status: 403, Code: "AccessDenied"}, zoo.ErrReadOnly, "needs s3:PutObject"},
		{"the keys are wrong", s3test.Fault{Status: 403, Code: "SignatureDoesNotMatch"}, nil, "does not accept the credentials"},
		{"the clock is wrong", s3test.Fault{Status: 403, Code: "RequestTimeTooSkewed"}, nil, "set this machine's clock"},
	} {
		for _, size := range []int{1000, 11 * mib} {
			t.Run(fmt.Sprintf("%s, %d bytes", c.name, size), func(t *testing.T) {
				s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{PartSize: 5 * mib})
				defer proxy.SetFault(func(*http.Request) s3test.Fault { return s3test.Fault{} })
				b, d := blob(size)
				proxy.SetFault(writes(c.fault))
				err := put(t.Context(), s, b)
				if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("got error %v, want %q, %v", err, c.says, c.is)
				}
				if err != nil && strings.Contains(err.Error(), s3test.SecretKey) {
					t.Errorf("the error shows a secret: %v", err)
				}
				if _, err := s.Stat(t.Context(), d); !errors.Is(err, zoo.ErrNotFound) {
					t.Errorf("it is stored: %v", err)
				}
				proxy.SetFault(func(*http.Request) s3test.Fault { return s3test.Fault{} })
				check(t, put(t.Context(), s, b)) // and later it goes on
				wantSound(t, s)
			})
		}
	}
}

// Bytes that the server changes are found out by whoever reads them.
func TestServerThatChangesBytes(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{})
	_, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{})
	check(t, err)
	b, d := blob(100_000)
	check(t, put(t.Context(), s, b))
	proxy.SetFault(func(r *http.Request) s3test.Fault {
		return s3test.Fault{FlipReply: r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")}
	})
	r, err := s.Open(t.Context(), d)
	check(t, err)
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); !errors.As(err, new(*schema.Damaged)) {
		t.Errorf("reading: got error %v", err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	if _, err := zoo.Pull(t.Context(), s, "mnist", dir, zoo.PullOptions{}); !errors.As(err, new(*schema.Damaged)) {
		t.Errorf("pulling: got error %v", err)
	}
	if _, err := filepath.Glob(dir); err != nil {
		t.Error(err)
	}
}

// A server that stops answering is given up on, and asked again.
func TestStalledServer(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{Stall: 300 * time.Millisecond})
	released := make(chan struct{})
	var stalled atomic.Int64
	proxy.SetFault(func(r *http.Request) s3test.Fault {
		if stalled.Add(1) > 2 {
			return s3test.Fault{}
		}
		return s3test.Fault{Before: func() { <-released }}
	})
	defer close(released)
	b, _ := blob(1000)
	check(t, put(t.Context(), s, b))
	if stalled.Load() <= 2 {
		t.Errorf("%d requests came", stalled.Load())
	}
}

// TestRacingClients lets clients that know nothing of each other publish one version.
func TestRacingClients(t *testing.T) {
	server := s3test.Versitygw.Start(t, true)
	place := server.Place()
	stores := make([]*s3.Store, 16)
	for i := range stores {
		stores[i] = create(t, place, s3.Options{})
	}
	for round := range 5 {
		version := fmt.Sprintf("1.0.%d", round)
		var won, told atomic.Int64
		var all sync.WaitGroup
		for i, s := range stores {
			all.Go(func() {
				_, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", version, fmt.Sprint(i)), zoo.PublishOptions{})
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, zoo.ErrVersionExists):
					told.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || told.Load() != 15 {
			t.Errorf("%d won, %d were told that they lost", won.Load(), told.Load())
		}
	}
	// One large blob, sent by all at the same time: all succeed, whoever's parts they are.
	b, d := blob(11 * mib)
	var all sync.WaitGroup
	for range 4 {
		s := create(t, place, s3.Options{PartSize: 5 * mib})
		all.Go(func() {
			if err := put(t.Context(), s, b); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if size, err := stores[0].Stat(t.Context(), d); err != nil || size != int64(len(b)) {
		t.Errorf("%d bytes, %v", size, err)
	}
	wantSound(t, stores[0])
	keys, err := server.Keys(place)
	check(t, err)
	for _, key := range keys {
		if strings.HasPrefix(key, zoo.UploadsPath) {
			t.Errorf("left over: %s", key)
		}
	}
}
