package registry

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/limit"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Options make a Registry. Store, Spool and Tokens are needed.
type Options struct {
	Store zoo.Store
	// Spool is the directory where uploads wait until they are whole. It is made when it is needed.
	Spool string
	// Tokens are those that are accepted.
	Tokens *Tokens
	// AnonymousPull lets everybody read. Otherwise reading needs a token, too.
	AnonymousPull bool
	// MaxBlob is the largest blob that is taken, in bytes; 0 is any.
	MaxBlob int64
	// Log is told of what goes wrong; nil is silence.
	Log *slog.Logger
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Registry answers requests below /v2/. It is safe for concurrent use. Close ends what it does in the background.
type Registry struct {
	Options
	store     zoo.Store
	log       *slog.Logger
	now       func() time.Time
	spool     *spool
	quotas    *quotas
	guesses   *limit.Limiter[guess]
	announced string // the capabilities, as a header

	onChange func(schema.Digest)
	redirect func(context.Context, schema.Digest) (url string, err error) // nil: blobs are sent from here

	stop context.CancelFunc
	done chan struct{}
}

// requestDeadline bounds what answers one request, but for the moving of blobs.
const requestDeadline = 30 * time.Second

// New makes a registry, and begins to clear its spool of uploads that nobody goes on with.
func New(o Options) *Registry {
	r := &Registry{Options: o, store: o.Store, log: o.Log, now: o.Now, done: make(chan struct{}), onChange: func(schema.Digest) {}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.quotas = newQuotas(o.Tokens)
	r.spool = newSpool(o.Spool, r.quotas, r.now)
	r.guesses = limit.New[guess](guessBurst, guessInterval, r.now)
	r.announced = capabilities(o.Store.Capabilities())
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go r.tidy(ctx)
	return r
}

// OnChange names who is told the digest of every object whose versions or referrers have changed. It is called before the first
// request.
func (r *Registry) OnChange(f func(schema.Digest)) { r.onChange = f }

// Redirect names who knows a URL from which clients read a blob directly. It is called before the first request.
func (r *Registry) Redirect(f func(context.Context, schema.Digest) (url string, err error)) {
	r.redirect = f
}

// Close ends what goes on in the background.
func (r *Registry) Close() {
	r.stop()
	<-r.done
}

// tidy forgets uploads that were given up.
func (r *Registry) tidy(ctx context.Context) {
	defer close(r.done)
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for {
		if n, err := r.spool.sweep(); err != nil {
			r.log.Warn("the spool of uploads", "error", err)
		} else if n > 0 {
			r.log.Info("uploads given up", "count", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// capabilities says what clients that know Reprise may count on.
func capabilities(c zoo.Capabilities) string {
	list := []string{"resume"}
	if c.ConditionalWrites {
		list = append(list, "conditional-writes")
	}
	if c.Catalogue {
		list = append(list, "catalogue")
	}
	return strings.Join(list, ", ")
}

// handler answers a request. An error that it returns before it has written anything becomes one of the specification's.
type handler func(c *gin.Context, p place) error

// Mount adds the interface to routes.
func (r *Registry) Mount(routes gin.IRoutes) {
	routes.Any("/v2", r.handle)
	routes.Any("/v2/*path", r.handle)
}

func (r *Registry) handle(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	h.Set("Reprise-Capabilities", r.announced)
	p := readPath(c.Param("path"))
	if err := r.route(c, p); err != nil {
		e := errorOf(err)
		if e.Status >= http.StatusInternalServerError {
			_ = c.Error(err) // only notes it for the log
		}
		if !c.Writer.Written() {
			e.write(c.Writer, c.Request)
		}
	}
}

// route finds who answers, and whether this client may ask.
func (r *Registry) route(c *gin.Context, p place) error {
	if p.endpoint >= tagList {
		if err := checkName(p.name); err != nil {
			return err
		}
	}
	method := c.Request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, e := range r.routes() {
		if e.endpoint != p.endpoint || e.method != method {
			continue
		}
		if e.scope != "" {
			t, err := r.authorise(c, e.scope, p.name)
			if err != nil {
				return err
			}
			c.Set(tokenKey, t)
		}
		if p.endpoint == upload {
			// What has arrived is dealt with, whatever becomes of the connection: reading from it ends by itself.
			c.Request = c.Request.WithContext(context.WithoutCancel(c.Request.Context()))
		}
		if !e.long {
			ctx, cancel := context.WithTimeout(c.Request.Context(), requestDeadline)
			defer cancel()
			c.Request = c.Request.WithContext(ctx)
		}
		return e.answer(c, p)
	}
	if p.endpoint == nowhere {
		return fail(http.StatusNotFound, codeUnsupported, "there is nothing at this path; the interface is that of OCI registries")
	}
	if p.endpoint == blobs && method == http.MethodDelete {
		return fail(http.StatusMethodNotAllowed, codeUnsupported,
			"blobs belong to the whole store and are not deleted one by one: reprise gc removes those that nothing refers to")
	}
	return fail(http.StatusMethodNotAllowed, codeUnsupported, "%.16q cannot be done here", c.Request.Method)
}

// route is a line of the interface.
type route struct {
	method   string
	endpoint endpoint
	scope    Scope // that is needed; none asks for itself
	long     bool  // it moves blobs, and has no deadline as a whole
	answer   handler
}

// routes lists the whole interface.
func (r *Registry) routes() []route {
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	return []route{
		{get, root, "", false, r.version},
		{get, tokens, "", false, r.issue},
		{get, catalogue, ScopePull, false, r.catalogue},
		{get, tagList, ScopePull, false, r.tags},
		{get, manifests, ScopePull, false, r.getManifest},
		{put, manifests, ScopePush, false, r.putManifest},
		{del, manifests, ScopeAdmin, false, r.deleteManifest},
		{get, referrers, ScopePull, false, r.referrers},
		{get, blobs, ScopePull, true, r.getBlob},
		{post, uploads, ScopePush, true, r.beginUpload},
		{get, upload, ScopePush, false, r.uploadStatus},
		{patch, upload, ScopePush, true, r.patchUpload},
		{put, upload, ScopePush, true, r.finishUpload},
		{del, upload, ScopePush, false, r.cancelUpload},
	}
}
