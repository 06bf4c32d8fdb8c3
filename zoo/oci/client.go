package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/reprise-ml/reprise/schema"
)

// client speaks HTTP with one registry.
type client struct {
	location  Location
	registry  name.Registry
	base      http.RoundTripper
	auth      authn.Authenticator
	signedIn  bool
	challenge *transport.Challenge
	root      string // scheme and host
	pauses    pauses
	idle      time.Duration // without a byte, after which a connection has stalled

	mu         sync.Mutex
	authorised map[string]http.RoundTripper // by scopes
}

const (
	defaultIdle = time.Minute
	patience    = 2 * time.Minute  // for an answer
	longer      = 15 * time.Minute // for one before which the registry moves a large blob
)

// connect finds the credentials and how the registry wants to see them.
func connect(ctx context.Context, l Location, opts Options) (*client, error) {
	base, err := newTransport(l)
	if err != nil {
		return nil, err
	}
	var insecure []name.Option
	if isLoopback(l.Host) && l.Scheme != "https" {
		insecure = append(insecure, name.Insecure)
	}
	registry, err := name.NewRegistry(l.Host, insecure...)
	if err != nil {
		return nil, schema.Invalidf("store", "", "%q is not the host of a registry", l.Host)
	}
	c := &client{
		location: l, registry: registry, base: base, authorised: map[string]http.RoundTripper{},
		pauses: pauses{first: opts.Pause, attempts: attempts}, idle: opts.Idle,
	}
	if c.auth = opts.credentials; c.auth == nil {
		if c.auth, err = authn.Resolve(ctx, authn.DefaultKeychain, registry); err != nil {
			return nil, fmt.Errorf("credentials for %s: %w", l.Host, err)
		}
	}
	c.signedIn = c.auth != authn.Anonymous
	return c, c.ping(ctx)
}

// ping asks how the registry authenticates. A registry that cannot be reached is tried once: the user is waiting, and may have
// mistyped its name.
func (c *client) ping(ctx context.Context) error {
	for failures := 1; ; failures++ {
		var err error
		if c.challenge, err = transport.Ping(ctx, c.registry, c.base); err == nil {
			break
		}
		answer, answered := errors.AsType[*transport.Error](err)
		if answered && answer.StatusCode == http.StatusNotFound {
			return fmt.Errorf("%s is no OCI registry: it has no /v2/", c.location.Host)
		}
		if !answered || !passingStatus(answer.StatusCode) || failures == c.pauses.attempts {
			return c.lineError("asking for /v2/", err)
		}
		if err := c.pauses.wait(ctx, failures, 0); err != nil {
			return err
		}
	}
	c.root = "https://" + c.registry.RegistryStr()
	if c.challenge.Insecure {
		c.root = "http://" + c.registry.RegistryStr()
	}
	return nil
}

// Scopes of tokens.
const scopeCatalogue = "registry:catalog:*"

func scopePull(repository string) string { return "repository:" + repository + ":pull" }
func scopePush(repository string) string { return "repository:" + repository + ":pull,push" }
func scopeDelete(repository string) string {
	return "repository:" + repository + ":pull,delete"
}

// transportFor is the transport whose requests have a token for the scopes, if the registry wants tokens.
func (c *client) transportFor(ctx context.Context, scopes []string) (http.RoundTripper, error) {
	key := strings.Join(scopes, " ")
	c.mu.Lock()
	rt, ok := c.authorised[key]
	c.mu.Unlock()
	if ok {
		return rt, nil
	}
	token := &transport.Token{}
	if strings.EqualFold(c.challenge.Scheme, "bearer") {
		var err error
		if token, err = c.token(ctx, scopes); err != nil {
			return nil, err
		}
	}
	rt, err := transport.FromToken(c.registry, c.auth, c.base, c.challenge, token)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.authorised[key] = rt
	return rt, nil
}

func (c *client) token(ctx context.Context, scopes []string) (*transport.Token, error) {
	known, err := authn.Authorization(ctx, c.auth)
	if err != nil {
		return nil, err
	}
	if known.RegistryToken != "" {
		return &transport.Token{Token: known.RegistryToken}, nil
	}
	token, err := transport.Exchange(ctx, c.registry, c.auth, c.base, scopes, c.challenge)
	if err != nil {
		return nil, err
	}
	if token.Token == "" {
		token.Token = token.AccessToken // some registries name it so
	}
	return token, nil
}

// request is one request to the registry.
type request struct {
	what   string // is asked for, for people
	method string
	url    string // absolute, or a path below /v2/
	scopes []string
	header map[string]string
	body   []byte
	stream io.Reader // instead of body: can be sent once
	length int64     // of stream
	once   bool      // the caller tries again by itself
	slow   bool      // the registry may take long to answer
}

