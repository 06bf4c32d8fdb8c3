package closure

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// listedApart are fields of documents that are compared by themselves.
var listedApart = []string{"files", "results"}

// identities are the fields by which elements of lists are told apart, by the name of the list.
var identities = map[string]string{"layers": "name", "datasets": "role", "splits": "name", "sources": "name", "authors": "name"}

func compareDocuments(a, b any) ([]schema.FieldDifference, error) {
	var trees [2]map[string]any
	for i, document := range []any{a, b} {
		text, err := schema.Canonical(document)
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&trees[i]); err != nil {
			return nil, err
		}
		for _, field := range listedApart {
			delete(trees[i], field)
		}
	}
	c := comparison{list: []schema.FieldDifference{}}
	err := c.objects("", trees[0], trees[1])
	return c.list, err
}

// comparison gathers differences of JSON values.
type comparison struct{ list []schema.FieldDifference }

func (c *comparison) objects(path string, a, b map[string]any) error {
	for _, key := range keys(a, b) {
		if err := c.values(join(path, key), key, pointer(a, key), pointer(b, key)); err != nil {
			return err
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (c *comparison) values(path, name string, a, b *any) error {
	if a != nil && b != nil {
		objectA, okA := (*a).(map[string]any)
		objectB, okB := (*b).(map[string]any)
		if okA && okB {
			return c.objects(path, objectA, objectB)
		}
		listA, okA := (*a).([]any)
		listB, okB := (*b).([]any)
		if okA && okB && identities[name] != "" {
			namesA, byNameA := named(listA, identities[name])
			namesB, byNameB := named(listB, identities[name])
			if name == "splits" || name == "layers" && len(byNameA) == len(byNameB) {
				// Their order matters even where they are equal.
				if err := c.values(path+" (order)", "", new(any(namesA)), new(any(namesB))); err != nil {
					return err
				}
			}
			return c.objects(path, byNameA, byNameB)
		}
	}
	textA, err := text(a)
	if err != nil {
		return err
	}
	textB, err := text(b)
	if err == nil && !bytes.Equal(textA, textB) {
		c.list = append(c.list, schema.FieldDifference{Path: path, A: textA, B: textB})
	}
	return err
}

func text(v *any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(*v)
}

// named finds elements by what identifies them. Shards are listed with the files. An element without a name has its place.
func named(list []any, identity string) (names []any, byName map[string]any) {
	byName = map[string]any{}
	for i, element := range list {
		name := fmt.Sprint(i)
		if object, ok := element.(map[string]any); ok {
			if text, ok := object[identity].(string); ok && byName[text] == nil {
				name = text
			}
			delete(object, "shards")
		}
		names = append(names, name)
		byName[name] = element
	}
	return names, byName
}
