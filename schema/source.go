package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits of what is read, so that a hostile document costs little.
const (
	maxDepth  = 64        // of nested lists and mappings
	maxValues = 1_000_000 // of a JSON document
	maxNodes  = 100_000   // of a YAML document, aliases expanded
	// maxInteger is the largest magnitude of an integer: above it float64, and so JavaScript, skips integers.
	maxInteger = 1<<53 - 1

	maxSpecification = 1 << 20
	maxDocument      = 64 << 20
	maxJournalLine   = 4 << 20
)

// source is a document on its way from bytes to a Go type: its values as encoding/json has them, where each stood, and
// what was found wrong so far.
type source struct {
	document string
	value    any
	places   map[string]place // by path
	problems []Problem
	most     int // values
}

// place says where a value stood in the document and how it was spelled.
type place struct {
	order int
	text  string // of a scalar
}

func newSource(document string, most int) *source {
	return &source{document: document, places: map[string]place{}, most: most}
}

func (s *source) report(path, hint, format string, args ...any) {
	s.problems = append(s.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// visit notes the next value in document order. It reports false when there are too many.
func (s *source) visit(path, text string) bool {
	if len(s.places) >= s.most {
		s.report("", "", "has more than %d values", s.most)
		return false
	}
	s.places[path] = place{order: len(s.places), text: text}
	return true
}

// refusal is the *Invalid of everything found, in the order of the document, or nil.
func (s *source) refusal() error {
	if len(s.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(s.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(s.order(a.Path), s.order(b.Path)), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return &Invalid{Document: s.document, Problems: slices.Compact(s.problems)}
}

// order is the position of the value at a path, or of its nearest ancestor that is in the document.
func (s *source) order(path string) int {
	for path != "" {
		if p, ok := s.places[path]; ok {
			return p.order
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return -1
}

// field is the path of a member of an object, item that of an element of a list.
func field(path, key string) string {
	if key == "" || strings.ContainsAny(key, ".[]\" \t\r\n") {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
