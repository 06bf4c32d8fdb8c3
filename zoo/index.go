package zoo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"github.com/reprise-ml/reprise/schema"
)

// Index makes the index.json by which tools for OCI layouts find the objects of a selection: one line for each version and
// tag, which names it as name:version, and one for each manifest that is only found through others. Equal selections give
// equal bytes. Reprise itself never reads that file.
// See https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md.
func (s *Selection) Index() []byte {
	type line struct {
		MediaType    string            `json:"mediaType"`
		ArtifactType string            `json:"artifactType,omitempty"`
		Digest       schema.Digest     `json:"digest"`
		Size         int64             `json:"size"`
		Annotations  map[string]string `json:"annotations,omitempty"`
	}
	index := struct {
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
		Manifests     []line `json:"manifests"`
	}{2, MediaTypeIndex, []line{}}
	named, entered := map[schema.Digest]bool{}, map[schema.Digest]bool{}
	add := func(e Entry, name string) {
		l := line{MediaType: e.MediaType, ArtifactType: e.ArtifactType, Digest: e.Digest, Size: e.Size}
		if name != "" {
			l.Annotations = map[string]string{"org.opencontainers.image.ref.name": name}
		}
		index.Manifests = append(index.Manifests, l)
		entered[e.Digest] = true
	}
	for _, o := range s.Objects {
		for _, ref := range o.Refs {
			add(ref.Entry, o.Name+":"+ref.Version+ref.Tag)
			named[o.Entry.Digest] = true
		}
	}
	for _, o := range s.Objects {
		if !named[o.Entry.Digest] && !entered[o.Entry.Digest] {
			add(o.Entry, "")
		}
	}
	slices.SortFunc(index.Manifests, func(a, b line) int {
		const key = "org.opencontainers.image.ref.name"
		return cmp.Or(cmp.Compare(a.Annotations[key], b.Annotations[key]), cmp.Compare(a.Digest.Hex(), b.Digest.Hex()))
	})
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(index); err != nil {
		panic(err) // texts and numbers encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// MediaTypeIndex is that of an OCI index.
const MediaTypeIndex = "application/vnd.oci.image.index.v1+json"

// IndexPath is where the index of an OCI layout lies.
const IndexPath = "index.json"
