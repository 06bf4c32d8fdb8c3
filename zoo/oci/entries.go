package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Versions and tags are both tags of a repository; which one it is, is seen by its spelling.

// PutVersion implements zoo.Versions.
func (s *Store) PutVersion(ctx context.Context, name, version string, e zoo.Entry) error {
	if err := zoo.CheckVersionEntry(ctx, name, version, e); err != nil {
		return err
	}
	unlock, err := s.keys.lock(ctx, name+":"+version)
	if err != nil {
		return err
	}
	defer unlock()
	r := s.repository(name)
	have, err := s.Version(ctx, name, version)
	if err == nil {
		return zoo.SameVersion(name, version, have, e)
	}
	if !errors.Is(err, zoo.ErrNotFound) {
		return err
	}
	m, err := r.object(ctx, e)
	if err != nil {
		return err
	}
	put := r.pushManifest(ctx, version, m, nil)
	if put != nil && !isConflict(put) {
		return put
	}
	// Somebody may have been faster, before or after this write.
	have, err = s.Version(ctx, name, version)
	if err != nil {
		return errors.Join(put, err)
	}
	if err := zoo.SameVersion(name, version, have, e); err != nil {
		return err
	}
	return s.listed(ctx, name)
}

// isConflict reports whether a registry refused to write over what is there.
func isConflict(err error) bool {
	status := statusOf(err)
	return status == http.StatusConflict || status == http.StatusPreconditionFailed
}

// object is the manifest of an entry, which the caller has stored.
func (r *repository) object(ctx context.Context, e zoo.Entry) (*cachedManifest, error) {
	m, err := r.fetch(ctx, e.Digest.String(), attemptMany)
	if errors.Is(err, zoo.ErrNotFound) {
		return nil, fmt.Errorf("the manifest has to be stored first: %w", err)
	}
	return m, err
}

// Version implements zoo.Versions.
func (s *Store) Version(ctx context.Context, name, version string) (zoo.Entry, error) {
	if err := zoo.CheckVersionOf(ctx, name, version); err != nil {
		return zoo.Entry{}, err
	}
	return s.entry(ctx, name, version)
}

func (s *Store) entry(ctx context.Context, name, reference string) (zoo.Entry, error) {
	m, err := s.repository(name).fetch(ctx, reference, attemptMany)
	if err != nil {
		return zoo.Entry{}, err
	}
	return entryOf(name+":"+reference, m)
}

// Versions implements zoo.Versions.
func (s *Store) Versions(ctx context.Context, name string) ([]string, error) {
	return s.list(ctx, name, schema.CheckVersion, schema.CompareVersions)
}

func (s *Store) list(ctx context.Context, name string, check func(string) error, compare func(a, b string) int) ([]string, error) {
	if err := zoo.CheckNameOf(ctx, name); err != nil {
		return nil, err
	}
	all, err := s.repository(name).tags(ctx)
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(all, func(t string) bool { return check(t) != nil })
	slices.SortFunc(found, compare)
	return found, nil
}

// SwapTag implements zoo.Tags.
func (s *Store) SwapTag(ctx context.Context, name, tag string, old schema.Digest, e zoo.Entry) error {
	if err := zoo.CheckTagEntry(ctx, name, tag, e); err != nil {
		return err
	}
	unlock, err := s.keys.lock(ctx, name+":"+tag)
	if err != nil {
		return err
	}
	defer unlock()
	if done, err := s.swap(ctx, name, tag, old, e); done || err != nil {
		return err
	}
	r := s.repository(name)
	m, err := r.object(ctx, e)
	if err != nil {
		return err
	}
	var condition map[string]string
	switch {
	case !s.offers.conditional:
	case old.IsZero():
		condition = map[string]string{"If-None-Match": "*"}
	default:
		condition = map[string]string{"If-Match": `"` + old.String() + `"`}
	}
	put := r.pushManifest(ctx, tag, m, condition)
	if put != nil && !isConflict(put) {
		return put
	}
	current, err := s.Tag(ctx, name, tag)
	if err != nil && !errors.Is(err, zoo.ErrNotFound) {
		return errors.Join(put, err)
	}
	if current.Digest != e.Digest {
		// Where the registry has no conditions this write is lost after the fact, which is to be told too.
		if done, err := zoo.Swap(name, tag, current.Digest, old, e.Digest); done || err != nil {
			return err
		}
		return fmt.Errorf("%s:%s: %w: it went back to %s", name, tag, zoo.ErrTagMoved, old)
	}
	return s.listed(ctx, name)
}

