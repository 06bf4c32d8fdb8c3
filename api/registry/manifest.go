package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Media types of manifests: those of the OCI image specification and those of Docker's second schema, which say the same.
const (
	typeImage       = closure.MediaTypeManifest
	typeIndex       = "application/vnd.oci.image.index.v1+json"
	typeDockerImage = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// manifest is what the registry reads of one. All else in it is its author's.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *descriptor       `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject"`
	Annotations   map[string]string `json:"annotations"`

	digest schema.Digest
	size   int64
}

// descriptor is one of a manifest. A digest of another algorithm is no digest here.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       schema.Digest     `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// parseManifest reads the bytes of a manifest that came, or is kept, as of a media type (empty: whatever it says itself).
func parseManifest(b []byte, mediaType string) (*manifest, error) {
	bad := func(format string, args ...any) (*manifest, error) {
		return nil, fail(http.StatusBadRequest, codeManifestInvalid, "this is no manifest that can be kept: "+format, args...)
	}
	m := &manifest{digest: schema.DigestOf(b), size: int64(len(b))}
	if err := json.Unmarshal(b, m); err != nil {
		return bad("%.200s", err)
	}
	if m.MediaType == "" {
		m.MediaType = mediaType
		if mediaType == "" {
			m.MediaType = typeImage
			if m.Manifests != nil {
				m.MediaType = typeIndex
			}
		}
	}
	switch {
	case mediaType != "" && m.MediaType != mediaType:
		return bad("it calls itself %.100q, and came as %.100q", m.MediaType, mediaType)
	case m.SchemaVersion != 2:
		return bad("its schemaVersion is %d, not 2", m.SchemaVersion)
	case m.isImage() && m.Config == nil:
		return bad("it has no config")
	case m.isImage() && m.Manifests != nil, m.isIndex() && (m.Config != nil || m.Layers != nil):
		return bad("it is an image manifest and an index at once")
	case !m.isImage() && !m.isIndex():
		return bad("the media type %.100q is not one of %s", m.MediaType, strings.Join([]string{typeImage, typeIndex, typeDockerImage, typeDockerIndex}, ", "))
	}
	for _, d := range m.all() {
		if d.Digest.IsZero() || d.Size < 0 {
			return bad("a descriptor has no digest, or no size")
		}
	}
	if err := m.entry().Check("manifest"); err != nil {
		return bad("%s", err)
	}
	return m, nil
}

func (m *manifest) isImage() bool { return m.MediaType == typeImage || m.MediaType == typeDockerImage }

func (m *manifest) isIndex() bool { return m.MediaType == typeIndex || m.MediaType == typeDockerIndex }

// all are its descriptors.
func (m *manifest) all() []descriptor {
	list := slices.Concat(m.Layers, m.Manifests)
	for _, d := range []*descriptor{m.Config, m.Subject} {
		if d != nil {
			list = append(list, *d)
		}
	}
	return list
}

// artifactType is what the specification's listing of referrers says it is: empty for an index that says nothing.
func (m *manifest) artifactType() string {
	if m.ArtifactType == "" && m.Config != nil {
		return m.Config.MediaType
	}
	return m.ArtifactType
}

// entry points to the manifest.
func (m *manifest) entry() zoo.Entry {
	e := zoo.Entry{ArtifactType: m.artifactType(), Digest: m.digest, MediaType: m.MediaType, Size: m.size}
	if e.ArtifactType == "" {
		e.ArtifactType = m.MediaType
	}
	const created = "org.opencontainers.image.created"
	if _, err := time.Parse(time.RFC3339, m.Annotations[created]); err == nil {
		e.Created = m.Annotations[created]
	}
	return e
}

// checkBlobs refuses a manifest unless the store has what it names. Layers that may not be passed on need not be there, and
// neither need its subject.
func (r *Registry) checkBlobs(ctx context.Context, name string, m *manifest) error {
	list := slices.Concat(m.Layers, m.Manifests)
	if m.Config != nil {
		list = append(list, *m.Config)
	}
	seen := map[schema.Digest]bool{}
	for _, d := range list {
		if seen[d.Digest] || zoo.IsForeign(d.MediaType) {
			continue
		}
		seen[d.Digest] = true
		size, err := r.use(ctx, name, d.Digest)
		if err == nil && size == d.Size {
			continue
		}
		if err != nil && !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
		what := "is not in the store"
		if err == nil {
			what = fmt.Sprintf("has %d bytes, and not the %d that the manifest states", size, d.Size)
		}
		e := fail(http.StatusNotFound, codeManifestBlobUnknown, "%s %s: push what a manifest names before the manifest", d.Digest, what)
		e.Detail = map[string]string{"digest": d.Digest.String()}
		return e
	}
	return nil
}

// checkKind refuses what claims to be an object of Reprise and is not, and names that belong to another kind of object.
func (r *Registry) checkKind(ctx context.Context, name string, m *manifest, b []byte, version bool) error {
	kind := m.artifactType()
	if isObject(kind) {
		if _, err := closure.ParseManifest(b); err != nil {
			return err
		}
	}
	if !version {
		return nil
	}
	versions, err := r.store.Versions(ctx, name)
	if err != nil || len(versions) == 0 {
		return err
	}
	first, err := r.store.Version(ctx, name, versions[0])
	if err != nil {
		return err
	}
	if first.ArtifactType != kind && (isObject(first.ArtifactType) || isObject(kind)) {
		return fail(http.StatusConflict, codeDenied, "the name %s belongs to a %s, this is a %s: choose another name", name, zoo.Kind(first.ArtifactType), zoo.Kind(kind))
	}
	return nil
}

func isObject(artifactType string) bool {
	return artifactType == schema.MediaTypeClosure || artifactType == schema.MediaTypeDataset
}
