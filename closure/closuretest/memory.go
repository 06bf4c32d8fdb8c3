// Package closuretest helps tests of code that reads and writes blobs.
package closuretest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Memory holds blobs in memory. The zero value is ready for use.
type Memory struct {
	mu    sync.Mutex
	blobs map[schema.Digest][]byte
	opens int
}

var (
	_ closure.Blobs    = (*Memory)(nil)
	_ closure.BlobSink = (*Memory)(nil)
)

// Open implements closure.Blobs.
func (m *Memory) Open(_ context.Context, d schema.Digest) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opens++
	b, ok := m.blobs[d]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d, closure.ErrNotFound)
	}
	return io.NopCloser(closure.VerifyReader(bytes.NewReader(b), d.String(), d, -1)), nil
}

// Put implements closure.BlobSink.
func (m *Memory) Put(_ context.Context, d schema.Digest, size int64, r io.Reader) error {
	b, err := io.ReadAll(closure.VerifyReader(r, d.String(), d, size))
	if err != nil {
		return err
	}
	m.Set(d, b)
	return nil
}

// Set stores bytes under a digest without looking at them, to damage a blob.
func (m *Memory) Set(d schema.Digest, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = map[schema.Digest][]byte{}
	}
	m.blobs[d] = b
}

// Delete forgets a blob.
func (m *Memory) Delete(d schema.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, d)
}

// Get returns the bytes of a blob, or nil.
func (m *Memory) Get(d schema.Digest) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.blobs[d]
}

// Len is the number of blobs.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.blobs)
}

// Opens is the number of calls of Open so far.
func (m *Memory) Opens() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opens
}
