package oci

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/schema"
)

// keyedMutex makes calls about one key wait for each other.
type keyedMutex struct {
	mu   sync.Mutex
	held map[string]*heldKey
}

type heldKey struct {
	free  chan struct{} // holds one token
	users int
}

// lock waits for the key as long as ctx allows.
func (k *keyedMutex) lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*heldKey{}
	}
	h, ok := k.held[key]
	if !ok {
		h = &heldKey{free: make(chan struct{}, 1)}
		h.free <- struct{}{}
		k.held[key] = h
	}
	h.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(k.held, key)
		}
	}
	select {
	case <-h.free:
		return func() { h.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// blobKey is a blob or manifest of a repository.
type blobKey struct {
	path   string
	digest schema.Digest
}

// manifestCache keeps the manifests that were read or written last.
type manifestCache struct {
	mu    sync.Mutex
	bytes int
	byKey map[blobKey]*list.Element
	order *list.List // of cachedManifest, the last used first
}

type cachedManifest struct {
	key       blobKey
	mediaType string
	content   []byte
}

const maxCached = 16 << 20

func newManifestCache() *manifestCache {
	return &manifestCache{byKey: map[blobKey]*list.Element{}, order: list.New()}
}

func (c *manifestCache) get(key blobKey) (*cachedManifest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedManifest), true
}

func (c *manifestCache) put(m *cachedManifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[m.key]; ok || len(m.content) > maxCached/4 {
		return
	}
	c.byKey[m.key] = c.order.PushFront(m)
	c.bytes += len(m.content)
	for c.bytes > maxCached {
		oldest := c.order.Remove(c.order.Back()).(*cachedManifest)
		delete(c.byKey, oldest.key)
		c.bytes -= len(oldest.content)
	}
}

// whereabouts remembers where blobs were seen a moment ago: those of other repositories can be mounted, and what was absent need
// not be asked for twice.
type whereabouts struct {
	mu     sync.Mutex
	seen   map[schema.Digest]string // the path of a repository
	absent map[blobKey]time.Time
}

const (
	maxRemembered = 1 << 16
	absentFor     = time.Minute
)

func newWhereabouts() *whereabouts {
	return &whereabouts{seen: map[schema.Digest]string{}, absent: map[blobKey]time.Time{}}
}

func (w *whereabouts) found(k blobKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.absent, k)
	if len(w.seen) < maxRemembered {
		w.seen[k.digest] = k.path
	}
}

func (w *whereabouts) missed(k blobKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.absent) < maxRemembered {
		w.absent[k] = time.Now()
	}
}

// takeAbsent reports whether the blob was absent a moment ago, once.
func (w *whereabouts) takeAbsent(k blobKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.absent[k]
	delete(w.absent, k)
	return ok && time.Since(at) < absentFor
}

// elsewhere is another repository that has the blob.
func (w *whereabouts) elsewhere(k blobKey) (path string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	path, ok = w.seen[k.digest]
	return path, ok && path != k.path
}
