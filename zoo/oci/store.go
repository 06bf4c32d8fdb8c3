package oci

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Store is a store in a registry. Its methods are those of zoo.Store.
type Store struct {
	c       *client
	opts    Options
	offers  offers
	keys    keyedMutex     // versions, tags and indexes that are being written
	cache   *manifestCache // of this process
	where   *whereabouts   // of blobs
	chunks  atomic.Bool    // the registry refused chunks
	nativeR atomic.Int32   // what is known about the referrers API

	indexHas map[string]bool // names that the index is known to have; under the key "names"
}

var (
	_ zoo.Store      = (*Store)(nil)
	_ zoo.Scoped     = (*Store)(nil)
	_ zoo.TagDeleter = (*Store)(nil)
)

// Options tune a store. The zero value is right for most.
type Options struct {
	// Chunk is how much of an upload is sent, and held in memory, at a time; 0 means 8 MiB.
	Chunk int
	// Cache is the directory of unfinished transfers; empty means a folder in the user's cache directory. Where there is
	// none, transfers do not outlive their process.
	Cache string
	// Pause is the time before a failed request is tried a second time, and Idle the time without a byte after which a
	// connection counts as stalled; 0 means half a second and a minute.
	Pause, Idle time.Duration
	// Warn, if set, is told what went wrong without making a call fail.
	Warn func(string)

	credentials authn.Authenticator // instead of those that are stored
	keptFrom    int64               // instead of the constant
}

const defaultChunk = 8 << 20

func (o Options) withDefaults() Options {
	if o.Chunk <= 0 {
		o.Chunk = defaultChunk
	}
	if o.Pause <= 0 {
		o.Pause = defaultPause
	}
	if o.Idle <= 0 {
		o.Idle = defaultIdle
	}
	if o.Cache == "" {
		if dir, err := os.UserCacheDir(); err == nil {
			o.Cache = filepath.Join(dir, "reprise", "transfers")
		}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	return o
}

// Open opens the store at a location (see ParseLocation). A registry needs no preparation: names appear in it when something
// is published.
func Open(ctx context.Context, place string, opts Options) (*Store, error) {
	l, err := ParseLocation(place)
	if err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	c, err := connect(ctx, l, opts)
	if err != nil {
		return nil, err
	}
	s := &Store{c: c, opts: opts, cache: newManifestCache(), where: newWhereabouts(), indexHas: map[string]bool{}}
	s.offers, err = c.detect(ctx)
	return s, err
}

// offers are what a registry can do beyond the specification.
type offers struct {
	conditional bool // it decides itself about versions and about moves of tags
	catalogue   bool // it lists its repositories
}

// headerCapabilities is how a Reprise server says on every answer what it can do: conditional-writes (versions are write-once, and
// If-Match and If-None-Match are honoured where a tag is put), catalogue.
const headerCapabilities = "Reprise-Capabilities"

// detect asks what the registry can do.
func (c *client) detect(ctx context.Context) (offers, error) {
	resp, err := c.do(ctx, request{
		what: "asking for the catalogue", method: http.MethodGet, url: "_catalog?n=1", scopes: []string{scopeCatalogue},
	})
	if err != nil {
		if isRefusedToken(err) && c.location.Scheme == "oci" {
			return offers{}, nil // a registry that gives no token for its catalogue has none to offer
		}
		return offers{}, err
	}
	server := c.location.Scheme != "oci"
	announced := resp.Header.Get(headerCapabilities)
	switch {
	case server && announced == "":
		resp.Body.Close()
		return offers{}, fmt.Errorf("%s is a registry, but not a Reprise server: use oci://%s", c.location.Host, c.location.Host)
	case server && resp.StatusCode != http.StatusOK:
		return offers{}, c.problem("opening the store", resp)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProblem)) // so that the connection can be used again
	o := offers{catalogue: resp.StatusCode == http.StatusOK}
	for word := range strings.SplitSeq(announced, ",") {
		o.conditional = o.conditional || strings.TrimSpace(word) == "conditional-writes"
	}
	return o, nil
}

// Capabilities implements zoo.Catalogue.
func (s *Store) Capabilities() zoo.Capabilities {
	return zoo.Capabilities{
		ConditionalWrites: s.offers.conditional,
		Catalogue:         true,
		PartialCatalogue:  !s.offers.catalogue,
	}
}

// errScoped is what the store's own methods for blobs and referrers return.
func errScoped() error {
	return fmt.Errorf("blobs and referrers that belong to no name: %w: a registry keeps them by name", zoo.ErrUnsupported)
}

// Open implements zoo.Blobs; see zoo.Scoped.
func (s *Store) Open(context.Context, schema.Digest) (io.ReadCloser, error) { return nil, errScoped() }

// Put implements zoo.Blobs; see zoo.Scoped.
func (s *Store) Put(context.Context, schema.Digest, int64, io.Reader) error { return errScoped() }

// Stat implements zoo.Blobs; see zoo.Scoped.
func (s *Store) Stat(context.Context, schema.Digest) (int64, error) { return 0, errScoped() }

// PutReferrer implements zoo.Referrers; see zoo.Scoped.
func (s *Store) PutReferrer(context.Context, schema.Digest, zoo.Entry) error { return errScoped() }

// Referrers implements zoo.Referrers; see zoo.Scoped.
func (s *Store) Referrers(context.Context, schema.Digest) ([]zoo.Entry, error) {
	return nil, errScoped()
}

// BlobsOf implements zoo.Scoped.
func (s *Store) BlobsOf(name string) zoo.Blobs { return s.repository(name) }

// repository is the part of the registry that belongs to a name.
type repository struct {
	s    *Store
	name string // in the zoo
	path string // in the registry
}

var (
	_ zoo.Blobs       = (*repository)(nil)
	_ zoo.Referrers   = (*repository)(nil)
	_ zoo.RangeReader = (*repository)(nil)
)

func (s *Store) repository(name string) *repository {
	return &repository{s: s, name: name, path: s.pathOf(name)}
}

func (s *Store) pathOf(name string) string {
	if s.c.location.Prefix == "" {
		return name
	}
	return s.c.location.Prefix + "/" + name
}

// pull and push are the scopes of reading and writing.
func (r *repository) pull() []string { return []string{scopePull(r.path)} }
func (r *repository) push() []string { return []string{scopePush(r.path)} }

// checkDigest checks the arguments of a method about a blob.
func (r *repository) checkDigest(ctx context.Context, d schema.Digest) error {
	if err := zoo.CheckDigest(ctx, d); err != nil {
		return err
	}
	return zoo.CheckNameOf(ctx, r.name)
}
