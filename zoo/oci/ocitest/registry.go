// Package ocitest starts Debian's OCI registry for tests, and finds the clients that are tried against it.
package ocitest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Versions of the clients, which are also in the Makefile.
const (
	Oras  = "oras-v1.2.3"
	Crane = "crane-v0.22.1"
)

// DebianRegistry starts Debian's docker-registry for one test and returns its host. Without it the test is skipped, and fails
// where CI is set.
func DebianRegistry(t testing.TB) (host string) {
	t.Helper()
	binary, err := exec.LookPath("docker-registry")
	if err != nil {
		missing(t, "docker-registry")
	}
	dir, host := t.TempDir(), FreeAddress(t)
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}
http: {addr: %q, secret: test}
`, filepath.Join(dir, "data"), host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	command := exec.Command(binary, "serve", config)
	command.Stderr = &log
	dieWithParent(command)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("docker-registry said:\n%s", log.Bytes()[max(0, log.Len()-4096):])
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + host + "/v2/"); err == nil {
			resp.Body.Close()
			return host
		}
		if time.Now().After(deadline) {
			t.Fatal("docker-registry does not answer")
		}
	}
}

// FreeAddress is one of this machine that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Tool finds a client in bin/tools of the repository, where make puts it. Without it the test is skipped, and fails where CI is set.
func Tool(t testing.TB, file string) (path string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the tests run outside of the repository")
		}
		dir = filepath.Dir(dir)
	}
	path = filepath.Join(dir, "bin", "tools", file)
	if _, err := os.Stat(path); err != nil {
		missing(t, file)
	}
	return path
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: make tools", what)
	}
	t.Skipf("%s is not installed: make tools", what)
}
