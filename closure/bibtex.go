package closure

import (
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// BibTeX is an entry for a bibliography that cites a closure by the digest of its manifest. What TeX would take for its own is
// escaped.
func BibTeX(c *schema.Closure, d schema.Digest) string {
	var b strings.Builder
	field := func(key, value string) {
		if value != "" {
			b.WriteString(",\n  " + key + " = {" + value + "}")
		}
	}
	names := make([]string, len(c.Authors))
	for i, a := range c.Authors {
		names[i] = "{" + tex(a.Name) + "}"
	}
	b.WriteString("@misc{" + strings.NewReplacer("/", "-", "_", "-", ".", "-").Replace(c.Name) + "-" + d.Short())
	field("title", "{"+tex(orElse(c.Title, c.Name))+"}")
	field("author", strings.Join(names, " and "))
	if len(c.Created) >= len("2006") {
		field("year", tex(c.Created[:len("2006")]))
	}
	field("version", tex(c.Version))
	field("note", `Research closure, \texttt{`+d.String()+"}")
	b.WriteString("\n}\n")
	return b.String()
}

// tex makes a text safe in a field of BibTeX.
func tex(s string) string {
	return strings.NewReplacer(`\`, `\textbackslash{}`, "{", `\textbraceleft{}`, "}", `\textbraceright{}`, "%", `\%`, "$", `\$`,
		"&", `\&`, "#", `\#`, "_", `\_`, "~", `\textasciitilde{}`, "^", `\textasciicircum{}`).Replace(oneLine(s))
}
