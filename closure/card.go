package closure

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// generated returns the documents that a closure directory has beside its results, made from its closure.json.
func generated(c *schema.Closure) []Content {
	return []Content{
		Bytes(schema.PathReadme, []byte(Card(c))),
		Bytes(schema.PathLicense, []byte(licenseText(c))),
		Bytes(schema.PathCitation, []byte(Citation(c))),
	}
}

// licenseText is the line that stands for a licence whose text is not there.
func licenseText(c *schema.Closure) string {
	return "SPDX-License-Identifier: " + orElse(oneLine(c.License), "NOASSERTION") + "\n"
}

// Card is a model card in Markdown: what the closure is, its claims, and how to check them.
func Card(c *schema.Closure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", markdown(orElse(c.Title, c.Name)))
	if c.Description != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.Description))
	}
	b.WriteString("\n| | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, value)
		}
	}
	row("Closure", "`"+c.Name+":"+c.Version+"`")
	row("Authors", markdown(authors(c.Authors)))
	row("Licence", markdown(c.License))
	row("Task", markdown(c.Task))
	row("Keywords", markdown(strings.Join(c.Keywords, ", ")))
	row("Created", markdown(c.Created))
	row("Trained for", fmt.Sprintf("%d steps of %d examples, seed %d", c.Parameters.Step, c.Algorithm.BatchSize, c.Algorithm.Seed))
	if c.Imported != nil {
		from := markdown(c.Imported.Format)
		if c.Imported.Tool != "" {
			from += ", written by " + markdown(c.Imported.Tool)
		}
		row("Before that", fmt.Sprintf("parameters imported from `%s` (%s); how those were trained is not part of this closure", c.Imported.File, from))
	}
	for _, d := range c.Datasets {
		row("Data ("+markdown(d.Role)+")", fmt.Sprintf("`%s:%s`, split %s, %d examples", d.Name, d.Version, markdown(d.Split), d.Examples))
	}
	if len(c.Results) > 0 {
		b.WriteString("\n## Results\n\n| Metric | Split | Value |\n|---|---|---|\n")
		for _, r := range c.Results {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", markdown(r.Metric), markdown(r.Split), resultText(r))
		}
	}
	fmt.Fprintf(&b, `
## Check it

    reprise verify %[1]s:%[2]s
    reprise replay %[1]s:%[2]s

The first recomputes every result above from the archived code, parameters and data; the second repeats the training and
compares every checkpoint, bit for bit.
`, c.Name, c.Version)
	if c.Citation != "" {
		fmt.Fprintf(&b, "\n## Citation\n\n%s\n", strings.TrimSpace(c.Citation))
	}
	return b.String()
}

// resultText is a claim as people read it. The division is for display alone.
func resultText(r schema.Result) string {
	switch {
	case r.Correct != nil && r.Total > 0:
		return fmt.Sprintf("%d of %d (%s %%)", *r.Correct, r.Total, strconv.FormatFloat(100*float64(*r.Correct)/float64(r.Total), 'f', 2, 64))
	case r.Sum != nil && r.Total > 0:
		return fmt.Sprintf("%s on average over %d", strconv.FormatFloat(float64(*r.Sum)/(1<<20)/float64(r.Total), 'f', 6, 64), r.Total)
	}
	return "none"
}

// markdown makes a text safe in a heading or table cell.
func markdown(s string) string {
	return strings.NewReplacer(`\`, `\\`, `|`, `\|`, `<`, `&lt;`, `*`, `\*`, `_`, `\_`, "`", "\\`", `[`, `\[`).Replace(oneLine(s))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
