package registry

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// deleteManifest answers DELETE of a tag, or of a manifest with all of its tags. What is published stays: a name with a version
// is not touched. With If-Match a tag goes only if it is where the client saw it.
func (r *Registry) deleteManifest(c *gin.Context, p place) error {
	ctx := c.Request.Context()
	e, _, err := r.find(ctx, p.name, p.last)
	if err != nil {
		return err
	}
	if c.GetHeader("If-Match") != "" {
		target, err := readTarget(c.Request, p.last)
		if err == nil {
			err = zoo.Untag(p.name, p.last, e.Digest, target.seen)
		}
		if err != nil {
			return err
		}
	}
	versions, err := r.store.Versions(ctx, p.name)
	if err != nil {
		return err
	}
	if len(versions) > 0 {
		return fail(http.StatusMethodNotAllowed, codeDenied,
			"%s has published versions, and what is published is not deleted: reprise withdraw %s:%s --reason WHY marks one as withdrawn", p.name, p.name, versions[len(versions)-1])
	}
	tags := []string{p.last}
	whole := strings.Contains(p.last, ":")
	if whole {
		if tags, err = r.store.Tags(ctx, p.name); err != nil {
			return err
		}
	}
	deleter, ok := r.store.(zoo.TagDeleter)
	if !ok {
		return fail(http.StatusMethodNotAllowed, codeUnsupported, "nothing can be deleted from this kind of store")
	}
	for _, tag := range tags {
		err := deleter.DeleteTag(ctx, p.name, tag, e.Digest)
		moved := errors.Is(err, zoo.ErrTagMoved) || errors.Is(err, zoo.ErrNotFound)
		if err != nil && (!whole || !moved) { // of all tags, some are at other manifests
			return err
		}
	}
	if whole {
		if err := r.delete(ctx, p.name, e); err != nil {
			return err
		}
	}
	c.Status(http.StatusAccepted)
	c.Writer.WriteHeaderNow()
	return nil
}

// What a name does not have any more is kept as referrers of a digest that stands for exactly that. No blob has this digest, so
// garbage collection drops the markers with the manifests themselves, when nothing else counts on these.
func deletedFrom(name string) schema.Digest {
	return schema.DigestOf([]byte("manifests that were deleted from " + name))
}

// deleted returns what was deleted from a name.
func (r *Registry) deleted(ctx context.Context, name string) (map[schema.Digest]bool, error) {
	if _, ok := r.store.(zoo.Sweeper); !ok {
		return nil, nil
	}
	list, err := r.store.Referrers(ctx, deletedFrom(name))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	set := make(map[schema.Digest]bool, len(list))
	for _, e := range list {
		set[e.Digest] = true
	}
	return set, nil
}

func (r *Registry) delete(ctx context.Context, name string, e zoo.Entry) error {
	if _, ok := r.store.(zoo.Sweeper); !ok {
		return fail(http.StatusMethodNotAllowed, codeUnsupported, "manifests cannot be deleted from this kind of store; tags can")
	}
	if err := r.store.PutReferrer(ctx, deletedFrom(name), e); err != nil {
		return err
	}
	r.onChange(e.Digest)
	return nil
}

// undelete forgets that a manifest was deleted.
func (r *Registry) undelete(ctx context.Context, name string, d schema.Digest) error {
	if deleted, err := r.deleted(ctx, name); err != nil || !deleted[d] {
		return err
	}
	return r.store.(zoo.Sweeper).DropReferrer(ctx, deletedFrom(name), d)
}
