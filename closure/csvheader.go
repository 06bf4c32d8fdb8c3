package closure

import (
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// firstRow learns the columns from the first line of a file, or checks that they are those of the file before.
func (im *csvImport) firstRow(name string, fields []string) error {
	numeric := 0
	for _, field := range fields {
		if _, err := strconv.ParseFloat(strings.TrimSpace(field), 32); err == nil {
			numeric++
		}
	}
	if im.options.Header && numeric == len(fields) {
		return schema.Invalidf(name, "line 1", "the header looks like data: all of its columns are numbers (leave the header option out)")
	}
	if im.width != 0 {
		if len(fields) != im.width {
			return schema.Invalidf(name, "line 1", "%d columns where the file before has %d", len(fields), im.width)
		}
		for i, field := range fields {
			if im.options.Header && strings.TrimSpace(field) != im.columns[i] {
				return schema.Invalidf(name, "line 1, column "+strconv.Itoa(i), "%q where the file before has %q", field, im.columns[i])
			}
		}
		return nil
	}
	if len(fields) < 2 {
		hint := ""
		if strings.ContainsAny(fields[0], ";\t") {
			hint = ": columns are separated by commas"
		}
		return schema.Invalidf(name, "line 1", "one column; a label and at least one feature are needed%s", hint)
	}
	im.width = len(fields)
	if im.options.Header {
		for i, field := range fields {
			field = strings.TrimSpace(field)
			if field == "" || slices.Contains(im.columns, field) {
				return schema.Invalidf(name, "line 1, column "+strconv.Itoa(i), "%q cannot name a column: names are unique and not empty", field)
			}
			im.columns = append(im.columns, field)
		}
	}
	return im.findLabel(name)
}

func (im *csvImport) findLabel(name string) error {
	want := im.options.Label
	if want == "" {
		im.label = im.width - 1
		return nil
	}
	if im.label = slices.Index(im.columns, want); im.label >= 0 {
		return nil
	}
	n, err := strconv.Atoi(want)
	switch {
	case err == nil && n >= 0 && n < im.width:
		im.label = n
		return nil
	case err == nil:
		return schema.Invalidf(name, "label", "there is no column %d; they go from 0 to %d", n, im.width-1)
	case im.columns == nil:
		return schema.Invalidf(name, "label", "%q is no index, and without a header columns have no names", want)
	}
	return schema.Invalidf(name, "label", "there is no column %q; there are %q", want, im.columns)
}
