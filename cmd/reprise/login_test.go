package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/reprise-ml/reprise/schema"
)

// registryFor starts a registry that only one user may use.
func registryFor(t *testing.T, user, token string) (host string) {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	return strings.TrimPrefix(server.URL, "http://")
}

// logIn runs reprise login with a token on standard input.
func logIn(t *testing.T, token string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, diagnostics bytes.Buffer
	root := newRoot(newApp(&out, &diagnostics))
	root.SetIn(strings.NewReader(token))
	root.SetArgs(append([]string{"login", "--token-stdin"}, args...))
	err := root.ExecuteContext(t.Context())
	return exitCode(err), out.String(), func() string {
		if err != nil {
			return err.Error()
		}
		return diagnostics.String()
	}()
}

func TestLoginAndLogout(t *testing.T) {
	host := registryFor(t, "ada", "s3cret")
	if code, _, said := logIn(t, "wrong\n", host, "--username", "ada"); code != exitInvalid || !strings.Contains(said, "does not accept") {
		t.Errorf("a wrong token: exit %d, %s", code, said)
	}
	if code, _, said := logIn(t, "\n", host); code != exitInvalid || !strings.Contains(said, "the token is empty") {
		t.Errorf("no token: exit %d, %s", code, said)
	}
	if code, _, said := logIn(t, "x", "http://zoo.example.org"); code != exitInvalid || !strings.Contains(said, "plain HTTP") {
		t.Errorf("plain HTTP: exit %d, %s", code, said)
	}
	code, stdout, said := logIn(t, "s3cret\r\n", host, "--username", "ada", "--json")
	var account schema.LoginReport
	if err := json.Unmarshal([]byte(stdout), &account); code != exitDone || err != nil || account.Server != host || account.Username != "ada" {
		t.Fatalf("exit %d, %s, %v: %s", code, stdout, err, said)
	}
	if strings.Contains(stdout+said, "s3cret") {
		t.Error("the token is told")
	}
	d := newDesk(t)
	store := "oci://" + host + "/zoo"
	d.done("--store", store, "list")
	if o := d.done("logout", host); !strings.Contains(o.stdout, "logged out of "+host) {
		t.Errorf("logout: %s", o.stdout)
	}
	if removed := report[schema.LogoutReport](d, schema.KindLogoutReport, exitDone, "logout", host); removed.Removed {
		t.Error("logging out twice removes something twice")
	}
	d.refused(exitFailed, []string{"reprise login " + host}, "--store", store, "list")
}
