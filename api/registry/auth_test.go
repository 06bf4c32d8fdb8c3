package registry_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/schema"
)

func basic(secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+secret))
}

// The secret is nowhere but with its holder.
func TestTokensAtRest(t *testing.T) {
	b := newBench(t)
	_, secret, _ := strings.Cut(strings.TrimPrefix(b.secret, "reprise_"), "_")
	files, err := filepath.Glob(filepath.Join(b.dir, "tokens", "*"))
	check(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(t, err)
		if strings.Contains(string(text), secret) {
			t.Errorf("%s has the secret", file)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}
	list, err := b.tokens.List()
	if err != nil || len(list) != 1 || list[0].Scope != registry.ScopeAdmin || list[0].Names != "*" {
		t.Errorf("%+v %v", list, err)
	}
}

func TestTokenTerms(t *testing.T) {
	tokens := registry.NewTokens(t.TempDir())
	for _, terms := range []registry.Token{
		{Scope: "root"}, {}, {Scope: registry.ScopePush, Names: "["}, {Scope: registry.ScopePull, Names: "a/*"}, {Scope: registry.ScopePush, Quota: -1},
	} {
		if _, _, err := tokens.Create(terms); !errors.As(err, new(*schema.Invalid)) {
			t.Errorf("%+v: %v", terms, err)
		}
	}
	for _, id := range []string{"", "../x", "abcdefghij"} {
		if err := tokens.Revoke(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("revoking %q: %v", id, err)
		}
	}
	if list, err := registry.NewTokens(t.TempDir() + "/none").List(); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}

func TestScopes(t *testing.T) {
	b := newBench(t)
	m := b.artifact("alice/x", "a", "application/vnd.example", "text", "")
	secrets := map[string]string{
		"nobody": "", "pull": b.token(registry.Token{Scope: registry.ScopePull}), "push": b.token(registry.Token{Scope: registry.ScopePush}),
		"alice": b.token(registry.Token{Scope: registry.ScopePush, Names: "alice/*"}), "admin": b.secret,
		"expired": b.token(registry.Token{Scope: registry.ScopeAdmin, Expires: b.clock.now().Add(-time.Second)}),
		"made up": "reprise_abcdefghij_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "nonsense": "x",
	}
	all := func(status int) map[string]int {
		m := map[string]int{}
		for who := range secrets {
			m[who] = status
		}
		m["expired"], m["made up"], m["nonsense"] = 401, 401, 401
		return m
	}
	with := func(m map[string]int, who string, status int) map[string]int {
		m[who] = status
		return m
	}
	push := with(with(all(201), "nobody", 401), "pull", 403)
	for _, tc := range []struct {
		method, path, body string
		want               map[string]int
	}{
		{"GET", "/v2/alice/x/manifests/a", "", all(200)},
		{"GET", "/v2/alice/x/blobs/" + digestOf("text"), "", all(200)},
		{"GET", "/v2/alice/x/tags/list", "", all(200)},
		{"GET", "/v2/_catalog", "", all(200)},
		{"GET", "/v2/", "", with(all(200), "nobody", 401)},
		{"PUT", "/v2/alice/x/manifests/b", m, push},
		{"POST", "/v2/alice/x/blobs/uploads/?mount=" + digestOf("text"), "", push},
		{"PUT", "/v2/bob/manifests/b", m, with(push, "alice", 403)},
		{"DELETE", "/v2/alice/x/manifests/none", "", map[string]int{"nobody": 401, "pull": 403, "push": 403, "alice": 403, "admin": 404, "expired": 401, "made up": 401, "nonsense": 401}},
	} {
		for who, secret := range secrets {
			want := tc.want[who]
			if tc.path == "/v2/bob/manifests/b" && who == "alice" {
				want = 403
			} else if who == "alice" && want == 403 && tc.method != "DELETE" {
				want = 201
			}
			for _, header := range []string{"Bearer " + secret, basic(secret)} {
				if secret == "" {
					header = ""
				}
				var body any
				if tc.body != "" {
					body = tc.body
				}
				a := b.ask(tc.method, tc.path, body, "Authorization", header, "Content-Type", imageType)
				if a.StatusCode != want {
					t.Errorf("%s: %s %s: %d, want %d: %s", who, tc.method, tc.path, a.StatusCode, want, a.body)
				}
				if challenge := a.Header.Get("WWW-Authenticate"); (a.StatusCode == 401) != strings.HasPrefix(challenge, `Bearer realm="`+b.url+`/v2/token",`) {
					t.Errorf("%s: %s %s: %d with the challenge %q", who, tc.method, tc.path, a.StatusCode, challenge)
				}
				b.clock.pass(time.Minute) // so that wrong tokens are not slowed down
			}
		}
	}
	b.want(401, "neither Basic nor Bearer", "GET", "/v2/", nil, "Authorization", "Digest x")
	b.want(401, "neither Basic nor Bearer", "GET", "/v2/", nil, "Authorization", "Basic !")
}

// The flow of docker: ask, be told where to get a token, get it with a password, show it.
func TestBearerFlow(t *testing.T) {
	b := newBench(t)
	issue := func(authorization string) string {
		t.Helper()
		a := b.want(200, "", "GET", "/v2/token?service=x&scope=repository:mnist:pull,push", nil, "Authorization", authorization)
		a.header(t, "Cache-Control", "no-store")
		var v struct {
			Token     string `json:"token"`
			Access    string `json:"access_token"`
			ExpiresIn int    `json:"expires_in"`
		}
		check(t, json.Unmarshal([]byte(a.body), &v))
		if v.Token == "" || v.Token != v.Access || v.ExpiresIn < 60 {
			t.Errorf("%+v", v)
		}
		return "Bearer " + v.Token
	}
	d := digestOf("text")
	b.want(201, "", "POST", "/v2/mnist/blobs/uploads/?digest="+d, "text", "Authorization", issue(basic(b.secret)))
	nobody := issue("")
	b.want(200, "", "GET", "/v2/", nil, "Authorization", nobody)
	b.want(200, "", "GET", "/v2/mnist/blobs/"+d, nil, "Authorization", nobody)
	b.want(401, "reprise token create", "POST", "/v2/mnist/blobs/uploads/", nil, "Authorization", nobody)
	b.want(401, "not valid", "GET", "/v2/token", nil, "Authorization", basic("wrong")).header(t, "WWW-Authenticate", `Basic realm="Reprise", charset="UTF-8"`)
	a := b.want(401, "", "GET", "/v2/", nil, "Authorization", "", "X-Forwarded-Proto", "https")
	if challenge := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, `Bearer realm="https://`) {
		t.Error(challenge)
	}
}

