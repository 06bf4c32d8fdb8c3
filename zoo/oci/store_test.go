package oci_test

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/oci"
	"github.com/reprise-ml/reprise/zoo/oci/ocitest"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// TestConformanceInProcess runs the suite against go-containerregistry's registry, with the referrers API and without.
func TestConformanceInProcess(t *testing.T) {
	for name, native := range map[string]bool{"referrers API": true, "fallback tags": false} {
		t.Run(name, func(t *testing.T) {
			// That registry keeps the blobs of all its repositories together, so each test has one of its own.
			storetest.Run(t, func(t *testing.T) zoo.Store { return newStore(t, inProcess(t, native)) })
		})
	}
}

// TestConformanceDebian runs it against the registry that Debian ships.
func TestConformanceDebian(t *testing.T) {
	host := ocitest.DebianRegistry(t)
	storetest.Run(t, func(t *testing.T) zoo.Store { return newStore(t, host) })
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// inProcess starts a registry for one test and returns its host.
func inProcess(t *testing.T, native bool) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(native), registry.Logger(quiet())))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// prefixes makes one registry serve many tests: each has a prefix of its own.
var prefixes atomic.Int64

func newStore(t *testing.T, host string) *oci.Store {
	t.Helper()
	return open(t, fmt.Sprintf("oci://%s/test%d", host, prefixes.Add(1)), oci.Options{})
}

// open opens a store that waits little and keeps its unfinished transfers to the test.
func open(t *testing.T, place string, opts oci.Options) *oci.Store {
	t.Helper()
	if opts.Cache == "" {
		opts.Cache = t.TempDir()
	}
	if opts.Pause == 0 {
		opts.Pause = 20 * time.Millisecond
	}
	s, err := oci.Open(t.Context(), place, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