// do sends a request, again after passing faults, and returns the answer with whatever other status it has. The caller closes
// its body, by problem or by itself.
func (c *client) do(ctx context.Context, q request) (*http.Response, error) {
	sent := &payload{content: q.body}
	defer sent.end()
	for failures := 1; ; failures++ {
		resp, err := c.try(ctx, q, sent)
		last := q.once || q.stream != nil || failures >= c.pauses.attempts
		var asked time.Duration
		switch {
		case err != nil && (last || !isPassing(ctx, err)):
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%s: %w", q.what, ctx.Err())
			}
			return nil, c.lineError(q.what, err)
		case err == nil && (last || !passingStatus(resp.StatusCode)):
			return resp, nil
		case err == nil:
			asked = retryAfter(resp)
			if asked > maxAsked {
				return resp, nil
			}
			resp.Body.Close()
		}
		if err := c.pauses.wait(ctx, failures, asked); err != nil {
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
	}
}

// try sends a request once.
func (c *client) try(ctx context.Context, q request, sent *payload) (*http.Response, error) {
	target := q.url
	if !strings.Contains(target, "://") {
		target = c.root + "/v2/" + target
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel, idle: c.idle, answer: patience}
	if q.slow {
		w.answer = longer
	}
	w.timer = time.AfterFunc(w.answer, func() { cancel(errStalled) })
	fail := func(err error) (*http.Response, error) {
		w.stop()
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return nil, err
	}
	rt, err := c.transportFor(ctx, q.scopes)
	if err != nil {
		return fail(err)
	}
	hr, err := http.NewRequestWithContext(ctx, q.method, target, nil)
	if err != nil {
		return fail(fmt.Errorf("%w: a URL of the registry that cannot be used", errRefused))
	}
	switch {
	case q.stream != nil:
		hr.Body, hr.ContentLength = io.NopCloser(watchedReader{q.stream, w}), q.length
	case len(q.body) > 0:
		hr.ContentLength = int64(len(q.body))
		hr.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(watchedReader{&payloadReader{p: sent}, w}), nil
		}
		hr.Body, _ = hr.GetBody()
	}
	for k, v := range q.header {
		hr.Header.Set(k, v)
	}
	// The stored bytes are wanted, not a compressed form of them.
	hr.Header.Set("Accept-Encoding", "identity")
	resp, err := (&http.Client{Transport: rt}).Do(hr)
	if err != nil {
		return fail(err)
	}
	resp.Body = &watchedBody{resp.Body, w, ctx}
	w.timer.Stop()
	return resp, nil
}

// location resolves the Location of an answer. A registry behind a proxy that ends TLS may believe that it is spoken to in plain.
func (c *client) locationOf(resp *http.Response) (string, error) {
	text := resp.Header.Get("Location")
	u, err := url.Parse(text)
	if err != nil || text == "" {
		return "", fmt.Errorf("%s began an upload without saying where", c.location.Host)
	}
	u = resp.Request.URL.ResolveReference(u)
	root, err := url.Parse(c.root)
	if err == nil && u.Host == root.Host {
		u.Scheme = root.Scheme
	}
	return u.String(), nil
}

// errStalled is the end of a connection on which nothing came for too long.
var errStalled = errors.New("the connection stalled")

// watch ends a request on which nothing moves. It runs while the network is waited for, not while the caller thinks.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
	answer time.Duration
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// payload is the body of a request. An answer can come before the body was read to its end, and the transport may read on; the
// caller, who uses his bytes for other things then, must not be raced.
type payload struct {
	mu      sync.Mutex
	content []byte
	ended   bool
}

func (p *payload) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.content = true, nil
}

// payloadReader reads a payload once.
type payloadReader struct {
	p  *payload
	at int
}

func (r *payloadReader) Read(b []byte) (int, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	switch {
	case r.p.ended:
		return 0, io.ErrClosedPipe
	case r.at >= len(r.p.content):
		return 0, io.EOF
	}
	n := copy(b, r.p.content[r.at:])
	r.at += n
	return n, nil
}

// watchedReader is a body on its way out.
type watchedReader struct {
	r io.Reader
	w *watch
}

func (r watchedReader) Read(p []byte) (int, error) {
	r.w.timer.Stop()
	n, err := r.r.Read(p)
	if err != nil {
		r.w.timer.Reset(r.w.answer)
	} else {
		r.w.timer.Reset(r.w.idle)
	}
	return n, err
}

// watchedBody is one on its way in.
type watchedBody struct {
	io.ReadCloser
	w   *watch
	ctx context.Context
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.w.timer.Reset(b.w.idle)
	n, err := b.ReadCloser.Read(p)
	b.w.timer.Stop()
	if err != nil && errors.Is(context.Cause(b.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.w.stop()
	return b.ReadCloser.Close()
}
