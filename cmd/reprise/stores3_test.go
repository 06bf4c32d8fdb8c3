package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/cors"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
)

// Every verb works on a store in a bucket, and objects there have the digests that they have in a directory.
func TestStoreInBucket(t *testing.T) {
	server := s3test.Versitygw.Start(t, true)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	place := server.Place()
	d := withData(t)
	inDirectory := d.published()
	d.refused(exitFailed, []string{"there is no store in " + place}, "list", "--store", place)
	d.done("copy", "glyphs:1.0.0", "--to", place)
	inBucket := report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", d.path("closure"), "--tag", "best", "--store", place)
	if inBucket.Digest != inDirectory.Digest {
		t.Errorf("in the bucket it is %s, in a directory %s", inBucket.Digest, inDirectory.Digest)
	}
	for _, args := range [][]string{
		{"verify", "small:best"},
		{"list"},
		{"show", "small"},
		{"history", "small"},
		{"tag", "small:1.0.0", "latest"},
		{"fsck"},
		{"pull", "small", "-o", d.path("pulled")},
		{"dataset", "show", "glyphs"},
	} {
		if o := d.done(append(args, "--store", place)...); strings.Contains(o.stdout+o.stderr, s3test.SecretKey) {
			t.Errorf("%s shows a secret", args[0])
		}
	}
	d.refused(exitInvalid, []string{"holds credentials", "AWS_ACCESS_KEY_ID"}, "list", "--store", "s3://key:secret@bucket")
	d.refused(exitInvalid, []string{"known are endpoint"}, "list", "--store", "s3://bucket?endpont=x")
}

// serve --presign sends readers of blobs to the bucket, and lets its pages connect there.
func TestServePresigned(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	place := server.Place()
	d := withData(t)
	published := d.published()
	d.done("copy", "small", "--to", place)
	site := d.serving("--store", place, "--presign", "--tokens", d.path("tokens"), "--spool", d.path("spool"))
	blob := site + "blobs/sha256/" + published.Digest.Hex()
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := direct.Get(blob)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusTemporaryRedirect || !strings.HasPrefix(r.Header.Get("Location"), server.Endpoint+"/") || r.Header.Get("Cache-Control") != "private, max-age=450" {
		t.Errorf("%s: %v", r.Status, r.Header)
	}
	if policy := r.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self' "+server.Endpoint+";") {
		t.Errorf("policy %q", policy)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, blob, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Range", "bytes=0-0")
	r, err = http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != "{" || r.StatusCode != http.StatusPartialContent {
		t.Errorf("%s: %q, %v", r.Status, b, err)
	}
	if r, err := direct.Head(blob); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %v, %v", r, err)
	}
	if r, err := direct.Get(site + "blobs/sha256/" + strings.Repeat("0", 64)); err != nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("a blob that is not there: %v, %v", r, err)
	}
	d.refused(exitInvalid, []string{"has no URLs for others", "s3://"}, "serve", "--presign")

	// Clients of the registry are sent there, too, and do not bring their tokens.
	name := "v2/small/blobs/" + published.Digest.String()
	if r, err := direct.Get(site + name); err != nil || r.StatusCode != http.StatusTemporaryRedirect || !strings.HasPrefix(r.Header.Get("Location"), server.Endpoint+"/") {
		t.Errorf("GET /%s: %v, %v", name, r, err)
	}
	d.done("pull", "small", "-o", d.path("pulled"), "--store", strings.TrimSuffix(site, "/"))
	d.done("verify", d.path("pulled"))

	// Browsers read from the bucket if it is set up as the README says.
	allow(t, server, strings.TrimSuffix(site, "/"))
	for origin, allowed := range map[string]bool{strings.TrimSuffix(site, "/"): true, "https://evil.example": false} {
		for _, method := range []string{http.MethodOptions, http.MethodGet} {
			r, err := direct.Get(blob)
			if err != nil {
				t.Fatal(err)
			}
			request, err := http.NewRequestWithContext(t.Context(), method, r.Header.Get("Location"), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Origin", origin)
			if method == http.MethodOptions { // what a browser asks first, should it not take Range for a simple header
				request.Header.Set("Access-Control-Request-Method", http.MethodGet)
				request.Header.Set("Access-Control-Request-Headers", "range")
			} else {
				request.Header.Set("Range", "bytes=0-0")
			}
			if r, err = direct.Do(request); err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			if got := r.Header.Get("Access-Control-Allow-Origin"); (got == origin) != allowed || allowed && r.StatusCode >= 300 {
				t.Errorf("%s from %s: %s, allowed to %q", method, origin, r.Status, got)
			}
		}
	}
}

// allow sets the rules of zoo/s3/README.md for the pages of a site.
func allow(t *testing.T, server *s3test.Server, site string) {
	t.Helper()
	readme, err := os.ReadFile("../../zoo/s3/README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(readme)
	if text == nil {
		t.Fatal("the README has no rules")
	}
	var document struct {
		CORSRules []struct {
			AllowedOrigins, AllowedMethods, AllowedHeaders, ExposeHeaders []string
			MaxAgeSeconds                                                 int
		}
	}
	if err := json.Unmarshal(text[1], &document); err != nil {
		t.Fatal(err)
	}
	var rules []cors.Rule
	for _, r := range document.CORSRules {
		rules = append(rules, cors.Rule{AllowedOrigin: []string{site}, AllowedMethod: r.AllowedMethods, AllowedHeader: r.AllowedHeaders, ExposeHeader: r.ExposeHeaders, MaxAgeSeconds: r.MaxAgeSeconds})
	}
	if err := server.Client().SetBucketCors(t.Context(), s3test.Bucket, cors.NewConfig(rules)); err != nil {
		t.Fatal(err)
	}
}
