package schema

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
)

// Resolve checks the attributes given to a declaration and fills in defaults. The result has one canonical spelling:
// numbers are float64, sizes are [h, w]. path is where the component stands, such as "model.layers[2].conv2d"; what is
// wrong is told in the words that reading a specification uses.
func (d Declaration) Resolve(path string, given map[string]any) (map[string]any, []Problem) {
	var problems []Problem
	names := make([]string, 0, len(d.Attributes))
	resolved := make(map[string]any, len(d.Attributes))
	for _, a := range d.Attributes {
		names = append(names, a.Name)
		where := field(path, a.Name)
		value, ok := given[a.Name]
		switch {
		case ok:
		case a.Default != nil:
			value = a.Default
		case a.OrElse != "":
			continue
		default:
			problems = append(problems, Problem{Path: where, Message: "is missing; it should be " + describe(a.schema(), nil)})
			continue
		}
		v, wrong := a.resolve(where, value)
		problems = append(problems, wrong...)
		resolved[a.Name] = v
	}
	for _, a := range d.Attributes {
		if _, ok := resolved[a.Name]; !ok && a.OrElse != "" {
			resolved[a.Name] = resolved[a.OrElse]
		}
	}
	slices.Sort(names)
	for _, key := range sortedKeys(given) {
		if !slices.Contains(names, key) {
			problems = append(problems, Problem{Path: field(path, key), Message: "unknown field", Hint: orKnown(didYouMean(key, names), names)})
		}
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
		return nil, problems
	}
	return resolved, nil
}

// Canonical drops from resolved attributes those of a later date that have their defaults.
func (d Declaration) Canonical(resolved map[string]any) map[string]any {
	return d.without(resolved, func(a Attribute) bool { return a.Later })
}

// Shortest drops from resolved attributes all that have their defaults, as a Named is written.
func (d Declaration) Shortest(resolved map[string]any) map[string]any {
	return d.without(resolved, func(Attribute) bool { return true })
}

func (d Declaration) without(resolved map[string]any, which func(Attribute) bool) map[string]any {
	rest := maps.Clone(resolved)
	for _, a := range d.Attributes {
		if which(a) && a.Default != nil && reflect.DeepEqual(rest[a.Name], plain(a.Default)) {
			delete(rest, a.Name)
		}
	}
	return rest
}

// Find returns the declaration of a name, or false.
func Find(declarations []Declaration, name string) (Declaration, bool) {
	i := slices.IndexFunc(declarations, func(d Declaration) bool { return d.Name == name })
	if i < 0 {
		return Declaration{}, false
	}
	return declarations[i], true
}

// resolve checks one value and gives its canonical spelling.
func (a Attribute) resolve(path string, value any) (any, []Problem) {
	value = plain(value)
	s := a.schema()
	wrong := func(value any, schema map[string]any) []Problem {
		p := Problem{Path: path, Message: show(value) + " is not " + describe(schema, value)}
		if text, ok := value.(string); ok {
			p.Hint = didYouMean(text, texts(schema["enum"]))
		}
		if value == nil {
			p = Problem{Path: path, Message: "is empty; it should be " + describe(schema, nil), Hint: "give a value or leave the field out"}
		}
		return []Problem{p}
	}
	switch a.Kind {
	case Integer, Number:
		f, ok := value.(float64)
		if !ok || a.Kind == Integer && f != math.Trunc(f) || !within(f, s) {
			return nil, wrong(value, s)
		}
		return f, nil
	case Boolean:
		if b, ok := value.(bool); ok {
			return b, nil
		}
		return nil, wrong(value, s)
	case Numbers:
		return a.resolveNumbers(path, value, wrong)
	case Choice:
		if t, ok := value.(string); ok && slices.Contains(a.Choices, t) {
			return t, nil
		}
		return nil, wrong(value, s)
	}
	return a.resolvePair(path, value, wrong)
}

