package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/oci/ocitest"
)

// Every verb works on a store in a registry, objects there have the digests that they have in a directory, and the tools of others
// read what is published.
func TestStoreInRegistry(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	host := ocitest.DebianRegistry(t)
	place := "oci://" + host + "/zoo"
	d := withData(t)
	inDirectory := d.published()
	d.done("copy", "glyphs:1.0.0", "--to", place)
	published := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", d.path("closure"), "--tag", "best", "--store", place)
	if published.Digest != inDirectory.Digest {
		t.Errorf("in the registry it is %s, in a directory %s", published.Digest, inDirectory.Digest)
	}
	for _, args := range [][]string{
		{"publish", d.path("closure")},
		{"verify", "small:best"},
		{"list"},
		{"show", "small"},
		{"history", "small"},
		{"tag", "small:1.0.0", "latest"},
		{"fsck"},
		{"pull", "small", "-o", d.path("pulled")},
		{"dataset", "show", "glyphs"},
	} {
		d.done(append(args, "--store", place)...)
	}
	reference := host + "/zoo/small:1.0.0"
	want := files(t, d.path("pulled"))

	t.Run("oras", func(t *testing.T) {
		oras := ocitest.Tool(t, ocitest.Oras)
		dir := t.TempDir()
		tool(t, oras, "pull", "--plain-http", reference, "-o", dir)
		if diff := cmp.Diff(want, files(t, dir)); diff != "" {
			t.Errorf("oras pull (-want +got):\n%s", diff)
		}
		note := d.write("note.txt", "a note")
		tool(t, oras, "attach", "--plain-http", "--disable-path-validation", "--artifact-type", "application/x-note", reference, note+":text/plain")
		d.done("withdraw", "small:1.0.0", "--reason", "a test", "--store", place)
		seen := tool(t, oras, "discover", "--plain-http", "--format", "json", reference)
		for _, kind := range []string{"application/x-note", schema.MediaTypeWithdrawal} {
			if !strings.Contains(seen, kind) {
				t.Errorf("oras discover does not show %s:\n%s", kind, seen)
			}
		}
	})
	t.Run("crane", func(t *testing.T) {
		crane := ocitest.Tool(t, ocitest.Crane)
		if got := strings.TrimSpace(tool(t, crane, "digest", reference)); got != published.Digest.String() {
			t.Errorf("crane digest: %s, want %s", got, published.Digest)
		}
		var manifest struct{ ArtifactType string }
		if err := json.Unmarshal([]byte(tool(t, crane, "manifest", reference)), &manifest); err != nil || manifest.ArtifactType != schema.MediaTypeClosure {
			t.Errorf("crane manifest: %+v, %v", manifest, err)
		}
		tool(t, crane, "validate", "--remote", reference)
		tool(t, crane, "copy", reference, host+"/mirror/small:1.0.0")
		if o := d.done("verify", "small:1.0.0", "--store", "oci://"+host+"/zoo"); o.code != exitDone {
			t.Error(o.stderr)
		}
		if got := strings.TrimSpace(tool(t, crane, "digest", host+"/mirror/small:1.0.0")); got != published.Digest.String() {
			t.Errorf("the copy is %s, want %s", got, published.Digest)
		}
	})
}

// tool runs a program and returns what it prints.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// files reads a directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
