package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Store is a store under a prefix of a bucket. Its methods are those of zoo.Store.
type Store struct {
	location Location
	clients
	warn     func(message string)
	partSize int64
	buffers  *buffers
	puts     conditions
	parts    conditions
	mu       sync.Mutex // held from look to read back, where the server ignores conditions
}

var (
	_ zoo.Store       = (*Store)(nil)
	_ zoo.BlobLister  = (*Store)(nil)
	_ zoo.BlobDeleter = (*Store)(nil)
	_ zoo.TagDeleter  = (*Store)(nil)
	_ zoo.RangeReader = (*Store)(nil)
	_ zoo.Presigner   = (*Store)(nil)
	_ zoo.Sweeper     = (*Store)(nil)
	_ zoo.Scanner     = (*Store)(nil)
	_ zoo.IndexWriter = (*Store)(nil)
)

// Options tune a store. The zero value is right for most.
type Options struct {
	// Warn is told, once, what the server cannot do and what that means; nil is silence.
	Warn func(message string)
	// PartSize is the least size of the parts of a large blob, 5 MiB to 5 GiB; 0 means 8 MiB.
	PartSize int64
	// Parts is how many parts, of all blobs together, are sent, and held in memory, at a time; 0 means 6.
	Parts int
	// Stall is how long nothing may move on a connection; 0 means 2 minutes.
	Stall time.Duration
}

// Limits of multipart uploads, https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	minPartSize     = 5 << 20
	maxPartSize     = 5 << 30
	maxParts        = 10_000
	defaultPartSize = 8 << 20
	defaultParts    = 6 // hides the latency of a far server, in 48 MiB
)

// Open opens the store at a place, s3://BUCKET/PREFIX?… (see Parse), and changes nothing there. Without a store there it
// returns zoo.ErrNotFound; a tree of another layout version is *schema.Invalid. What the server can promise is found out
// before the first write.
func Open(ctx context.Context, place string, o Options) (*Store, error) {
	s, err := connect(ctx, place, o)
	if err != nil {
		return nil, err
	}
	return s, s.checkLayout(ctx)
}

// Create opens the store at a place, and makes one first if nothing lies under the prefix. A prefix under which other things
// lie is refused as *schema.Invalid. Several processes may create one store at the same time. The bucket must be there.
func Create(ctx context.Context, place string, o Options) (*Store, error) {
	s, err := connect(ctx, place, o)
	if err != nil {
		return nil, err
	}
	err = s.checkLayout(ctx)
	if isNotFound(err) {
		if err := s.refuseOccupied(ctx); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	// Trying the conditions writes the layout.
	if _, err := s.putsConditionally(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func connect(ctx context.Context, place string, o Options) (*Store, error) {
	l, err := Parse(place)
	if err != nil {
		return nil, err
	}
	if o.PartSize == 0 {
		o.PartSize = defaultPartSize
	}
	if o.PartSize < minPartSize || o.PartSize > maxPartSize {
		return nil, schema.Invalidf("the store's options", "PartSize", "%d is not in 5 MiB to 5 GiB", o.PartSize)
	}
	if o.Parts <= 0 {
		o.Parts = defaultParts
	}
	if o.Stall == 0 {
		o.Stall = stallTimeout
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	c, err := newClients(ctx, l, o.Stall)
	if err != nil {
		return nil, err
	}
	return &Store{location: l, clients: c, warn: o.Warn, partSize: o.PartSize, buffers: newBuffers(o.Parts, o.PartSize)}, nil
}

// key is where an object of the tree lies in the bucket.
func (s *Store) key(path string) string {
	if s.location.Prefix == "" {
		return path
	}
	return s.location.Prefix + "/" + path
}

// path is key's inverse.
func (s *Store) path(key string) string { return strings.TrimPrefix(key, s.key("")) }

func (s *Store) checkLayout(ctx context.Context) error {
	b, _, err := s.get(ctx, zoo.LayoutPath)
	if absent(err) {
		return fmt.Errorf("a store in %s: %w", s.location, zoo.ErrNotFound)
	}
	if err != nil {
		return s.fail(s.location.String(), false, err)
	}
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(b, &layout); err != nil {
		return schema.Invalidf(zoo.LayoutPath, "", "cannot be read: %v", err)
	}
	if layout.Version != "1.0.0" {
		return schema.Invalidf(zoo.LayoutPath, "imageLayoutVersion", "%q; only 1.0.0 is known", layout.Version)
	}
	return nil
}

// refuseOccupied refuses a prefix under which something lies that is none of a store's.
func (s *Store) refuseOccupied(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o, err := range s.list(ctx, "") {
		if err != nil {
			return s.fail(s.location.String(), false, err)
		}
		if o.path != zoo.LayoutPath {
			return schema.Invalidf(s.location.String(), "", "is no store, and not empty (it has %s): name a new prefix", clean(o.path))
		}
	}
	return nil
}

// maxDocument is far more than a document of the tree can need; what is larger is not one.
const maxDocument = 64 << 10

// get reads a small object. Errors are the server's.
func (s *Store) get(ctx context.Context, path string) (doc []byte, etag string, err error) {
	r, info, _, err := s.core.GetObject(ctx, s.location.Bucket, s.key(path), minio.GetObjectOptions{})
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err = io.Copy(&b, io.LimitReader(r, maxDocument+1)); err != nil {
		return nil, "", err
	}
	return b.Bytes(), info.ETag, nil
}
