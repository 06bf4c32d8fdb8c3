package api

import (
	"cmp"
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/limit"
	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
)

// Options make a Service. Store and Catalogue are needed; all else may be left out.
type Options struct {
	Store zoo.Store
	// Catalogue is an index of the store, which the service keeps current. Whoever made it closes it, after the service.
	Catalogue Catalogue
	// Patience is how long a request waits until the catalogue is as new as the store; 0 is a twentieth of a second.
	Patience time.Duration
	// Kind is the word for the kind of store, such as "directory".
	Kind string
	// Version is that of the program.
	Version string
	// Compiler checks derivations; nil leaves them unchecked.
	Compiler Compiler
	// Registry is the store's OCI interface below /v2/; nil leaves it out.
	Registry *registry.Registry
	// Sessions are the distributed trainings, and Transport how participants reach them; nil leaves them out, and NoSessions says why.
	Sessions   Sessions
	Transport  Transport
	NoSessions string
	// MayStart says whether the token of a request may begin sessions; nil is nobody's. Without a token only the user of the server's own
	// machine may.
	MayStart func(r *http.Request) error
	// Presign lets readers fetch blobs from the store's own place; nil sends them through this server.
	Presign *Presign
	// Trust is whose signatures of verification records count; nil is nobody's.
	Trust *attestation.Trust
	// Assets are the files of the built site, with index.html; nil if it was not built.
	Assets fs.FS
	// Log is told of requests and failures; nil is silence.
	Log *slog.Logger
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Service answers requests about a store. It is safe for concurrent use. Close ends what it does in the background.
type Service struct {
	Options
	store       zoo.Store
	log         *slog.Logger
	now         func() time.Time
	catalogue   *current
	derivations *derivations
	posts       *limit.Limiter[netip.Prefix]
	site        *site
	stop        context.CancelFunc
	stopped     <-chan struct{}

	objects   *cache[schema.Digest, *stored]
	trainings *cache[schema.Digest, *training]
	previews  *cache[schema.Digest, []float64]
	lists     *cache[schema.Digest, *listed]
	records   *cache[schema.Digest, readRecord]
	sheets    *cache[sheetKey, []byte]
	reading   semaphore // for what reads much of a store at once
}

// Sizes of caches, in bytes unless said otherwise.
const (
	objectCache   = 64 << 20
	trainingCache = 32 << 20
	previewCache  = 1 << 14 // curves
	recordCache   = 4 << 20
	sheetCache    = 32 << 20
)

// requestDeadline bounds what answers one request, but for the sending of blobs.
const requestDeadline = 30 * time.Second

// New makes a service, and begins to read the catalogue.
func New(o Options) *Service {
	s := &Service{
		Options: o, store: o.Store, log: o.Log, now: o.Now,
		objects:   newCache[schema.Digest, *stored](objectCache),
		trainings: newCache[schema.Digest, *training](trainingCache),
		previews:  newCache[schema.Digest, []float64](previewCache),
		lists:     newCache[schema.Digest, *listed](listedCache),
		records:   newCache[schema.Digest, readRecord](recordCache),
		sheets:    newCache[sheetKey, []byte](sheetCache),
		reading:   newSemaphore(max(2, runtime.NumCPU())),
	}
	if s.Sessions == nil {
		s.NoSessions = cmp.Or(s.NoSessions, "it was started without")
		s.Sessions = noSessions{s.NoSessions}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.stopped = stop, ctx.Done()
	s.catalogue = &current{Catalogue: o.Catalogue, log: s.log, now: s.now, patience: cmp.Or(o.Patience, patience), stopped: ctx}
	s.derivations = newDerivations(ctx, o.Compiler, s.log)
	s.posts = limit.New[netip.Prefix](postBurst, postInterval, s.now)
	s.site = newSite(o.Assets)
	if s.Registry != nil {
		s.Registry.OnChange(s.catalogue.Changed)
		if s.Presign != nil {
			s.Registry.Redirect(s.Presign.url)
		}
	}
	go func() {
		// The first visitor should not have to wait. What fails is in the log, and tried again for the first request.
		_, _ = s.catalogue.Index(ctx)
	}()
	return s
}

// Close ends what goes on in the background.
func (s *Service) Close() {
	s.stop()
	s.catalogue.Close()
}

// Route is a line of the interface.
type Route struct {
	Method, Path string
	// Parameters of the query, by name.
	Parameters []string
	// Does says in a line what it is for.
	Does string

	handle handler
}

// Routes lists the whole interface. Whatever is not listed is a page or a file of the site.
func (s *Service) Routes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return append([]Route{
		{get, "/api/v1/closures", []string{"q", "task", "dataset", "architecture", "license", "size", "verified", "runnable", "sort", "offset", "limit"}, "closures that fit, and facets", s.closures},
		{get, "/api/v1/closure", []string{"ref"}, "everything about a closure", s.closureDetail},
		{get, "/api/v1/closure/curve", []string{"ref", "points"}, "the curve of its training", s.curve},
		{get, "/api/v1/closure/derivation", []string{"ref"}, "whether its engine is what its specification compiles to", s.derivation},
		{get, "/api/v1/datasets", []string{"q", "offset", "limit"}, "datasets that fit", s.datasets},
		{get, "/api/v1/dataset", []string{"ref"}, "everything about a dataset", s.datasetDetail},
		{get, "/api/v1/dataset/sheet", []string{"ref", "split", "columns", "rows"}, "a PNG of samples, where records are images", s.datasetSheet},
		{get, "/api/v1/dataset/rows", []string{"ref", "split", "limit"}, "the first records, where they are rows of a table", s.datasetRows},
		{post, "/api/v1/verifications", nil, "leaves an unsigned verification record", s.postVerification},
		{get, "/api/v1/about", nil, "program, store and counts", s.about},
		{get, "/blobs/sha256/:hex", nil, "a blob, also in part", s.blob},
		{get, "/healthz", nil, "ok, if the service runs", health},
	}, s.sessionRoutes()...)
}

// Handler serves the interface and the site.
func (s *Service) Handler() http.Handler {
	gin.SetMode(gin.ReleaseMode) // or gin prints to standard output
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.ForwardedByClientIP = false
	e.Use(record(s.log), s.secure(), survive(s.log))
	if s.Registry != nil {
		e.Use(s.Registry.Guard)
		s.Registry.Mount(e)
	}
	for _, r := range s.Routes() {
		h := handle(r.handle)
		if !streams(r.Path) {
			h = within(requestDeadline, h)
		}
		e.Handle(r.Method, r.Path, h)
		if r.Method == http.MethodGet {
			e.HEAD(r.Path, h)
		}
	}
	e.NoMethod(handle(func(c *gin.Context) error {
		return newProblem(http.StatusMethodNotAllowed, codeMethod, "", "%s cannot be done here", shorten(c.Request.Method, 16))
	}))
	e.NoRoute(within(requestDeadline, handle(s.page)))
	return e
}

// streams reports whether a route's answers have no deadline: they are as long as a blob, or as what goes on.
func streams(path string) bool {
	return strings.HasPrefix(path, "/blobs/") || strings.HasPrefix(path, "/api/v1/sessions")
}

// within gives a request a deadline.
func within(d time.Duration, next gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), d)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		next(c)
	}
}

func health(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	return send(c, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

func (s *Service) about(c *gin.Context) error {
	ctx := c.Request.Context()
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return err
	}
	counts, err := index.Counts(ctx)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, About{
		Name: "reprise", Version: s.Version, Store: StoreSummary{Kind: s.Kind},
		Counts: map[string]int{"closures": counts.Closures, "datasets": counts.Datasets, "verifications": counts.Verifications},
	})
}
