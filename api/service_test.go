package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// family publishes a small zoo: a closure with two versions and a child, one on the table, and a foreign one.
func family(w *world) (parent, child schema.Digest) {
	w.t.Helper()
	w.publish("ada/letters", "0.9.0", apitest.Sample{Change: func(c *schema.Closure) { c.Created = "2025-01-01T00:00:00Z" }})
	parent = w.publish("ada/letters", "1.0.0", apitest.Sample{
		Specification: "mnist-cnn", Readme: "# Letters\n\n<script>alert(1)</script>",
		Change: func(c *schema.Closure) {
			c.Title, c.Description, c.Keywords = "Letters, told apart", "A baseline.", []string{"glyphs", "baseline"}
			c.Created = "2026-02-01T00:00:00Z"
		},
	}).Digest
	child = w.publish("grace/longer", "1.0.0", apitest.Sample{Specification: "mnist-cnn", Journal: apitest.Journal(7, 60), Change: func(c *schema.Closure) {
		c.Title, c.License, c.Created = "Trained for longer", "MIT", "2026-03-01T00:00:00Z"
		c.Results[0].Correct = new(int64(79))
		c.Parents = []schema.Parent{{Digest: parent, Relation: schema.RelationResumed}}
	}}).Digest
	w.publish("points", "1.0.0", apitest.Sample{Specification: "table", Change: func(c *schema.Closure) {
		c.Title, c.Created = "Points in the plane", "2026-01-15T00:00:00Z"
		c.Results = []schema.Result{}
	}})
	w.publish("stranger", "1.0.0-rc.1", apitest.Sample{Change: func(c *schema.Closure) {
		c.Title, c.Created, c.Engine.Foreign = "An engine of one's own", "2026-01-10T00:00:00Z", true
	}})
	return parent, child
}

// scenario is a request and what the answer must and must not hold.
type scenario struct {
	name, method, address, body string
	headers                     []string
	status                      int
	want, wantNot               []string
}

