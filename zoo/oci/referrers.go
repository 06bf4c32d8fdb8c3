package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// index is an OCI image index: the answer of the referrers API, and what the fallback tag points to.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       schema.Digest     `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	// What others wrote and this package does not look at is kept.
	Platform json.RawMessage `json:"platform,omitempty"`
	URLs     []string        `json:"urls,omitempty"`
	Data     []byte          `json:"data,omitempty"`
}

// fallbackTag is where the referrers of a subject are listed in a registry without the API.
func fallbackTag(subject schema.Digest) string { return "sha256-" + subject.Hex() }

// What is known about the API of a registry.
const (
	apiUnknown = iota
	apiThere
	apiAbsent
)

// Referrers implements zoo.Referrers. What kind of object a referrer is, its own manifest says: registries report it in different
// ways.
func (r *repository) Referrers(ctx context.Context, subject schema.Digest) ([]zoo.Entry, error) {
	if err := r.checkDigest(ctx, subject); err != nil {
		return nil, err
	}
	list, err := r.descriptors(ctx, subject)
	if err != nil {
		return nil, err
	}
	entries := make([]zoo.Entry, len(list))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, d := range list {
		group.Go(func() error {
			m, err := r.fetch(ctx, d.Digest.String(), attemptMany)
			if errors.Is(err, zoo.ErrNotFound) {
				return nil // deleted, and still in the list
			}
			if err != nil {
				return err
			}
			e, err := entryOf(r.name+"@"+d.Digest.String(), m)
			if err == nil {
				entries[i] = e
			}
			return nil // what is no object of any kind is no referrer
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e zoo.Entry) bool { return e.Digest.IsZero() })
	slices.SortFunc(entries, func(a, b zoo.Entry) int { return strings.Compare(a.Digest.Hex(), b.Digest.Hex()) })
	return slices.Compact(entries), nil
}

// descriptors lists the referrers of a subject by the API or by the fallback tag.
func (r *repository) descriptors(ctx context.Context, subject schema.Digest) ([]descriptor, error) {
	list, there, err := r.askReferrers(ctx, subject)
	if err != nil || there {
		return list, err
	}
	i, _, err := r.fallback(ctx, subject)
	return i.Manifests, err
}

// askReferrers asks the API; there says that the registry has it. What a registry says when a subject is pushed proves nothing:
// some announce an API that they lack.
func (r *repository) askReferrers(ctx context.Context, subject schema.Digest) (list []descriptor, there bool, err error) {
	if r.s.nativeR.Load() == apiAbsent {
		return nil, false, nil
	}
	err = r.s.c.pages(ctx, request{
		what: "what refers to " + subject.String(), method: http.MethodGet, url: r.path + "/referrers/" + subject.String(), scopes: r.pull(),
	}, func(body io.Reader) error {
		var page index
		if err := json.NewDecoder(body).Decode(&page); err != nil {
			return err
		}
		list = append(list, page.Manifests...)
		return nil
	})
	switch status := statusOf(err); {
	case err == nil:
		r.s.nativeR.Store(apiThere)
		return list, true, nil
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusBadRequest:
		// Of a repository that is not there, a registry with the API may say so too.
		if r.s.nativeR.Load() == apiThere {
			return nil, true, nil
		}
		return nil, false, nil
	}
	return nil, false, err
}

// fallback reads the index of the fallback tag, and its digest; without one it is empty.
func (r *repository) fallback(ctx context.Context, subject schema.Digest) (index, schema.Digest, error) {
	m, err := r.fetch(ctx, fallbackTag(subject), attemptMany)
	if errors.Is(err, zoo.ErrNotFound) {
		return index{SchemaVersion: 2, MediaType: string(types.OCIImageIndex), Manifests: []descriptor{}}, schema.Digest{}, nil
	}
	if err != nil {
		return index{}, schema.Digest{}, err
	}
	var i index
	if err := json.Unmarshal(m.content, &i); err != nil || i.MediaType != string(types.OCIImageIndex) {
		return index{}, schema.Digest{}, schema.Invalidf(r.name+":"+fallbackTag(subject), "", "is no index of referrers")
	}
	return i, m.key.digest, nil
}

// PutReferrer implements zoo.Referrers. A registry with the API knows of a referrer since its manifest was stored; elsewhere it is
// added to the index of the fallback tag, which is read, written and read back until it is in it.
func (r *repository) PutReferrer(ctx context.Context, subject schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckReferrer(ctx, subject, e); err != nil {
		return err
	}
	if err := zoo.CheckNameOf(ctx, r.name); err != nil {
		return err
	}
	m, err := r.object(ctx, e)
	if err != nil {
		return err
	}
	var parsed manifest
	if err := json.Unmarshal(m.content, &parsed); err != nil || parsed.Subject == nil || parsed.Subject.Digest != subject {
		return schema.Invalidf(r.name+"@"+e.Digest.String(), "subject", "is not %s: a registry finds referrers by it", subject)
	}
	list, there, err := r.askReferrers(ctx, subject)
	if err != nil {
		return err
	}
	if there {
		if contains(list, e.Digest) {
			return nil
		}
		return fmt.Errorf("%s does not list %s among what refers to %s, though it has it", r.s.c.location.Host, e.Digest, subject)
	}
	unlock, err := r.s.keys.lock(ctx, r.path+":"+fallbackTag(subject))
	if err != nil {
		return err
	}
	defer unlock()
	return r.addToFallback(ctx, subject, descriptor{
		MediaType: m.mediaType, Digest: e.Digest, Size: int64(len(m.content)), ArtifactType: e.ArtifactType, Annotations: parsed.Annotations,
	})
}

func (r *repository) addToFallback(ctx context.Context, subject schema.Digest, d descriptor) error {
	for failures := 0; ; failures++ {
		i, _, err := r.fallback(ctx, subject)
		if err != nil {
			return err
		}
		if contains(i.Manifests, d.Digest) {
			return nil
		}
		// Others write such an index too, at the same time: the last one wins, and whose entry is gone adds it again.
		if failures >= r.s.c.pauses.attempts {
			return fmt.Errorf("the referrers of %s: %w: others write the list at the same time", subject, zoo.ErrInterrupted)
		}
		if failures > 0 {
			if err := r.s.c.pauses.wait(ctx, failures, 0); err != nil {
				return err
			}
		}
		i.Manifests = append(i.Manifests, d)
		content, err := json.Marshal(i)
		if err != nil {
			return err
		}
		m := &cachedManifest{key: blobKey{r.path, schema.DigestOf(content)}, mediaType: i.MediaType, content: content}
		if err := r.pushManifest(ctx, fallbackTag(subject), m, nil); err != nil {
			return err
		}
	}
}

func contains(list []descriptor, d schema.Digest) bool {
	return slices.ContainsFunc(list, func(one descriptor) bool { return one.Digest == d })
}
