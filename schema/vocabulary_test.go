package schema_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

// declaration has an attribute of every kind.
var declaration = schema.Declaration{Name: "conv2d", Attributes: []schema.Attribute{
	{Name: "filters", Kind: schema.Integer, Min: schema.AtLeast(1)},
	{Name: "kernel", Kind: schema.Size},
	{Name: "stride", Kind: schema.Size, OrElse: "kernel"},
	{Name: "padding", Kind: schema.Padding, Default: "valid"},
	{Name: "rate", Kind: schema.Number, Default: 0.5, Min: schema.Above(0), Max: schema.AtMost(1)},
	{Name: "groups", Kind: schema.Integer, Default: 1},
	{Name: "bias", Kind: schema.Boolean, Default: true},
	{Name: "function", Kind: schema.Choice, Choices: []string{"relu", "tanh"}, Default: "relu"},
}}

func TestResolve(t *testing.T) {
	tests := map[string]struct{ given, want string }{
		"defaults":        {`{"filters":8,"kernel":3}`, `{"filters":8,"kernel":[3,3],"stride":[3,3],"padding":"valid","rate":0.5,"groups":1,"bias":true,"function":"relu"}`},
		"everything":      {`{"filters":8,"kernel":[3,5],"stride":2,"padding":1,"rate":1,"groups":-2,"bias":false,"function":"tanh"}`, `{"filters":8,"kernel":[3,5],"stride":[2,2],"padding":[1,1],"rate":1,"groups":-2,"bias":false,"function":"tanh"}`},
		"padding of two":  {`{"filters":8,"kernel":1,"padding":[0,2]}`, `{"filters":8,"kernel":[1,1],"stride":[1,1],"padding":[0,2],"rate":0.5,"groups":1,"bias":true,"function":"relu"}`},
		"resolved before": {`{"filters":8,"kernel":[3,3],"stride":[3,3],"padding":"same","rate":0.5,"groups":1,"bias":true,"function":"relu"}`, `{"filters":8,"kernel":[3,3],"stride":[3,3],"padding":"same","rate":0.5,"groups":1,"bias":true,"function":"relu"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, problems := declaration.Resolve("conv2d", object(t, test.given))
			if problems != nil {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(object(t, test.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestResolveRefuses(t *testing.T) {
	const given = `{"filters":8,"kernel":3}`
	tests := map[string]struct{ old, new, want string }{
		"missing":          {`"kernel":3`, `"bias":true`, "conv2d.kernel: is missing; it should be a positive integer or a list [height, width] of them"},
		"zero":             {`8`, `0`, "conv2d.filters: 0 is not a positive integer"},
		"fraction":         {`8`, `1.5`, "conv2d.filters: 1.5 is not a positive integer"},
		"text":             {`8`, `"8"`, `conv2d.filters: "8" is not a positive integer`},
		"empty":            {`8`, `null`, "conv2d.filters: is empty; it should be a positive integer (give a value or leave the field out)"},
		"too large":        {`8`, `9007199254740992`, "conv2d.filters: 9007199254740992 is not an integer from 1 to 9007199254740991"},
		"size zero":        {`3}`, `0}`, "conv2d.kernel: 0 is not a positive integer"},
		"size of three":    {`3}`, `[1,2,3]}`, "conv2d.kernel: has 3 entries; exactly 2 are needed"},
		"size within":      {`3}`, `[1,-1]}`, "conv2d.kernel[1]: -1 is not a positive integer"},
		"size a text":      {`3}`, `"3"}`, `conv2d.kernel: "3" is not a positive integer or a list [height, width] of them`},
		"size huge":        {`3}`, `1e9}`, "conv2d.kernel: 1000000000 is not an integer from 1 to 1048576"},
		"padding negative": {`3}`, `3,"padding":-1}`, "conv2d.padding: -1 is not an integer of at least 0"},
		"padding a word":   {`3}`, `3,"padding":"sane"}`, `conv2d.padding: "sane" is not one of same, valid (did you mean same?)`},
		"padding true":     {`3}`, `3,"padding":true}`, "conv2d.padding: true is not same, valid, an integer of at least 0 or a list [height, width] of them"},
		"open limit":       {`3}`, `3,"rate":0}`, "conv2d.rate: 0 is not a positive number up to 1"},
		"closed limit":     {`3}`, `3,"rate":1.5}`, "conv2d.rate: 1.5 is not a positive number up to 1"},
		"not a boolean":    {`3}`, `3,"bias":1}`, "conv2d.bias: 1 is not true or false"},
		"not a choice":     {`3}`, `3,"function":"relu6"}`, `conv2d.function: "relu6" is not one of relu, tanh (did you mean relu?)`},
		"unknown":          {`3}`, `3,"bais":true}`, "conv2d.bais: unknown field (did you mean bias?)"},
		"several":          {given, `{"filters":0,"kernel":0}`, "conv2d.filters: 0 is not a positive integer\nconv2d.kernel: 0 is not a positive integer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, problems := declaration.Resolve("conv2d", object(t, replace(t, given, test.old, test.new)))
			var lines []string
			for _, p := range problems {
				lines = append(lines, p.String())
			}
			if got := strings.Join(lines, "\n"); got != test.want {
				t.Errorf("told:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestAttributes(t *testing.T) {
	resolved, problems := declaration.Resolve("conv2d", map[string]any{"filters": 8, "kernel": []int{3, 5}, "padding": 2})
	if problems != nil {
		t.Fatal(problems)
	}
	a := schema.Attributes(resolved)
	if a.Int("filters") != 8 || a.Float("rate") != 0.5 || !a.Bool("bias") || a.Text("function") != "relu" {
		t.Errorf("read as %v", a)
	}
	if h, w := a.Size("kernel"); h != 3 || w != 5 {
		t.Errorf("kernel of %d by %d, want 3 by 5", h, w)
	}
	if mode, h, w := a.Padding("padding"); mode != "" || h != 2 || w != 2 {
		t.Errorf("padding %q %d, %d, want 2, 2", mode, h, w)
	}
	a["padding"] = "same"
	if mode, _, _ := a.Padding("padding"); mode != "same" {
		t.Errorf("padding %q, want same", mode)
	}
	defer func() {
		if recover() == nil {
			t.Error("a text passes for a number")
		}
	}()
	a.Int("function")
}

func TestVocabularyIsDeterministic(t *testing.T) {
	v := schema.Vocabulary{
		Layers: []schema.Declaration{declaration, {Name: "dense"}}, Losses: []schema.Declaration{{Name: "b"}, {Name: "a"}}, Optimizers: []schema.Declaration{{Name: "sgd"}},
	}
	first := v.JSONSchema()
	slices.Reverse(v.Layers)
	slices.Reverse(v.Losses)
	if !bytes.Equal(first, v.JSONSchema()) {
		t.Error("the order of declarations changes the schema")
	}
	if d, ok := schema.Find(v.Layers, "dense"); !ok || d.Name != "dense" {
		t.Error("dense is not found")
	}
	if _, ok := schema.Find(v.Layers, "teleport"); ok {
		t.Error("what is not declared is found")
	}
}
