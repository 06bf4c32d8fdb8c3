package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// attacks are texts that would do something if they were taken for more than texts.
var attacks = map[string]string{
	"script":    `<script>alert(1)</script><img src=x onerror=alert(1)>`,
	"attribute": `" onmouseover="alert(1)" style="position:fixed;inset:0`,
	"comment":   `--></noscript></body></html><script>alert(1)</script>`,
	"style":     `</style><style>*{display:none}</style>`,
	"template":  `{{.Closure}} ${alert(1)}`,
	"bidi":      "safe\u202egpj.exe\u2066\u2069\u200f",
	"control":   "a\u0001b\u001b[31mred",
	"long":      strings.Repeat("A", 200000),
}

// What a stranger writes is data in JSON, and only text in pages.
func TestHostileTexts(t *testing.T) {
	for name, text := range attacks {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, siteFiles())
			w.publish("hostile", "1.0.0", apitest.Sample{Readme: "# " + text, Change: func(c *schema.Closure) {
				c.Title, c.Description, c.Task, c.Citation = text, text, text, text
				c.Keywords = []string{text}
				c.Authors = []schema.Author{{Name: text, Affiliation: text}}
			}})
			a := read[api.ClosureAnswer](w, "/api/v1/closure?ref=hostile")
			var document schema.Closure
			if err := json.Unmarshal(a.Closure, &document); err != nil {
				t.Fatal(err)
			}
			if document.Title != text || a.Readme != "# "+text {
				t.Error("texts are changed in JSON")
			}
			for _, address := range []string{"/", "/c/hostile"} {
				out := w.request(http.MethodGet, address, "")
				checkPage(t, out.Code, out.Body.String())
			}
			out := w.request(http.MethodGet, "/api/v1/closures", "")
			if out.Code != http.StatusOK || out.Header().Get("Content-Type") != "application/json" {
				t.Errorf("list: %d %v", out.Code, out.Header())
			}
		})
	}
}

// checkPage looks for anything that got out of its place.
func checkPage(t *testing.T, code int, page string) {
	t.Helper()
	if code != http.StatusOK {
		t.Fatalf("%d %.300s", code, page)
	}
	for _, text := range []string{"<script>", "<img src=x", "<style>", "\" onmouseover", "style=\"", "\u202e", "\u2066", "\u200f", "\u0001", "\u001b", "--></noscript>"} {
		if strings.Contains(page, text) {
			t.Errorf("%q is in the page:\n%.3000s", text, page)
		}
	}
	for element, want := range map[string]int{"</noscript>": 1, "</body>": 1, "</head>": 1, "<title>": 1} {
		if got := strings.Count(page, element); got != want {
			t.Errorf("%s is there %d times", element, got)
		}
	}
	if len(page) > 1<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// Numbers and shapes of strangers cost nothing.
func TestHostileModels(t *testing.T) {
	for name, change := range map[string]func(*schema.Closure){
		"huge layer":      func(c *schema.Closure) { c.Model.Layers[1].Attributes["units"] = 9007199254740991.0 },
		"text for number": func(c *schema.Closure) { c.Model.Layers[1].Attributes["units"] = "many" },
		"huge input":      func(c *schema.Closure) { c.Model.Input.Shape = []int{1 << 20, 512} },
		"unknown layer":   func(c *schema.Closure) { c.Model.Layers[0].Kind = "teleport" },
		"many layers": func(c *schema.Closure) {
			for range 3000 {
				c.Model.Layers = append(c.Model.Layers, schema.Layer{Component: schema.Component{Kind: "activation", Attributes: map[string]any{"function": "relu"}}})
			}
		},
		"huge counts": func(c *schema.Closure) {
			c.Results[0].Correct, c.Results[0].Total = new(int64(9007199254740991)), 9007199254740991
		},
		"no results": func(c *schema.Closure) { c.Results = []schema.Result{} },
		"itself as parent": func(c *schema.Closure) {
			c.Parents = []schema.Parent{{Digest: c.Run.Digest, Relation: schema.RelationForked}}
		},
		"another ABI":       func(c *schema.Closure) { c.Engine.ABI = 7 },
		"another engine":    func(c *schema.Closure) { c.Engine.Digest = c.Run.Digest },
		"unknown optimizer": func(c *schema.Closure) { c.Algorithm.Optimizer.Kind = "luck" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, siteFiles())
			if _, err := w.zoo.Publish(t.Context(), "hostile", "1.0.0", apitest.Sample{Change: change}); err != nil {
				t.Fatal(err)
			}
			for _, address := range []string{"/", "/c/hostile", "/api/v1/closures", "/api/v1/closure?ref=hostile", "/api/v1/closure/curve?ref=hostile", "/api/v1/closure/derivation?ref=hostile"} {
				if out := w.request(http.MethodGet, address, ""); out.Code != http.StatusOK {
					t.Errorf("%s: %d %.300s", address, out.Code, out.Body)
				}
			}
		})
	}
}

