package zoo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/oci"
	"github.com/reprise-ml/reprise/zoo/oci/ocitest"
	"github.com/reprise-ml/reprise/zoo/s3"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

// place is an empty store of a kind, and how many bytes have come to it.
type place struct {
	kind  string
	store zoo.Store
	came  func() int64
}

// kinds make an empty store each: in memory, in a directory, in a bucket, in a registry, on a server of ours.
var kinds = []func(t *testing.T) place{inMemory, inDirectory, inBucket, inRegistry, onServer}

func inMemory(*testing.T) place {
	s := &countingStore{Store: memory.New()}
	return place{"memory", s, s.came.Load}
}

func inDirectory(t *testing.T) place {
	t.Helper()
	s, root := newDirectory(t)
	return place{"directory", s, func() int64 { return sizeOf(t, root) }}
}

// countingStore counts what is read of what is put.
type countingStore struct {
	zoo.Store
	came atomic.Int64
}

func (c *countingStore) Put(ctx context.Context, d schema.Digest, size int64, r io.Reader) error {
	return c.Store.Put(ctx, d, size, countedReader{r, &c.came})
}

type countedReader struct {
	io.Reader
	n *atomic.Int64
}

func (c countedReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// sizeOf adds up the files of a directory.
func sizeOf(t *testing.T, root string) (sum int64) {
	t.Helper()
	check(t, filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		sum += info.Size()
		return err
	}))
	return sum
}

func inBucket(t *testing.T) place {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	s, err := s3.Create(t.Context(), server.PlaceAt(proxy.Endpoint), s3.Options{PartSize: 5 << 20})
	check(t, err)
	return place{"bucket", s, proxy.Received}
}

// countingProxy passes on what comes for a server, and counts it.
func countingProxy(t *testing.T, target string) (host string, came func() int64) {
	t.Helper()
	to, err := url.Parse(target)
	check(t, err)
	n := &atomic.Int64{}
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = p.In.Host // so that the server leads back here
		if p.In.Body != nil && p.In.Body != http.NoBody {
			p.Out.Body = struct {
				io.Reader
				io.Closer
			}{countedReader{p.In.Body, n}, p.In.Body}
		}
	}})
	t.Cleanup(front.Close)
	return strings.TrimPrefix(front.URL, "http://"), n.Load
}

func inRegistry(t *testing.T) place {
	t.Helper()
	host, came := countingProxy(t, "http://"+ocitest.DebianRegistry(t))
	s, err := oci.Open(t.Context(), "oci://"+host+"/zoo", oci.Options{Chunk: 256 << 10, Cache: t.TempDir()})
	check(t, err)
	return place{"registry", s, came}
}

func onServer(t *testing.T) place {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	behind, _ := newDirectory(t)
	tokens := registry.NewTokens(t.TempDir())
	_, token, err := tokens.Create(registry.Token{Scope: registry.ScopePush, Created: time.Now()})
	check(t, err)
	r := registry.New(registry.Options{Store: behind, Spool: t.TempDir(), Tokens: tokens, AnonymousPull: true})
	t.Cleanup(r.Close)
	engine := gin.New()
	r.Mount(engine)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	host, came := countingProxy(t, server.URL)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	_, err = oci.Login(t.Context(), "http://"+host, "token", token)
	check(t, err)
	s, err := oci.Open(t.Context(), "http://"+host, oci.Options{Chunk: 256 << 10, Cache: t.TempDir()})
	check(t, err)
	return place{"server", s, came}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files is an object of several files, and which of them were opened.
type files struct {
	zoo.Object
	mu     sync.Mutex
	opened map[string]int
	paths  map[schema.Digest]string
	bytes  storetest.Bytes
}

// Open implements closure.Blobs.
func (f *files) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened[f.paths[d]]++
	return f.bytes.Open(ctx, d)
}

const mebibyte = 1 << 20

