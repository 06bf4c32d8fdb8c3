package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

// A token is made, logged in with, and published with to a running server, which anybody can then read and verify.
func TestStoreOnServer(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	served := newDesk(t)
	token := report[schema.TokenReport](served, schema.KindTokenReport, exitDone, "token", "create").Token
	url := strings.TrimSuffix(served.serving(), "/")
	d := withData(t)
	inDirectory := d.published()

	d.refused(exitFailed, []string{"reprise login " + url}, "copy", "glyphs:1.0.0", "--to", url)
	if code, _, said := logIn(t, token, url); code != exitDone {
		t.Fatalf("login: exit %d, %s", code, said)
	}
	d.done("copy", "glyphs:1.0.0", "--to", url)
	published := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", d.path("closure"), "--tag", "best", "--store", url)
	if published.Digest != inDirectory.Digest {
		t.Errorf("on the server it is %s, in a directory %s", published.Digest, inDirectory.Digest)
	}
	d.done("logout", url)
	for _, args := range [][]string{
		{"list"}, {"show", "small"}, {"verify", "small:best"}, {"pull", "small", "-o", d.path("pulled")}, {"fsck"},
	} {
		d.done(append(args, "--store", url)...)
	}
	d.refused(exitFailed, []string{"reprise login " + url}, "tag", "small:1.0.0", "latest", "--store", url)
}
