package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Object is a small closure ready for zoo.Publish. Its parts are texts that only stores could take for a closure; equal
// texts give equal objects but for their name and version.
func Object(name, version, text string) zoo.Object { return Closure(name, version, text) }

// Use is a dataset that a Closure refers to.
type Use struct {
	Name   string        `json:"name"`
	Digest schema.Digest `json:"digest"`
	// Earlier says that an engine used it which the closure's own has replaced.
	Earlier bool `json:"-"`
}

// On is the use of a dataset.
func On(name string, d schema.Digest) Use { return Use{Name: name, Digest: d} }

// Closure is an Object that refers to datasets.
func Closure(name, version, text string, uses ...Use) zoo.Object {
	return object(name, version, schema.MediaTypeClosure, schema.PathClosure, uses, map[string]string{
		schema.PathEngine:     "engine of " + text,
		schema.PathParameters: "parameters of " + text,
		schema.PathReadme:     "shared by all",
		schema.PathLicense:    "shared by all", // the same blob twice
	})
}

// Dataset is a small dataset ready for zoo.Publish.
func Dataset(name, version, text string) zoo.Object {
	return object(name, version, schema.MediaTypeDataset, closure.PathDataset, nil, map[string]string{
		"train/0.bin": "records of " + text,
	})
}

// Referrer is an object about another, as tools for signatures write it: with the empty config of the OCI image specification
// and a file without a title. The blobs include its manifest.
func Referrer(about zoo.Entry, text string) (zoo.Entry, Bytes) {
	const artifactType, empty = "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.oci.empty.v1+json"
	blobs := Bytes{}
	config, layer := blobs.add("", empty, "{}"), blobs.add("", artifactType, text)
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},`+
		`"layers":[{"mediaType":%q,"digest":%q,"size":%d}],"subject":{"mediaType":%q,"digest":%q,"size":%d}}`,
		closure.MediaTypeManifest, artifactType, empty, config.Digest, artifactType, layer.Digest, layer.Size,
		about.MediaType, about.Digest, about.Size)
	m := blobs.add("", closure.MediaTypeManifest, manifest)
	return zoo.Entry{ArtifactType: artifactType, Digest: m.Digest, MediaType: closure.MediaTypeManifest, Size: m.Size}, blobs
}

func object(name, version, artifactType, document string, uses []Use, files map[string]string) zoo.Object {
	blobs := Bytes{}
	config := fmt.Sprintf(`{"name":%q,"version":%q}`, name, version)
	if len(uses) > 0 {
		type trained struct {
			Datasets []Use `json:"datasets"`
		}
		var own, earlier trained
		for _, u := range uses {
			of := &own
			if u.Earlier {
				of = &earlier
			}
			of.Datasets = append(of.Datasets, u)
		}
		list, err := json.Marshal(struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			trained
			Earlier []trained `json:"earlier"`
		}{name, version, own, []trained{earlier}})
		if err != nil {
			panic(err) // names and digests encode
		}
		config = string(list)
	}
	m := &closure.Manifest{
		ArtifactType: artifactType,
		Config:       blobs.add(document, artifactType, config),
		Annotations:  map[string]string{"org.opencontainers.image.created": "2026-01-31T12:00:00Z"},
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		mediaType := schema.MediaTypeRecords
		if artifactType == schema.MediaTypeClosure {
			_, mediaType, _ = closure.Classify(path)
		}
		m.Layers = append(m.Layers, blobs.add(path, mediaType, files[path]))
	}
	return zoo.Object{Name: name, Version: version, Manifest: m, Blobs: blobs}
}

// Bytes are blobs by digest, as the source of an object.
type Bytes map[schema.Digest][]byte

// Open implements closure.Blobs.
func (b Bytes) Open(_ context.Context, d schema.Digest) (io.ReadCloser, error) {
	content, ok := b[d]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d, zoo.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (b Bytes) add(path, mediaType, content string) closure.Descriptor {
	d := schema.DigestOf([]byte(content))
	b[d] = []byte(content)
	return closure.Descriptor{
		MediaType: mediaType, Digest: d, Size: int64(len(content)),
		Annotations: map[string]string{closure.AnnotationTitle: path, closure.AnnotationFilepath: path},
	}
}
