package zoo

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Links are what a manifest names. Stores hold more than closures and datasets: signatures, and whatever else is about them
// or was pushed to a registry. Copying and collecting must follow those too, so links are read from any OCI manifest or
// index, and only Manifest and package closure are strict.
type Links struct {
	ArtifactType string
	Blobs        []closure.Descriptor // config and layers
	Foreign      []closure.Descriptor // layers that may not be passed on, and so need not be in the store
	Manifests    []closure.Descriptor // of an index
	Subject      schema.Digest        // zero unless the manifest is about another
}

// ReadLinks reads the links of any OCI manifest or index; name is what errors call it. What is neither is *schema.Invalid.
func ReadLinks(name string, manifest []byte) (Links, error) {
	var m struct {
		SchemaVersion int                  `json:"schemaVersion"`
		ArtifactType  string               `json:"artifactType"`
		Config        *closure.Descriptor  `json:"config"`
		Layers        []closure.Descriptor `json:"layers"`
		Manifests     []closure.Descriptor `json:"manifests"`
		Subject       *closure.Descriptor  `json:"subject"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return Links{}, schema.Invalidf(name, "", "is no manifest: %v", err)
	}
	if m.SchemaVersion != 2 || m.Config == nil && m.Manifests == nil {
		return Links{}, schema.Invalidf(name, "", "is no OCI manifest or index")
	}
	l := Links{ArtifactType: m.ArtifactType, Manifests: m.Manifests}
	if m.Config != nil {
		l.Blobs = append(l.Blobs, *m.Config)
		if l.ArtifactType == "" {
			l.ArtifactType = m.Config.MediaType
		}
	}
	for _, layer := range m.Layers {
		if IsForeign(layer.MediaType) {
			l.Foreign = append(l.Foreign, layer)
		} else {
			l.Blobs = append(l.Blobs, layer)
		}
	}
	if m.Subject != nil {
		l.Subject = m.Subject.Digest
	}
	for _, d := range slices.Concat(l.Blobs, l.Foreign, l.Manifests) {
		if d.Digest.IsZero() || d.Size < 0 {
			return Links{}, schema.Invalidf(name, "", "names a blob without digest or size")
		}
	}
	return l, nil
}

// IsForeign reports whether a layer may not be passed on by registries, as some of Windows and of old Docker.
func IsForeign(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.foreign.")
}

// links reads the manifest to which an entry of a name points, with its bytes. A manifest that is missing or whose bytes are
// wrong is *schema.Damaged.
func links(ctx context.Context, blobs closure.Blobs, d schema.Digest, size int64) (Links, []byte, error) {
	b, err := closure.ReadBlob(ctx, blobs, BlobPath(d), d, size, closure.MaxManifest)
	if err != nil {
		return Links{}, nil, err
	}
	l, err := ReadLinks(BlobPath(d), b)
	return l, b, err
}

// maxDocument bounds what of a closure is read for the datasets that it names.
const maxDocument = 16 << 20

// datasetUse is a dataset that a closure refers to.
type datasetUse struct {
	Name   string
	Digest schema.Digest
}

// datasetsOf lists the datasets of a closure, each once. It reads no more of closure.json than that, so that closures of
// other releases are kept and copied too.
func datasetsOf(ctx context.Context, blobs closure.Blobs, l Links) ([]datasetUse, error) {
	if l.ArtifactType != schema.MediaTypeClosure || len(l.Blobs) == 0 {
		return nil, nil
	}
	config := l.Blobs[0]
	b, err := closure.ReadBlob(ctx, blobs, BlobPath(config.Digest), config.Digest, config.Size, maxDocument)
	if err != nil {
		return nil, err
	}
	var document struct {
		Datasets []datasetUse
		Earlier  []struct{ Datasets []datasetUse }
	}
	if err := json.Unmarshal(b, &document); err != nil {
		return nil, nil // texts that only stores could take for a closure name no datasets
	}
	all := document.Datasets
	for _, e := range document.Earlier {
		all = append(all, e.Datasets...)
	}
	var uses []datasetUse
	seen := map[datasetUse]bool{}
	for _, u := range all {
		if u.Digest.IsZero() || schema.CheckName(u.Name) != nil || seen[u] {
			continue
		}
		seen[u] = true
		uses = append(uses, u)
	}
	return uses, nil
}
