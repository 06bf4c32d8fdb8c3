package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/reprise-ml/reprise/schema"
)

// MaxText is the largest text message, in bytes.
const MaxText = 64 << 10

// kind is what the codec knows about a type of message.
type kind struct {
	message reflect.Type // the struct
	// required are the fields that must be there: zero would be a valid value, and is not what was said.
	required []string
}

var kinds = func() map[Type]kind {
	table := map[Type]kind{}
	for _, m := range []Message{
		&Hello{}, &Ready{}, &Result{}, &Failed{}, &Digest{}, &Rest{}, &Bye{},
		&Welcome{}, &Refuse{}, &Lease{}, &Set{}, &Update{}, &Goto{}, &Checkpoint{}, &Status{}, &End{},
	} {
		t := reflect.TypeOf(m).Elem()
		table[m.Kind()] = kind{t, requiredFields(t)}
	}
	return table
}()

// requiredFields lists the JSON names of fields that are always written.
func requiredFields(t reflect.Type) []string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && options == "" {
			names = append(names, name)
		}
	}
	return names
}

// Encode checks a message and writes it as text.
func Encode(m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	fields, err := json.Marshal(m)
	if err != nil {
		return nil, invalid(m.Kind(), "", "%v", err)
	}
	text := fmt.Appendf(make([]byte, 0, len(fields)+32), `{"type":%q`, m.Kind())
	if len(fields) > len("{}") {
		text = append(text, ',')
	}
	text = append(text, fields[1:]...)
	if len(text) > MaxText {
		return nil, invalid(m.Kind(), "", "it has %d bytes, more than the %d of a text message", len(text), MaxText)
	}
	return text, nil
}

// Decode reads a message and checks it. What does not fit gives a *schema.Invalid that says what and where.
func Decode(text []byte) (Message, error) {
	switch {
	case len(text) > MaxText:
		return nil, invalid("", "", "it has more than %d bytes", MaxText)
	case !utf8.Valid(text):
		return nil, invalid("", "", "it is not UTF-8")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, invalid("", "", "it is not a JSON object: %v", err)
	}
	var name Type
	if err := json.Unmarshal(fields["type"], &name); err != nil {
		return nil, invalid("", "type", "a text is needed")
	}
	k, known := kinds[name]
	if !known {
		return nil, invalid("", "type", "%q is no type of message", shorten(string(name)))
	}
	for _, f := range k.required {
		if _, there := fields[f]; !there {
			return nil, invalid(name, f, "it is missing")
		}
	}
	m := reflect.New(k.message).Interface().(Message)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, invalid(name, "", "%v", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// invalid says what is wrong with a message, or with one of its fields.
func invalid(t Type, field, format string, args ...any) error {
	document := "message"
	if t != "" {
		document = "message " + string(t)
	}
	return schema.Invalidf(document, field, format, args...)
}

// shorten keeps strangers' texts out of messages, but for their beginning.
func shorten(s string) string {
	const most = 40
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}
