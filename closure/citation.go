package closure

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// spdxIdentifier is a single licence: CITATION.cff has no licence expressions.
var spdxIdentifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+-]*$`)

// Citation is the CITATION.cff of a closure, in the Citation File Format 1.2.0
// (https://github.com/citation-file-format/citation-file-format/blob/1.2.0/schema-guide.md).
// Authors are written as entities, because a name does not say which of its parts is the family's.
func Citation(c *schema.Closure) string {
	var b strings.Builder
	field := func(indent, key, value string) {
		if value != "" {
			// Go's quoted form is a YAML double-quoted scalar: the escapes that Go writes mean the same there.
			fmt.Fprintf(&b, "%s%s: %s\n", indent, key, strconv.Quote(value))
		}
	}
	b.WriteString("cff-version: 1.2.0\n")
	field("", "message", "If you use this research closure, please cite it.")
	field("", "type", "software")
	field("", "title", orElse(c.Title, c.Name))
	field("", "abstract", c.Description)
	field("", "version", c.Version)
	if len(c.Created) >= len("2006-01-02") {
		field("", "date-released", c.Created[:len("2006-01-02")])
	}
	if spdxIdentifier.MatchString(c.License) {
		field("", "license", c.License)
	}
	b.WriteString("authors:\n")
	list := c.Authors
	if len(list) == 0 {
		list = []schema.Author{{Name: "The authors of " + c.Name}}
	}
	for _, a := range list {
		field("  - ", "name", a.Name)
		field("    ", "email", a.Email)
		if a.ORCID != "" {
			field("    ", "orcid", "https://orcid.org/"+strings.TrimPrefix(a.ORCID, "https://orcid.org/"))
		}
	}
	if len(c.Keywords) > 0 {
		b.WriteString("keywords:\n")
		for _, k := range c.Keywords {
			fmt.Fprintf(&b, "  - %s\n", strconv.Quote(k))
		}
	}
	return b.String()
}
