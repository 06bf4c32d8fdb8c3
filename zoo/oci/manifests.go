package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// manifestTypes are what this package asks for: objects, and what others may have put beside them.
var manifestTypes = []string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex), string(types.DockerManifestSchema2), string(types.DockerManifestList),
}

// accept is the value of the Accept header.
var accept = strings.Join(manifestTypes, ", ")

// manifest is what this package reads of a manifest of any kind.
type manifest struct {
	SchemaVersion int    `json:"schemaVersion"`
	MediaType     string `json:"mediaType"`
	ArtifactType  string `json:"artifactType"`
	Config        struct {
		MediaType string `json:"mediaType"`
	} `json:"config"`
	Subject *struct {
		Digest schema.Digest `json:"digest"`
	} `json:"subject"`
	Annotations map[string]string `json:"annotations"`
}

// looksLikeManifest reports whether a blob is one of those that registries keep as manifests.
func looksLikeManifest(content []byte) (mediaType string, ok bool) {
	if !bytes.HasPrefix(bytes.TrimLeft(content, " \t\r\n"), []byte("{")) {
		return "", false
	}
	var m manifest
	if json.Unmarshal(content, &m) != nil || m.SchemaVersion != 2 {
		return "", false
	}
	for _, t := range manifestTypes {
		if m.MediaType == t {
			return t, true
		}
	}
	return "", false
}

// entryOf is the entry that points to a manifest.
func entryOf(what string, m *cachedManifest) (zoo.Entry, error) {
	var parsed manifest
	if err := json.Unmarshal(m.content, &parsed); err != nil {
		return zoo.Entry{}, schema.Invalidf(what, "", "is not a manifest: %v", err)
	}
	e := zoo.Entry{
		ArtifactType: parsed.ArtifactType,
		Created:      parsed.Annotations["org.opencontainers.image.created"],
		Digest:       m.key.digest,
		MediaType:    m.mediaType,
		Size:         int64(len(m.content)),
	}
	if e.ArtifactType == "" {
		e.ArtifactType = parsed.Config.MediaType
	}
	if e.ArtifactType == "" {
		e.ArtifactType = m.mediaType // an index
	}
	if e.Check(what) != nil {
		e.Created = "" // somebody else's idea of a date
	}
	return e, e.Check(what)
}

// attempts of a request: many, unless the caller tries again by itself.
type persistence bool

const (
	attemptMany persistence = false
	attemptOnce persistence = true
)

// fetch reads the manifest that a tag or digest names.
func (r *repository) fetch(ctx context.Context, reference string, p persistence) (*cachedManifest, error) {
	what := r.name + ":" + reference
	wanted, err := schema.ParseDigest(reference)
	if err == nil {
		what = r.name + "@" + reference
		if m, ok := r.s.cache.get(blobKey{r.path, wanted}); ok {
			return m, nil
		}
	}
	resp, err := r.s.c.do(ctx, request{
		what: what, method: http.MethodGet, url: r.path + "/manifests/" + reference, scopes: r.pull(),
		header: map[string]string{"Accept": accept}, once: bool(p),
	})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, r.s.c.problem(what, resp)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, closure.MaxManifest+1))
	if err != nil {
		return nil, r.s.c.lineError(what, err)
	}
	if len(content) > closure.MaxManifest {
		return nil, schema.Invalidf(what, "", "its manifest has more than %d bytes", closure.MaxManifest)
	}
	m := &cachedManifest{key: blobKey{r.path, schema.DigestOf(content)}, mediaType: resp.Header.Get("Content-Type"), content: content}
	if t, ok := looksLikeManifest(content); ok {
		m.mediaType = t
	}
	// A tag has no digest of its own, so what the registry says is all there is to compare with.
	if said, err := schema.ParseDigest(resp.Header.Get("Docker-Content-Digest")); wanted.IsZero() && err == nil {
		wanted = said
	}
	if !wanted.IsZero() && m.key.digest != wanted {
		return nil, &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: what, Expected: wanted, Observed: m.key.digest}}}
	}
	r.s.cache.put(m)
	return m, nil
}

// statManifest returns the size of a manifest, or zoo.ErrNotFound. It is tried once.
func (r *repository) statManifest(ctx context.Context, d schema.Digest) (int64, error) {
	resp, err := r.s.c.do(ctx, request{
		what: r.name + "@" + d.String(), method: http.MethodHead, url: r.path + "/manifests/" + d.String(), scopes: r.pull(),
		header: map[string]string{"Accept": accept}, once: true,
	})
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, r.s.c.problem(d.String(), resp)
	}
	resp.Body.Close()
	if resp.ContentLength >= 0 {
		return resp.ContentLength, nil
	}
	m, err := r.fetch(ctx, d.String(), attemptOnce)
	if err != nil {
		return 0, err
	}
	return int64(len(m.content)), nil
}

// errManifestRefused: the registry does not take the bytes for a manifest.
var errManifestRefused = errors.New("the registry does not accept it as a manifest")

// push stores a manifest under a tag or its digest. Conditions are for registries that honour them.
func (r *repository) pushManifest(ctx context.Context, reference string, m *cachedManifest, conditions map[string]string) error {
	what := fmt.Sprintf("%s:%s", r.name, reference)
	header := map[string]string{"Content-Type": m.mediaType}
	maps.Copy(header, conditions)
	resp, err := r.s.c.do(ctx, request{
		what: what, method: http.MethodPut, url: r.path + "/manifests/" + reference, scopes: r.push(),
		header: header, body: m.content,
	})
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusCreated, http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		resp.Body.Close()
	default:
		err := r.s.c.problem(what, resp)
		if e, ok := errors.AsType[*statusError](err); ok && (strings.HasPrefix(e.code, "MANIFEST_") || e.code == "BLOB_UNKNOWN") {
			return fmt.Errorf("%w: %w", err, errManifestRefused)
		}
		return err
	}
	r.s.cache.put(m)
	return nil
}

// isRefusedToken reports whether an error is that of a token server which does not give out the scope.
func isRefusedToken(err error) bool {
	return isDenied(err) || statusOf(err) == http.StatusBadRequest
}
