package api

import (
	"fmt"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/zoo"
)

// summarise says in short what a closure is whose files have size bytes.
func summarise(c *schema.Closure, size int64, e zoo.Entry) Summary {
	table := tableOf(c)
	s := Summary{
		Name: c.Name, Version: c.Version, Digest: e.Digest, Title: c.Title, Description: c.Description, Task: c.Task,
		Created: c.Created, License: c.License, Keywords: orEmpty(c.Keywords), Datasets: []SummaryDataset{},
		Accuracy: accuracyOf(c), Parameters: table.Parameters, Layers: layersText(c.Model.Layers), Curve: []float64{}, Size: size,
		Engine:  EngineSummary{Digest: c.Engine.Digest, ABI: c.Engine.ABI, Compiler: c.Engine.Compiler, Foreign: c.Engine.Foreign},
		Parents: []Relative{},
	}
	for _, d := range c.Datasets {
		s.Datasets = append(s.Datasets, SummaryDataset{Role: d.Role, Name: d.Name, Version: d.Version, Digest: d.Digest, Split: d.Split})
	}
	if s.Parameters == 0 {
		s.Parameters = valuesIn(c)
	}
	return s
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// accuracyOf is the accuracy that a closure claims for the last step, on its test data where there are some.
func accuracyOf(c *schema.Closure) *Accuracy {
	var best *schema.Result
	for i, r := range c.Results {
		if r.Metric != schema.MetricAccuracy || r.Correct == nil {
			continue
		}
		if best == nil || tests(c, r) && !tests(c, *best) || tests(c, r) == tests(c, *best) && r.Step > best.Step {
			best = &c.Results[i]
		}
	}
	if best == nil {
		return nil
	}
	return &Accuracy{Correct: *best.Correct, Total: best.Total}
}

func tests(c *schema.Closure, r schema.Result) bool {
	for _, d := range c.Datasets {
		if d.Role == schema.RoleTest && d.Digest == r.Dataset && d.Split == r.Split {
			return true
		}
	}
	return false
}

// valuesIn estimates the trained values of a model that this release cannot read, from the size of the parameters' file.
func valuesIn(c *schema.Closure) int64 {
	if f, ok := closure.FindFile(c, schema.PathParameters); ok {
		return f.Size / 4
	}
	return 0
}

// maxLayersShown keeps a hostile model from making a long text or table.
const (
	maxLayersShown = 12
	maxTableRows   = 1000
)

// layersText is a model in a line: "conv 16 · pool · dense 10".
func layersText(layers []schema.Layer) string {
	var parts []string
	for _, l := range layers {
		if l.Kind == "flatten" {
			continue // says nothing
		}
		if len(parts) == maxLayersShown {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, layerText(l))
	}
	return strings.Join(parts, " · ")
}

func layerText(l schema.Layer) string {
	switch l.Kind {
	case "conv2d":
		return "conv" + number(l.Attributes["filters"])
	case "maxpool2d":
		return "pool"
	case "avgpool2d":
		return "average pool"
	case "dense":
		return "dense" + number(l.Attributes["units"])
	case "activation":
		if f, ok := l.Attributes["function"].(string); ok {
			return shorten(f, 32)
		}
	}
	return shorten(l.Kind, 32)
}

func number(v any) string {
	if f, ok := v.(float64); ok {
		return fmt.Sprintf(" %.0f", f)
	}
	return ""
}

// shorten cuts a text to n characters.
func shorten(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// tableOf is the model of a closure with its shapes.
func tableOf(c *schema.Closure) ModelTable {
	t := ModelTable{Table: []LayerRow{}}
	if len(c.Model.Layers) == 0 || len(c.Model.Layers) > maxTableRows {
		return t
	}
	g, err := wasm.Graph(c.Resolved())
	if err != nil {
		return t // a model of another release
	}
	for i, n := range g.Nodes[1:] {
		row := LayerRow{
			Name: n.Name, Kind: n.Kind, Inputs: g.Branches(i + 1), Output: orEmpty(n.Shape), Parameters: parametersOf(n),
			MultiplyAdds: n.MultiplyAdds,
		}
		t.Table = append(t.Table, row)
		t.Parameters += row.Parameters
	}
	t.Forward, t.Train = g.MultiplyAdds()
	return t
}

func parametersOf(n *graph.Node) int64 {
	var sum int64
	for _, p := range n.Parameters {
		sum += int64(schema.Elements(p.Shape))
	}
	return sum
}
