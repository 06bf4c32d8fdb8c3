package registry

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// pageOfReferrers is how many are listed at a time: each has to be read, for its annotations.
const pageOfReferrers = 100

// index is the answer: an OCI index.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

// referrers answers GET /v2/NAME/referrers/DIGEST: the manifests about another, in the order of their digests.
func (r *Registry) referrers(c *gin.Context, p place) error {
	subject, err := parseDigest(p.last)
	if err != nil {
		return err
	}
	page, err := readPage(c.Request, pageOfReferrers)
	if err != nil {
		return err
	}
	if page.n == 0 || page.n > pageOfReferrers {
		page.n = pageOfReferrers
	}
	var after schema.Digest
	if page.last != "" {
		if after, err = parseDigest(page.last); err != nil {
			return err
		}
	}
	ctx := c.Request.Context()
	all, err := zoo.ReferrersOf(r.store, p.name).Referrers(ctx, subject)
	if err != nil {
		return err
	}
	wanted := c.Query("artifactType")
	answer := index{2, typeIndex, []descriptor{}}
	for _, e := range all {
		if e.Digest.Hex() <= after.Hex() || wanted != "" && e.ArtifactType != wanted {
			continue
		}
		if len(answer.Manifests) == page.n {
			q := url.Values{"last": {answer.Manifests[page.n-1].Digest.String()}}
			if wanted != "" {
				q.Set("artifactType", wanted)
			}
			page.link(c, q)
			break
		}
		m, _, err := r.manifest(ctx, p.name, e.Digest)
		if errors.Is(err, zoo.ErrNotFound) {
			continue // deleted, or on its way
		}
		if err != nil {
			return err
		}
		if wanted != "" && m.artifactType() != wanted {
			continue
		}
		answer.Manifests = append(answer.Manifests, descriptor{m.MediaType, m.digest, m.size, m.artifactType(), m.Annotations})
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	if wanted != "" {
		c.Header("OCI-Filters-Applied", "artifactType")
	}
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, typeIndex, b)
	return nil
}
