package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/zoo"
)

// A session is kept in the store that it serves, as an OCI object under a tag, which moves by compare-and-swap: so of two servers on one
// store only one goes on with it, and garbage collection keeps what it refers to. Under its name no version is ever published.
const (
	sessionOwner = "sessions/"
	sessionTag   = "newest"
)

// sessionStore is a store as sessions see it.
type sessionStore struct {
	zoo.Store

	mu    sync.Mutex
	saved map[string]sessionSaved
}

// sessionSaved is what the tag of a session points to, as far as this server knows.
type sessionSaved struct {
	manifest, record schema.Digest
}

func newSessionStore(s zoo.Store) *sessionStore {
	return &sessionStore{Store: s, saved: map[string]sessionSaved{}}
}

// sessionManifest is an OCI manifest whose config is the record.
type sessionManifest struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	ArtifactType  string               `json:"artifactType"`
	Config        closure.Descriptor   `json:"config"`
	Layers        []closure.Descriptor `json:"layers"`
}

// SaveSession implements trainer.Store.
func (s *sessionStore) SaveSession(ctx context.Context, id string, record []byte, blobs []closure.Descriptor) error {
	m := sessionManifest{
		SchemaVersion: 2, MediaType: closure.MediaTypeManifest, ArtifactType: trainer.MediaTypeSession, Layers: blobs,
		Config: closure.Descriptor{MediaType: trainer.MediaTypeSession, Digest: schema.DigestOf(record), Size: int64(len(record))},
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	e := zoo.Entry{ArtifactType: m.ArtifactType, Digest: schema.DigestOf(text), MediaType: m.MediaType, Size: int64(len(text))}
	for _, b := range [][]byte{record, text} {
		if err := s.Put(ctx, schema.DigestOf(b), int64(len(b)), bytes.NewReader(b)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	old := s.saved[id]
	s.mu.Unlock()
	if err := s.SwapTag(ctx, sessionOwner+id, sessionTag, old.manifest, e); err != nil {
		if errors.Is(err, zoo.ErrTagMoved) {
			return fmt.Errorf("%w: %w", trainer.ErrTaken, err)
		}
		return err
	}
	s.mu.Lock()
	s.saved[id] = sessionSaved{e.Digest, m.Config.Digest}
	s.mu.Unlock()
	// The one before holds the session's name and time, so nobody else can refer to it.
	for _, d := range []schema.Digest{old.manifest, old.record} {
		if !d.IsZero() && d != e.Digest && d != m.Config.Digest {
			if err := s.Discard(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// LoadSession implements trainer.Store.
func (s *sessionStore) LoadSession(ctx context.Context, id string) ([]byte, error) {
	e, err := s.Tag(ctx, sessionOwner+id, sessionTag)
	if err != nil {
		return nil, err
	}
	text, err := closure.ReadBlob(ctx, s.Store, "session "+id, e.Digest, e.Size, closure.MaxManifest)
	if err != nil {
		return nil, err
	}
	var m sessionManifest
	if err := json.Unmarshal(text, &m); err != nil || m.ArtifactType != trainer.MediaTypeSession {
		return nil, schema.Invalidf("session "+id, "", "its manifest is not one of a session")
	}
	const most = 256 << 20
	record, err := closure.ReadBlob(ctx, s.Store, "session "+id, m.Config.Digest, m.Config.Size, most)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.saved[id] = sessionSaved{e.Digest, m.Config.Digest}
	s.mu.Unlock()
	return record, nil
}

// Sessions implements trainer.Store.
func (s *sessionStore) Sessions(ctx context.Context) ([]string, error) {
	names, err := s.Names(ctx)
	var ids []string
	for _, name := range names {
		id, ok := strings.CutPrefix(name, sessionOwner)
		if !ok {
			continue
		}
		if e, err := s.Tag(ctx, name, sessionTag); err == nil && e.ArtifactType == trainer.MediaTypeSession {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// Discard implements trainer.Store.
func (s *sessionStore) Discard(ctx context.Context, d schema.Digest) error {
	if deleter, ok := s.Store.(zoo.BlobDeleter); ok {
		return deleter.DeleteBlob(ctx, d)
	}
	return nil // garbage collection does it
}
