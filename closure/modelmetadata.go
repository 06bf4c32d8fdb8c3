package closure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// ModelMetadata is the metadata of a model card, in YAML between two lines of three dashes:
// https://github.com/huggingface/hub-docs/blob/main/modelcard.md. Of each claim it has the value and, exactly, the integers of
// which that is the quotient. Nothing in it is marked as verified: there the word means by huggingface.co.
func ModelMetadata(c *schema.Closure) string {
	y := &metadata{}
	y.text("---\n")
	y.license(c.License)
	y.field("", "library_name", "reprise")
	task := pipelineTag(c)
	y.field("", "pipeline_tag", task)
	y.list("tags", append([]string{"reprise", "research-closure"}, c.Keywords...))
	datasets := make([]string, len(c.Datasets))
	for i, d := range c.Datasets {
		datasets[i] = d.Name
	}
	y.list("datasets", datasets)
	if len(c.Results) > 0 {
		y.text("model-index:\n")
		y.field("- ", "name", orElse(c.Title, c.Name))
		y.text("  results:\n")
		for _, r := range c.Results {
			y.result(c, r, task)
		}
	}
	y.text("---\n")
	return y.b.String()
}

// metadata writes YAML. Texts are quoted as Go quotes them, which YAML reads alike.
type metadata struct{ b strings.Builder }

func (y *metadata) text(s string) { y.b.WriteString(s) }

func (y *metadata) field(indent, key, value string) {
	if value != "" {
		fmt.Fprintf(&y.b, "%s%s: %s\n", indent, key, strconv.Quote(value))
	}
}

// list writes the values, each once.
func (y *metadata) list(key string, values []string) {
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(&y.b, "%s:\n", key)
	for i, v := range values {
		if !slices.Contains(values[:i], v) {
			fmt.Fprintf(&y.b, "- %s\n", strconv.Quote(v))
		}
	}
}

// license writes one of the identifiers that huggingface.co has, else the name of another one.
func (y *metadata) license(spdx string) {
	if spdx == "" {
		return
	}
	id := strings.ToLower(spdx)
	id = strings.TrimSuffix(strings.TrimSuffix(id, "-only"), "-or-later")
	if other, ok := renamedLicenses[id]; ok {
		id = other
	}
	if slices.Contains(hubLicenses, id) {
		y.field("", "license", id)
		return
	}
	y.field("", "license", "other")
	y.field("", "license_name", oneLine(spdx))
	y.field("", "license_link", schema.PathLicense)
}

// hubLicenses are the identifiers of https://huggingface.co/docs/hub/repositories-licenses that are SPDX's in lower case.
var hubLicenses = []string{
	"afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "bsl-1.0",
	"cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0",
	"cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
	"cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0",
	"eupl-1.1", "eupl-1.2", "gpl-2.0", "gpl-3.0", "isc", "lgpl-2.1", "lgpl-3.0", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa",
	"odbl", "odc-by", "ofl-1.1", "osl-3.0", "pddl", "postgresql", "unlicense", "wtfpl", "zlib",
}

// renamedLicenses are those that are spelt differently there.
var renamedLicenses = map[string]string{"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}

// pipelineTag is the task as huggingface.co calls it; empty where it has no name for it.
func pipelineTag(c *schema.Closure) string {
	if slices.Contains(hubTasks, c.Task) {
		return c.Task
	}
	classifies := c.Model.Loss.Kind == "softmax-cross-entropy"
	switch rank := len(c.Model.Input.Shape); {
	case rank == 3 && c.Model.Input.DType == "u8" && classifies:
		return "image-classification"
	case rank == 1 && c.Model.Input.DType == "f32" && classifies:
		return "tabular-classification"
	case rank == 1 && c.Model.Input.DType == "f32":
		return "tabular-regression"
	}
	return ""
}

// hubTasks are tasks of https://huggingface.co/tasks that closures may have.
var hubTasks = []string{
	"audio-classification", "feature-extraction", "image-classification", "image-feature-extraction", "image-segmentation",
	"image-to-image", "object-detection", "reinforcement-learning", "tabular-classification", "tabular-regression",
	"text-classification", "text-generation", "time-series-forecasting", "token-classification",
}

// result writes a claim as an element of a model index. A claim about no example has no value there.
func (y *metadata) result(c *schema.Closure, r schema.Result, task string) {
	var value float64
	var exact string
	switch {
	case r.Total <= 0:
		return
	case r.Correct != nil:
		value, exact = float64(*r.Correct), fmt.Sprintf("correct: %d", *r.Correct)
	case r.Sum != nil:
		value, exact = float64(*r.Sum)/(1<<20), fmt.Sprintf("sum: %d", *r.Sum) // a power of two divides without loss
	}
	name := r.Dataset.String()
	for _, d := range c.Datasets {
		if d.Digest == r.Dataset {
			name = d.Name
		}
	}
	y.text("  - task:\n")
	y.field("      ", "type", orElse(task, "other"))
	y.text("    dataset:\n")
	y.field("      ", "name", name)
	y.field("      ", "type", name)
	y.field("      ", "split", r.Split)
	y.field("      ", "revision", r.Dataset.String())
	y.text("    metrics:\n")
	y.field("    - ", "type", r.Metric)
	// The shortest decimal number that reads back as the quotient in float64.
	fmt.Fprintf(&y.b, "      value: %s\n", strconv.FormatFloat(value/float64(r.Total), 'f', -1, 64))
	y.field("      ", "name", fmt.Sprintf("%s at step %d: %s", r.Metric, r.Step, resultText(r)))
	fmt.Fprintf(&y.b, "      args:\n        %s\n        total: %d\n", exact, r.Total)
}
