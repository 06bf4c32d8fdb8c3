package api

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// cardFunctions write what the cards of lists say: numbers as in web/src/site/state/format.ts.
var cardFunctions = template.FuncMap{
	"text": textElement, "count": grouped, "compact": compact, "bytes": byteCount, "phrase": phrase, "percent": percent, "day": day,
	"theme": func() string { return coverTheme }, "lines": func() []string { return []string{"10%", "30%", "50%", "70%", "90%"} },
	"sparkline": func(curve []float64) string { return curvePath(curve, cardBox) }, "curveLabel": curveLabel,
	"dataNames": dataNames, "classNames": func(classes []string) string { return strings.Join(classes, ", ") }, "records": recordCount, "columns": schema.Elements,
	"derivationLabel": func(d string) string { return derivationBadge(d)[0] }, "derivationTone": func(d string) string { return derivationBadge(d)[1] },
}

// coverTheme is what the cover of the zoo plays: a training as any other.
var coverTheme = curvePath(coverCurve(), box{width: 1000, height: 100, margin: 10, end: 10})

func coverCurve() []float64 {
	curve := make([]float64, 60)
	for i := range curve {
		x := float64(i)
		curve[i] = 0.06 + math.Exp(-x/13)*(1+0.2*math.Sin(x*2.7)*math.Cos(x))
	}
	return curve
}

// box is the size of a curve's drawing, in its own units.
type box struct{ width, height, margin, end float64 }

// cardBox has room for a repeat sign at its end. Its staff is in lists.tmpl.
var cardBox = box{width: 320, height: 72, margin: 8, end: 32}

// curvePath is a path through losses on a logarithmic scale, because losses fall by factors. Fewer than two positive numbers
// leave nothing to draw.
func curvePath(curve []float64, b box) string {
	var values []float64
	for _, v := range curve {
		if v > 0 && !math.IsInf(v, 0) {
			values = append(values, math.Log(v))
		}
	}
	if len(values) < 2 {
		return ""
	}
	low := slices.Min(values)
	span := slices.Max(values) - low
	if span == 0 {
		span = 1
	}
	var path strings.Builder
	for i, v := range values {
		x := float64(i)/float64(len(values)-1)*(b.width-b.margin-b.end) + b.margin
		y := b.height - b.margin - (v-low)/span*(b.height-2*b.margin)
		letter := byte('L')
		if i == 0 {
			letter = 'M'
		}
		fmt.Fprintf(&path, "%c%.1f %.1f", letter, x, y)
	}
	return path.String()
}

func curveLabel(curve []float64) string {
	if curvePath(curve, cardBox) == "" {
		return "No training curve"
	}
	return "Training loss from " + significant(curve[0]) + " to " + significant(curve[len(curve)-1])
}

// textElement is a stranger's text, with its own direction and at most so many characters.
func textElement(most int, s string) template.HTML {
	return template.HTML(`<bdi class="text">` + template.HTMLEscapeString(cutText(plain(s), most)) + `</bdi>`)
}

// cutText is s, or its beginning and an ellipsis, in at most n characters.
func cutText(s string, n int) string {
	if r := []rune(shorten(s, n)); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// phrase is "image-classification" as "image classification".
func phrase(identifier string) string { return strings.ReplaceAll(identifier, "-", " ") }

func dataNames(datasets []SummaryDataset) string {
	var names []string
	for _, d := range datasets {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return strings.Join(names, ", ")
}

// recordCount is the number of records of all splits.
func recordCount(splits map[string]int64) int64 {
	var sum int64
	for _, n := range splits {
		sum += n
	}
	return sum
}

func derivationBadge(derivation string) [2]string {
	switch derivation {
	case schema.Derived:
		return [2]string{"Engine derived", "good"}
	case schema.OtherCompiler:
		return [2]string{"Other compiler", "warn"}
	case schema.Foreign:
		return [2]string{"Foreign engine", "warn"}
	}
	return [2]string{"Derivation unchecked", "neutral"}
}