// DeleteTag implements zoo.TagDeleter. A Reprise server decides by itself whether the tag is where it was seen; elsewhere a move between
// the look and the deletion is lost. A registry that does not delete tags is zoo.ErrUnsupported: to delete the manifest instead, as
// some ask for, would take all of its tags along, versions too.
func (s *Store) DeleteTag(ctx context.Context, name, tag string, old schema.Digest) error {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return err
	}
	unlock, err := s.keys.lock(ctx, name+":"+tag)
	if err != nil {
		return err
	}
	defer unlock()
	look := func() error {
		current, err := s.Tag(ctx, name, tag)
		if err != nil && !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
		return zoo.Untag(name, tag, current.Digest, old)
	}
	if err := look(); err != nil {
		return err
	}
	q := request{what: "deleting " + name + ":" + tag, method: http.MethodDelete, url: s.pathOf(name) + "/manifests/" + tag, scopes: []string{scopeDelete(s.pathOf(name))}}
	if s.offers.conditional {
		q.header = map[string]string{"If-Match": `"` + old.String() + `"`}
	}
	resp, err := s.c.do(ctx, q)
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotFound: // the answer to an earlier attempt may have been lost
		resp.Body.Close()
		if err := look(); err == nil {
			return fmt.Errorf("%s: %s says that it is deleted, and still has it", q.what, s.c.location.Host)
		} else if !errors.Is(err, zoo.ErrNotFound) {
			return err
		}
		return nil
	}
	refused := s.c.problem(q.what, resp)
	if isConflict(refused) {
		if err := look(); err != nil {
			return err
		}
	}
	e, ok := errors.AsType[*statusError](refused)
	switch {
	case ok && e.code == "DENIED":
		return e // the server says why
	case ok && (e.status == http.StatusMethodNotAllowed || e.status == http.StatusBadRequest || e.status == http.StatusNotImplemented):
		return fmt.Errorf("%w; %w: this registry deletes no tags: move the tag, or delete it by the registry's own means", e, zoo.ErrUnsupported)
	}
	return refused
}

// swap decides about a move of a tag by where it is now.
func (s *Store) swap(ctx context.Context, name, tag string, old schema.Digest, e zoo.Entry) (done bool, err error) {
	current, err := s.Tag(ctx, name, tag)
	if err != nil && !errors.Is(err, zoo.ErrNotFound) {
		return false, err
	}
	return zoo.Swap(name, tag, current.Digest, old, e.Digest)
}

// Tag implements zoo.Tags.
func (s *Store) Tag(ctx context.Context, name, tag string) (zoo.Entry, error) {
	if err := zoo.CheckTagOf(ctx, name, tag); err != nil {
		return zoo.Entry{}, err
	}
	return s.entry(ctx, name, tag)
}

// Tags implements zoo.Tags. Tags by which others find signatures and referrers are not tags of an object.
func (s *Store) Tags(ctx context.Context, name string) ([]string, error) {
	return s.list(ctx, name, schema.CheckTag, strings.Compare)
}

// tags lists all tags of the repository; one that is not there has none.
func (r *repository) tags(ctx context.Context) ([]string, error) {
	var all []string
	err := r.s.c.pages(ctx, request{
		what: "the tags of " + r.name, method: http.MethodGet, url: r.path + "/tags/list?n=1000", scopes: r.pull(),
	}, func(body io.Reader) error {
		var page struct {
			Tags []string `json:"tags"`
		}
		if err := json.NewDecoder(body).Decode(&page); err != nil {
			return err
		}
		all = append(all, page.Tags...)
		return nil
	})
	if errors.Is(err, zoo.ErrNotFound) {
		return nil, nil
	}
	return all, err
}

const (
	maxPages = 10_000
	maxPage  = 64 << 20 // bytes
)

// next is the address of the next page in a Link header (RFC 8288).
var next = regexp.MustCompile(`<([^>]+)>\s*;[^,]*\brel="?next"?`)

// pages reads an answer in pages.
func (c *client) pages(ctx context.Context, q request, read func(body io.Reader) error) error {
	for range maxPages {
		resp, err := c.do(ctx, q)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return c.problem(q.what, resp)
		}
		err = read(io.LimitReader(resp.Body, maxPage))
		resp.Body.Close()
		if err != nil {
			return c.lineError(q.what, err)
		}
		m := next.FindStringSubmatch(strings.Join(resp.Header.Values("Link"), ","))
		if m == nil {
			return nil
		}
		u, err := url.Parse(m[1])
		if err != nil {
			return fmt.Errorf("%s: %s gives an address of the next page that is none", q.what, c.location.Host)
		}
		if q.url = resp.Request.URL.ResolveReference(u).String(); !strings.HasPrefix(q.url, c.root+"/") {
			return fmt.Errorf("%s: %s gives a next page elsewhere", q.what, c.location.Host)
		}
	}
	return fmt.Errorf("%s: %s answers in more than %d pages", q.what, c.location.Host, maxPages)
}
