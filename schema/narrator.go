package schema

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// narrator turns what the validator found into sentences of one style: "model.layers[2].conv2d.kernel: 0 is not a
// positive integer". It looks only at which keyword failed where, never at the validator's own texts.
type narrator struct {
	*source
	library *library
}

// failure is one keyword that a value did not satisfy.
type failure struct {
	path    string         // of the value
	value   any            // the value
	keyword string         // of the schema
	schema  map[string]any // that holds the keyword
	file    string         // of the schema
}

// tell reports every leaf of a tree of errors.
func (n *narrator) tell(e *jsonschema.ValidationError) {
	for _, f := range n.failures(e) {
		n.explain(f)
	}
}

// failures lists the failed keywords. Of alternatives it follows the one that the author meant, where that can be told.
func (n *narrator) failures(e *jsonschema.ValidationError) []failure {
	f := n.failure(e)
	if f.keyword == "oneOf" && len(f.kinds()) == 0 {
		return n.alternative(f, e)
	}
	if len(e.Causes) == 0 || f.keyword == "oneOf" {
		return []failure{f}
	}
	var all []failure
	for _, c := range e.Causes {
		all = append(all, n.failures(c)...)
	}
	return all
}

// alternative picks the branch whose type and constants fit the value: its failures are the ones to tell.
func (n *narrator) alternative(f failure, e *jsonschema.ValidationError) []failure {
	var fitting [][]failure
	for _, c := range e.Causes {
		branch := n.failures(c)
		mismatch := func(b failure) bool { return b.keyword == "type" && b.path == f.path || b.keyword == "const" }
		if !slices.ContainsFunc(branch, mismatch) {
			fitting = append(fitting, branch)
		}
	}
	if len(fitting) == 1 {
		return fitting[0]
	}
	if f, ok := discriminator(e.Causes, n.failures); ok {
		return []failure{f}
	}
	// None fits, or several: only the whole can be named.
	return []failure{f}
}

// discriminator is the failure of a constant, such as a line's type, that every alternative wants otherwise, made one
// failure of an enum.
func discriminator(causes []*jsonschema.ValidationError, failures func(*jsonschema.ValidationError) []failure) (failure, bool) {
	var all failure
	var constants []any
	for i, c := range causes {
		branch := failures(c)
		at := slices.IndexFunc(branch, func(b failure) bool { return b.keyword == "const" && (i == 0 || b.path == all.path) })
		if at < 0 {
			return failure{}, false
		}
		all = branch[at]
		if c := all.schema["const"]; !slices.Contains(constants, c) {
			constants = append(constants, c)
		}
	}
	all.keyword, all.schema = "enum", map[string]any{"enum": constants}
	return all, len(causes) > 0
}

// failure locates an error in the document and in the schema.
func (n *narrator) failure(e *jsonschema.ValidationError) failure {
	location, keyword := path.Split(e.AbsoluteKeywordLocation)
	location = strings.TrimSuffix(location, "/")
	file, _, _ := strings.Cut(location, "#")
	f := failure{value: n.value, keyword: keyword, schema: n.library.at(location), file: path.Base(file)}
	for _, token := range pointer(e.InstanceLocation) {
		if list, ok := f.value.([]any); ok {
			i, _ := strconv.Atoi(token)
			f.path, f.value = item(f.path, i), list[i]
			continue
		}
		f.path = field(f.path, token)
		f.value = step(f.value, token)
	}
	return f
}

// kinds are the keys of which a component has exactly one: a schema says so as oneOf [{required: [key]}, …].
func (f failure) kinds() []string {
	branches, _ := f.schema["oneOf"].([]any)
	var kinds []string
	for _, b := range branches {
		branch, _ := b.(map[string]any)
		required := texts(branch["required"])
		if len(branch) != 1 || len(required) != 1 {
			return nil
		}
		kinds = append(kinds, required[0])
	}
	return kinds
}

// explain adds the problem of one failure.
func (n *narrator) explain(f failure) {
	add := n.report
	limit := func() string { return number(f.schema[f.keyword]) }
	switch f.keyword {
	case "additionalProperties":
		n.unknownFields(f)
	case "required":
		n.missingFields(f)
	case "oneOf":
		if kinds := f.kinds(); kinds != nil {
			n.wrongKinds(f, kinds)
			return
		}
		n.wrongValue(f)
	case "enum", "const":
		choices := texts(f.schema["enum"])
		text, _ := f.value.(string)
		add(f.path, didYouMean(text, choices), "%s is not %s", n.show(f), describe(f.schema, f.value))
	case "minItems", "maxItems":
		add(f.path, "", "%s", wrongCount(f.value, f.schema))
	case "minProperties":
		add(f.path, "known are "+strings.Join(sortedKeys(properties(f.schema)), ", "), "is an empty mapping")
	case "uniqueItems":
		add(f.path, "", "has the same entry twice")
	case "minLength":
		add(f.path, "", "is an empty text")
	case "maxLength":
		add(f.path, "", "is longer than %s characters", limit())
	default: // type, pattern, format and the bounds of numbers
		n.wrongValue(f)
	}
}

