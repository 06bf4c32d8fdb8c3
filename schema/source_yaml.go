package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse reads YAML or JSON. A name that ends in .json is JSON; anything else is read as YAML unless it is valid JSON,
// which YAML readers understand a little differently.
func parse(document string, data []byte, limit int) (*source, error) {
	if strings.HasSuffix(document, ".json") || json.Valid(data) {
		return parseJSON(document, data, limit)
	}
	return parseYAML(document, data, limit)
}

// parseYAML reads one YAML document into the values that JSON has, and refuses what JSON cannot say: keys that are not
// texts, duplicate keys, custom tags, merge keys, infinities, more than one document. Aliases are expanded within the
// limits of every document.
func parseYAML(document string, data []byte, limit int) (*source, error) {
	if err := checkText(document, data, limit); err != nil {
		return nil, err
	}
	s := newSource(document, maxNodes)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, next yaml.Node
	if err := decoder.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, Invalidf(document, "", "is empty")
		}
		return nil, Invalidf(document, "", "is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&next); !errors.Is(err, io.EOF) {
		return nil, Invalidf(document, "", "goes on after its first document: remove what follows the line ---")
	}
	if len(root.Content) != 1 {
		return nil, Invalidf(document, "", "is empty")
	}
	s.value, _ = s.node("", root.Content[0], 0)
	if err := s.refusal(); err != nil {
		return nil, err
	}
	return s, nil
}

// node converts a node. It reports false when reading must stop.
func (s *source) node(path string, n *yaml.Node, depth int) (any, bool) {
	if depth > maxDepth {
		s.report("", "", "is nested more than %d deep", maxDepth)
		return nil, false
	}
	switch n.Kind {
	case yaml.AliasNode:
		return s.node(path, n.Alias, depth+1)
	case yaml.MappingNode:
		if !s.visit(path, "") {
			return nil, false
		}
		s.checkTag(path, n, "!!map")
		return s.mapping(path, n, depth)
	case yaml.SequenceNode:
		if !s.visit(path, "") {
			return nil, false
		}
		s.checkTag(path, n, "!!seq")
		list := []any{}
		for i, c := range n.Content {
			v, ok := s.node(item(path, i), c, depth+1)
			if !ok {
				return nil, false
			}
			list = append(list, v)
		}
		return list, true
	default:
		if !s.visit(path, n.Value) {
			return nil, false
		}
		return s.scalar(path, n), true
	}
}

func (s *source) mapping(path string, n *yaml.Node, depth int) (any, bool) {
	object := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case k.Kind != yaml.ScalarNode:
			s.report(path, "", "line %d: a key must be a text", k.Line)
			continue
		case k.ShortTag() == "!!merge":
			s.report(path, "write the fields out", "line %d: merge keys (<<) are not read", k.Line)
			continue
		case k.ShortTag() != "!!str":
			s.report(path, "put it in quotes", "line %d: the key %s is not a text", k.Line, k.Value)
			continue
		}
		where := field(path, k.Value)
		_, twice := object[k.Value]
		v, ok := s.node(where, n.Content[i+1], depth+1)
		if !ok {
			return nil, false
		}
		if twice {
			s.report(where, "keep one of them", "is given twice, again at line %d", k.Line)
		}
		object[k.Value] = v
	}
	return object, true
}

func (s *source) checkTag(path string, n *yaml.Node, tag string) {
	if n.ShortTag() != tag {
		s.report(path, "remove it", "line %d: the tag %s is not read", n.Line, n.ShortTag())
	}
}

// Numbers of YAML that are read: decimal ones. YAML's other spellings (0x1F, 0o17, 017, 1_000) mean different numbers
// to different readers.
var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*|[0-9]*\.[0-9]+|[0-9]+\.)([eE][-+]?[0-9]+)?$`)

func (s *source) scalar(path string, n *yaml.Node) any {
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if decimal.MatchString(n.Value) {
			return s.number(path, n.Value)
		}
		s.report(path, "", "%s is not a plain decimal number", shorten(n.Value))
		return 0.0
	default:
		s.report(path, "remove it", "line %d: the tag %s is not read", n.Line, tag)
		return nil
	}
}
