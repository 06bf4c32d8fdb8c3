package closure

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/reprise-ml/reprise/schema"
)

// plannedTensor is a tensor of a header whose data is still to come.
type plannedTensor struct {
	Tensor
	begin, end int64
}

func (p plannedTensor) bytes() int64 { return p.end - p.begin }

// parseSafetensorsHeader reads the header of a file with data bytes of data. encoding/json would keep the last of two
// equal keys, where other readers keep the first; so this walks the tokens.
func parseSafetensorsHeader(header []byte, data int64) ([]plannedTensor, map[string]string, *schema.Problem) {
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, &schema.Problem{Path: "header", Message: "it does not begin with {: not a safetensors file"}
	}
	if !utf8.Valid(header) {
		return nil, nil, &schema.Problem{Path: "header", Message: "it is not UTF-8"}
	}
	decoder := json.NewDecoder(bytes.NewReader(header))
	decoder.UseNumber()
	p := headerParser{decoder: decoder}
	p.object("header", func(key string) {
		if key == metadataKey {
			p.metadata = map[string]string{}
			p.object(metadataKey, func(k string) { p.metadata[k] = p.text(metadataKey + "." + k) })
			return
		}
		p.tensors = append(p.tensors, p.tensor(key))
	})
	if p.problem != nil {
		return nil, nil, p.problem
	}
	for _, b := range header[decoder.InputOffset():] {
		if b != ' ' {
			return nil, nil, &schema.Problem{Path: "header", Message: "only spaces may follow its closing brace"}
		}
	}
	slices.SortStableFunc(p.tensors, func(a, b plannedTensor) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	at := int64(0)
	for _, t := range p.tensors {
		if t.begin != at {
			return nil, nil, &schema.Problem{
				Path:    t.Name + ".data_offsets",
				Message: fmt.Sprintf("it begins at %d where the tensor before it ends at %d", t.begin, at),
			}
		}
		at = t.end
	}
	if at != data {
		return nil, nil, &schema.Problem{Message: fmt.Sprintf("the tensors take %d bytes of data, the file holds %d", at, data)}
	}
	return p.tensors, p.metadata, nil
}

// headerParser keeps the first problem; after one, its methods do nothing.
type headerParser struct {
	decoder  *json.Decoder
	tensors  []plannedTensor
	metadata map[string]string
	problem  *schema.Problem
}

func (p *headerParser) fail(place, format string, args ...any) {
	if p.problem == nil {
		p.problem = &schema.Problem{Path: place, Message: fmt.Sprintf(format, args...)}
	}
}

// token returns the next token, or nil after a problem.
func (p *headerParser) token(place string) json.Token {
	if p.problem != nil {
		return nil
	}
	t, err := p.decoder.Token()
	if err != nil {
		p.fail(place, "not JSON: %v", err)
		return nil
	}
	return t
}

// object calls member for every key, which reads the value.
func (p *headerParser) object(place string, member func(key string)) {
	if p.token(place) != json.Delim('{') {
		p.fail(place, "an object is needed")
		return
	}
	seen := map[string]bool{}
	for p.problem == nil && p.decoder.More() {
		key, ok := p.token(place).(string)
		if !ok {
			p.fail(place, "a key is needed")
			return
		}
		if seen[key] {
			p.fail(place, "the key %q is there twice", key)
			return
		}
		seen[key] = true
		member(key)
	}
	p.token(place) // }
}

func (p *headerParser) text(place string) string {
	s, ok := p.token(place).(string)
	if !ok {
		p.fail(place, "a string is needed")
	}
	return s
}

// integers reads a list of integers from 0 to maxTensor.
func (p *headerParser) integers(place string) []int64 {
	if p.token(place) != json.Delim('[') {
		p.fail(place, "a list is needed")
		return nil
	}
	list := []int64{}
	for p.problem == nil && p.decoder.More() {
		number, _ := p.token(place).(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil || n < 0 || n > maxTensor || strconv.FormatInt(n, 10) != number.String() {
			p.fail(place, "%q is not an integer from 0 to 2^48", number.String())
			return nil
		}
		list = append(list, n)
	}
	p.token(place) // ]
	return list
}

func (p *headerParser) tensor(name string) plannedTensor {
	t := plannedTensor{Tensor: Tensor{Name: name, Shape: []int{}}}
	var dtype string
	var shape, offsets []int64
	p.object(name, func(key string) {
		place := name + "." + key
		switch key {
		case "dtype":
			dtype = p.text(place)
		case "shape":
			shape = p.integers(place)
		case "data_offsets":
			offsets = p.integers(place)
		default:
			p.fail(place, "unknown key")
		}
	})
	if p.problem != nil {
		return t
	}
	if i := slices.IndexFunc(dtypes[:], func(d struct{ schema, file string }) bool { return d.file == dtype }); i >= 0 {
		t.DType = dtypes[i].schema
	} else {
		p.fail(name+".dtype", "%q is not a dtype that engines use", dtype)
		return t
	}
	if shape == nil || len(offsets) != 2 || offsets[0] > offsets[1] {
		p.fail(name, "a shape and two ascending data_offsets are needed")
		return t
	}
	for _, d := range shape {
		t.Shape = append(t.Shape, int(d))
	}
	t.begin, t.end = offsets[0], offsets[1]
	if size, ok := tensorBytes(t.Shape, schema.DTypeSize(t.DType)); !ok || size != t.bytes() {
		p.fail(name, "%d bytes are not %s of shape %v", t.bytes(), dtype, t.Shape)
	}
	return t
}
