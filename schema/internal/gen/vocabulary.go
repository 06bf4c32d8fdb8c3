package main

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

const vocabularyFile = "vocabulary.schema.json"

// vocabulary is what the compiler can make of a specification. Only this command joins the two packages: schema itself
// knows the compiler by the generated file alone.
func vocabulary() schema.Vocabulary { return kernel.Vocabulary() }
