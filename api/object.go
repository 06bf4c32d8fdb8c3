package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// stored is an object that was read from the store. One of closure and dataset is set.
type stored struct {
	name, version string // version is empty where no version of the name is this object
	digest        schema.Digest
	size          int64 // of the manifest
	manifest      *closure.Manifest
	document      json.RawMessage
	blobs         closure.Blobs
	closure       *schema.Closure
	dataset       *schema.Dataset
}

func (o *stored) reference() Reference {
	return Reference{Name: o.name, Version: o.version, Digest: o.digest}
}

func (o *stored) manifestSummary() ManifestSummary {
	return ManifestSummary{Digest: o.digest, Size: o.size}
}

// maxDocument is the largest document that is served in an answer.
const maxDocument = 16 << 20

func (s *Service) blobsOf(name string) zoo.Blobs { return zoo.BlobsOf(s.store, name) }

// closureAt reads the closure that a reference means.
func (s *Service) closureAt(ctx context.Context, reference string) (*stored, error) {
	o, err := s.object(ctx, reference)
	if err != nil {
		return nil, err
	}
	if o.closure == nil {
		return nil, newProblem(http.StatusNotFound, codeNotAClosure, "ask /api/v1/dataset", "%s is a dataset", o.name)
	}
	return o, nil
}

// datasetAt reads the dataset that a reference means.
func (s *Service) datasetAt(ctx context.Context, reference string) (*stored, error) {
	o, err := s.object(ctx, reference)
	if err != nil {
		return nil, err
	}
	if o.dataset == nil {
		return nil, newProblem(http.StatusNotFound, codeNotADataset, "ask /api/v1/closure", "%s is a closure", o.name)
	}
	return o, nil
}

// object reads the object that a reference means, from the store or from memory: what a digest names never changes.
func (s *Service) object(ctx context.Context, reference string) (*stored, error) {
	if reference == "" {
		return nil, newProblem(http.StatusBadRequest, codeInvalid, "add ?ref=NAME, ?ref=NAME:VERSION or ?ref=NAME@sha256:…", "no reference was given")
	}
	r, err := zoo.Resolve(ctx, s.store, reference)
	if err != nil {
		return nil, err
	}
	o, known := s.objects.get(r.Entry.Digest)
	if !known || o.name != r.Name {
		if o, err = s.load(ctx, r); err != nil {
			return nil, err
		}
		s.objects.put(o.digest, o, int64(4*len(o.document))+o.size)
	}
	copied := *o
	copied.version = r.Version
	if r.Version == "" {
		copied.version = s.versionOf(ctx, r)
	}
	return &copied, nil
}

// versionOf finds the version that an object has, where the reference was a tag or a digest.
func (s *Service) versionOf(ctx context.Context, r zoo.Resolved) string {
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return ""
	}
	versions, err := index.Versions(ctx, r.Name)
	if err != nil {
		return ""
	}
	for _, i := range versions {
		if i.Entry.Digest == r.Entry.Digest {
			return i.Version
		}
	}
	return ""
}

func (s *Service) load(ctx context.Context, r zoo.Resolved) (*stored, error) {
	m, err := zoo.Manifest(ctx, s.store, r)
	if err != nil {
		return nil, unacceptable(err)
	}
	o := &stored{name: r.Name, digest: r.Entry.Digest, size: int64(len(m.Bytes())), manifest: m, blobs: s.blobsOf(r.Name)}
	switch m.ArtifactType {
	case schema.MediaTypeClosure:
		o.closure, err = closure.LoadClosure(ctx, o.blobs, m)
	case schema.MediaTypeDataset:
		o.dataset, err = closure.LoadDataset(ctx, o.blobs, m)
	default:
		return nil, newProblem(http.StatusNotFound, codeNotFound, "", "%s is neither a closure nor a dataset", r.Name)
	}
	if err != nil {
		return nil, unacceptable(err)
	}
	o.document, err = closure.ReadBlob(ctx, o.blobs, m.Config.Path(), m.Config.Digest, m.Config.Size, maxDocument)
	return o, err
}

// unacceptable is the problem of a stored document that is not valid: the client asked rightly.
func unacceptable(err error) error {
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		p := newProblem(http.StatusUnprocessableEntity, codeInvalid, "its authors have to publish it anew", "%s", invalid)
		p.cause = err
		return p
	}
	return err
}

// integer reads a number of the query.
func integer(c *gin.Context, name string, otherwise, least, most int) (int, error) {
	text := c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, newProblem(http.StatusBadRequest, codeInvalid, "", "%s is %q; a number from %d to %d is needed", name, shorten(text, 32), least, most)
	}
	return n, nil
}

// choice reads a word of the query, of which there are few.
func choice(c *gin.Context, name, otherwise string, choices ...string) (string, error) {
	text := c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	for _, one := range choices {
		if text == one {
			return one, nil
		}
	}
	return "", newProblem(http.StatusBadRequest, codeInvalid, "", "%s is %q; use %s", name, shorten(text, 32), strings.Join(choices, ", "))
}

func jsonLine(line []byte, v any) error { return json.Unmarshal(line, v) }

func reversed[T any](list []T) []T {
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}
