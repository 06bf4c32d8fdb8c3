package runner

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Tensors are everything of an engine that outlives a call, by value.
type Tensors struct {
	Parameters []closure.Tensor
	State      []closure.Tensor
}

// Digests are the content digest of the parameters and the run digest, which is over the state too.
func (t Tensors) Digests() (parameters, run schema.Digest, err error) {
	if parameters, err = closure.ContentDigest(t.Parameters); err != nil {
		return parameters, run, err
	}
	run, err = closure.ContentDigest(t.Parameters, t.State)
	return parameters, run, err
}

// Fit checks that the tensors are exactly those of an engine's tables, in any order. Else it is *schema.Invalid with a
// problem for every tensor that is missing, unknown or of another type or shape.
func (t Tensors) Fit(s *schema.EngineSection) error {
	problems := append(fit("parameters", s.Parameters, t.Parameters), fit("state", s.State, t.State)...)
	if len(problems) > 0 {
		return &schema.Invalid{Document: "tensors", Problems: problems}
	}
	return nil
}

// FitParameters is Fit for the parameters alone.
func (t Tensors) FitParameters(s *schema.EngineSection) error {
	if problems := fit("parameters", s.Parameters, t.Parameters); len(problems) > 0 {
		return &schema.Invalid{Document: "tensors", Problems: problems}
	}
	return nil
}

func fit(group string, table []schema.Tensor, tensors []closure.Tensor) []schema.Problem {
	var problems []schema.Problem
	problem := func(name, message string) {
		problems = append(problems, schema.Problem{Path: group + "." + name, Message: message})
	}
	byName := index(tensors)
	if len(byName) != len(tensors) {
		problems = append(problems, schema.Problem{Path: group, Message: "a tensor is there twice"})
	}
	for _, want := range table {
		got, ok := byName[want.Name]
		switch {
		case !ok:
			problem(want.Name, "missing, and the engine has it")
		case got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) || len(got.Data) != want.Bytes():
			problem(want.Name, describe(got.DType, got.Shape)+", and the engine's is "+describe(want.DType, want.Shape))
		}
		delete(byName, want.Name)
	}
	for _, t := range tensors {
		if _, ok := byName[t.Name]; ok {
			problem(t.Name, "the engine has no such tensor")
		}
	}
	return problems
}

func index(tensors []closure.Tensor) map[string]closure.Tensor {
	byName := make(map[string]closure.Tensor, len(tensors))
	for _, t := range tensors {
		byName[t.Name] = t
	}
	return byName
}

func describe(dtype string, shape []int) string { return fmt.Sprintf("%s%v", dtype, shape) }

// flatten lists the bytes of parameters and state in the order of the engine's tables.
func (t Tensors) flatten(s *schema.EngineSection) [][]byte {
	var parts [][]byte
	add := func(table []schema.Tensor, tensors []closure.Tensor) {
		byName := index(tensors)
		for _, want := range table {
			parts = append(parts, byName[want.Name].Data)
		}
	}
	add(s.Parameters, t.Parameters)
	add(s.State, t.State)
	return parts
}

// unflatten is the inverse.
func unflatten(s *schema.EngineSection, b []byte) (Tensors, error) {
	var t Tensors
	take := func(table []schema.Tensor) ([]closure.Tensor, error) {
		tensors := []closure.Tensor{}
		for _, want := range table {
			if len(b) < want.Bytes() {
				return nil, fmt.Errorf("%w: parameters and state are cut short", ErrChild)
			}
			tensors = append(tensors, closure.Tensor{Name: want.Name, DType: want.DType, Shape: want.Shape, Data: b[:want.Bytes():want.Bytes()]})
			b = b[want.Bytes():]
		}
		return tensors, nil
	}
	var err error
	if t.Parameters, err = take(s.Parameters); err != nil {
		return t, err
	}
	t.State, err = take(s.State)
	return t, err
}
