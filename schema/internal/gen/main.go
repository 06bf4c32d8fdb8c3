// Command gen writes the generated files of the schema package: vocabulary.schema.json, from what the compiler declares,
// and the TypeScript types, from the JSON Schemas. It runs in the folder schema (go generate ./schema).
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	// First the vocabulary: the types are made from the embedded schemas and from it.
	text := vocabulary().JSONSchema()
	if err := os.WriteFile("json/"+vocabularyFile, text, 0o644); err != nil {
		return err
	}
	types, err := typescript(text)
	if err != nil {
		return err
	}
	return os.WriteFile(typescriptFile, types, 0o644)
}
