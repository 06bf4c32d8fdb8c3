package oci_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/oci"
	"github.com/reprise-ml/reprise/zoo/oci/ocitest"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

const (
	user   = "ada"
	secret = "hunter2-do-not-tell"
)

// home gives the test a Docker configuration of its own.
func home(t *testing.T) (configFile string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker"))
	for _, variable := range []string{"REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		t.Setenv(variable, "")
	}
	return filepath.Join(dir, ".docker", "config.json")
}

// guarded makes a registry want tokens, each good for a few requests, which it gives to user and secret. A request that was refused is
// answered when it comes with another token, however often others, sent at the same time, have used that.
func guarded(t *testing.T, lifetime int) *flaky {
	f := newFlaky(t)
	var mu sync.Mutex
	left := map[string]int{}
	refused := map[string]string{} // requests, to the token that was not good any more
	f.on(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/token" {
			if u, p, ok := r.BasicAuth(); !ok || u != user || p != secret {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			token := fmt.Sprintf("token-%d", len(left))
			left[token] = lifetime
			_ = json.NewEncoder(w).Encode(map[string]string{"access_token": token})
			return true
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		request := r.Method + r.URL.String() + r.Header.Get("Content-Range")
		spent, again := refused[request]
		if left[token]--; left[token] >= 0 || again && token != spent && token != "" {
			return false
		}
		refused[request] = token
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:zoo/mnist:pull,push"`, f.host))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	return f
}

// TestTokensExpire in the middle of everything, also of an upload.
func TestTokensExpire(t *testing.T) {
	home(t)
	f := guarded(t, 2)
	if _, err := oci.Login(t.Context(), f.host, user, secret); err != nil {
		t.Fatal(err)
	}
	s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk})
	content := noise(8 * chunk)
	if err := put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, content)
	if _, err := zoo.Publish(t.Context(), s, storetest.Object("mnist", "1.0.0", "text"), zoo.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutCredentials(t *testing.T) {
	home(t)
	f := guarded(t, 100)
	s, err := oci.Open(t.Context(), "oci://"+f.host+"/zoo", oci.Options{})
	if err == nil {
		_, err = s.Versions(t.Context(), "mnist")
	}
	if err == nil || !strings.Contains(err.Error(), "reprise login "+f.host) {
		t.Errorf("got error %v", err)
	}
}

// TestSecretsStaySecret looks for credentials, tokens and upload states in what fails.
func TestSecretsStaySecret(t *testing.T) {
	home(t)
	f := guarded(t, 1000)
	if _, err := oci.Login(t.Context(), f.host, user, secret); err != nil {
		t.Fatal(err)
	}
	s := open(t, "oci://"+f.host+"/zoo", oci.Options{Chunk: chunk, Pause: time.Millisecond})
	inner := f.hook()
	for _, fails := range []string{http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodGet} {
		for _, how := range []string{"status", "line"} {
			f.on(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != fails || r.URL.Path == "/token" {
					return inner(w, r)
				}
				if how == "line" {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(http.StatusInternalServerError)
				return true
			})
			err := put(t.Context(), s, noise(6*chunk))
			if err == nil {
				_, err = read(t.Context(), s, schema.DigestOf(noise(6*chunk)))
			}
			if err == nil {
				t.Fatalf("%s: no error", fails)
			}
			for _, bad := range []string{secret, "token-", "secret=state", "Bearer"} {
				if strings.Contains(err.Error(), bad) {
					t.Errorf("%s, %s: the error has %q: %v", fails, how, bad, err)
				}
			}
		}
	}
}

func TestLogin(t *testing.T) {
	file := home(t)
	f := guarded(t, 1000)
	if _, err := oci.Login(t.Context(), f.host, user, "wrong"); !isInvalid(err) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("wrong credentials: got error %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("wrong credentials were stored")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"auths":{},"HttpHeaders":{"X":"kept"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	account, err := oci.Login(t.Context(), "oci://"+f.host+"/zoo", user, secret)
	if err != nil {
		t.Fatal(err)
	}
	if want := (oci.Account{Server: f.host, Username: user, File: file}); account != want {
		t.Errorf("got %+v, want %+v", account, want)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if b, _ := os.ReadFile(file); !strings.Contains(string(b), "kept") {
		t.Errorf("the file lost what was in it: %s", b)
	}
	if _, err := oci.Open(t.Context(), "oci://"+f.host, oci.Options{}); err != nil {
		t.Error(err)
	}
	for _, had := range []bool{true, false} {
		if host, got, err := oci.Logout(f.host); err != nil || host != f.host || got != had {
			t.Errorf("Logout: %s, %v, %v", host, got, err)
		}
	}
	if b, _ := os.ReadFile(file); strings.Contains(string(b), f.host) {
		t.Errorf("the credentials are still there: %s", b)
	}
	for _, c := range []struct{ server, user, secret string }{{"", user, secret}, {f.host, "", secret}, {f.host, user, ""}, {"http://zoo.example.org", user, secret}} {
		if _, err := oci.Login(t.Context(), c.server, c.user, c.secret); !isInvalid(err) {
			t.Errorf("%+v: got error %v", c, err)
		}
	}
}

// TestCredentialHelper: where one is configured, it has the credentials, and the file does not.
func TestCredentialHelper(t *testing.T) {
	file := home(t)
	f := guarded(t, 1000)
	bin, kept := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	script := fmt.Sprintf(`#!/bin/sh
case "$1" in
store) cat > %[1]s ;;
get) cat > /dev/null; test -f %[1]s && cat %[1]s || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm -f %[1]s ;;
esac
`, kept)
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"credsStore":"test"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	account, err := oci.Login(t.Context(), f.host, user, secret)
	if err != nil || account.Helper != "test" || account.File != "" {
		t.Fatalf("%+v, %v", account, err)
	}
	if b, _ := os.ReadFile(file); strings.Contains(string(b), secret) {
		t.Error("the secret is in the file")
	}
	if err := put(t.Context(), open(t, "oci://"+f.host+"/zoo", oci.Options{}), []byte("text")); err != nil {
		t.Fatal(err)
	}
	if _, had, err := oci.Logout(f.host); err != nil || !had {
		t.Errorf("Logout: %v, %v", had, err)
	}
	if _, err := os.Stat(kept); err == nil {
		t.Error("the helper still has the credentials")
	}
}

func isInvalid(err error) bool { return errors.As(err, new(*schema.Invalid)) }

func TestLocations(t *testing.T) {
	for place, want := range map[string]oci.Location{
		"oci://registry.example.org":              {Scheme: "oci", Host: "registry.example.org"},
		"oci://Registry.example.org:5000/a/b-c/":  {Scheme: "oci", Host: "registry.example.org:5000", Prefix: "a/b-c"},
		"oci://127.0.0.1:5000/zoo?ca=/etc/ca.pem": {Scheme: "oci", Host: "127.0.0.1:5000", Prefix: "zoo", CA: "/etc/ca.pem"},
		"https://zoo.example.org":                 {Scheme: "https", Host: "zoo.example.org"},
		"https://zoo.example.org/":                {Scheme: "https", Host: "zoo.example.org"},
		"http://localhost:8080":                   {Scheme: "http", Host: "localhost:8080"},
		"http://[::1]:8080":                       {Scheme: "http", Host: "[::1]:8080"},
	} {
		got, err := oci.ParseLocation(place)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", place, err, diff)
		}
	}
	for place, part := range map[string]string{
		"http://zoo.example.org":         "plain HTTP is for this machine only: use https://zoo.example.org",
		"http://10.0.0.1":                "plain HTTP is for this machine only",
		"http://localhost.example.org":   "plain HTTP is for this machine only",
		"oci://ada:pw@host/zoo":          "reprise login host",
		"oci:///zoo":                     "names no host",
		"oci://host/Zoo":                 "is not the path of a repository",
		"oci://host/a//b":                "is not the path of a repository",
		"oci://host/../b":                "is not the path of a repository",
		"oci://host/" + long(200):        "more than 96",
		"oci://host?insecure=1":          `"insecure" is not an option`,
		"oci://host#x":                   "does not belong",
		"https://zoo.example.org/prefix": "has no path",
		"ftp://host":                     `"ftp" is neither`,
		"oci://ho st/%zz":                "is not a URL",
	} {
		_, err := oci.ParseLocation(place)
		if !isInvalid(err) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v, want %q", place, err, part)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

// TestCertificates: a certificate that the system does not know is refused, until the store's URL names it.
func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(registry.New(registry.Logger(quiet())))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = quiet()
	place := "oci://" + strings.TrimPrefix(server.URL, "https://")
	_, err := oci.Open(t.Context(), place, oci.Options{})
	if err == nil || !strings.Contains(err.Error(), "?ca=FILE") {
		t.Errorf("an unknown certificate: got error %v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := oci.Open(t.Context(), place+"?ca="+ca, oci.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: got error %v", err)
	}
	if err := os.WriteFile(ca, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.Open(t.Context(), place+"?ca="+ca, oci.Options{}); !isInvalid(err) {
		t.Errorf("a file without certificates: got error %v", err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, place+"/zoo?ca="+ca, oci.Options{})
	if err := put(t.Context(), s, []byte("text")); err != nil {
		t.Error(err)
	}
}

// TestNoRegistry: what is at an address, but no registry, or no Reprise server.
func TestNoRegistry(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	_, err := oci.Open(t.Context(), "oci://"+strings.TrimPrefix(web.URL, "http://"), oci.Options{})
	if err == nil || !strings.Contains(err.Error(), "is no OCI registry") {
		t.Errorf("a web server: got error %v", err)
	}
	f := newFlaky(t)
	_, err = oci.Open(t.Context(), "http://"+f.host, oci.Options{})
	if err == nil || !strings.Contains(err.Error(), "not a Reprise server: use oci://"+f.host) {
		t.Errorf("a registry: got error %v", err)
	}
	if _, err := oci.Open(t.Context(), "oci://"+ocitest.FreeAddress(t), oci.Options{}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: got error %v", err)
	}
}

// TestLedAstray: a registry elsewhere may not lead the client to plain HTTP or to addresses inside.
func TestLedAstray(t *testing.T) {
	var reached bool
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(inside.Close)
	for _, target := range []string{inside.URL, "https://10.0.0.1/x", "http://example.org/x", "https://169.254.169.254/latest"} {
		err := oci.Follow("registry.example.org", target)
		if err == nil || !strings.Contains(err.Error(), "refused") || reached {
			t.Errorf("%s: got error %v", target, err)
		}
	}
}

// TestIndexOfNames: where a registry has no catalogue, names come from the list that publishers keep, and capabilities say that
// some may be missing.
func TestIndexOfNames(t *testing.T) {
	f := newFlaky(t)
	f.on(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/_catalog" {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	})
	place := "oci://" + f.host + "/zoo"
	s := open(t, place, oci.Options{})
	if c := s.Capabilities(); !c.Catalogue || !c.PartialCatalogue || c.ConditionalWrites {
		t.Errorf("got %+v", c)
	}
	if names, err := s.Names(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("an empty store: %v, %v", names, err)
	}
	for _, pair := range [][]string{{"mnist", "ada/cifar"}, {"iris", "wine"}} {
		publisher := open(t, place, oci.Options{})
		var wait sync.WaitGroup
		for _, name := range pair {
			wait.Go(func() {
				if _, err := zoo.Publish(t.Context(), publisher, storetest.Object(name, "1.0.0", name), zoo.PublishOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
	}
	names, err := s.Names(t.Context())
	if diff := cmp.Diff([]string{"ada/cifar", "iris", "mnist", "wine"}, names); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	// A publisher who may not write the list has published all the same, and is told.
	index := f.hook()
	f.on(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/index.json/") && r.Method != http.MethodGet {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return index(w, r)
	})
	var warned string
	s = open(t, place, oci.Options{Warn: func(w string) { warned = w }})
	if _, err := zoo.Publish(t.Context(), s, storetest.Object("new", "1.0.0", "new"), zoo.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(warned, "new was published, but not added") {
		t.Errorf("told %q", warned)
	}
}
