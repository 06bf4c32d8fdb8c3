package schema

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// describe says, as a noun phrase, what values a schema allows: "a positive integer", "one of relu, tanh". A schema's
// title is such a phrase already. Limits that exist only to keep arithmetic safe are named only where value exceeds them.
func describe(schema map[string]any, value any) string {
	if title, ok := schema["title"].(string); ok {
		return title
	}
	if choices := texts(schema["enum"]); len(choices) > 0 {
		return oneOf(choices)
	}
	if c, ok := schema["const"]; ok {
		return show(c)
	}
	switch schema["type"] {
	case "integer":
		return describeNumber(schema, value, "an integer", "a positive integer", 1)
	case "number":
		return describeNumber(schema, value, "a number", "a positive number", 0)
	case "boolean":
		return "true or false"
	case "string":
		if format, ok := schema["format"].(string); ok {
			return describeFormat(format)
		}
		return "a text"
	case "array":
		return "a list"
	case "object":
		return "a mapping"
	}
	return "what belongs here"
}

// technicalLimit is the least upper limit that nobody would think of by the meaning of the number.
const technicalLimit = 1000

// describeNumber names the bounds of an integer or number. least is the lower bound at which positive says it all.
func describeNumber(schema map[string]any, value any, plain, positive string, least float64) string {
	minimum, hasMin := schema["minimum"].(float64)
	above, hasAbove := schema["exclusiveMinimum"].(float64)
	maximum, hasMax := schema["maximum"].(float64)
	below, hasBelow := schema["exclusiveMaximum"].(float64)
	f, _ := value.(float64)
	hasMax = hasMax && (maximum < technicalLimit || f > maximum)
	hasMin = hasMin && minimum != -maxInteger
	isPositive := hasAbove && above == 0 || hasMin && least > 0 && minimum == least
	switch {
	case hasMin && hasMax:
		return plain + " from " + number(minimum) + " to " + number(maximum)
	case hasMin && hasBelow:
		return plain + " from " + number(minimum) + " to below " + number(below)
	case hasAbove && hasBelow:
		return plain + " between " + number(above) + " and " + number(below)
	case isPositive && hasMax:
		return positive + " up to " + number(maximum)
	case isPositive:
		return positive
	case hasMin:
		return plain + " of at least " + number(minimum)
	case hasAbove:
		return plain + " above " + number(above)
	case hasMax:
		return plain + " of at most " + number(maximum)
	case hasBelow:
		return plain + " below " + number(below)
	}
	return plain
}

func describeFormat(format string) string {
	switch format {
	case "date-time":
		return "a time such as 2026-01-31T12:00:00Z"
	case "email":
		return "an e-mail address"
	}
	return "a text of the form " + format
}

func oneOf(choices []string) string {
	if len(choices) == 1 {
		return strconv.Quote(choices[0])
	}
	return "one of " + strings.Join(choices, ", ")
}

// orKnown is the hint, or else the list of what is known.
func orKnown(hint string, known []string) string {
	if hint != "" || len(known) == 0 {
		return hint
	}
	return "known are " + strings.Join(known, ", ")
}

// didYouMean names the known word nearest to a wrong one, if it is near.
func didYouMean(wrong string, known []string) string {
	best, least := "", max(1, len(wrong)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(k)); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	if best == "" || wrong == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance counts the letters to insert, remove, replace or swap with their neighbour to make b of a.
func distance(a, b string) int {
	const longest = 64 // a longer word is near to nothing known
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var d [longest + 1][longest + 1]int
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			if i == 0 || j == 0 {
				d[i][j] = i + j
				continue
			}
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j-1]+cost, d[i-1][j]+1, d[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// number writes a float64 as people do: 3, 0.5, 1e-07.
func number(v any) string {
	f, _ := v.(float64)
	if a := math.Abs(f); a >= 1e-6 && a < 1e16 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func properties(schema map[string]any) map[string]any {
	p, _ := schema["properties"].(map[string]any)
	return p
}

// texts are the strings of a list.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		} else {
			out = append(out, show(e))
		}
	}
	return slices.Clip(out)
}