func TestScenarios(t *testing.T) {
	w := newWorld(t, siteFiles())
	parent, child := family(w)
	glyphs := w.zoo.Glyphs.Digest.String()
	const get = http.MethodGet
	for _, sc := range []scenario{
		{"list", get, "/api/v1/closures", "", nil, 200, []string{`"total":4`, `"name":"grace/longer"`, `"layers":"conv 16 · pool · dense 10"`, `"curve":[2.`, `"parents":[]`, `"accuracy":null`}, []string{`"items":null`, `"keywords":null`, "0.9.0"}},
		{"newest first", get, "/api/v1/closures?limit=1", "", nil, 200, []string{`"total":4`, "grace/longer"}, []string{"stranger", "Letters, told apart"}},
		{"by name", get, "/api/v1/closures?sort=name&limit=1", "", nil, 200, []string{`"name":"ada/letters"`}, []string{"stranger"}},
		{"by accuracy", get, "/api/v1/closures?sort=accuracy&limit=1", "", nil, 200, []string{`{"correct":79,"total":80}`}, nil},
		{"by size", get, "/api/v1/closures?sort=size&limit=1", "", nil, 200, []string{`"name":"points"`}, nil},
		{"second page", get, "/api/v1/closures?sort=name&limit=1&offset=3", "", nil, 200, []string{`"name":"stranger"`}, nil},
		{"beyond the end", get, "/api/v1/closures?offset=99", "", nil, 200, []string{`"total":4,"items":[]`}, nil},
		{"words", get, "/api/v1/closures?q=base", "", nil, 200, []string{`"total":1`, "Letters, told apart"}, nil},
		{"all words are needed", get, "/api/v1/closures?q=baseline+longer", "", nil, 200, []string{`"total":0`, `"items":[]`, `"task":[]`}, nil},
		{"dataset's name", get, "/api/v1/closures?q=table", "", nil, 200, []string{`"total":1`, `"name":"points"`}, nil},
		{"facets", get, "/api/v1/closures", "", nil, 200, []string{`"dataset":[{"value":"glyphs","count":3},{"value":"table","count":1}]`, `"license":[{"value":"Apache-2.0","count":3},{"value":"MIT","count":1}]`, `"verified":[{"value":"none","count":4}]`}, nil},
		{"a filter leaves its own facet whole", get, "/api/v1/closures?dataset=table", "", nil, 200, []string{`"total":1`, `"dataset":[{"value":"glyphs","count":3},{"value":"table","count":1}]`, `"license":[{"value":"Apache-2.0","count":1}]`}, nil},
		{"runnable", get, "/api/v1/closures?runnable=true", "", nil, 200, []string{`"total":4`}, nil},
		{"foreign", get, "/api/v1/closures?q=stranger", "", nil, 200, []string{`"derivation":"foreign"`, `"foreign":true`}, nil},
		{"wrong order", get, "/api/v1/closures?sort=best", "", nil, 400, []string{`"code":"invalid"`, "newest, name, accuracy, size"}, nil},
		{"wrong number", get, "/api/v1/closures?limit=101", "", nil, 400, []string{"a number from 0 to 100"}, nil},
		{"negative offset", get, "/api/v1/closures?offset=-1", "", nil, 400, []string{`"code":"invalid"`}, nil},

		{"closure", get, "/api/v1/closure?ref=ada/letters", "", nil, 200, []string{`"version":"1.0.0"`, `"digest":"` + parent.String(), `"readme":"# Letters\n\n<script>`, `"relation":"resumed","name":"grace/longer"`, `"bibtex":"@misc{ada-letters-`, `"cff":"cff-version: 1.2.0`, `"kind":"conv2d","output":[28,28,16]`, `"versions":[{"version":"1.0.0"`, `"verifications":[]`}, []string{"null,"}},
		{"older version", get, "/api/v1/closure?ref=ada/letters:0.9.0", "", nil, 200, []string{`"reference":{"name":"ada/letters","version":"0.9.0"`}, nil},
		{"by digest", get, "/api/v1/closure?ref=grace/longer@" + child.String(), "", nil, 200, []string{`"version":"1.0.0","digest":"` + child.String(), `"parents":[{"digest":"` + parent.String() + `","relation":"resumed","name":"ada/letters","version":"1.0.0"}]`}, nil},
		{"no reference", get, "/api/v1/closure", "", nil, 400, []string{"no reference was given", "?ref=NAME"}, nil},
		{"no name", get, "/api/v1/closure?ref=../etc", "", nil, 400, []string{"is not a name"}, nil},
		{"unknown", get, "/api/v1/closure?ref=nobody", "", nil, 404, []string{`"type":"https://reprise-ml.github.io/schema/problems/not-found"`, `"title":"Not Found"`, `"status":404`, `"hint":"`}, nil},
		{"unknown version", get, "/api/v1/closure?ref=ada/letters:2.0.0", "", nil, 404, []string{"the versions 1.0.0, 0.9.0"}, nil},
		{"a dataset is no closure", get, "/api/v1/closure?ref=glyphs", "", nil, 404, []string{"not-a-closure"}, nil},
		{"curve", get, "/api/v1/closure/curve?ref=ada/letters&points=4", "", nil, 200, []string{`{"points":[{"step":15,"loss":`, `"evaluations":[{"step":20,"split":"test","correct":`, `"total":80}`}, []string{`"step":16,`}},
		{"too many points", get, "/api/v1/closure/curve?ref=ada/letters&points=9999", "", nil, 400, []string{"2000"}, nil},
		{"derived", get, "/api/v1/closure/derivation?ref=ada/letters", "", nil, 200, []string{`"derivation":"derived"`, "byte for byte"}, nil},
		{"declared foreign", get, "/api/v1/closure/derivation?ref=stranger", "", nil, 200, []string{`"derivation":"foreign"`, "declare"}, nil},

		{"datasets", get, "/api/v1/datasets", "", nil, 200, []string{`"total":2`, `"splits":{"test":80,"train":320}`, `"sample":"/api/v1/dataset/sheet?ref=glyphs%40`, `"name":"table"`, `"sample":""`}, nil},
		{"datasets by word", get, "/api/v1/datasets?q=points", "", nil, 200, []string{`"total":1`, `"name":"table"`}, nil},
		{"dataset", get, "/api/v1/dataset?ref=glyphs", "", nil, 200, []string{`"dataset":{"classes":`, `"usedBy":[{"name":"ada/letters"`, glyphs}, nil},
		{"a closure is no dataset", get, "/api/v1/dataset?ref=points", "", nil, 404, []string{"not-a-dataset"}, nil},
		{"sheet", get, "/api/v1/dataset/sheet?ref=glyphs", "", nil, 200, []string{"\x89PNG"}, nil},
		{"sheet of a table", get, "/api/v1/dataset/sheet?ref=table", "", nil, 404, []string{"not-images"}, nil},
		{"sheet too large", get, "/api/v1/dataset/sheet?ref=glyphs&columns=1000", "", nil, 400, []string{"from 1 to 24"}, nil},
		{"sheet of no split", get, "/api/v1/dataset/sheet?ref=glyphs&split=dev", "", nil, 404, []string{"no such split"}, nil},
		{"rows", get, "/api/v1/dataset/rows?ref=table&limit=2", "", nil, 200, []string{`"columns":["a","b","c","d","e","f","class"]`, `"rows":[[0.`}, []string{"null"}},
		{"rows of images", get, "/api/v1/dataset/rows?ref=glyphs", "", nil, 404, []string{"not-a-table"}, nil},

		{"about", get, "/api/v1/about", "", nil, 200, []string{`"name":"reprise","version":"1.2.3","store":{"kind":"memory"}`, `"closures":4`, `"datasets":2`}, nil},
		{"health", get, "/healthz", "", nil, 200, []string{"ok"}, nil},
		{"no route", get, "/api/v1/nothing", "", nil, 404, []string{`"code":"not-found"`}, []string{"<html"}},
		{"no method", http.MethodDelete, "/api/v1/closures", "", nil, 405, []string{`"code":"method-not-allowed"`}, nil},
		{"no method on a page", http.MethodPut, "/c/points", "x", nil, 405, []string{`"code":"method-not-allowed"`}, nil},

		{"front page", get, "/", "", nil, 200, []string{`<body><a class="skip"`, `src="/assets/list-1.js"`, "Letters, told apart", `<a href="/c/ada/letters:1.0.0">`, "4 closures", `property="og:title"`}, []string{"/assets/site-1.js", "<title>List", `id="first"`}},
		{"a search of it", get, "/?q=points&sort=name", "", nil, 200, []string{"1 closure<", `value="points"`, `<option value="name" selected>`, `href="/">Clear the search`}, []string{"Letters, told apart"}},
		{"list of datasets", get, "/d", "", nil, 200, []string{`src="/assets/list-1.js"`, `<a href="/d/glyphs:1.0.0">`, "Drawn letters", "2 datasets", `src="/api/v1/dataset/sheet`}, []string{"<select"}},
		{"a search of datasets", get, "/d?q=letters&task=x", "", nil, 200, []string{"1 dataset<", `href="/d">Clear the search`}, nil},
		{"closure's page", get, "/c/ada/letters", "", nil, 200, []string{"<title>Letters, told apart · Reprise</title>", `content="90.00 % · A baseline."`, `property="og:url" content="http://example.com/c/ada/letters@sha256:`, `property="og:image" content="http://example.com/api/v1/dataset/sheet?ref=glyphs%40sha256%3A`, "summary_large_image", "72 of 80 (90.00 %)", "conv2d", "/blobs/sha256/", "&lt;script&gt;alert(1)", "reprise verify ada/letters@sha256:"}, []string{"<script>alert"}},
		{"permalink", get, "/c/grace/longer@" + child.String(), "", nil, 200, []string{"Trained for longer", "resumed from"}, nil},
		{"dataset's page", get, "/d/glyphs:1.0.0", "", nil, 200, []string{"<title>Drawn letters · Reprise</title>", "/api/v1/dataset/sheet", "Used by"}, nil},
		{"no closure's page", get, "/c/nobody", "", nil, 404, []string{`<div id="root">`, "Nothing to see"}, nil},
		{"no name's page", get, "/c/%3Cscript%3E", "", nil, 404, []string{`<div id="root">`}, []string{"<script>&", "<bdi><script>"}},
		{"no page", get, "/somewhere", "", nil, 404, []string{`<div id="root">`, "There is no such page"}, nil},
		{"about page", get, "/about", "", nil, 200, []string{`<div id="root">`}, nil},
		{"file", get, "/favicon.svg", "", nil, 200, []string{"<svg/>"}, nil},
		{"hidden file", get, "/.secret", "", nil, 404, nil, []string{"hidden"}},
		{"missing asset", get, "/assets/none.js", "", nil, 404, []string{`"code":"not-found"`}, []string{"<html"}},
		{"parent folders", get, "/assets/../../go.mod", "", nil, 404, nil, []string{"module"}},
	} {
		t.Run(sc.name, func(t *testing.T) {
			out := w.request(sc.method, sc.address, sc.body, sc.headers...)
			if out.Code != sc.status {
				t.Fatalf("status %d, want %d\n%s", out.Code, sc.status, out.Body)
			}
			for _, text := range sc.want {
				if !strings.Contains(out.Body.String(), text) {
					t.Errorf("%q is not in\n%s", text, out.Body)
				}
			}
			for _, text := range sc.wantNot {
				if strings.Contains(out.Body.String(), text) {
					t.Errorf("%q is in\n%s", text, out.Body)
				}
			}
			checkHeaders(t, out)
		})
	}
}

