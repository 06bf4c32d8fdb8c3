package schema_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

// fuzz checks a reader on any bytes: it refuses them with an *Invalid, or reads what, written and read again, is equal.
func fuzz[T any](f *testing.F, read func(name string, data []byte) (*T, error), seeds ...[]byte) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
		f.Add(s[:len(s)/2])
	}
	for _, s := range []string{"", "{}", "[]", "null", `{"a":1,"a":2}`, "[1e999]", `"\ud800"`, "- - -", "a: &a [*a]", "<<: {}", "? [a]\n: b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := read("document", data)
		if err != nil {
			var invalid *schema.Invalid
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("refused with %T (%v), want *Invalid with problems", err, err)
			}
			return
		}
		second, err := read("document", canonical(t, first))
		if err != nil {
			t.Fatalf("what was read and written is refused: %v", err)
		}
		if diff := cmp.Diff(first, second, compareDigests); diff != "" {
			t.Fatalf("read, written and read again it differs (-first +second):\n%s", diff)
		}
	})
}

func FuzzSpecification(f *testing.F) {
	fuzz(f, schema.ReadSpecification, testdata(f, "mnist-cnn.yaml"), testdata(f, "foreign.yaml"))
}

func FuzzClosure(f *testing.F) { fuzz(f, schema.ReadClosure, canonical(f, exampleClosure(f))) }

func FuzzDataset(f *testing.F) { fuzz(f, schema.ReadDataset, canonical(f, exampleDataset())) }

func FuzzEngineSection(f *testing.F) {
	fuzz(f, schema.ReadEngineSection, canonical(f, exampleEngine()))
}

func FuzzJournalLine(f *testing.F) {
	var seeds [][]byte
	for _, line := range exampleJournal() {
		seeds = append(seeds, canonical(f, line))
	}
	fuzz(f, schema.ReadJournalLine, seeds...)
}

// FuzzReference reads references: what is accepted is written as it was read, and names one thing by rules that keep it inside a store.
func FuzzReference(f *testing.F) {
	for _, text := range []string{"mnist", "ada/mnist:1.0.0", "mnist:best", "mnist@" + digest("x").String(), "../x:1", "a@b@c", "a:1.0.0:2", ":", "a//b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := schema.ParseReference(text)
		if err != nil {
			if !errors.As(err, new(*schema.Invalid)) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if r.String() != text || schema.CheckName(r.Name) != nil || r.Label != "" && !r.Digest.IsZero() {
			t.Fatalf("%q is read as %+v", text, r)
		}
		if r.Label != "" && schema.CheckVersion(r.Label) != nil && schema.CheckTag(r.Label) != nil {
			t.Fatalf("%q has the label %q", text, r.Label)
		}
	})
}
