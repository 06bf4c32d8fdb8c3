package schema

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong in a document: where (a path such as "model.layers[2].conv2d.kernel"), what, and what to do
// about it where that is not obvious from the message.
type Problem struct {
	Path    string
	Message string
	Hint    string
}

func (p Problem) String() string {
	s := p.Message
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Invalid says that a document, data file or engine is not acceptable. Commands exit with 2 on it.
type Invalid struct {
	Document string // "closure.yaml", "mnist:1.0.0/dataset.json", …
	Problems []Problem
}

// Invalidf makes an Invalid of one problem.
func Invalidf(document, path, format string, args ...any) *Invalid {
	return &Invalid{Document: document, Problems: []Problem{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	sep := ": "
	if len(lines) > 1 {
		sep = ":\n  "
	}
	return e.Document + sep + strings.Join(lines, "\n  ")
}

// Damaged says that stored bytes are not those that a digest names, or are missing. Commands exit with 4 on it.
type Damaged struct {
	Blobs []DamagedBlob
}

func (e *Damaged) Error() string {
	lines := make([]string, len(e.Blobs))
	for i, b := range e.Blobs {
		switch {
		case b.Reason != "":
			lines[i] = b.Path + ": " + b.Reason
		case b.Observed.IsZero():
			lines[i] = fmt.Sprintf("%s: missing or cut short; it should be %s", b.Path, b.Expected)
		default:
			lines[i] = fmt.Sprintf("%s: its bytes are %s, it should be %s", b.Path, b.Observed, b.Expected)
		}
	}
	return "damaged: " + strings.Join(lines, "\n  ")
}