// checkHeaders looks for what every answer carries.
func checkHeaders(t *testing.T, out *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	} {
		if got := out.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	csp := out.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self' 'wasm-unsafe-eval';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("the policy %q lacks %q", csp, part)
		}
	}
	if out.Header().Get("Content-Type") == "" {
		t.Error("no content type")
	}
	if out.Code >= 400 && !strings.HasPrefix(out.Body.String(), "<") && out.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("an error as %s", out.Header().Get("Content-Type"))
	}
}

// Every route answers, is documented, and takes the parameters that the document names.
func TestRoutesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	rows := 0
	for _, r := range w.service.Routes() {
		row := fmt.Sprintf("| %s | `%s` | %s | %s |", r.Method, strings.NewReplacer(":hex", "<hex>", ":id", "<id>").Replace(r.Path), parameters(r), r.Does)
		if !bytes.Contains(text, []byte(row+"\n")) {
			t.Errorf("README.md lacks the row\n%s", row)
		}
		rows++
		if out := w.request(r.Method, r.Path, ""); out.Code == http.StatusMethodNotAllowed || out.Code >= 500 {
			t.Errorf("%s %s: %d %s", r.Method, r.Path, out.Code, out.Body)
		}
	}
	if got := bytes.Count(text, []byte("\n| GET | `/")) + bytes.Count(text, []byte("\n| POST | `/")); got != rows {
		t.Errorf("README.md has %d rows for %d routes", got, rows)
	}
}