// publishRaw puts any bytes into the store as the document of a closure.
func (w *world) publishRaw(name, document string) {
	w.t.Helper()
	put := func(path, mediaType, text string) closure.Descriptor {
		d := schema.DigestOf([]byte(text))
		if err := w.store.Put(w.t.Context(), d, int64(len(text)), strings.NewReader(text)); err != nil {
			w.t.Fatal(err)
		}
		return closure.Descriptor{
			MediaType: mediaType, Digest: d, Size: int64(len(text)),
			Annotations: map[string]string{closure.AnnotationTitle: path, closure.AnnotationFilepath: path},
		}
	}
	m := &closure.Manifest{
		ArtifactType: schema.MediaTypeClosure, Config: put(schema.PathClosure, schema.MediaTypeClosure, document),
		Layers: []closure.Descriptor{put(schema.PathReadme, schema.MediaTypeDocument, "text")},
	}
	put("", "", string(m.Bytes()))
	if err := w.store.PutVersion(w.t.Context(), name, "1.0.0", zoo.EntryOf(m)); err != nil {
		w.t.Fatal(err)
	}
	w.clock.pass(time.Minute)
}

// A store may hold what this program would never have published. Lists and pages survive it; the closure itself is refused.
func TestInvalidDocuments(t *testing.T) {
	for name, document := range map[string]string{
		"empty":         ``,
		"no object":     `[]`,
		"nothing in it": `{}`,
		"nulls":         `{"model":{"input":{"shape":null},"layers":[null,{"dense":null}]},"results":[{"metric":"accuracy"}],"datasets":[{}],"parents":[{}],"files":null}`,
		"wrong types":   `{"title":1}`,
		"odd numbers":   `{"results":[{"metric":"accuracy","correct":-5,"total":-1}],"model":{"input":{"shape":[-1,0]},"layers":[{"dense":{"units":-3}}]}}`,
		"odd names":     `{"name":"../../x","version":"<b>","datasets":[{"role":"<i>","name":"\"><script>","digest":"sha256:` + strings.Repeat("0", 64) + `"}]}`,
		"too large":     `{"title":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, siteFiles())
			good := w.publish("good", "1.0.0", apitest.Sample{Specification: "table"})
			w.publishRaw("hostile", document)
			w.serve(w.store, siteFiles())
			list := read[api.ClosureList](w, "/api/v1/closures?sort=name")
			if len(list.Items) == 0 || list.Items[0].Digest != good.Digest {
				t.Errorf("%+v", list)
			}
			for _, order := range []string{"newest", "accuracy", "size"} {
				read[api.ClosureList](w, "/api/v1/closures?runnable=true&sort="+order)
			}
			out := w.request(http.MethodGet, "/", "")
			checkPage(t, out.Code, out.Body.String())
			for _, address := range []string{"/api/v1/closure?ref=hostile", "/c/hostile", "/api/v1/closure/derivation?ref=hostile"} {
				out := w.request(http.MethodGet, address, "")
				if out.Code != http.StatusUnprocessableEntity || strings.Contains(out.Body.String(), "<script>") && strings.HasPrefix(out.Body.String(), "<") {
					t.Errorf("%s: %d %.300s", address, out.Code, out.Body)
				}
			}
		})
	}
}

// sampleWith is a changed sample; where the change lists an earlier engine, that is among its files.
func sampleWith(change func(*schema.Closure), earlier []byte) apitest.Sample {
	s := apitest.Sample{Change: change}
	var c schema.Closure
	c.Algorithm.Optimizer.Attributes = map[string]any{}
	if change != nil {
		if change(&c); c.Earlier != nil {
			s.Beside = []closure.Content{closure.Bytes(schema.PathEarlierEngine(schema.DigestOf(earlier)), earlier)}
		}
	}
	return s
}

// A derivation says what was found out, in words.
func TestDerivation(t *testing.T) {
	earlier := []byte("earlier")
	for _, tc := range []struct {
		name       string
		change     func(*schema.Closure)
		derivation string
		reason     string
	}{
		{"derived", nil, schema.Derived, "byte for byte"},
		{"declared foreign", func(c *schema.Closure) { c.Engine.Foreign = true }, schema.Foreign, "declare a foreign engine"},
		{"other specification", func(c *schema.Closure) { c.Algorithm.Optimizer.Attributes = map[string]any{"learningRate": 0.5} }, schema.Foreign, "it is not what the specification compiles to"},
		{"other compiler", func(c *schema.Closure) {
			c.Engine.Compiler = "reprise-wasm/0"
			c.Algorithm.Optimizer.Attributes = map[string]any{"learningRate": 0.5}
		}, schema.OtherCompiler, "made by compiler reprise-wasm/0"},
		{"an earlier engine that does not compile", func(c *schema.Closure) {
			e := schema.EarlierEngine{
				Engine: schema.EngineReference{Digest: schema.DigestOf(earlier), ABI: schema.ABI, Compiler: c.Engine.Compiler},
				Model:  c.Model, Algorithm: c.Algorithm, Datasets: c.Datasets,
			}
			e.Model.Loss.Kind, e.Specification = "regret", schema.DigestOf(nil)
			c.Earlier = []schema.EarlierEngine{e}
		}, schema.Foreign, "of an engine that ran before this one"},
		{"does not compile", func(c *schema.Closure) { c.Model.Loss.Kind = "regret" }, schema.Foreign, "does not compile"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.publish("letters", "1.0.0", sampleWith(tc.change, earlier))
			a := read[api.DerivationAnswer](w, "/api/v1/closure/derivation?ref=letters")
			if a.Derivation != tc.derivation || !strings.Contains(a.Reason, tc.reason) {
				t.Errorf("%+v", a)
			}
			if got := read[api.ClosureAnswer](w, "/api/v1/closure?ref=letters").Derivation; got != tc.derivation {
				t.Errorf("remembered as %s", got)
			}
		})
	}
}

// A journal that is none makes no curve, and harms nothing.
func TestHostileJournal(t *testing.T) {
	w := newWorld(t, siteFiles())
	w.publish("odd", "1.0.0", apitest.Sample{Journal: []byte("\x00\xff not a journal \"type\":\"step\" \"loss\":99999999999999999999\n\n{\"type\":\"evaluation\",\"step\":{}}")})
	if c := read[api.Curve](w, "/api/v1/closure/curve?ref=odd"); len(c.Points) != 0 || len(c.Evaluations) != 0 {
		t.Errorf("%+v", c)
	}
	if out := w.request(http.MethodGet, "/c/odd", ""); out.Code != http.StatusOK {
		t.Errorf("%d", out.Code)
	}
}
