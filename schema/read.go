package schema

import (
	"encoding/json"
)

// ReadSpecification reads a closure.yaml, in YAML or JSON. name is what an *Invalid calls it. Attributes are as they
// were given: the compiler resolves them.
func ReadSpecification(name string, data []byte) (*Specification, error) {
	s, err := parse(name, data, maxSpecification)
	if err != nil {
		return nil, err
	}
	return readSpecification(name, s)
}

// MaxLayers keeps the time to check and compile a model within reason, whatever a closure brings.
const MaxLayers = 1000

// readSpecification checks a document. How many layers there are comes first: each takes a while to be checked.
func readSpecification(name string, s *source) (*Specification, error) {
	if document, ok := s.value.(map[string]any); ok {
		if model, ok := document["model"].(map[string]any); ok {
			if layers, ok := model["layers"].([]any); ok && len(layers) > MaxLayers {
				return nil, Invalidf(name, "model.layers", "%d layers; a model has 1 to %d", len(layers), MaxLayers)
			}
		}
	}
	expandComponents(s.value)
	return read(s, KindSpecification, checkSpecification)
}

// ReadSpecificationOf reads the closure.yaml of a model whose layers, and perhaps loss, another file says: they take the place
// that the document must leave open.
func ReadSpecificationOf(name string, data []byte, layers []Layer, loss string) (*Specification, error) {
	s, err := parse(name, data, maxSpecification)
	if err != nil {
		return nil, err
	}
	if document, ok := s.value.(map[string]any); ok {
		if model, ok := document["model"].(map[string]any); ok {
			if _, given := model["layers"]; given {
				return nil, &Invalid{Document: name, Problems: []Problem{{
					Path: "model.layers", Message: "the model's file says what the layers are", Hint: "leave them out",
				}}}
			}
			text, err := json.Marshal(layers)
			if err != nil {
				return nil, Invalidf(name, "model.layers", "%v", err)
			}
			inserted, err := parseJSON(name, text, maxSpecification)
			if err != nil {
				return nil, err
			}
			model["layers"] = inserted.value
			if _, given := model["loss"]; !given && loss != "" {
				model["loss"] = loss
			}
		}
	}
	return readSpecification(name, s)
}

// ReadClosure reads a closure.json, in any spelling of JSON.
func ReadClosure(name string, data []byte) (*Closure, error) {
	return readJSON(KindClosure, name, data, checkClosure)
}

// ReadDataset reads a dataset.json.
func ReadDataset(name string, data []byte) (*Dataset, error) {
	return readJSON(KindDataset, name, data, checkDataset)
}

// ReadEngineSection reads the JSON of the custom section "reprise.engine". Whether it fits the engine's code and memory
// is for the engine's validator to say.
func ReadEngineSection(name string, data []byte) (*EngineSection, error) {
	return readJSON(KindEngineSection, name, data, checkEngineSection)
}

// ReadReport reads what a command printed with --json; T is the report's type.
func ReadReport[T any](kind DocumentKind, name string, data []byte) (*T, error) {
	return readJSON(kind, name, data, func(*source, *T) {})
}

func readJSON[T any](kind DocumentKind, name string, data []byte, rules func(*source, *T)) (*T, error) {
	s, err := parseJSON(name, data, maxDocument)
	if err != nil {
		return nil, err
	}
	return read(s, kind, rules)
}

// read checks values against their schema, makes the Go type of them, and checks the rules that a schema cannot say.
func read[T any](s *source, kind DocumentKind, rules func(*source, *T)) (*T, error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	// Written anew, 16.0 is 16 and fits an int.
	text, err := json.Marshal(s.value)
	if err != nil {
		return nil, Invalidf(s.document, "", "%s", err)
	}
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, Invalidf(s.document, "", "%s", err)
	}
	rules(s, v)
	if err := s.refusal(); err != nil {
		return nil, err
	}
	return v, nil
}