func parameters(r api.Route) string {
	if len(r.Parameters) == 0 {
		return ""
	}
	return "`" + strings.Join(r.Parameters, "` `") + "`"
}

func TestUnbuiltSite(t *testing.T) {
	w := newWorld(t, nil)
	family(w)
	out := w.request(http.MethodGet, "/c/ada/letters", "")
	for _, text := range []string{"make web", "<h1><bdi>Letters, told apart</bdi></h1>"} {
		if out.Code != http.StatusOK || !strings.Contains(out.Body.String(), text) {
			t.Errorf("%d, %q is not in\n%s", out.Code, text, out.Body)
		}
	}
	if strings.Contains(out.Body.String(), "<noscript>") {
		t.Error("a plain page hides its content")
	}
}

// What is published while the service runs is found.
func TestCatalogueFollowsTheStore(t *testing.T) {
	w := newWorld(t, nil)
	if list := read[api.ClosureList](w, "/api/v1/closures"); list.Total != 0 || list.Items == nil {
		t.Errorf("an empty store lists %+v", list)
	}
	w.publish("points", "1.0.0", apitest.Sample{Specification: "table"})
	// A slow machine may still be reading; whoever asks again then sees it.
	for read[api.ClosureList](w, "/api/v1/closures").Total == 0 {
		w.clock.pass(1e9)
	}
	w.publish("points", "1.1.0", apitest.Sample{Specification: "table", Change: func(c *schema.Closure) { c.Title = "Anew" }})
	for read[api.ClosureList](w, "/api/v1/closures").Items[0].Version != "1.1.0" {
		w.clock.pass(1e9)
	}
	if a := read[api.ClosureAnswer](w, "/api/v1/closure?ref=points"); len(a.Versions) != 2 || a.Versions[0].Version != "1.1.0" {
		t.Errorf("versions %+v", a.Versions)
	}
}

