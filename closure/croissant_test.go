package closure_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/zoo/memory"
)

// croissantRules are those of the format's specification that a JSON document can be held to without a JSON-LD library: the prescribed
// properties and types, identifiers that are unique, references that lead somewhere, and inline data that has the fields that are declared.
func croissantRules(t *testing.T, document map[string]any) {
	t.Helper()
	text := func(o map[string]any, key string) string {
		s, ok := o[key].(string)
		if !ok || s == "" {
			t.Errorf("%v has no %s", o["@id"], key)
		}
		return s
	}
	list := func(o map[string]any, key string) []map[string]any {
		var objects []map[string]any
		elements, ok := o[key].([]any)
		if !ok {
			t.Errorf("%v has no list %s", o["@id"], key)
		}
		for _, e := range elements {
			objects = append(objects, e.(map[string]any))
		}
		return objects
	}
	context, _ := document["@context"].(map[string]any)
	for key, want := range map[string]string{"@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr": "http://mlcommons.org/croissant/", "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo", "recordSet": "cr:recordSet", "field": "cr:field", "key": "cr:key", "references": "cr:references", "citeAs": "cr:citeAs"} {
		if context[key] != want {
			t.Errorf("@context has %v for %s", context[key], key)
		}
	}
	if text(document, "@type") != "sc:Dataset" || text(document, "conformsTo") != "http://mlcommons.org/croissant/1.0" {
		t.Error("it is no dataset of Croissant 1.0")
	}
	for _, key := range []string{"name", "description", "license", "url", "version", "datePublished"} {
		text(document, key)
	}
	ids := map[string]bool{}
	identify := func(o map[string]any) string {
		id := text(o, "@id")
		if ids[id] {
			t.Errorf("two have the identifier %s", id)
		}
		ids[id] = true
		return id
	}
	for _, f := range list(document, "distribution") {
		identify(f)
		if text(f, "@type") != "cr:FileObject" || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(text(f, "sha256")) || !regexp.MustCompile(`^\d+ B$`).MatchString(text(f, "contentSize")) {
			t.Errorf("%v", f)
		}
		for _, key := range []string{"name", "contentUrl", "encodingFormat"} {
			text(f, key)
		}
	}
	for _, r := range list(document, "recordSet") {
		id := identify(r)
		fields := map[string]string{}
		for _, f := range list(r, "field") {
			field := identify(f)
			if text(f, "@type") != "cr:Field" || !strings.HasPrefix(field, id+"/") {
				t.Errorf("%v", f)
			}
			fields[field] = text(f, "dataType")
			if to, ok := f["references"].(map[string]any); ok && !ids[to["field"].(map[string]any)["@id"].(string)] {
				t.Errorf("%s refers to nothing", field)
			}
		}
		if key := r["key"].(map[string]any)["@id"].(string); fields[key] == "" {
			t.Errorf("%s has the key %s", id, key)
		}
		for _, row := range list(r, "data") {
			for field, value := range row {
				_, isNumber := value.(float64)
				if fields[field] == "" || isNumber != (fields[field] == "sc:Integer") {
					t.Errorf("%s: %v is %v", id, field, value)
				}
			}
		}
	}
}

func TestCroissant(t *testing.T) {
	z, err := apitest.New(t.Context(), memory.New())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*apitest.Dataset{z.Glyphs, z.Table} {
		for base, want := range map[string]string{"": `"blobs/sha256/`, "https://zoo.example.org": `"https://zoo.example.org/blobs/sha256/`} {
			text, err := closure.Croissant(d.Document, d.Digest, base)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), `"contentUrl": `+want+d.Document.Splits[0].Shards[0].Digest.Hex()) {
				t.Errorf("%s", text)
			}
			var document map[string]any
			if err := json.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			croissantRules(t, document)
		}
	}
}
