package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"

	"github.com/reprise-ml/reprise/api/registry"
)

func TestPutManifest(t *testing.T) {
	b := newBench(t)
	m := b.artifact("mnist", "latest", "application/vnd.example", "text", `,"annotations":{"org.opencontainers.image.created":"2026-01-02T03:04:05Z"}`)
	e, err := b.store.Tag(t.Context(), "mnist", "latest")
	want := zoo.Entry{ArtifactType: "application/vnd.example", Created: "2026-01-02T03:04:05Z", Digest: schema.DigestOf([]byte(m)), MediaType: imageType, Size: int64(len(m))}
	if err != nil || e != want {
		t.Errorf("the tag is %+v, %v", e, err)
	}
	a := b.want(201, "", "PUT", "/v2/mnist/manifests/"+digestOf(m), m, "Content-Type", imageType+"; charset=utf-8")
	a.header(t, "Docker-Content-Digest", digestOf(m))
	a.header(t, "Location", "/v2/mnist/manifests/"+digestOf(m))

	// Images, indexes, and manifests that do not say what they are.
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, imageType, digestOf(m), len(m))
	b.want(201, "", "PUT", "/v2/mnist/manifests/all", index, "Content-Type", indexType)
	b.want(200, "", "GET", "/v2/mnist/manifests/"+digestOf(index), nil).header(t, "Content-Type", indexType)
	plain := strings.Replace(m, fmt.Sprintf(`"mediaType":%q,"artifactType"`, imageType), `"artifactType"`, 1)
	b.want(201, "", "PUT", "/v2/mnist/manifests/plain", plain, "Content-Type", imageType)
	b.want(200, "", "GET", "/v2/mnist/manifests/"+digestOf(plain), nil).header(t, "Content-Type", imageType)
	foreign := strings.Replace(m, digestOf("text"), digestOf("elsewhere"), 1)
	foreign = strings.Replace(foreign, "text/plain", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", 1)
	b.want(201, "", "PUT", "/v2/mnist/manifests/foreign", foreign, "Content-Type", imageType)
	b.sound()
}

func TestPutManifestRefuses(t *testing.T) {
	b := newBench(t)
	m := b.artifact("mnist", "latest", "application/vnd.example", "text", "")
	replace := func(old, by string) string {
		if !strings.Contains(m, old) {
			t.Fatalf("%s is not in %s", old, m)
		}
		return strings.Replace(m, old, by, 1)
	}
	for _, tc := range []struct {
		name, body, mediaType string
		status                int
		about                 string
	}{
		{"nothing", "", imageType, 400, "MANIFEST_INVALID"},
		{"no JSON", "text", imageType, 400, "MANIFEST_INVALID"},
		{"a list", "[]", imageType, 400, "MANIFEST_INVALID"},
		{"null", "null", imageType, 400, "MANIFEST_INVALID"},
		{"another type", m, indexType, 400, "came as"},
		{"an unknown type", replace(imageType, "application/x"), "application/x", 400, "is not one of"},
		{"no media type", m, "text;;", 400, "Content-Type"},
		{"the first schema", replace(`"schemaVersion":2`, `"schemaVersion":1`), imageType, 400, "schemaVersion"},
		{"no config", replace(`"config"`, `"conf"`), imageType, 400, "no config"},
		{"both at once", replace(`"layers"`, `"manifests":[],"layers"`), imageType, 400, "at once"},
		{"a bad digest", replace(digestOf("text"), "sha256:x"), imageType, 400, "MANIFEST_INVALID"},
		{"another algorithm", replace(digestOf("text"), "sha512:"+strings.Repeat("0", 128)), imageType, 400, "MANIFEST_INVALID"},
		{"no digest", replace(digestOf("text"), ""), imageType, 400, "no digest"},
		{"a negative size", replace(`"size":4`, `"size":-4`), imageType, 400, "no size"},
		{"a lying size", replace(`"size":4`, `"size":5`), imageType, 404, "has 4 bytes, and not the 5"},
		{"a missing layer", replace(digestOf("text"), digestOf("none")), imageType, 404, "MANIFEST_BLOB_UNKNOWN"},
		{"a missing config", replace(digestOf("{}"), digestOf("none")), imageType, 404, "MANIFEST_BLOB_UNKNOWN"},
		{"markup as its type", replace("application/vnd.example", "a/<script>"), imageType, 400, "artifactType"},
		{"a missing manifest", fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":9}]}`, imageType, digestOf("none")), indexType, 404, "MANIFEST_BLOB_UNKNOWN"},
		{"too much", replace(`"schemaVersion"`, `"x":"`+strings.Repeat("x", 4<<20)+`","schemaVersion"`), imageType, 413, "4194304"},
		{"no closure", replace("application/vnd.example", schema.MediaTypeClosure), imageType, 400, "MANIFEST_INVALID"},
		{"no dataset", replace("application/vnd.example", schema.MediaTypeDataset), imageType, 400, "MANIFEST_INVALID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.want(tc.status, tc.about, "PUT", "/v2/mnist/manifests/new", tc.body, "Content-Type", tc.mediaType)
			b.want(404, "", "GET", "/v2/mnist/manifests/new", nil)
		})
	}
	b.want(400, digestOf(m), "PUT", "/v2/mnist/manifests/"+digestOf("other"), m, "Content-Type", imageType)
	b.want(404, "", "HEAD", "/v2/mnist/manifests/"+digestOf("other"), nil)
	for _, reference := range []string{".hidden", "-x", strings.Repeat("x", 129), "sha256-" + strings.Repeat("0", 64), "1.0.0%2bbuild"} {
		b.want(400, "MANIFEST_INVALID", "PUT", "/v2/mnist/manifests/"+reference, m, "Content-Type", imageType)
	}
	b.sound()
}