func (n *narrator) wrongValue(f failure) {
	switch {
	case f.value == nil:
		n.report(f.path, "give a value or leave the field out", "is empty; it should be %s", describe(f.schema, f.value))
	case f.path == "version" && f.keyword == "type":
		n.report(f.path, "write three numbers, such as 1.0.0", "%s is a number, not a version", n.show(f))
	default:
		hint := ""
		if _, isText := f.value.(string); !isText && f.schema["type"] == "string" && shape(f.value) == "" {
			hint = "put it in quotes"
		}
		n.report(f.path, hint, "%s is not %s", n.show(f), describe(f.schema, f.value))
	}
}

func (n *narrator) unknownFields(f failure) {
	known := sortedKeys(properties(f.schema))
	noun, _ := f.schema["x-kinds"].(string)
	object, _ := f.value.(map[string]any)
	for _, key := range sortedKeys(object) {
		if slices.Contains(known, key) {
			continue
		}
		candidates, what := known, "unknown field"
		if noun != "" {
			candidates = kindsOf(f.schema)
			what = "unknown " + noun
		}
		n.report(field(f.path, key), orKnown(didYouMean(key, known), candidates), "%s", what)
	}
}

func (n *narrator) missingFields(f failure) {
	object, _ := f.value.(map[string]any)
	known := properties(f.schema)
	for _, key := range texts(f.schema["required"]) {
		_, given := object[key]
		if given || misspelled(key, object, known) {
			continue
		}
		what := "is missing"
		if p, ok := known[key].(map[string]any); ok {
			what += "; it should be " + describe(n.library.resolve(f.file, p), nil)
		}
		n.report(field(f.path, key), "", "%s", what)
	}
}

// misspelled reports whether an unknown field of the object was meant to be key: then that is told, not that key is
// missing.
func misspelled(key string, object, known map[string]any) bool {
	for given := range object {
		if _, ok := known[given]; !ok && didYouMean(given, sortedKeys(known)) == didYouMean(key, []string{key}) {
			return true
		}
	}
	return false
}

// wrongKinds tells of a component without a kind, or with two. An unknown kind was already told of.
func (n *narrator) wrongKinds(f failure, kinds []string) {
	object, _ := f.value.(map[string]any)
	noun, _ := f.schema["x-kinds"].(string)
	if noun == "" {
		noun = "kind"
	}
	var given []string
	for _, key := range sortedKeys(object) {
		if slices.Contains(kinds, key) {
			given = append(given, key)
		} else if _, known := properties(f.schema)[key]; !known {
			return
		}
	}
	if len(given) == 0 {
		n.report(f.path, "known are "+strings.Join(kinds, ", "), "names no %s", noun)
		return
	}
	n.report(f.path, "", "names %s; exactly one %s is allowed here", strings.Join(given, " and "), noun)
}

func kindsOf(schema map[string]any) []string {
	if kinds := (failure{schema: schema}).kinds(); kinds != nil {
		return kinds
	}
	return sortedKeys(properties(schema))
}

// show cites a value as the document spelled it.
func (n *narrator) show(f failure) string {
	if _, isNumber := f.value.(float64); isNumber {
		if p, ok := n.places[f.path]; ok {
			return shorten(p.text)
		}
	}
	return show(f.value)
}

// show cites a value.
func show(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(shorten(v))
	case float64:
		return number(v)
	case nil:
		return "nothing"
	case bool:
		return strconv.FormatBool(v)
	}
	if s := shape(value); s != "" {
		return s
	}
	return fmt.Sprint(value)
}

// shape names a value that is not a scalar.
func shape(value any) string {
	switch value.(type) {
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return ""
}

// wrongCount tells of a list that is too short or too long.
func wrongCount(value any, schema map[string]any) string {
	list, _ := value.([]any)
	least, most := schema["minItems"], schema["maxItems"]
	has := "has " + entries(float64(len(list))) + "; "
	switch f, _ := least.(float64); {
	case least != nil && least == most:
		return has + "exactly " + number(least) + " are needed"
	case float64(len(list)) < f:
		return has + "at least " + number(least) + " must be given"
	}
	return has + "at most " + number(most) + " may be given"
}

func entries(n float64) string {
	switch n {
	case 0:
		return "no entries"
	case 1:
		return "1 entry"
	}
	return number(n) + " entries"
}
