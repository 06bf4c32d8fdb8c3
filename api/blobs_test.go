package api_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// plainStore is a store that cannot read parts.
type plainStore struct{ zoo.Store }

func TestBlobs(t *testing.T) {
	const text = "0123456789"
	d := schema.DigestOf([]byte(text))
	at := "/blobs/sha256/" + d.Hex()
	for _, store := range []string{"with ranges", "without"} {
		w := newWorld(t, nil)
		if err := w.store.Put(t.Context(), d, int64(len(text)), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if store == "without" {
			w.serve(plainStore{w.store}, nil)
		}
		for _, tc := range []struct {
			name         string
			header       []string
			status       int
			body         string
			contentRange string
		}{
			{"whole", nil, 200, text, ""},
			{"first to last", []string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
			{"to the end", []string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
			{"everything", []string{"Range", "bytes=0-"}, 206, text, "bytes 0-9/10"},
			{"the last", []string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
			{"more than the last", []string{"Range", "bytes=-30"}, 206, text, "bytes 0-9/10"},
			{"past the end", []string{"Range", "bytes=8-99"}, 206, "89", "bytes 8-9/10"},
			{"one byte", []string{"Range", "bytes=0-0"}, 206, "0", "bytes 0-0/10"},
			{"several", []string{"Range", "bytes=0-0,2-3"}, 200, text, ""},
			{"same entity", []string{"Range", "bytes=1-1", "If-Range", `"` + d.String() + `"`}, 206, "1", "bytes 1-1/10"},
			{"another entity", []string{"Range", "bytes=1-1", "If-Range", `"other"`}, 200, text, ""},
			{"beyond", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
			{"backwards", []string{"Range", "bytes=4-2"}, 416, "", "bytes */10"},
			{"nothing", []string{"Range", "bytes=-0"}, 416, "", "bytes */10"},
			{"empty", []string{"Range", "bytes=-"}, 416, "", "bytes */10"},
			{"no numbers", []string{"Range", "bytes=a-b"}, 416, "", "bytes */10"},
			{"negative", []string{"Range", "bytes=--5"}, 416, "", "bytes */10"},
			{"huge", []string{"Range", "bytes=99999999999999999999-"}, 416, "", "bytes */10"},
			{"other unit", []string{"Range", "lines=1-2"}, 416, "", "bytes */10"},
			{"known", []string{"If-None-Match", `"` + d.String() + `"`}, 304, "", ""},
			{"known among others", []string{"If-None-Match", `"x", W/"` + d.String() + `"`}, 304, "", ""},
		} {
			t.Run(store+"/"+tc.name, func(t *testing.T) {
				out := w.request(http.MethodGet, at, "", tc.header...)
				if out.Code != tc.status || out.Header().Get("Content-Range") != tc.contentRange {
					t.Fatalf("%d, range %q\n%s", out.Code, out.Header().Get("Content-Range"), out.Body)
				}
				if out.Code < 300 {
					if out.Body.String() != tc.body || out.Header().Get("Etag") != `"`+d.String()+`"` ||
						out.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || out.Header().Get("Content-Type") != "application/octet-stream" {
						t.Errorf("%q %v", out.Body, out.Header())
					}
				}
				if out.Code == http.StatusRequestedRangeNotSatisfiable {
					checkHeaders(t, out)
					if strings.Contains(out.Header().Get("Cache-Control"), "immutable") {
						t.Error("a problem is cached")
					}
				}
			})
		}
		head := w.request(http.MethodHead, at, "", "Range", "bytes=1-2")
		if head.Code != 200 || head.Header().Get("Content-Length") != "10" || head.Header().Get("Accept-Ranges") != "bytes" || head.Body.Len() != 0 {
			t.Errorf("HEAD: %d %v", head.Code, head.Header())
		}
	}
}

func TestNoBlobs(t *testing.T) {
	w := newWorld(t, nil)
	for name, at := range map[string]string{
		"missing": schema.DigestOf([]byte("x")).Hex(), "short": "abc", "upper case": strings.Repeat("A", 64), "path": "..%2f..%2fetc", "empty": "",
	} {
		out := w.request(http.MethodGet, "/blobs/sha256/"+at, "")
		if out.Code != http.StatusNotFound || !strings.Contains(out.Body.String(), `"code":"not-found"`) {
			t.Errorf("%s: %d %s", name, out.Code, out.Body)
		}
		if strings.Contains(out.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: a problem is cached", name)
		}
	}
}

// Large blobs come whole, piece by piece.
func TestLargeBlob(t *testing.T) {
	w := newWorld(t, nil)
	b := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	d := schema.DigestOf(b)
	if err := w.store.Put(t.Context(), d, int64(len(b)), bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	out := w.request(http.MethodGet, "/blobs/sha256/"+d.Hex(), "")
	if schema.DigestOf(out.Body.Bytes()) != d {
		t.Error("other bytes")
	}
}
