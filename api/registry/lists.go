package registry

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"
)

// maxPage is how many names or tags are listed at a time.
const maxPage = 1000

// tags answers GET /v2/NAME/tags/list: versions and tags, in byte order.
func (r *Registry) tags(c *gin.Context, p place) error {
	ctx := c.Request.Context()
	versions, err := r.store.Versions(ctx, p.name)
	if err != nil {
		return err
	}
	tags, err := r.store.Tags(ctx, p.name)
	if err != nil {
		return err
	}
	all := slices.Concat(versions, tags)
	if len(all) == 0 {
		return fail(http.StatusNotFound, codeNameUnknown, "there is no %s here", p.name)
	}
	slices.Sort(all)
	list, err := paged(c, all)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{p.name, list})
	return nil
}

// catalogue answers GET /v2/_catalog: all names, in byte order.
func (r *Registry) catalogue(c *gin.Context, _ place) error {
	names, err := r.store.Names(c.Request.Context())
	if err != nil {
		return err
	}
	list, err := paged(c, names)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, map[string][]string{"repositories": list})
	return nil
}

// page is which part of a list is asked for: at most n that come after last.
type page struct {
	n    int
	last string
}

func readPage(q *http.Request, most int) (page, error) {
	p := page{n: most, last: q.URL.Query().Get("last")}
	if text := q.URL.Query().Get("n"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return p, fail(http.StatusBadRequest, codeUnsupported, "n=%.20q is not a number of entries", text)
		}
		p.n = min(int(n), most)
	}
	return p, nil
}

// paged returns the part of a list that is asked for, and tells where it goes on.
func paged(c *gin.Context, all []string) ([]string, error) {
	c.Header("Cache-Control", "no-cache")
	p, err := readPage(c.Request, maxPage)
	if err != nil {
		return nil, err
	}
	from, found := slices.BinarySearch(all, p.last)
	if found {
		from++
	}
	rest := all[from:]
	if len(rest) <= p.n || p.n == 0 {
		return append([]string{}, rest[:min(p.n, len(rest))]...), nil
	}
	p.link(c, url.Values{"last": {rest[p.n-1]}})
	return rest[:p.n], nil
}

// link says where the next page is.
func (p page) link(c *gin.Context, q url.Values) {
	q.Set("n", strconv.Itoa(p.n))
	c.Header("Link", "<"+c.Request.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
}
