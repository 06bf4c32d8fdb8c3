package runner

import (
	"errors"
	"strings"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
)

// structure lists what can be said without running an engine, in the order in which it is looked at. A problem belongs to
// the first test one of whose prefixes its path has.
var structure = []struct {
	name  string
	paths []string
}{
	{"a WebAssembly module of version 1, not too large", nil},
	{"one section reprise.engine, as its schema says", nil},
	{"no imports, and no start function", []string{"imports", "start"}},
	{"one memory of a fixed size, exported", []string{"memory", "export " + engine.ExportMemory}},
	{"the functions of ABI 1 are exported, with their signatures", []string{"export "}},
	{"no instruction beyond the allow-list", []string{"function "}},
	{"regions, tensors, segments and fuel fit the memory and each other", []string{"section."}},
	{"every function is valid WebAssembly", nil},
}

// Numbers of those that end the reading of a module.
const (
	structureModule = iota
	structureSection
	structureRegions = 6
)

// structureTests are the results of all but the last, which needs a runtime and passes so far; false where something
// failed.
func structureTests(wasm []byte) ([]CheckResult, bool) {
	results := make([]CheckResult, len(structure))
	for k, s := range structure {
		results[k].Name = s.name
	}
	_, err := engine.Parse(wasm)
	if err == nil {
		return results, true
	}
	skipFrom := func(k int) {
		for ; k < len(results); k++ {
			results[k].Skipped = results[k].Problem == ""
		}
	}
	add := func(k int, text string) {
		if results[k].Problem != "" {
			text = results[k].Problem + "; " + text
		}
		results[k].Problem = text
	}
	invalid, ok := errors.AsType[*schema.Invalid](err)
	if !ok {
		add(structureModule, err.Error())
		skipFrom(structureSection)
		return results, false
	}
	last := structureModule
	for _, p := range invalid.Problems {
		k := structureTest(invalid.Document, p.Path)
		last = max(last, k)
		add(k, p.String())
	}
	switch last {
	case structureModule, structureSection:
		skipFrom(last + 1)
	default:
		skipFrom(structureRegions) // they are looked at last
	}
	return results, false
}

// structureTest is the number of the test that a problem belongs to.
func structureTest(document, path string) int {
	if document != "engine" || path == "section" {
		return structureSection
	}
	for k, s := range structure {
		for _, prefix := range s.paths {
			if strings.HasPrefix(path, prefix) {
				return k
			}
		}
	}
	return structureModule
}
