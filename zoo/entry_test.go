package zoo_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

const entryDocument = `{"artifactType":"application/vnd.reprise.closure.v1+json","created":"2026-01-31T12:00:00Z",` +
	`"digest":"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",` +
	`"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1}`

func TestEntryDocument(t *testing.T) {
	e := storetest.EntryFor("a")
	if got := string(e.Encode()); got != entryDocument {
		t.Errorf("Encode:\n got %s\nwant %s", got, entryDocument)
	}
	for _, doc := range []string{entryDocument, entryDocument + "\n"} {
		got, err := zoo.DecodeEntry("refs/x", []byte(doc))
		if err != nil || got != e {
			t.Errorf("DecodeEntry: got %+v, %v", got, err)
		}
	}
}

func TestDecodeEntryRefuses(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(entryDocument, old, new, 1) }
	for _, c := range []struct{ name, doc string }{
		{"nothing", ""},
		{"null", "null"},
		{"a list", "[]"},
		{"cut short", entryDocument[:len(entryDocument)-1]},
		{"trailing bytes", entryDocument + "{}"},
		{"unknown field", replace(`"size"`, `"more":1,"size"`)},
		{"duplicate field", replace(`"size":1`, `"size":1,"size":1`)},
		{"another spelling of a field", replace(`"size"`, `"Size"`)},
		{"white space", replace(`:1}`, `: 1}`)},
		{"another order", replace(`"artifactType":"application/vnd.reprise.closure.v1+json",`, "")[:1] + `"size":1,` + entryDocument[1:]},
		{"no digest", replace("sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "")},
		{"bad digest", replace("sha256:ca", "sha256:CA")},
		{"size as a text", replace(`"size":1`, `"size":"1"`)},
		{"fraction", replace(`"size":1`, `"size":1.5`)},
		{"no size", replace(`"size":1`, `"size":0`)},
		{"bad date", replace("2026-01-31", "2026-02-31")},
		{"huge", entryDocument + strings.Repeat(" ", 1<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := zoo.DecodeEntry("refs/mnist/v/1.0.0.json", []byte(c.doc))
			var invalid *schema.Invalid
			if !errors.As(err, &invalid) || invalid.Document != "refs/mnist/v/1.0.0.json" {
				t.Errorf("got error %v, want *schema.Invalid that names the document", err)
			}
		})
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte(entryDocument))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := zoo.DecodeEntry("refs/x", doc)
		if err != nil {
			if !errors.As(err, new(*schema.Invalid)) {
				t.Fatalf("got error %v, want *schema.Invalid", err)
			}
			return
		}
		if !bytes.Equal(e.Encode(), bytes.TrimSuffix(doc, []byte("\n"))) {
			t.Fatalf("%q is read as %+v, which is written otherwise", doc, e)
		}
	})
}
