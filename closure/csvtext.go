package closure

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

const (
	maxClasses     = 1 << 16 // what a u16 target can say
	tooManyClasses = "more than 65536 different labels: is this the label's column? (a number to be predicted is a regression)"

	maxLine = 16 << 20 // bytes
)

// skipByteOrderMark passes over the mark that some programs put before UTF-8, and refuses UTF-16.
func skipByteOrderMark(f *sourceFile) error {
	b, err := f.text.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case strings.HasPrefix(string(b), "\xef\xbb\xbf"):
		_, err := f.text.Discard(3)
		return err
	case len(b) == 0:
		return schema.Invalidf(f.name, "", "the file is empty")
	case slices.Contains(b, 0) || strings.HasPrefix(string(b), "\xff\xfe") || strings.HasPrefix(string(b), "\xfe\xff") || b[0] == 0x89 || b[0] == 0x1f:
		return schema.Invalidf(f.name, "", "not a CSV file, but %s", whatItIs(b))
	}
	return nil
}

// lineLimit keeps a file without line ends from being read into memory as one line.
type lineLimit struct {
	name string
	r    io.Reader
	line int
	n    int // bytes since the last line end
}

func (l *lineLimit) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if last := bytes.LastIndexByte(p[:n], '\n'); last >= 0 {
		l.line += bytes.Count(p[:n], []byte{'\n'})
		l.n = n - last - 1
	} else {
		l.n += n
	}
	if l.n > maxLine {
		return 0, schema.Invalidf(l.name, fmt.Sprintf("line %d", l.line+1), "longer than %d bytes", maxLine)
	}
	return n, err
}

// csvError names the place of a syntax error; errors of the file pass.
func csvError(name string, err error) error {
	var syntax *csv.ParseError
	if !errors.As(err, &syntax) {
		return err
	}
	message := "not CSV: " + syntax.Err.Error()
	switch {
	case errors.Is(syntax.Err, csv.ErrQuote):
		message = "a quotation mark that does not stand alone: quote the whole field and double the marks inside"
	case errors.Is(syntax.Err, csv.ErrBareQuote):
		message = "a quotation mark inside a field that is not quoted"
	}
	return schema.Invalidf(name, fmt.Sprintf("line %d", syntax.Line), "%s", message)
}

// parseNumber reads a decimal number that f32 can hold, or says what is wrong with the text.
func parseNumber(text string) (float32, string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, "there is no number"
	}
	v, err := strconv.ParseFloat(text, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Sprintf("%q is beyond 32-bit floats", text)
	case err == nil && (math.IsNaN(v) || math.IsInf(v, 0)):
		return 0, fmt.Sprintf("%q is not a finite number", text)
	case err != nil || strings.Trim(text, "0123456789+-.eE") != "":
		return 0, fmt.Sprintf("%q is not a number", shorten(text))
	}
	return float32(v), ""
}

// shorten keeps a quoted text of a file to the length of a message.
func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// sortClasses makes classes of the different label texts: sorted by value where all are numbers, texts of one value being
// one class, else by bytes. ranks[i] is the class of texts[i].
func sortClasses(texts []string) (classes []string, ranks []int) {
	type label struct {
		id    int
		text  string
		value float64
	}
	labels := make([]label, len(texts))
	numeric := true
	for i, text := range texts {
		v, err := strconv.ParseFloat(text, 64)
		numeric = numeric && err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) && strings.Trim(text, "0123456789+-.eE") == ""
		labels[i] = label{i, text, v}
	}
	if numeric {
		for i, l := range labels {
			labels[i].text = numberText(l.value)
		}
	}
	slices.SortFunc(labels, func(a, b label) int {
		if numeric {
			return cmp.Compare(a.value, b.value)
		}
		return strings.Compare(a.text, b.text)
	})
	ranks = make([]int, len(texts))
	for i, l := range labels {
		if i == 0 || l.text != classes[len(classes)-1] {
			classes = append(classes, l.text)
		}
		ranks[l.id] = len(classes) - 1
	}
	return classes, ranks
}

// numberText writes a number in its shortest decimal form, without an exponent where that is short.
func numberText(v float64) string {
	if v == 0 {
		return "0" // also for −0
	}
	if a := math.Abs(v); a >= 1e-6 && a < 1e21 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'e', -1, 64)
}
