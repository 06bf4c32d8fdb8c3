package main

import (
	"bytes"
	"os"
	"testing"
)

// The generated files in the repository are those that the generator would write now.
func TestGeneratedFilesAreFresh(t *testing.T) {
	text := vocabulary().JSONSchema()
	types, err := typescript(text)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{
		"../../json/" + vocabularyFile: text,
		"../../" + typescriptFile:      types,
	} {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./schema", path)
		}
	}
}