// ofFiles makes version of an object: a file that a round changes, and others that stay.
func ofFiles(version string, round uint64) *files {
	f := &files{opened: map[string]int{}, paths: map[schema.Digest]string{}, bytes: storetest.Bytes{}}
	add := func(path string, content []byte) closure.Descriptor {
		d := schema.DigestOf(content)
		f.bytes[d], f.paths[d] = content, path
		return closure.Descriptor{
			MediaType: schema.MediaTypeRecords, Digest: d, Size: int64(len(content)),
			Annotations: map[string]string{closure.AnnotationTitle: path, closure.AnnotationFilepath: path},
		}
	}
	noise := func(size int, seed uint64) []byte {
		b := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b) // never fails
		return b
	}
	config := add(closure.PathDataset, fmt.Appendf(nil, `{"name":"files","version":%q}`, version))
	config.MediaType = schema.MediaTypeDataset
	m := &closure.Manifest{
		ArtifactType: schema.MediaTypeDataset, Config: config,
		Layers: []closure.Descriptor{
			add("train/0.bin", noise(3*mebibyte, 1)), add("train/1.bin", noise(6*mebibyte, 2)),
			add("train/2.bin", noise(mebibyte, 100+round)), add("train/3.bin", noise(1000, 3)),
		},
		Annotations: map[string]string{"org.opencontainers.image.created": "2026-01-31T12:00:00Z"},
	}
	f.Object = zoo.Object{Name: "files", Version: version, Manifest: m, Blobs: f}
	return f
}

// TestRepublishSendsWhatChanged publishes a version and then one in which a file changed. That file goes to the store, and no other: the bytes
// that come there are counted, in what is written or at a proxy before the server.
func TestRepublishSendsWhatChanged(t *testing.T) {
	const documents = 64 << 10 // more than manifests, entries and indexes take, less than any other file but the smallest
	for _, open := range kinds {
		p := open(t)
		t.Run(p.kind, func(t *testing.T) {
			first, second := ofFiles("1.0.0", 0), ofFiles("1.0.1", 1)
			_, err := zoo.Publish(t.Context(), p.store, first.Object, zoo.PublishOptions{})
			check(t, err)
			before := p.came()
			if before < 10*mebibyte {
				t.Fatalf("%d bytes came of all files", before)
			}
			_, err = zoo.Publish(t.Context(), p.store, second.Object, zoo.PublishOptions{})
			check(t, err)
			came := p.came() - before
			t.Logf("%d bytes came at first, %d for a file of %d", before, came, mebibyte)
			if came < mebibyte || came > mebibyte+documents {
				t.Errorf("%d bytes came for a file of %d", came, mebibyte)
			}
			if len(second.opened) != 2 || second.opened["train/2.bin"] != 1 || second.opened[closure.PathDataset] != 1 {
				t.Errorf("opened were %v", second.opened)
			}
			before = p.came()
			_, err = zoo.Publish(t.Context(), p.store, second.Object, zoo.PublishOptions{})
			check(t, err)
			if came := p.came() - before; came > documents {
				t.Errorf("%d bytes came when nothing had changed", came)
			}
		})
	}
}

// TestSameDigestInEveryStore publishes one closure to a store of each kind, and copies it from each to the next: there is one manifest
// digest, and one manifest, byte for byte.
func TestSameDigestInEveryStore(t *testing.T) {
	o := storetest.Object("alice/mnist", "1.0.0", "text")
	want := zoo.EntryOf(o.Manifest)
	hasIt := func(kind string, s zoo.Store, version string) {
		t.Helper()
		got, err := s.Version(t.Context(), o.Name, version)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", kind, got, err, want)
			return
		}
		r, err := zoo.BlobsOf(s, o.Name).Open(t.Context(), got.Digest)
		check(t, err)
		defer r.Close()
		if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, o.Manifest.Bytes()) {
			t.Errorf("%s: the manifest is %q, %v", kind, b, err)
		}
	}
	var stores []place
	for _, open := range kinds {
		p := open(t)
		got, err := zoo.Publish(t.Context(), p.store, o, zoo.PublishOptions{})
		check(t, err)
		if got != want {
			t.Errorf("%s: published %+v, want %+v", p.kind, got, want)
		}
		hasIt(p.kind, p.store, o.Version)
		stores = append(stores, p)
	}
	for i, from := range stores {
		to := kinds[(i+1)%len(kinds)](t)
		copyAll(t, from.store, to.store, zoo.CopyOptions{})
		hasIt(from.kind+" to "+to.kind, to.store, o.Version)
	}
}
