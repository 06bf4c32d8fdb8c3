package registry

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/limit"
)

// Wrong tokens are slowed down by address and the token that is guessed at, so that nobody locks out the others who come through
// the same proxy.
const (
	guessBurst    = 10
	guessInterval = 6 * time.Second
)

type guess struct {
	address netip.Prefix
	id      string
}

// tokenKey is where a request's token is kept: nil for anybody.
const tokenKey = "reprise.token"

// anonymous is the bearer token of those who have none: clients insist on being given one.
const anonymous = "anonymous"

// authorise finds out who asks, and refuses what they may not do. The token is nil for anybody.
func (r *Registry) authorise(c *gin.Context, scope Scope, name string) (*Token, error) {
	t, err := r.client(c.Request)
	if err != nil {
		return nil, r.challenge(c, scope, name, err)
	}
	switch {
	case t == nil && scope == ScopePull && r.AnonymousPull:
		return nil, nil
	case t == nil:
		return nil, r.challenge(c, scope, name, fail(http.StatusUnauthorized, codeUnauthorized,
			"to %s needs a token: log in with any user name and, as the password, what reprise token create has printed", verbs[scope]))
	case !t.Scope.allows(scope):
		return nil, fail(http.StatusForbidden, codeDenied, "this token is to %s, not to %s: reprise token create --scope %s makes one that is",
			verbs[t.Scope], verbs[scope], scope)
	case scope != ScopePull && !t.mayWrite(name):
		return nil, fail(http.StatusForbidden, codeDenied, "this token may write names such as %s, not %s", t.Names, name)
	}
	return t, nil
}

// MayPush returns an error for a person unless a request shows a token with which anything may be published.
func (r *Registry) MayPush(q *http.Request) error {
	t, err := r.client(q)
	switch {
	case err != nil:
		return err
	case t == nil || !t.Scope.allows(ScopePush):
		return fail(http.StatusForbidden, codeDenied, "this needs a token to push: reprise token create makes one")
	}
	return nil
}

var verbs = map[Scope]string{ScopePull: "pull", ScopePush: "push", ScopeAdmin: "delete"}

// client finds the token that a request shows, as a bearer token or as the password of any user; nil if it shows none.
func (r *Registry) client(q *http.Request) (*Token, error) {
	header := q.Header.Get("Authorization")
	if header == "" {
		return nil, nil
	}
	text, err := credential(header)
	if err != nil || text == anonymous {
		return nil, err
	}
	key := guess{limit.Address(q), tokenID(text)}
	if wait := r.guesses.Wait(key); wait > 0 {
		e := fail(http.StatusTooManyRequests, codeTooMany, "too many wrong tokens came from this address")
		e.wait = wait
		return nil, e
	}
	t, err := r.Tokens.verify(text, r.now())
	if errors.Is(err, errBadToken) {
		r.guesses.Take(key)
		return nil, fail(http.StatusUnauthorized, codeUnauthorized, "%s", err)
	}
	return t, err
}

// credential is the secret of a header Authorization.
func credential(header string) (string, error) {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		return value, nil
	case "basic":
		b, err := base64.StdEncoding.DecodeString(value)
		if _, password, ok := strings.Cut(string(b), ":"); err == nil && ok {
			return password, nil
		}
	}
	return "", fail(http.StatusUnauthorized, codeUnauthorized, "the header Authorization is neither Basic nor Bearer")
}

// hostText is what may stand in a header between quotes.
var hostText = regexp.MustCompile(`^[A-Za-z0-9.:\[\]_-]+$`)

// challenge tells a client how to log in, if that is what it lacks.
func (r *Registry) challenge(c *gin.Context, scope Scope, name string, err error) error {
	e := errorOf(err)
	if e.Status != http.StatusUnauthorized || !hostText.MatchString(c.Request.Host) {
		return err
	}
	value := `Bearer realm="` + base(c.Request) + `/v2/token",service="` + c.Request.Host + `"`
	if name != "" {
		actions := "pull"
		if scope != ScopePull {
			actions = "pull,push"
		}
		value += `,scope="repository:` + name + `:` + actions + `"`
	}
	c.Header("WWW-Authenticate", value)
	return err
}

// base is the address by which the client has reached the server. What a proxy says of it is believed: whoever lies there
// misleads nobody else.
func base(q *http.Request) string {
	scheme := "http"
	if q.TLS != nil || q.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + q.Host
}

// version answers GET /v2/, by which clients find out whether this is a registry and how to log in. Those who show nothing are
// asked to, since most clients never try again; whoever may do without is given a token that says so.
func (r *Registry) version(c *gin.Context, _ place) error {
	if c.GetHeader("Authorization") == "" {
		return r.challenge(c, ScopePull, "", fail(http.StatusUnauthorized, codeUnauthorized, "ask the address in WWW-Authenticate for a token"))
	}
	t, err := r.client(c.Request)
	if err == nil && t == nil && !r.AnonymousPull {
		err = fail(http.StatusUnauthorized, codeUnauthorized, "nothing can be done here without a token")
	}
	if err != nil {
		return r.challenge(c, ScopePull, "", err)
	}
	c.JSON(http.StatusOK, struct{}{})
	return nil
}

// bearerLife is how long clients may keep what issue has given them.
const bearerLife = time.Hour

// issue answers GET /v2/token, the second half of the Bearer flow: the token that came as a password is the bearer token, too.
func (r *Registry) issue(c *gin.Context, _ place) error {
	t, err := r.client(c.Request)
	if err == nil && t == nil && !r.AnonymousPull {
		err = fail(http.StatusUnauthorized, codeUnauthorized, "nothing can be done here without a token")
	}
	if err != nil {
		if errorOf(err).Status == http.StatusUnauthorized {
			c.Header("WWW-Authenticate", basicChallenge)
		}
		return err
	}
	text, life := anonymous, bearerLife
	if t != nil {
		text, err = credential(c.GetHeader("Authorization"))
		if err != nil {
			return err
		}
		if !t.Expires.IsZero() {
			life = min(life, t.Expires.Sub(r.now()))
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, struct {
		Token    string `json:"token"`
		Access   string `json:"access_token"`
		Lifetime int    `json:"expires_in"`
		Issued   string `json:"issued_at"`
	}{text, text, int(life.Seconds()), r.now().UTC().Format(time.RFC3339)})
	return nil
}

const basicChallenge = `Basic realm="Reprise", charset="UTF-8"`

// Guard keeps those without a token out of what is not below /v2/, where reading needs one. Browsers ask for it as a password.
func (r *Registry) Guard(c *gin.Context) {
	path := c.Request.URL.Path
	if r.AnonymousPull || path == "/healthz" || path == "/v2" || strings.HasPrefix(path, "/v2/") {
		return
	}
	t, err := r.client(c.Request)
	if err == nil && t == nil {
		err = fail(http.StatusUnauthorized, codeUnauthorized, "this site needs a token: give any user name and, as the password, the token")
	}
	if err != nil {
		e := errorOf(err)
		if e.Status == http.StatusUnauthorized {
			c.Header("WWW-Authenticate", basicChallenge)
		}
		e.write(c.Writer, c.Request)
		c.Abort()
	}
}
