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

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// The specification has no catalogue. Many registries list their repositories all the same, some to some users only. So whoever
// publishes a new name also adds it to an index, an artifact in a repository that no name can have. Names reads both.

const (
	indexRepository = "index.json" // names do not end so
	indexTag        = "latest"
	mediaTypeNames  = "application/vnd.reprise.names.v1+json"
)

// names is the document of the index.
type names struct {
	Names []string `json:"names"` // sorted
}

// Names implements zoo.Catalogue.
func (s *Store) Names(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []string
	if s.offers.catalogue {
		repositories, err := s.repositories(ctx)
		if err != nil {
			return nil, err
		}
		found = repositories
	}
	if !s.offers.conditional {
		indexed, err := s.indexed(ctx)
		if err != nil && (!s.offers.catalogue || !isDenied(err)) {
			return nil, err
		}
		found = append(found, indexed.Names...)
	}
	slices.Sort(found)
	return s.used(ctx, slices.Compact(found))
}

// repositories lists the names that the registry has repositories for.
func (s *Store) repositories(ctx context.Context) ([]string, error) {
	var found []string
	err := s.c.pages(ctx, request{
		what: "the catalogue", method: http.MethodGet, url: "_catalog?n=1000", scopes: []string{scopeCatalogue},
	}, func(body io.Reader) error {
		var page struct {
			Repositories []string `json:"repositories"`
		}
		if err := json.NewDecoder(body).Decode(&page); err != nil {
			return err
		}
		for _, path := range page.Repositories {
			if prefix := s.c.location.Prefix; prefix != "" {
				var below bool
				if path, below = strings.CutPrefix(path, prefix+"/"); !below {
					continue
				}
			}
			if schema.CheckName(path) == nil {
				found = append(found, path)
			}
		}
		return nil
	})
	return found, err
}

// used keeps the names that have a version or a tag.
func (s *Store) used(ctx context.Context, candidates []string) ([]string, error) {
	keep := make([]bool, len(candidates))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, name := range candidates {
		group.Go(func() error {
			tags, err := s.repository(name).tags(ctx)
			if isDenied(err) {
				return nil // somebody else's
			}
			keep[i] = slices.ContainsFunc(tags, func(t string) bool { return schema.CheckVersion(t) == nil || schema.CheckTag(t) == nil })
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var found []string
	for i, name := range candidates {
		if keep[i] {
			found = append(found, name)
		}
	}
	return found, nil
}

// indexed reads the index; without one it is empty.
func (s *Store) indexed(ctx context.Context) (names, error) {
	r := s.indexRepository()
	m, err := r.fetch(ctx, indexTag, attemptMany)
	if errors.Is(err, zoo.ErrNotFound) {
		return names{}, nil
	}
	if err != nil {
		return names{}, err
	}
	parsed, err := configOf(m.content)
	if err != nil || parsed.MediaType != mediaTypeNames {
		return names{}, schema.Invalidf(r.path+":"+indexTag, "", "is no index of names")
	}
	b, err := r.download(ctx, parsed.Digest, 0, -1)
	if err != nil {
		return names{}, err
	}
	defer b.Close()
	document, err := io.ReadAll(io.LimitReader(closure.VerifyReader(b, r.path, parsed.Digest, parsed.Size), maxPage))
	if err != nil {
		return names{}, err
	}
	var n names
	if err := json.Unmarshal(document, &n); err != nil {
		return names{}, schema.Invalidf(r.path+":"+indexTag, "", "cannot be read: %v", err)
	}
	n.Names = slices.DeleteFunc(n.Names, func(name string) bool { return schema.CheckName(name) != nil })
	return n, nil
}

// configOf is the config of a manifest.
func configOf(content []byte) (closure.Descriptor, error) {
	var m struct {
		Config closure.Descriptor `json:"config"`
	}
	err := json.Unmarshal(content, &m)
	return m.Config, err
}

func (s *Store) indexRepository() *repository {
	return &repository{s: s, name: indexRepository, path: s.pathOf(indexRepository)}
}

// listed adds a name to the index after something was published under it. The publication stands whether that succeeds or not.
func (s *Store) listed(ctx context.Context, name string) error {
	if s.offers.conditional {
		return nil // that registry's own catalogue is complete
	}
	if err := s.addToIndex(ctx, name); err != nil && ctx.Err() == nil {
		s.opts.Warn(fmt.Sprintf("%s was published, but not added to the store's list of names: %v", name, err))
	}
	return nil
}

func (s *Store) addToIndex(ctx context.Context, name string) error {
	unlock, err := s.keys.lock(ctx, "names")
	if err != nil {
		return err
	}
	defer unlock()
	for failures := 0; ; failures++ {
		if s.indexHas[name] {
			return nil
		}
		n, err := s.indexed(ctx)
		if err != nil && !isDenied(err) { // some registries deny what is not there yet
			return err
		}
		for _, known := range n.Names {
			s.indexHas[known] = true
		}
		if s.indexHas[name] {
			return nil
		}
		// The last one who writes wins; whose name is gone adds it again.
		if failures >= s.c.pauses.attempts {
			return errors.New("others write the list at the same time")
		}
		if failures > 0 {
			if err := s.c.pauses.wait(ctx, failures, 0); err != nil {
				return err
			}
		}
		n.Names = append(n.Names, name)
		slices.Sort(n.Names)
		if err := s.writeIndex(ctx, n); err != nil {
			return err
		}
	}
}

func (s *Store) writeIndex(ctx context.Context, n names) error {
	document, err := schema.Canonical(n)
	if err != nil {
		return err
	}
	r := s.indexRepository()
	d := schema.DigestOf(document)
	if _, err := r.statBlob(ctx, d); errors.Is(err, zoo.ErrNotFound) {
		err = r.uploadWhole(ctx, d, document)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	config := closure.Descriptor{
		MediaType: mediaTypeNames, Digest: d, Size: int64(len(document)),
		Annotations: map[string]string{closure.AnnotationTitle: "names.json", closure.AnnotationFilepath: "names.json"},
	}
	layer := config // registries want a layer
	layer.Annotations = nil
	content := (&closure.Manifest{ArtifactType: mediaTypeNames, Config: config, Layers: []closure.Descriptor{layer}}).Bytes()
	m := &cachedManifest{key: blobKey{r.path, schema.DigestOf(content)}, mediaType: closure.MediaTypeManifest, content: content}
	return r.pushManifest(ctx, indexTag, m, nil)
}
