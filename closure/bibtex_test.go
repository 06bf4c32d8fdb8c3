package closure_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

func TestBibTeX(t *testing.T) {
	c := &schema.Closure{Name: "ada/x_1", Version: "1.0.0", Title: `50 % {of} \evil & "more"`, Created: "2026-01-02T03:04:05Z", Authors: []schema.Author{{Name: "Ada\n}@misc{x"}, {Name: "Bob"}}}
	want := `@misc{ada-x-1-e3b0c44298fc,
  title = {{50 \% \textbraceleft{}of\textbraceright{} \textbackslash{}evil \& "more"}},
  author = {{Ada \textbraceright{}@misc\textbraceleft{}x} and {Bob}},
  year = {2026},
  version = {1.0.0},
  note = {Research closure, \texttt{sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}}
}
`
	if diff := cmp.Diff(want, closure.BibTeX(c, schema.DigestOf(nil))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("@misc{x-e3b0c44298fc,\n  title = {{x}},\n  note = {Research closure, \\texttt{"+schema.DigestOf(nil).String()+"}}\n}\n",
		closure.BibTeX(&schema.Closure{Name: "x"}, schema.DigestOf(nil))); diff != "" {
		t.Error(diff)
	}
}
