package graph_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

func layer(kind string, attributes map[string]any) schema.Layer {
	return schema.Layer{Component: schema.Component{Kind: kind, Attributes: attributes}}
}

func build(shape []int, layers ...schema.Layer) (*graph.Graph, error) {
	m := schema.Model{Input: schema.Input{Shape: shape, DType: "u8"}, Layers: layers, Loss: schema.Named{Component: schema.Component{Kind: kernel.SoftmaxCrossEntropy}}}
	return graph.Build("closure.yaml", m, kernel.GraphOps())
}

// lenet is LeNet-5 with rectifiers, whose numbers are well known.
func lenet(t *testing.T) *graph.Graph {
	t.Helper()
	g, err := build([]int{28, 28, 1},
		layer("conv2d", map[string]any{"filters": 6, "kernel": 5, "padding": "same", "activation": "relu"}),
		layer("maxpool2d", nil),
		layer("conv2d", map[string]any{"filters": 16, "kernel": 5, "activation": "relu"}),
		layer("maxpool2d", map[string]any{"size": 2}),
		layer("flatten", nil),
		layer("dense", map[string]any{"units": 120, "activation": "relu"}),
		layer("dense", map[string]any{"units": 84, "activation": "relu"}),
		layer("dense", map[string]any{"units": 10}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestBuild(t *testing.T) {
	g := lenet(t)
	var names []string
	shapes := map[string][]int{}
	for _, n := range g.Nodes {
		names = append(names, n.Name)
		shapes[n.Name] = n.Shape
	}
	want := "input conv1 conv1.relu maxpool1 conv2 conv2.relu maxpool2 flatten1 dense1 dense1.relu dense2 dense2.relu dense3"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("nodes %s, want %s", got, want)
	}
	for name, want := range map[string][]int{
		"conv1": {28, 28, 6}, "maxpool1": {14, 14, 6}, "conv2": {10, 10, 16}, "maxpool2": {5, 5, 16}, "flatten1": {400}, "dense3": {10},
	} {
		if diff := cmp.Diff(want, shapes[name]); diff != "" {
			t.Errorf("shape of %s (-want +got):\n%s", name, diff)
		}
	}
	if got := g.ParameterCount(); got != 61706 {
		t.Errorf("%d parameters, want 61,706", got)
	}
	// 28·28·25·6 + 10·10·150·16 + 400·120 + 120·84 + 84·10, and twice as much again but for the first layer's input.
	const first, all = 117600, 416520
	if forward, train := g.MultiplyAdds(); forward != all || train != 3*all-first {
		t.Errorf("%d and %d multiply-adds, want %d and %d", forward, train, all, 3*all-first)
	}
}

func TestNames(t *testing.T) {
	named := layer("dense", map[string]any{"units": 2})
	named.Name = "head"
	g, err := build([]int{3}, layer("dense", map[string]any{"units": 2}), named, layer("dense", map[string]any{"units": 2}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range g.Nodes[1:] {
		names = append(names, n.Name)
	}
	if got := strings.Join(names, " "); got != "dense1 head dense2" {
		t.Errorf("names %s", got)
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape []int
		layer schema.Layer
		path  string
	}{
		{"no shape", nil, layer("flatten", nil), "model.input.shape"},
		{"an empty shape", []int{3, 0}, layer("flatten", nil), "model.input.shape"},
		{"a negative shape", []int{-3, -3}, layer("flatten", nil), "model.input.shape"},
		{"a shape whose product overflows", []int{1 << 32, 1 << 32}, layer("flatten", nil), "model.input.shape"},
		{"an unknown operation", []int{3}, layer("teleport", nil), "model.layers[0]"},
		{"an unknown attribute", []int{3}, layer("dense", map[string]any{"units": 1, "size": 1}), "model.layers[0].dense.size"},
		{"a shape that does not fit", []int{3}, layer("maxpool2d", nil), "model.layers[0].maxpool2d"},
		{"too large a weight", []int{1 << 20}, layer("dense", map[string]any{"units": 1 << 10}), "model.layers[0].dense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := build(c.shape, c.layer)
			var invalid *schema.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("error %v", err)
			}
			if got := invalid.Problems[0].Path; got != c.path {
				t.Errorf("the problem is at %q, want %q", got, c.path)
			}
		})
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  bool
	}{
		{[]int{1}, true},
		{[]int{graph.MaxElements}, true},
		{[]int{graph.MaxElements, 1, 1}, true},
		{[]int{graph.MaxElements + 1}, false},
		{[]int{2, graph.MaxElements}, false},
		{[]int{math.MaxInt, math.MaxInt}, false},
		{nil, false},
		{[]int{0}, false},
		{[]int{5, -1}, false},
	} {
		if got := graph.Fits(c.shape); got != c.want {
			t.Errorf("Fits(%v) = %v", c.shape, got)
		}
	}
}

// Branches name what they read; the table and the costs know of it.
func TestBranches(t *testing.T) {
	read := func(l schema.Layer, inputs ...string) schema.Layer {
		l.Inputs = inputs
		return l
	}
	dense := layer("dense", map[string]any{"units": 4, "activation": "relu"})
	g, err := build([]int{3}, dense, dense, read(dense, "dense1"), read(layer("add", nil), "dense3", "dense2"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	g.Print(&b)
	for _, want := range []string{"reads dense1.relu\n", "reads dense3.relu, dense2.relu\n"} {
		if strings.Count(b.String(), want) != 1 {
			t.Errorf("not once %q in\n%s", want, b.String())
		}
	}
	if n := g.Nodes[2]; len(n.Readers) != 2 || n.Readers[0] != g.Nodes[3] || n.Readers[1] != g.Nodes[5] {
		t.Errorf("%s has the readers %v", n.Name, n.Readers)
	}
	// Only the first layer's input needs no gradient.
	if forward, train := g.MultiplyAdds(); forward != 12+16+16 || train != 3*forward-12 {
		t.Errorf("%d and %d multiply-adds", forward, train)
	}
}

func TestPrint(t *testing.T) {
	var b bytes.Buffer
	lenet(t).Print(&b)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 14 || !strings.Contains(lines[2], "28×28×6") || !strings.Contains(lines[2], "117600") {
		t.Errorf("the table is\n%s", b.String())
	}
}
