package zoo_test

import (
	"path"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// FuzzNames feeds the paths of the tree with whatever passes the checks: no name, version or tag may lead out of its
// folder, and each must be read back from its path.
func FuzzNames(f *testing.F) {
	f.Add("mnist", "1.0.0", "best")
	f.Add("alice/mnist", "1.0.0-rc.1", "v.json")
	f.Add("../x", "1.0.0/..", "..")
	f.Add("a/b", "0.0.0-json", "a.json")
	f.Fuzz(func(t *testing.T, name, version, tag string) {
		if schema.CheckName(name) != nil {
			return
		}
		if schema.CheckVersion(version) == nil {
			p := zoo.VersionPath(name, version)
			got, ok := zoo.VersionOf(path.Base(p))
			wantInside(t, p, zoo.VersionsPath(name), name)
			if !ok || got != version {
				t.Fatalf("%s is read as the version %q", p, got)
			}
		}
		if schema.CheckTag(tag) == nil {
			p := zoo.TagPath(name, tag)
			got, ok := zoo.TagOf(path.Base(p))
			wantInside(t, p, zoo.TagsPath(name), name)
			if !ok || got != tag {
				t.Fatalf("%s is read as the tag %q", p, got)
			}
		}
	})
}

func wantInside(t *testing.T, p, folder, name string) {
	t.Helper()
	if path.Clean(p) != p || path.Dir(p) != folder || !strings.HasPrefix(p, zoo.RefsPath+"/"+name+"/") {
		t.Fatalf("%q is not a file of %q", p, folder)
	}
	if got := zoo.NameOf(p); got != name {
		t.Fatalf("%q is read as the name %q, want %q", p, got, name)
	}
}

func TestReferrerOf(t *testing.T) {
	d := schema.DigestOf([]byte("a"))
	for file, want := range map[string]bool{d.Hex() + ".json": true, d.Hex(): false, "x.json": false, "": false} {
		got, ok := zoo.ReferrerOf(file)
		if ok != want || ok && got != d {
			t.Errorf("%q: got %q, %v", file, got, ok)
		}
	}
}