// resolveNumbers resolves a list of numbers.
func (a Attribute) resolveNumbers(path string, value any, wrong func(any, map[string]any) []Problem) (any, []Problem) {
	s := a.schema()
	list, ok := value.([]any)
	if !ok {
		return nil, wrong(value, s)
	}
	if len(list) > maxNumbers {
		return nil, []Problem{{Path: path, Message: wrongCount(list, s)}}
	}
	items, _ := s["items"].(map[string]any)
	var problems []Problem
	for i, e := range list {
		if f, ok := e.(float64); !ok || !within(f, items) {
			problems = append(problems, Problem{Path: item(path, i), Message: show(e) + " is not " + describe(items, e)})
		}
	}
	if problems != nil {
		return nil, problems
	}
	return list, nil
}

// resolvePair resolves a Size or Padding.
func (a Attribute) resolvePair(path string, value any, wrong func(any, map[string]any) []Problem) (any, []Problem) {
	s := a.schema()
	alternatives, _ := s["oneOf"].([]any)
	element, _ := alternatives[len(alternatives)-2].(map[string]any)
	pair, _ := alternatives[len(alternatives)-1].(map[string]any)
	switch v := value.(type) {
	case string:
		if a.Kind == Padding && (v == "same" || v == "valid") {
			return v, nil
		}
		if a.Kind == Padding {
			return nil, wrong(v, map[string]any{"enum": []any{"same", "valid"}})
		}
	case float64:
		if v == math.Trunc(v) && within(v, element) {
			return []any{v, v}, nil
		}
		return nil, wrong(v, element)
	case []any:
		if len(v) != 2 {
			return nil, []Problem{{Path: path, Message: wrongCount(v, pair)}}
		}
		var problems []Problem
		for i, e := range v {
			if f, ok := e.(float64); !ok || f != math.Trunc(f) || !within(f, element) {
				problems = append(problems, Problem{Path: item(path, i), Message: show(e) + " is not " + describe(element, e)})
			}
		}
		if problems == nil {
			return v, nil
		}
		return nil, problems
	}
	return nil, wrong(value, s)
}

// within reports whether a number keeps the bounds of a schema.
func within(f float64, schema map[string]any) bool {
	holds := func(keyword string, ok func(bound float64) bool) bool {
		bound, has := schema[keyword].(float64)
		return !has || ok(bound)
	}
	return !math.IsNaN(f) && !math.IsInf(f, 0) &&
		holds("minimum", func(b float64) bool { return f >= b }) && holds("exclusiveMinimum", func(b float64) bool { return f > b }) &&
		holds("maximum", func(b float64) bool { return f <= b }) && holds("exclusiveMaximum", func(b float64) bool { return f < b })
}

// plain spells a value that Go code gave (an int, a []int) as encoding/json would have read it.
func plain(value any) any {
	switch v := value.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case []float64:
		list := make([]any, len(v))
		for i, n := range v {
			list[i] = n
		}
		return list
	case []int:
		list := make([]any, len(v))
		for i, n := range v {
			list[i] = float64(n)
		}
		return list
	}
	return value
}

// Attributes are resolved attributes. The getters panic on a name or kind that the declaration does not have.
type Attributes map[string]any

// Int is the value of an Integer.
func (a Attributes) Int(name string) int { return int(a.Float(name)) }

// Float is the value of a Number or Integer.
func (a Attributes) Float(name string) float64 { return attribute[float64](a, name) }

// Bool is the value of a Boolean.
func (a Attributes) Bool(name string) bool { return attribute[bool](a, name) }

// Text is the value of a Choice.
func (a Attributes) Text(name string) string { return attribute[string](a, name) }

// Numbers is the value of Numbers.
func (a Attributes) Numbers(name string) []float64 {
	list := attribute[[]any](a, name)
	numbers := make([]float64, len(list))
	for i, v := range list {
		numbers[i], _ = v.(float64)
	}
	return numbers
}

// Size is the value of a Size.
func (a Attributes) Size(name string) (h, w int) {
	pair := attribute[[]any](a, name)
	return int(pair[0].(float64)), int(pair[1].(float64))
}

// Padding is the value of a Padding: a mode, "same" or "valid", or else the padding on each side.
func (a Attributes) Padding(name string) (mode string, h, w int) {
	if mode, ok := a[name].(string); ok {
		return mode, 0, 0
	}
	h, w = a.Size(name)
	return "", h, w
}

func attribute[T any](a Attributes, name string) T {
	v, ok := a[name].(T)
	if !ok {
		panic(fmt.Sprintf("schema: attribute %s is %T, not %T", name, a[name], v))
	}
	return v
}
