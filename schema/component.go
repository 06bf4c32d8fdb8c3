package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Keys of a layer beside its operation. No operation may bear such a name.
const (
	keyName   = "name"
	keyInputs = "inputs"
	keyRate   = "rate"
	// keyConstraint names what holds after every update of the layer's weights.
	keyConstraint = "constraint"
)

// layerKeys are all of them.
var layerKeys = []string{keyName, keyInputs, keyRate, keyConstraint}

var errComponent = errors.New(`a component is written {kind: {attributes}}`)

// MarshalJSON writes {kind: {attributes}}.
func (c Component) MarshalJSON() ([]byte, error) {
	if c.Kind == "" {
		return nil, errComponent
	}
	return marshal(map[string]any{c.Kind: c.attributes()})
}

// UnmarshalJSON reads {kind: {attributes}}, or "kind" where there are no attributes to give.
func (c *Component) UnmarshalJSON(b []byte) error {
	var kind string
	if json.Unmarshal(b, &kind) == nil {
		*c = Component{Kind: kind, Attributes: map[string]any{}}
		return nil
	}
	var m map[string]map[string]any
	if err := json.Unmarshal(b, &m); err != nil || len(m) != 1 {
		return errComponent
	}
	for k, a := range m {
		*c = Component{Kind: k, Attributes: a}
	}
	c.Attributes = c.attributes()
	return nil
}

// attributes are the component's, never nil.
func (c Component) attributes() map[string]any {
	if c.Attributes == nil {
		return map[string]any{}
	}
	return c.Attributes
}

// MarshalJSON writes the bare name where there are no attributes.
func (n Named) MarshalJSON() ([]byte, error) {
	if n.Kind != "" && len(n.Attributes) == 0 {
		return marshal(n.Kind)
	}
	return n.Component.MarshalJSON()
}

// String is the name, with attributes as in JSON.
func (n Named) String() string {
	if len(n.Attributes) == 0 {
		return n.Kind
	}
	text, err := marshal(n.Attributes)
	if err != nil {
		return n.Kind
	}
	return n.Kind + " " + string(text)
}

// MarshalJSON writes {op: {attributes}, name, inputs, rate, constraint}, without the latter where they are not set.
func (l Layer) MarshalJSON() ([]byte, error) {
	if l.Kind == "" {
		return nil, errComponent
	}
	m := map[string]any{l.Kind: l.attributes()}
	if l.Name != "" {
		m[keyName] = l.Name
	}
	if len(l.Inputs) > 0 {
		m[keyInputs] = l.Inputs
	}
	if l.Rate != nil {
		m[keyRate] = *l.Rate
	}
	if l.Constraint.Kind != "" {
		m[keyConstraint] = l.Constraint
	}
	return marshal(m)
}

// UnmarshalJSON reads {op: {attributes}, name, inputs, rate, constraint}, or "op".
func (l *Layer) UnmarshalJSON(b []byte) error {
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil {
		*l = Layer{}
		return l.Component.UnmarshalJSON(b)
	}
	var known struct {
		Name       string   `json:"name"`
		Inputs     []string `json:"inputs"`
		Rate       *float64 `json:"rate"`
		Constraint Named    `json:"constraint"`
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return err
	}
	for _, k := range layerKeys {
		delete(m, k)
	}
	rest, err := json.Marshal(m)
	if err != nil {
		return err
	}
	*l = Layer{Name: known.Name, Inputs: known.Inputs, Rate: known.Rate, Constraint: known.Constraint}
	return l.Component.UnmarshalJSON(rest)
}

const standardize = "standardize"

// normalize is how a Normalize is written: "standardize", or lists of which those with one element are numbers.
type normalize struct {
	Scale     numbers `json:"scale,omitempty"`
	Offset    numbers `json:"offset,omitempty"`
	Mean      numbers `json:"mean,omitempty"`
	Deviation numbers `json:"deviation,omitempty"`
}

// MarshalJSON writes "standardize" or the constants.
func (n Normalize) MarshalJSON() ([]byte, error) {
	if n.Standardize {
		return json.Marshal(standardize)
	}
	return json.Marshal(normalize{n.Scale, n.Offset, n.Mean, n.Deviation})
}

// UnmarshalJSON reads "standardize" or the constants.
func (n *Normalize) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		if s != standardize {
			return fmt.Errorf("%q is not a normalization: the only word is %q", s, standardize)
		}
		*n = Normalize{Standardize: true}
		return nil
	}
	var w normalize
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*n = Normalize{Scale: w.Scale, Offset: w.Offset, Mean: w.Mean, Deviation: w.Deviation}
	return nil
}

// numbers is a list of numbers; a list of one is written as that number.
type numbers []float64

func (n numbers) MarshalJSON() ([]byte, error) {
	if len(n) == 1 {
		return json.Marshal(n[0])
	}
	return json.Marshal([]float64(n))
}

func (n *numbers) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]float64)(n))
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*n = numbers{f}
	return nil
}

// MarshalJSON writes a scalar's shape as [].
func (f Field) MarshalJSON() ([]byte, error) {
	type plain Field
	f.Shape = written(f.Shape)
	return json.Marshal(plain(f))
}

// MarshalJSON writes a scalar's shape as [].
func (r Region) MarshalJSON() ([]byte, error) {
	type plain Region
	r.Shape = written(r.Shape)
	return json.Marshal(plain(r))
}

// MarshalJSON writes a scalar's shape as [].
func (t Tensor) MarshalJSON() ([]byte, error) {
	type plain Tensor
	t.Shape = written(t.Shape)
	return marshal(plain(t))
}

// written is a shape as documents have it: a list, if an empty one.
func written(shape []int) []int {
	if shape == nil {
		return []int{}
	}
	return shape
}

// marshal is json.Marshal without its escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// expandComponents replaces, in a specification's values, a bare "adam" by {adam: {}}, so that what is checked and
// complained about has one form.
func expandComponents(value any) {
	root, _ := value.(map[string]any)
	if model, ok := root["model"].(map[string]any); ok {
		if layers, ok := model["layers"].([]any); ok {
			for i, l := range layers {
				layers[i] = expandComponent(l)
				if layer, ok := layers[i].(map[string]any); ok {
					expandField(layer, keyConstraint)
				}
			}
		}
		expandField(model, "loss")
	}
	if algorithm, ok := root["algorithm"].(map[string]any); ok {
		for _, k := range []string{"optimizer", "schedule", "initializer", "clipping", "averaging"} {
			expandField(algorithm, k)
		}
		if list, ok := algorithm["augmentation"].([]any); ok {
			for i, c := range list {
				list[i] = expandComponent(c)
			}
		}
	}
}

func expandField(object map[string]any, key string) {
	if c, ok := object[key]; ok {
		object[key] = expandComponent(c)
	}
}

func expandComponent(v any) any {
	if kind, ok := v.(string); ok {
		return map[string]any{kind: map[string]any{}}
	}
	// {flatten: } reads as {flatten: {}}: in YAML that is easily written.
	if m, ok := v.(map[string]any); ok {
		for k, a := range m {
			if a == nil && !slices.Contains(layerKeys, k) {
				m[k] = map[string]any{}
			}
		}
	}
	return v
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// shorten keeps a message readable when it cites something long.
func shorten(s string) string {
	const longest = 60
	if r := []rune(s); len(r) > longest {
		return strings.TrimSpace(string(r[:longest])) + "…"
	}
	return s
}
