package registry

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

// Whatever path is asked for, a name that passes is one of the store's and nothing that is left over leads anywhere.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"", "/", "/_catalog", "/token", "/a/tags/list", "/a/b/manifests/latest", "/a/blobs/uploads/", "/a/blobs/uploads", "/a/blobs/uploads/x",
		"/a/blobs/sha256:00", "/../manifests/x", "/a/../b/manifests/x", "//manifests/", "/a/referrers/sha256:00", "/manifests/manifests/manifests",
		"/blobs/uploads/blobs/uploads/x", "/a\x00/manifests/x",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p := readPath(path)
		if p.endpoint < tagList {
			if p.name != "" || p.last != "" {
				t.Errorf("%q: %+v", path, p)
			}
			return
		}
		if strings.Contains(p.last, "/") || !strings.HasPrefix(strings.TrimPrefix(path, "/"), p.name) {
			t.Errorf("%q: %+v", path, p)
		}
		if checkName(p.name) == nil && (strings.Contains(p.name, "..") || strings.Count(p.name, "/") > 1 || strings.HasPrefix(p.name, "/")) {
			t.Errorf("%q has the name %q", path, p.name)
		}
	})
}

// Whatever comes as a manifest is refused as one, or has an entry that stores take.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`), typeImage)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[]}`), typeIndex)
	f.Add([]byte(`{"schemaVersion":2,"subject":null,"config":null}`), "")
	f.Add([]byte(`{"schemaVersion":2,"SCHEMAVERSION":1}`), "")
	f.Fuzz(func(t *testing.T, b []byte, mediaType string) {
		m, err := parseManifest(b, mediaType)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Status != 400 || e.Code != codeManifestInvalid {
				t.Fatalf("got error %v", err)
			}
			return
		}
		if err := m.entry().Check("manifest"); err != nil || m.digest != schema.DigestOf(b) || mediaType != "" && m.MediaType != mediaType {
			t.Fatalf("%s: %+v, %v", b, m, err)
		}
		for _, d := range m.all() {
			if d.Digest.IsZero() || d.Size < 0 {
				t.Fatalf("%s has the descriptor %+v", b, d)
			}
		}
		if _, err := json.Marshal(m.all()); err != nil {
			t.Fatal(err)
		}
	})
}
