package wasm_test

import "strings"

// replaceF names the function that layers leave open.
func replaceF(layers, function string) string {
	return strings.ReplaceAll(layers, ": F}", ": "+function+"}")
}
