// Package storetest is the conformance suite of zoo.Store: every promise of the interface, for every backend.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Run checks every promise of zoo.Store and of the optional abilities that the stores have. newStore makes an empty store
// that lasts until the end of the test.
func Run(t *testing.T, newStore func(t *testing.T) zoo.Store) {
	t.Helper()
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"blobs", blobTests},
		{"abilities", abilityTests},
		{"sweeps", sweepTests},
		{"versions", versionTests},
		{"tags", tagTests},
		{"referrers", referrerTests},
		{"catalogue", catalogueTests},
		{"arguments", argumentTests},
		{"races", raceTests},
		{"verbs", verbTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, newStore(t)) })
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, s zoo.Store)
}

// EntryFor is an entry of a made-up object. Equal texts give equal entries.
func EntryFor(text string) zoo.Entry {
	return zoo.Entry{
		ArtifactType: schema.MediaTypeClosure,
		Created:      "2026-01-31T12:00:00Z",
		Digest:       schema.DigestOf([]byte(text)),
		MediaType:    closure.MediaTypeManifest,
		Size:         int64(len(text)),
	}
}

// stored puts a small object of a name into the store, as a publisher would before its version, and returns its entry.
// Equal texts give equal entries.
func stored(t *testing.T, s zoo.Store, name, text string) zoo.Entry {
	t.Helper()
	m, blobs := small(text)
	return keep(t, zoo.BlobsOf(s, name), m, blobs)
}

// small is the smallest object that registries take: one blob, which is both document and file, and the same for all texts.
func small(text string) (*closure.Manifest, Bytes) {
	blobs := Bytes{}
	_, mediaType, _ := closure.Classify(schema.PathReadme)
	return &closure.Manifest{
		ArtifactType: schema.MediaTypeClosure,
		Config:       blobs.add(schema.PathClosure, schema.MediaTypeClosure, "{}"),
		Layers:       []closure.Descriptor{blobs.add(schema.PathReadme, mediaType, "{}")},
		Annotations: map[string]string{
			"org.opencontainers.image.created":     "2026-01-31T12:00:00Z",
			"org.opencontainers.image.description": text,
		},
	}, blobs
}

// undated is such an object without a date.
func undated(text string) (*closure.Manifest, Bytes) {
	m, blobs := small(text)
	delete(m.Annotations, "org.opencontainers.image.created")
	return m, blobs
}

// record puts a record about a subject into the store, and returns its entry.
func record(t *testing.T, s zoo.Store, name string, subject schema.Digest, text string) zoo.Entry {
	t.Helper()
	m, blobs := small(text)
	m.ArtifactType, m.Config.MediaType = schema.MediaTypeVerification, schema.MediaTypeVerification
	m.Subject = &closure.Descriptor{MediaType: closure.MediaTypeManifest, Digest: subject, Size: 7}
	return keep(t, zoo.BlobsOf(s, name), m, blobs)
}

func keep(t *testing.T, in zoo.Blobs, m *closure.Manifest, blobs Bytes) zoo.Entry {
	t.Helper()
	for d, content := range blobs {
		check(t, in.Put(t.Context(), d, int64(len(content)), bytes.NewReader(content)))
	}
	e := zoo.EntryOf(m)
	check(t, in.Put(t.Context(), e.Digest, e.Size, bytes.NewReader(m.Bytes())))
	return e
}

// name is that of the objects of most tests.
const name = "mnist"

func put(t *testing.T, s zoo.Blobs, text string) schema.Digest {
	t.Helper()
	d := schema.DigestOf([]byte(text))
	check(t, s.Put(t.Context(), d, int64(len(text)), strings.NewReader(text)))
	return d
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func wantInvalid(t *testing.T, what string, got error) {
	t.Helper()
	if _, ok := errors.AsType[*schema.Invalid](got); !ok {
		t.Errorf("%s: got error %v, want *schema.Invalid", what, got)
	}
}

func wantDamaged(t *testing.T, what string, got error) {
	t.Helper()
	if _, ok := errors.AsType[*schema.Damaged](got); !ok {
		t.Errorf("%s: got error %v, want *schema.Damaged", what, got)
	}
}

func wantAbsent(t *testing.T, s zoo.Blobs, d schema.Digest) {
	t.Helper()
	_, err := s.Stat(t.Context(), d)
	wantErr(t, "Stat of what must not be stored", err, zoo.ErrNotFound)
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
