package registry_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func TestVersionCheck(t *testing.T) {
	b := newBench(t)
	a := b.want(200, "", "GET", "/v2/", nil)
	a.header(t, "Docker-Distribution-Api-Version", "registry/2.0")
	a.header(t, "Reprise-Capabilities", "resume, conditional-writes, catalogue")
	b.want(404, "UNSUPPORTED", "GET", "/v2/mnist", nil)
	b.want(404, "UNSUPPORTED", "GET", "/v2/mnist/nothing/here", nil)
	b.want(405, "UNSUPPORTED", "PUT", "/v2/_catalog", nil)
}

func TestGetBlob(t *testing.T) {
	b := newBench(t)
	const text = "0123456789"
	d := b.push("mnist", text)
	at := "/v2/mnist/blobs/" + d
	for _, method := range []string{"GET", "HEAD"} {
		a := b.want(200, "", method, at, nil)
		a.header(t, "Docker-Content-Digest", d)
		a.header(t, "Content-Length", "10")
		a.header(t, "Accept-Ranges", "bytes")
		a.header(t, "Content-Type", "application/octet-stream")
		if method == "GET" && a.body != text || method == "HEAD" && a.body != "" {
			t.Errorf("%s: %q", method, a.body)
		}
	}
	for header, want := range map[string]string{"bytes=2-4": "234", "bytes=7-": "789", "bytes=-3": "789", "bytes=8-99": "89", "bytes=0-0": "0"} {
		if a := b.want(206, "", "GET", at, nil, "Range", header); a.body != want {
			t.Errorf("%s: %q, want %q", header, a.body, want)
		}
	}
	for _, header := range []string{"bytes=10-", "bytes=4-2", "lines=1-2", "bytes=99999999999999999999-"} {
		b.want(416, "10 bytes", "GET", at, nil, "Range", header).header(t, "Content-Range", "bytes */10")
	}
	b.want(304, "", "GET", at, nil, "If-None-Match", `"`+d+`"`)
	b.want(404, "BLOB_UNKNOWN", "GET", "/v2/mnist/blobs/"+digestOf("other"), nil)
	b.want(404, "", "HEAD", "/v2/mnist/blobs/"+digestOf("other"), nil)
	b.want(400, "DIGEST_INVALID", "GET", "/v2/mnist/blobs/sha256:short", nil)
	b.want(405, "reprise gc", "DELETE", at, nil)
}

// A blob that was damaged on disk does not arrive as if it were whole.
func TestGetDamagedBlob(t *testing.T) {
	b := newBench(t)
	d := b.push("mnist", strings.Repeat("x", 100_000))
	file := b.dir + "/zoo/" + zoo.BlobPath(schema.DigestOf([]byte(strings.Repeat("x", 100_000))))
	check(t, os.Chmod(file, 0o644))
	check(t, os.WriteFile(file, []byte(strings.Repeat("y", 100_000)), 0o644))
	q := b.url + "/v2/mnist/blobs/" + d
	if text, err := fetch(b, q); err == nil {
		t.Errorf("%d damaged bytes arrived without an error", len(text))
	}
}

func TestGetManifest(t *testing.T) {
	b := newBench(t)
	m := b.artifact("mnist", "best", "application/vnd.example+json", "text", "")
	for _, reference := range []string{"best", digestOf(m)} {
		for _, method := range []string{"GET", "HEAD"} {
			a := b.want(200, "", method, "/v2/mnist/manifests/"+reference, nil)
			a.header(t, "Content-Type", imageType)
			a.header(t, "Docker-Content-Digest", digestOf(m))
			a.header(t, "Content-Length", fmt.Sprint(len(m)))
			if method == "GET" && a.body != m {
				t.Errorf("%s: %s", reference, a.body)
			}
		}
		b.want(304, "", "GET", "/v2/mnist/manifests/"+reference, nil, "If-None-Match", `"`+digestOf(m)+`"`)
	}
	for _, reference := range []string{"other", "1.0.0", "1.0", "..", ".hidden", "%2e%2e", digestOf("none"), digestOf("text")} {
		b.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/mnist/manifests/"+reference, nil)
	}
	b.want(400, "DIGEST_INVALID", "GET", "/v2/mnist/manifests/sha512:00", nil)
}