// A token that is revoked is not valid any more, at once.
func TestRevoke(t *testing.T) {
	b := newBench(t)
	secret := b.token(registry.Token{Scope: registry.ScopePush})
	b.want(200, "", "GET", "/v2/", nil, "Authorization", "Bearer "+secret)
	list, err := b.tokens.List()
	check(t, err)
	check(t, b.tokens.Revoke(list[1].ID))
	b.want(401, "revoked", "GET", "/v2/", nil, "Authorization", "Bearer "+secret)
}

// Where reading needs a token, nothing but the health of the server is told without one.
func TestNoAnonymousPull(t *testing.T) {
	b := newBench(t, func(o *registry.Options) { o.AnonymousPull = false })
	d := b.push("mnist", "text")
	for _, path := range []string{"/v2/", "/v2/mnist/blobs/" + d, "/v2/_catalog", "/v2/mnist/tags/list", "/v2/token", "/site", "/blobs/sha256/x"} {
		b.want(401, "token", "GET", path, nil, "Authorization", "")
		b.want(401, "token", "GET", path, nil, "Authorization", "Bearer anonymous")
	}
	b.want(401, "", "GET", "/site", nil, "Authorization", "").header(t, "WWW-Authenticate", `Basic realm="Reprise", charset="UTF-8"`)
	reader := b.token(registry.Token{Scope: registry.ScopePull})
	for _, path := range []string{"/v2/", "/v2/mnist/blobs/" + d, "/site"} {
		b.want(200, "", "GET", path, nil, "Authorization", basic(reader))
	}
}

// Whoever guesses at a token is slowed down, even if he then has it right; whoever has another is not, also at the same address.
func TestGuessing(t *testing.T) {
	b := newBench(t)
	id := strings.Split(b.secret, "_")[1]
	wrong := "Bearer reprise_" + id + "_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for range 10 {
		b.want(401, "UNAUTHORIZED", "GET", "/v2/", nil, "Authorization", wrong)
	}
	a := b.want(429, "TOOMANYREQUESTS", "GET", "/v2/", nil, "Authorization", wrong)
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say how long to wait")
	}
	b.want(429, "TOOMANYREQUESTS", "GET", "/v2/token", nil, "Authorization", wrong)
	b.want(429, "TOOMANYREQUESTS", "GET", "/v2/", nil)
	other := b.token(registry.Token{Scope: registry.ScopePull})
	b.want(200, "", "GET", "/v2/", nil, "Authorization", "Bearer "+other)
	b.clock.pass(7 * time.Second)
	b.want(200, "", "GET", "/v2/", nil)
}