func TestVersionsAreWrittenOnce(t *testing.T) {
	b := newBench(t)
	first := b.artifact("mnist", "1.0.0", "application/vnd.example", "first", "")
	b.artifact("mnist", "1.0.0", "application/vnd.example", "first", "")
	b.push("mnist", "second")
	second := image("application/vnd.example", "second", "")
	a := b.want(409, "DENIED", "PUT", "/v2/mnist/manifests/1.0.0", second, "Content-Type", imageType)
	for _, text := range []string{"mnist:1.0.0", digestOf(first), digestOf(second), "publish under a new version"} {
		if !strings.Contains(a.body, text) {
			t.Errorf("the error does not name %s: %s", text, a.body)
		}
	}
	if a := b.want(200, "", "GET", "/v2/mnist/manifests/1.0.0", nil); a.body != first {
		t.Error("the version has changed")
	}
	b.want(201, "", "PUT", "/v2/mnist/manifests/v1.0.0", first, "Content-Type", imageType)
	b.want(201, "", "PUT", "/v2/mnist/manifests/v1.0.0", second, "Content-Type", imageType) // a tag, which moves
}

// Of racing publishers of a version one wins, and the others are told.
func TestRacingVersions(t *testing.T) {
	b := newBench(t)
	b.push("mnist", "{}")
	var mu sync.Mutex
	var group sync.WaitGroup
	won := ""
	for i := range 16 {
		text := fmt.Sprint("text ", i)
		b.push("mnist", text)
		m := image("application/vnd.example", text, "")
		group.Go(func() {
			switch a := b.ask("PUT", "/v2/mnist/manifests/1.0.0", m, "Content-Type", imageType); {
			case a.StatusCode == 201:
				mu.Lock()
				defer mu.Unlock()
				if won != "" {
					t.Error("two have won")
				}
				won = m
			case a.StatusCode != 409:
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
	group.Wait()
	if a := b.want(200, "", "GET", "/v2/mnist/manifests/1.0.0", nil); a.body != won {
		t.Error("the version is not that of the winner")
	}
}

func TestConditions(t *testing.T) {
	b := newBench(t)
	first := b.artifact("mnist", "", "application/vnd.example", "first", "")
	second := b.artifact("mnist", "", "application/vnd.example", "second", "")
	put := func(status int, about, m string, headers ...string) {
		t.Helper()
		b.want(status, about, "PUT", "/v2/mnist/manifests/best", m, append(headers, "Content-Type", imageType)...)
	}
	put(412, "DENIED", first, "If-Match", `"`+digestOf(second)+`"`)
	put(201, "", first, "If-None-Match", "*")
	put(412, digestOf(first), second, "If-None-Match", "*")
	put(412, digestOf(first), second, "If-Match", `"`+digestOf("x")+`"`)
	put(201, "", second, "If-Match", `"`+digestOf(first)+`"`)
	put(201, "", second, "If-Match", `"`+digestOf(first)+`"`) // it is there already
	put(400, "DIGEST_INVALID", first, "If-Match", "*")
	put(400, "UNSUPPORTED", first, "If-None-Match", `"`+digestOf(first)+`"`)
	b.want(400, "only tags move", "PUT", "/v2/mnist/manifests/1.0.0", first, "Content-Type", imageType, "If-None-Match", "*")
}

func TestKinds(t *testing.T) {
	b := newBench(t)
	publish := func(o zoo.Object) {
		t.Helper()
		_, err := zoo.Publish(t.Context(), b.store, o, zoo.PublishOptions{})
		check(t, err)
	}
	publish(storetest.Object("closure", "1.0.0", "a"))
	publish(storetest.Dataset("dataset", "1.0.0", "a"))
	other := storetest.Object("other", "1.0.0", "b")
	publish(other)
	closure := string(other.Manifest.Bytes())
	b.want(201, "", "PUT", "/v2/closure/manifests/1.1.0", closure, "Content-Type", imageType)
	b.want(409, "belongs to a dataset, this is a closure", "PUT", "/v2/dataset/manifests/1.1.0", closure, "Content-Type", imageType)
	m := b.artifact("images", "1.0.0", "application/vnd.example", "text", "")
	b.want(409, "belongs to a closure", "PUT", "/v2/closure/manifests/1.2.0", m, "Content-Type", imageType)
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, indexType, imageType, digestOf(m), len(m))
	b.want(201, "", "PUT", "/v2/images/manifests/1.1.0", index, "Content-Type", indexType)
	list, err := zoo.List(t.Context(), b.store)
	if err != nil || len(list) != 4 || list[2].Kind != indexType {
		t.Errorf("%+v %v", list, err)
	}
}

// listed asks for referrers.
func (b *bench) listed(at string) (list []map[string]any, a answer) {
	b.Helper()
	a = b.want(200, "", "GET", at, nil)
	a.header(b, "Content-Type", indexType)
	var index struct {
		SchemaVersion int
		MediaType     string
		Manifests     []map[string]any
	}
	check(b, json.Unmarshal([]byte(a.body), &index))
	if index.SchemaVersion != 2 || index.MediaType != indexType || index.Manifests == nil {
		b.Errorf("this is no index: %s", a.body)
	}
	return index.Manifests, a
}

func TestReferrers(t *testing.T) {
	b := newBench(t)
	subject := b.artifact("mnist", "1.0.0", "application/vnd.example", "text", "")
	at := "/v2/mnist/referrers/" + digestOf(subject)
	if list, _ := b.listed(at); len(list) != 0 {
		t.Errorf("%v", list)
	}
	b.want(400, "DIGEST_INVALID", "GET", "/v2/mnist/referrers/x", nil)
	sbom := image("application/vnd.sbom", "sbom", about(subject)+`,"annotations":{"a":"b"}`)
	b.push("mnist", "sbom")
	b.want(201, "", "PUT", "/v2/mnist/manifests/"+digestOf(sbom), sbom, "Content-Type", imageType).header(t, "OCI-Subject", digestOf(subject))
	old := strings.Replace(image("", "old", about(subject)), `"artifactType":"",`, "", 1)
	b.push("mnist", "old")
	b.want(201, "", "PUT", "/v2/mnist/manifests/old", old, "Content-Type", imageType)
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[]%s}`, indexType, about(subject))
	b.want(201, "", "PUT", "/v2/mnist/manifests/"+digestOf(index), index, "Content-Type", indexType).header(t, "OCI-Subject", digestOf(subject))

	list, _ := b.listed(at)
	types := map[any]any{}
	for _, d := range list {
		types[d["digest"]] = d["artifactType"]
	}
	if len(list) != 3 || types[digestOf(sbom)] != "application/vnd.sbom" || types[digestOf(old)] != "application/vnd.oci.empty.v1+json" || types[digestOf(index)] != nil {
		t.Errorf("%v", list)
	}
	list, a := b.listed(at + "?artifactType=application/vnd.sbom")
	a.header(t, "OCI-Filters-Applied", "artifactType")
	if len(list) != 1 || list[0]["digest"] != digestOf(sbom) || list[0]["annotations"].(map[string]any)["a"] != "b" || list[0]["mediaType"] != imageType {
		t.Errorf("%v", list)
	}
	if list, _ := b.listed(at + "?artifactType=" + indexType); len(list) != 0 {
		t.Errorf("an index without a type has one: %v", list)
	}

	// Many come in pages.
	b.push("mnist", "many")
	for i := range 120 {
		m := image("application/vnd.many", "many", about(subject)+fmt.Sprintf(`,"annotations":{"n":"%d"}`, i))
		b.want(201, "", "PUT", "/v2/mnist/manifests/"+digestOf(m), m, "Content-Type", imageType)
	}
	seen := map[any]bool{}
	for next := at + "?artifactType=application/vnd.many"; next != ""; {
		list, a := b.listed(next)
		for _, d := range list {
			seen[d["digest"]] = true
		}
		next = strings.TrimPrefix(strings.TrimSuffix(a.Header.Get("Link"), `>; rel="next"`), "<")
	}
	if len(seen) != 120 {
		t.Errorf("%d of 120 referrers are listed", len(seen))
	}
}

func TestDelete(t *testing.T) {
	b := newBench(t)
	m := b.artifact("draft", "a", "application/vnd.example", "text", "")
	b.want(201, "", "PUT", "/v2/draft/manifests/b", m, "Content-Type", imageType)
	b.want(201, "", "PUT", "/v2/other/manifests/a", m, "Content-Type", imageType)
	signature := b.artifact("draft", "", "application/vnd.sig", "sig", about(m))

	b.want(202, "", "DELETE", "/v2/draft/manifests/a", nil)
	b.want(404, "", "GET", "/v2/draft/manifests/a", nil)
	b.want(404, "MANIFEST_UNKNOWN", "DELETE", "/v2/draft/manifests/a", nil)
	b.want(200, "", "GET", "/v2/draft/manifests/b", nil)
	b.want(200, "", "GET", "/v2/draft/manifests/"+digestOf(m), nil)

	b.want(202, "", "DELETE", "/v2/draft/manifests/"+digestOf(signature), nil)
	if list, _ := b.listed("/v2/draft/referrers/" + digestOf(m)); len(list) != 0 {
		t.Errorf("what was deleted is listed: %v", list)
	}
	if list, _ := b.listed("/v2/other/referrers/" + digestOf(m)); len(list) != 1 {
		t.Errorf("it was deleted from another name, too: %v", list)
	}
	b.want(202, "", "DELETE", "/v2/draft/manifests/"+digestOf(m), nil)
	for _, reference := range []string{"a", "b", digestOf(m)} {
		b.want(404, "", "GET", "/v2/draft/manifests/"+reference, nil)
	}
	b.want(404, "NAME_UNKNOWN", "GET", "/v2/draft/tags/list", nil)
	b.want(200, "", "GET", "/v2/other/manifests/"+digestOf(m), nil)

	// It may come back.
	b.want(201, "", "PUT", "/v2/draft/manifests/"+digestOf(m), m, "Content-Type", imageType)
	b.want(200, "", "GET", "/v2/draft/manifests/"+digestOf(m), nil)
	b.sound()
}

// What is published stays.
func TestDeletePublished(t *testing.T) {
	b := newBench(t)
	m := b.artifact("mnist", "1.0.0", "application/vnd.example", "text", "")
	b.want(201, "", "PUT", "/v2/mnist/manifests/best", m, "Content-Type", imageType)
	for _, reference := range []string{"1.0.0", "best", digestOf(m)} {
		b.want(405, "reprise withdraw mnist:1.0.0", "DELETE", "/v2/mnist/manifests/"+reference, nil)
		b.want(200, "", "GET", "/v2/mnist/manifests/"+reference, nil)
	}
}

// bare is a store without the optional abilities.
type bare struct{ zoo.Store }

func TestStoreThatCannotDelete(t *testing.T) {
	b := newBench(t, func(o *registry.Options) { o.Store = bare{memory.New()} })
	m := b.artifact("mnist", "best", "application/vnd.example", "text", "")
	for _, reference := range []string{"best", digestOf(m)} {
		b.want(405, "UNSUPPORTED", "DELETE", "/v2/mnist/manifests/"+reference, nil)
		b.want(200, "", "GET", "/v2/mnist/manifests/"+reference, nil)
	}
	if a := b.want(206, "", "GET", "/v2/mnist/blobs/"+digestOf("text"), nil, "Range", "bytes=1-2"); a.body != "ex" {
		t.Errorf("%q", a.body)
	}
}

// broken is a store in which something fails.
type broken struct {
	zoo.Store
	err error
}

func (s broken) Names(context.Context) ([]string, error) { return nil, s.err }

func TestErrorsOfTheStore(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		about  string
	}{
		{errors.New("a secret path"), 500, "its log says more"},
		{zoo.ErrUnsupported, 405, "UNSUPPORTED"},
		{&schema.Damaged{Blobs: []schema.DamagedBlob{{Path: "refs/x"}}}, 500, "reprise fsck"},
		{zoo.ErrReadOnly, 403, "takes no writes"},
		{fmt.Errorf("write blobs/x: %w", syscall.ENOSPC), 507, "the server's disk is full"},
		{context.DeadlineExceeded, 503, "try again"},
	} {
		b := newBench(t, func(o *registry.Options) { o.Store = broken{o.Store, tc.err} })
		a := b.want(tc.status, tc.about, "GET", "/v2/_catalog", nil)
		if strings.Contains(a.body, "secret") {
			t.Errorf("the client is told %s", a.body)
		}
	}
}