// A closure whose documents are damaged is shown as that, by its name alone, and leaves the others alone.
func TestDamagedClosure(t *testing.T) {
	w := newWorld(t, nil)
	e := w.publish("points", "1.0.0", apitest.Sample{Specification: "table"})
	good := w.publish("letters", "1.0.0", apitest.Sample{})
	if err := w.store.DeleteBlob(t.Context(), e.Digest); err != nil {
		t.Fatal(err)
	}
	w.serve(w.store, nil)
	out := w.request(http.MethodGet, "/api/v1/closure?ref=points", "")
	if out.Code != http.StatusInternalServerError || !strings.Contains(out.Body.String(), `"code":"damaged"`) {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if list := read[api.ClosureList](w, "/api/v1/closures"); list.Total != 2 || list.Items[0].Digest != good.Digest ||
		list.Items[0].Problem != "" || list.Items[1].Name != "points" || list.Items[1].Title != "" || !strings.Contains(list.Items[1].Problem, "manifest") {
		t.Errorf("%+v", list)
	}
	w.serve(w.store, siteFiles())
	if out := w.request(http.MethodGet, "/", ""); out.Code != http.StatusOK || strings.Count(out.Body.String(), ">Damaged<") != 1 {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if out := w.request(http.MethodGet, "/c/points", ""); out.Code != http.StatusInternalServerError || !strings.Contains(out.Body.String(), "Nothing to see") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

// A dataset whose documents are damaged is listed as that, too.
func TestDamagedDataset(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.store.DeleteBlob(t.Context(), w.zoo.Glyphs.Digest); err != nil {
		t.Fatal(err)
	}
	w.serve(w.store, siteFiles())
	list := read[api.DatasetList](w, "/api/v1/datasets")
	if list.Total != 2 || list.Items[0].Name != "glyphs" || list.Items[0].Title != "" || !strings.Contains(list.Items[0].Problem, "manifest") || list.Items[1].Problem != "" {
		t.Errorf("%+v", list)
	}
	if out := w.request(http.MethodGet, "/d", ""); out.Code != http.StatusOK || strings.Count(out.Body.String(), ">Damaged<") != 1 {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if out := w.request(http.MethodGet, "/d/glyphs", ""); out.Code != http.StatusInternalServerError || !strings.Contains(out.Body.String(), "Nothing to see") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

// A list that cannot be shown says why, in the page of a list.
func TestListProblem(t *testing.T) {
	w := newWorld(t, siteFiles())
	w.serve(silent{w.store}, siteFiles())
	for _, address := range []string{"/", "/d"} {
		out := w.request(http.MethodGet, address, "")
		if out.Code != http.StatusInternalServerError || !strings.Contains(out.Body.String(), `role="alert"`) || !strings.Contains(out.Body.String(), "/assets/list-1.js") {
			t.Errorf("%s: %d %s", address, out.Code, out.Body)
		}
	}
}

// silent is a store that cannot say what it has.
type silent struct{ zoo.Store }

func (silent) Names(context.Context) ([]string, error) { return nil, errors.New("out of order") }

// What was withdrawn says so wherever it is listed.
func TestWithdrawn(t *testing.T) {
	w := newWorld(t, siteFiles())
	w.publish("points", "1.0.0", apitest.Sample{Specification: "table"})
	want := &api.Withdrawal{Reason: "Wrong labels.", Created: "2026-02-01T00:00:00Z"}
	for _, name := range []string{"points", "glyphs"} {
		r, err := zoo.Resolve(t.Context(), w.store, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := zoo.Withdraw(t.Context(), w.store, r, want.Reason, want.Created); err != nil {
			t.Fatal(err)
		}
	}
	closures := read[api.ClosureList](w, "/api/v1/closures")
	datasets := read[api.DatasetList](w, "/api/v1/datasets")
	one := read[api.ClosureAnswer](w, "/api/v1/closure?ref=points")
	for place, got := range map[string]*api.Withdrawal{
		"closure in a list": closures.Items[0].Withdrawn, "dataset in a list": datasets.Items[0].Withdrawn, "closure": one.Withdrawn,
		"version": one.Versions[0].Withdrawn, "dataset": read[api.DatasetAnswer](w, "/api/v1/dataset?ref=glyphs").Withdrawn,
	} {
		if got == nil || *got != *want {
			t.Errorf("%s: %+v", place, got)
		}
	}
	if other := datasets.Items[1].Withdrawn; other != nil {
		t.Errorf("%+v", other)
	}
	for address, says := range map[string]string{
		"/": "Withdrawn on 1 Feb 2026: <bdi", "/d": "Withdrawn on 1 Feb 2026: <bdi", "/c/points": "Withdrawn on 1 Feb 2026:", "/d/glyphs": "Withdrawn on 1 Feb 2026:",
	} {
		if page := w.request(http.MethodGet, address, "").Body.String(); !strings.Contains(page, says) || !strings.Contains(page, want.Reason) {
			t.Errorf("%s: %s", address, page)
		}
	}
}

// slowCatalogue is one that never gets to the end of a large store.
type slowCatalogue struct {
	api.Catalogue
	unread int
}

func (c slowCatalogue) Refresh(ctx context.Context) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func (c slowCatalogue) Unread() int { return c.unread }

// A large store is answered for before all of it was read, and the page says so.
func TestUnread(t *testing.T) {
	w := newWorld(t, siteFiles())
	w.publish("points", "1.0.0", apitest.Sample{Specification: "table"})
	index := indexOf(t, w.store, nil)
	if _, err := index.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	service := api.New(api.Options{Store: w.store, Catalogue: slowCatalogue{index, 12345}, Assets: siteFiles()})
	defer service.Close()
	w.handler = service.Handler()
	if list := read[api.ClosureList](w, "/api/v1/closures"); list.Unread != 12345 || list.Total != 1 {
		t.Errorf("%+v", list)
	}
	if page := w.request(http.MethodGet, "/", "").Body.String(); !strings.Contains(page, "still being read: 12,345 more to come") {
		t.Error(page)
	}
}

// Croissant is in the head of a dataset's page, and by itself; its files can be fetched and are what it says.
func TestCroissant(t *testing.T) {
	w := newWorld(t, siteFiles())
	out := w.request(http.MethodGet, "/d/glyphs/croissant.json", "")
	if out.Code != http.StatusOK || out.Header().Get("Content-Type") != "application/ld+json" {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	checkHeaders(t, out)
	type croissant struct {
		Name         string
		Distribution []struct{ ContentURL, SHA256 string }
	}
	var d, inPage croissant
	if err := json.Unmarshal(out.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Distribution) == 0 {
		t.Error("it has no files")
	}
	for _, f := range d.Distribution {
		path, ok := strings.CutPrefix(f.ContentURL, "http://example.com/")
		if blob := w.request(http.MethodGet, "/"+path, ""); !ok || blob.Code != http.StatusOK || schema.DigestOf(blob.Body.Bytes()).Hex() != f.SHA256 {
			t.Errorf("%+v: %d", f, blob.Code)
		}
	}
	page := w.request(http.MethodGet, "/d/glyphs:1.0.0", "").Body.String()
	_, after, _ := strings.Cut(page, `<script type="application/ld+json">`)
	text, _, _ := strings.Cut(after, "</script>")
	if err := json.Unmarshal([]byte(text), &inPage); err != nil || inPage.Name != "Drawn letters" || len(inPage.Distribution) != len(d.Distribution) {
		t.Errorf("%+v, %v in\n%s", inPage, err, page)
	}
	if !strings.Contains(page, `/croissant.json"`) {
		t.Error("the page does not link to it")
	}
	w.publish("points", "1.0.0", apitest.Sample{Specification: "table"})
	if out := w.request(http.MethodGet, "/d/points/croissant.json", ""); out.Code != http.StatusNotFound {
		t.Errorf("of a closure: %d", out.Code)
	}
}

func TestConditionalAndCompressed(t *testing.T) {
	w := newWorld(t, siteFiles())
	parent, _ := family(w)
	// Once checked, the derivation that pages show stays what it is.
	read[api.DerivationAnswer](w, "/api/v1/closure/derivation?ref=ada/letters@"+parent.String())
	for _, address := range []string{"/api/v1/closure?ref=ada/letters", "/c/ada/letters", "/assets/site-1.js", "/api/v1/dataset/sheet?ref=glyphs"} {
		t.Run(address, func(t *testing.T) {
			first := w.request(http.MethodGet, address, "")
			tag := first.Header().Get("Etag")
			again := w.request(http.MethodGet, address, "", "If-None-Match", tag)
			if tag == "" || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
				t.Errorf("%q: %d, %d bytes", tag, again.Code, again.Body.Len())
			}
			if again.Header().Get("Content-Security-Policy") == "" {
				t.Error("no policy on 304")
			}
			head := w.request(http.MethodHead, address, "")
			if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Content-Length") != fmt.Sprint(first.Body.Len()) {
				t.Errorf("HEAD: %d, %d bytes, length %s of %d", head.Code, head.Body.Len(), head.Header().Get("Content-Length"), first.Body.Len())
			}
			zipped := w.request(http.MethodGet, address, "", "Accept-Encoding", "br, gzip;q=0.8")
			want := "gzip"
			if strings.Contains(address, "sheet") {
				want = "" // PNG is compressed already
			}
			if got := zipped.Header().Get("Content-Encoding"); got != want || want != "" && zipped.Body.Len() >= first.Body.Len() {
				t.Errorf("encoding %q, %d bytes of %d", got, zipped.Body.Len(), first.Body.Len())
			}
			if got := w.request(http.MethodGet, address, "", "Accept-Encoding", "gzip;q=0").Header().Get("Content-Encoding"); got != "" {
				t.Errorf("refused, and sent as %s", got)
			}
		})
	}
	if got := w.request(http.MethodGet, "/assets/site-1.js", "").Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("assets: %q", got)
	}
}

func TestConcurrentRequests(t *testing.T) {
	w := newWorld(t, siteFiles())
	parent, _ := family(w)
	addresses := []string{
		"/", "/api/v1/closures", "/api/v1/closures?q=letters", "/api/v1/closure?ref=ada/letters", "/api/v1/closure/curve?ref=grace/longer",
		"/api/v1/closure/derivation?ref=ada/letters", "/api/v1/datasets", "/api/v1/dataset/sheet?ref=glyphs", "/c/points", "/assets/site-1.js",
		"/blobs/sha256/" + parent.Hex(),
	}
	var wait sync.WaitGroup
	for i := range 4 * len(addresses) {
		wait.Go(func() {
			if out := w.request(http.MethodGet, addresses[i%len(addresses)], ""); out.Code != http.StatusOK {
				t.Errorf("%s: %d %s", addresses[i%len(addresses)], out.Code, out.Body)
			}
			w.clock.pass(1e9)
		})
	}
	wait.Go(func() {
		for i := range 5 {
			if _, err := w.zoo.Publish(t.Context(), fmt.Sprintf("new-%d", i), "1.0.0", apitest.Sample{Specification: "table"}); err != nil {
				t.Error(err)
			}
		}
	})
	wait.Wait()
}

func TestQueryIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	family(w)
	for _, q := range []string{strings.Repeat("a ", 20000), strings.Repeat("x", 100000), "\x00\xff", "%", "☃ 🦄"} {
		out := w.request(http.MethodGet, "/api/v1/closures?q="+url.QueryEscape(q), "")
		if out.Code != http.StatusOK {
			t.Errorf("%.10q: %d", q, out.Code)
		}
	}
}