// No name leads out of the store.
func TestHostileNames(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"..%2f..", "a%2f..%2f..%2fetc", "A", "a%20b", "v", "tags", "a/tags", "x.json", "a/b/c", "a%00", "%c3%a4", "-a", strings.Repeat("a", 200)} {
		for _, ending := range []string{"/blobs/" + digestOf("x"), "/manifests/latest", "/tags/list", "/referrers/" + digestOf("x")} {
			b.want(400, "NAME_INVALID", "GET", "/v2/"+name+ending, nil)
		}
		b.want(400, "NAME_INVALID", "POST", "/v2/"+name+"/blobs/uploads/", nil)
		b.want(400, "NAME_INVALID", "PUT", "/v2/"+name+"/manifests/latest", "{}")
	}
	for _, id := range []string{"..", "%2e%2e", "x", "00000000-0000-4000-8000-000000000000"} {
		b.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", "/v2/mnist/blobs/uploads/"+id, nil)
		b.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", "/v2/mnist/blobs/uploads/"+id, "x")
	}
}

func TestLists(t *testing.T) {
	b := newBench(t)
	b.want(404, "NAME_UNKNOWN", "GET", "/v2/none/tags/list", nil)
	for _, tag := range []string{"b", "a", "1.0.0", "v1.0.0", "1.10.0"} {
		b.artifact("ada/x", tag, "application/vnd.example", "text", "")
	}
	b.artifact("bob", "t", "application/vnd.example", "text", "")
	b.artifact("cy", "t", "application/vnd.example", "text", "")

	// follow reads all pages.
	follow := func(at, member string, pages int) string {
		t.Helper()
		var all []string
		for n := 1; ; n++ {
			a := b.want(200, "", "GET", at, nil)
			var v map[string]json.RawMessage
			check(t, json.Unmarshal([]byte(a.body), &v))
			var list []string
			check(t, json.Unmarshal(v[member], &list))
			all = append(all, list...)
			link := a.Header.Get("Link")
			if link == "" {
				if n != pages {
					t.Errorf("%s: %d pages, want %d", at, n, pages)
				}
				return strings.Join(all, " ")
			}
			next, ok := strings.CutSuffix(link, `>; rel="next"`)
			if !ok {
				t.Fatalf("Link: %s", link)
			}
			at = strings.TrimPrefix(next, "<")
		}
	}
	for _, tc := range []struct {
		at, member string
		pages      int
		want       string
	}{
		{"/v2/ada/x/tags/list", "tags", 1, "1.0.0 1.10.0 a b v1.0.0"},
		{"/v2/ada/x/tags/list?n=2", "tags", 3, "1.0.0 1.10.0 a b v1.0.0"},
		{"/v2/ada/x/tags/list?n=5", "tags", 1, "1.0.0 1.10.0 a b v1.0.0"},
		{"/v2/ada/x/tags/list?last=a", "tags", 1, "b v1.0.0"},
		{"/v2/ada/x/tags/list?last=aa&n=1", "tags", 2, "b v1.0.0"},
		{"/v2/ada/x/tags/list?n=0", "tags", 1, ""},
		{"/v2/ada/x/tags/list?last=zz", "tags", 1, ""},
		{"/v2/_catalog", "repositories", 1, "ada/x bob cy"},
		{"/v2/_catalog?n=1", "repositories", 3, "ada/x bob cy"},
	} {
		if got := follow(tc.at, tc.member, tc.pages); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.at, got, tc.want)
		}
	}
	b.want(400, "n=", "GET", "/v2/_catalog?n=-1", nil)
	b.want(400, "n=", "GET", "/v2/_catalog?n=many", nil)
}
