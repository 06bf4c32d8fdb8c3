package storetest

import (
	"bytes"
	"context"
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
func Object(name, version, text string) zoo.Object {
	return object(name, version, schema.MediaTypeClosure, schema.PathClosure, map[string]string{
		schema.PathEngine:     "engine of " + text,
		schema.PathParameters: "parameters of " + text,
		schema.PathReadme:     "shared by all",
		schema.PathLicense:    "shared by all", // the same blob twice
	})
}

// Dataset is a small dataset ready for zoo.Publish.
func Dataset(name, version, text string) zoo.Object {
	return object(name, version, schema.MediaTypeDataset, closure.PathDataset, map[string]string{
		"train/0.bin": "records of " + text,
	})
}

func object(name, version, artifactType, document string, files map[string]string) zoo.Object {
	blobs := Bytes{}
	config := fmt.Sprintf(`{"name":%q,"version":%q}`, name, version)
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
