package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
)

// bench is a registry that listens, over a store in a directory.
type bench struct {
	*testing.T
	dir     string
	store   zoo.Store
	tokens  *registry.Tokens
	options registry.Options
	url     string
	secret  string // an administrator's token
	clock   *clock
	stop    func()
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// newBench makes one; change may change its options.
func newBench(t *testing.T, change ...func(*registry.Options)) *bench {
	t.Helper()
	dir := t.TempDir()
	s, err := directory.Create(dir + "/zoo")
	check(t, err)
	b := &bench{T: t, dir: dir, store: s, tokens: registry.NewTokens(dir + "/tokens"), clock: &clock{at: time.Now()}}
	b.secret = b.token(registry.Token{Scope: registry.ScopeAdmin})
	b.options = registry.Options{Store: s, Spool: dir + "/spool", Tokens: b.tokens, AnonymousPull: true, Now: b.clock.now}
	for _, f := range change {
		f(&b.options)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start begins to serve.
func (b *bench) start() {
	b.Helper()
	gin.SetMode(gin.ReleaseMode)
	r := registry.New(b.options)
	e := gin.New()
	e.Use(r.Guard)
	r.Mount(e)
	e.GET("/site", func(c *gin.Context) { c.String(http.StatusOK, "the site") })
	server := httptest.NewServer(e)
	b.url = server.URL
	b.stop = func() {
		server.CloseClientConnections()
		server.Close()
		r.Close()
		b.stop = func() {}
	}
}

// restart is another process over the same files.
func (b *bench) restart() {
	b.Helper()
	b.stop()
	b.start()
}

func (b *bench) token(terms registry.Token) string {
	b.Helper()
	terms.Created = time.Now()
	_, text, err := b.tokens.Create(terms)
	check(b, err)
	return text
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

// ask sends a request as the administrator. headers are name, value, …; an empty value removes the header.
func (b *bench) ask(method, path string, body any, headers ...string) answer {
	b.Helper()
	var r io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(body)
	case []byte:
		r = bytes.NewReader(body)
	case io.Reader:
		r = body
	}
	at := path
	if strings.HasPrefix(path, "/") {
		at = b.url + path
	}
	q, err := http.NewRequestWithContext(b.Context(), method, at, r)
	check(b, err)
	q.Header.Set("Authorization", "Bearer "+b.secret)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			q.Header.Del(headers[i])
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	check(b, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	check(b, err)
	return answer{a, string(text)}
}

// want is ask with the status that must come. An error must be one of the specification, and say about.
func (b *bench) want(status int, about, method, path string, body any, headers ...string) answer {
	b.Helper()
	a := b.ask(method, path, body, headers...)
	if a.StatusCode != status {
		b.Fatalf("%s %s: %d, want %d\n%s", method, path, a.StatusCode, status, a.body)
	}
	if status < 400 || method == http.MethodHead {
		return a
	}
	var failure struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &failure); err != nil || len(failure.Errors) != 1 || failure.Errors[0].Code == "" {
		b.Fatalf("%s %s: this is no error of the specification: %s", method, path, a.body)
	}
	if text := failure.Errors[0].Code + " " + failure.Errors[0].Message; !strings.Contains(text, about) {
		b.Fatalf("%s %s: the error %q does not say %q", method, path, text, about)
	}
	return a
}

// header checks one of an answer.
func (a answer) header(t testing.TB, name, want string) {
	t.Helper()
	if got := a.Header.Get(name); got != want {
		t.Errorf("%s %s: the header %s is %q, want %q", a.Request.Method, a.Request.URL.Path, name, got, want)
	}
}

func digestOf(text string) string { return schema.DigestOf([]byte(text)).String() }

// push puts a blob into a name.
func (b *bench) push(name, content string) string {
	b.Helper()
	d := digestOf(content)
	b.want(201, "", "POST", "/v2/"+name+"/blobs/uploads/?digest="+d, content)
	return d
}

// begin begins an upload, and returns its address.
func (b *bench) begin(name string) string {
	b.Helper()
	return b.url + b.want(202, "", "POST", "/v2/"+name+"/blobs/uploads/", nil).Header.Get("Location")
}

const (
	imageType = "application/vnd.oci.image.manifest.v1+json"
	indexType = "application/vnd.oci.image.index.v1+json"
)

// image is the manifest of an artifact whose blobs are text; more are further members.
func image(artifactType, text, more string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},`+
		`"layers":[{"mediaType":"text/plain","digest":%q,"size":%d}]%s}`, imageType, artifactType, digestOf("{}"), digestOf(text), len(text), more)
}

// about is the member of a manifest about another.
func about(manifest string) string {
	return fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":%d}`, imageType, digestOf(manifest), len(manifest))
}

// artifact pushes an artifact of one text to a reference, and returns its manifest.
func (b *bench) artifact(name, reference, artifactType, text, more string) string {
	b.Helper()
	b.push(name, "{}")
	b.push(name, text)
	m := image(artifactType, text, more)
	if reference == "" {
		reference = digestOf(m)
	}
	b.want(201, "", "PUT", "/v2/"+name+"/manifests/"+reference, m, "Content-Type", imageType)
	return m
}

// stored checks that the store has a blob, whole.
func (b *bench) stored(content string) {
	b.Helper()
	r, err := b.store.Open(b.Context(), schema.DigestOf([]byte(content)))
	check(b, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != content {
		b.Errorf("the store has %d other bytes, %v", len(got), err)
	}
}

// sound checks that nothing in the store is damaged.
func (b *bench) sound() {
	b.Helper()
	report, err := zoo.Fsck(context.Background(), b.store, zoo.FsckOptions{})
	check(b, err)
	if len(report.Damaged) > 0 {
		b.Errorf("damaged: %+v", report.Damaged)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fetch reads a whole address.
func fetch(b *bench, at string) (string, error) {
	b.Helper()
	q, err := http.NewRequestWithContext(b.Context(), http.MethodGet, at, nil)
	check(b, err)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	return string(text), err
}
