package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseJSON reads one JSON document, strictly: besides what encoding/json refuses, also invalid UTF-8, halves of
// surrogate pairs, duplicate keys, integers that float64 cannot count with, and anything too deep or too large.
func parseJSON(document string, data []byte, limit int) (*source, error) {
	s := newSource(document, maxValues)
	if err := checkText(document, data, limit); err != nil {
		return nil, err
	}
	if err := syntax(data); err != nil {
		return nil, Invalidf(document, "", "%s", err)
	}
	p := jsonParser{source: s, decoder: json.NewDecoder(bytes.NewReader(data)), data: data}
	p.decoder.UseNumber()
	s.value, _ = p.parse("", 0)
	if err := s.refusal(); err != nil {
		return nil, err
	}
	return s, nil
}

// checkText refuses what no document may be: empty, too large, or not UTF-8.
func checkText(document string, data []byte, limit int) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return Invalidf(document, "", "is empty")
	case len(data) > limit:
		return Invalidf(document, "", "has %d bytes, more than the %d that are read", len(data), limit)
	case !utf8.Valid(data):
		return Invalidf(document, "", "is not UTF-8: %s", lineColumn(data, invalidOffset(data)))
	}
	return nil
}

// syntax is the first error of the grammar of JSON, with its line and column, or nil.
func syntax(data []byte) error {
	var whole json.RawMessage
	err := json.Unmarshal(data, &whole)
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errors.New("is not JSON: " + lineColumn(data, int(se.Offset)-1) + ": " + se.Error())
	}
	return err
}

func invalidOffset(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(data)
}

func lineColumn(data []byte, offset int) string {
	before := data[:min(max(offset, 0), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return "line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column)
}

// jsonParser walks the tokens of a document whose syntax is known to be right.
type jsonParser struct {
	*source
	decoder *json.Decoder
	data    []byte
}

// parse reads the next value. It reports false when reading must stop.
func (p *jsonParser) parse(path string, depth int) (any, bool) {
	if depth > maxDepth {
		p.report("", "", "is nested more than %d deep", maxDepth)
		return nil, false
	}
	start := p.decoder.InputOffset()
	token, err := p.decoder.Token()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			p.report(path, "", "%s", err)
		}
		return nil, false
	}
	switch t := token.(type) {
	case json.Delim:
		if !p.visit(path, "") {
			return nil, false
		}
		if t == '[' {
			return p.list(path, depth)
		}
		return p.object(path, depth)
	case json.Number:
		if !p.visit(path, t.String()) {
			return nil, false
		}
		return p.number(path, t.String()), true
	case string:
		if !wholeSurrogates(p.data[start:p.decoder.InputOffset()]) {
			p.report(path, "", "holds half of a surrogate pair, which is no character")
		}
		return t, p.visit(path, t)
	default:
		return t, p.visit(path, "")
	}
}

func (p *jsonParser) list(path string, depth int) (any, bool) {
	list := []any{}
	for p.decoder.More() {
		v, ok := p.parse(item(path, len(list)), depth+1)
		if !ok {
			return nil, false
		}
		list = append(list, v)
	}
	_, err := p.decoder.Token()
	return list, err == nil
}

func (p *jsonParser) object(path string, depth int) (any, bool) {
	object := map[string]any{}
	for p.decoder.More() {
		start := p.decoder.InputOffset()
		token, err := p.decoder.Token()
		key, isKey := token.(string)
		if err != nil || !isKey {
			return nil, false
		}
		where := field(path, key)
		if !wholeSurrogates(p.data[start:p.decoder.InputOffset()]) {
			p.report(where, "", "the key holds half of a surrogate pair, which is no character")
		}
		_, twice := object[key]
		v, ok := p.parse(where, depth+1)
		if !ok {
			return nil, false
		}
		if twice {
			p.report(where, "keep one of them", "is given twice")
		}
		object[key] = v
	}
	_, err := p.decoder.Token()
	return object, err == nil
}

// number refuses an integer beyond ±(2⁵³−1) and a number beyond float64.
func (s *source) number(path, text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsInf(f, 0):
		s.report(path, "", "%s is too large for a number", shorten(text))
	case !strings.ContainsAny(text, ".eE") && math.Abs(f) > maxInteger:
		s.report(path, "integers lie between -(2^53-1) and 2^53-1", "%s is too large for an integer", shorten(text))
	}
	return f
}

// wholeSurrogates reports whether every \uD800–\uDFFF escape in a JSON string is one of a pair. encoding/json would
// replace others silently, and two different documents would read the same.
func wholeSurrogates(text []byte) bool {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		if text[i] != 'u' {
			continue
		}
		switch surrogate(text[i+1:]) {
		case 'l':
			return false
		case 'h':
			rest := text[i+5:]
			if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' || surrogate(rest[2:]) != 'l' {
				return false
			}
			i += 10
		default:
			i += 4
		}
	}
	return true
}

// surrogate is 'h' for four digits of a high surrogate, 'l' for a low one, else 0.
func surrogate(digits []byte) byte {
	if len(digits) < 4 || digits[0]|0x20 != 'd' {
		return 0
	}
	switch digits[1] | 0x20 {
	case '8', '9', 'a', 'b':
		return 'h'
	case 'c', 'd', 'e', 'f':
		return 'l'
	}
	return 0
}
