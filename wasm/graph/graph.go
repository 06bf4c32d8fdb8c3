// Package graph turns a model of the vocabulary into a chain of nodes with shapes and parameters, without any code.
//
// Phases: Build checks every layer's attributes against the operation's declaration, infers shapes, expands the
// `activation` attribute into a node of its own and names what has no name. All problems of a model are collected, each
// with its place in the specification.
package graph

import (
	"fmt"
	"io"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Op is an operation of the vocabulary, seen from the graph: what it is called and what it makes of a shape. Shapes are
// those of one example, without the batch.
type Op interface {
	Declaration() schema.Declaration
	// Infer returns the output's shape and the parameters. The attributes are resolved.
	Infer(a schema.Attributes, in []int) (Inference, error)
}

// Inference is what an operation says about itself at a shape.
type Inference struct {
	Shape      []int
	Parameters []Parameter
	// MultiplyAdds is the textbook count of the forward pass of one example.
	MultiplyAdds int64
}

// Parameter is a trainable tensor.
type Parameter struct {
	Name          string // "weight", "bias"
	Shape         []int
	FanIn, FanOut int
	Bias          bool // initialised to zero, not regularised
}

// Node is one operation at its place.
type Node struct {
	Name       string
	Kind       string
	Op         Op
	Attributes schema.Attributes
	In         *Node // nil for the input
	Shape      []int
	Parameters []Parameter
	Rate       float64 // multiplier of the learning rate
	// Expanded marks a node that stands for another layer's attribute.
	Expanded bool
	// Fused is an activation that the node before computes as it stores its outputs. Both nodes name it; "" is none.
	Fused string
	// MultiplyAdds of the forward pass of one example.
	MultiplyAdds int64
}

// Graph is a chain of nodes; the first is the input.
type Graph struct {
	Nodes []*Node
	Loss  string
}

// Output is the last node.
func (g *Graph) Output() *Node { return g.Nodes[len(g.Nodes)-1] }

// ParameterCount is the number of trainable values.
func (g *Graph) ParameterCount() int {
	n := 0
	for _, node := range g.Nodes {
		for _, p := range node.Parameters {
			n += schema.Elements(p.Shape)
		}
	}
	return n
}

// MultiplyAdds is the textbook count for one trained example: forward, and backward for parameters and for inputs. The
// input gradient of the first layer that has parameters is not needed, so it does not count.
func (g *Graph) MultiplyAdds() (forward, train int64) {
	first := true
	for _, n := range g.Nodes {
		forward += n.MultiplyAdds
		train += 3 * n.MultiplyAdds
		if first && n.MultiplyAdds > 0 {
			train -= n.MultiplyAdds
			first = false
		}
	}
	return forward, train
}

// Activation is the kind of the node that the attribute `activation` of another layer becomes.
const Activation = "activation"

// Build makes the graph of a model whose layers' attributes may still lack defaults.
func Build(document string, m schema.Model, ops []Op) (*Graph, error) {
	byKind := make(map[string]Op, len(ops))
	for _, op := range ops {
		byKind[op.Declaration().Name] = op
	}
	b := &builder{ops: byKind, names: map[string]bool{}, counts: map[string]int{}}
	if !Fits(m.Input.Shape) {
		b.problem("model.input.shape", "%v has no elements, or more than %d", m.Input.Shape, MaxElements)
		return nil, b.invalid(document)
	}
	b.nodes = []*Node{{Name: "input", Kind: "input", Shape: m.Input.Shape}}
	for i, l := range m.Layers {
		if !b.layer(fmt.Sprintf("model.layers[%d]", i), l) {
			break // shapes after this one would only repeat the trouble
		}
	}
	if len(b.problems) > 0 {
		return nil, b.invalid(document)
	}
	return &Graph{Nodes: b.nodes, Loss: m.Loss}, nil
}

type builder struct {
	ops      map[string]Op
	nodes    []*Node
	names    map[string]bool
	counts   map[string]int
	problems []schema.Problem
}

func (b *builder) problem(path, format string, args ...any) {
	b.problems = append(b.problems, schema.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (b *builder) invalid(document string) error {
	return &schema.Invalid{Document: document, Problems: b.problems}
}

// layer appends the nodes of one layer and reports whether shapes are known after it.
func (b *builder) layer(path string, l schema.Layer) bool {
	op, ok := b.ops[l.Kind]
	if !ok {
		b.problem(path, "%q is not a layer", l.Kind)
		return false
	}
	opPath := path + "." + l.Kind
	resolved, problems := op.Declaration().Resolve(opPath, l.Attributes)
	if len(problems) > 0 {
		b.problems = append(b.problems, problems...)
		return false
	}
	in := b.nodes[len(b.nodes)-1]
	if len(l.Inputs) > 0 && (len(l.Inputs) != 1 || l.Inputs[0] != in.Name) {
		b.problem(path+".inputs", "only the layer before (%q) can be the input of a %s", in.Name, l.Kind)
		return false
	}
	inf, err := op.Infer(resolved, in.Shape)
	if err != nil {
		b.problem(opPath, "%v", err)
		return false
	}
	if !b.fits(opPath, inf) {
		return false
	}
	rate := 1.0
	if l.Rate != nil {
		rate = *l.Rate
	}
	name := b.name(path, l)
	b.nodes = append(b.nodes, &Node{
		Name: name, Kind: l.Kind, Op: op, Attributes: resolved, In: in, Shape: inf.Shape,
		Parameters: inf.Parameters, Rate: rate, MultiplyAdds: inf.MultiplyAdds,
	})
	if f, ok := resolved["activation"].(string); ok && f != "" && f != "linear" {
		b.nodes = append(b.nodes, &Node{
			Name: name + "." + f, Kind: Activation, Op: b.ops[Activation],
			Attributes: schema.Attributes{"function": f}, In: b.nodes[len(b.nodes)-1], Shape: inf.Shape, Rate: 1,
			Expanded: true,
		})
	}
	return true
}

// MaxElements bounds a tensor: a gigabyte of f32.
const MaxElements = 1 << 28

// Fits reports whether a shape has elements, and no more than MaxElements.
func Fits(shape []int) bool {
	n := 1
	for _, d := range shape {
		if d < 1 || d > MaxElements/n {
			return false
		}
		n *= d
	}
	return len(shape) > 0
}

// fits reports whether all tensors of a layer do, and complains about one that does not.
func (b *builder) fits(path string, inf Inference) bool {
	if !Fits(inf.Shape) {
		b.problem(path, "its output has the shape %v; at most %d elements are possible", inf.Shape, MaxElements)
		return false
	}
	for _, p := range inf.Parameters {
		if !Fits(p.Shape) {
			b.problem(path, "its %s has the shape %v; at most %d elements are possible", p.Name, p.Shape, MaxElements)
			return false
		}
	}
	return true
}

// name is the layer's own, or its kind (without a trailing dimension such as "2d") and a number: conv1, dense2.
func (b *builder) name(path string, l schema.Layer) string {
	name := l.Name
	if name == "" {
		stem := strings.TrimSuffix(strings.TrimSuffix(l.Kind, "2d"), "1d")
		b.counts[stem]++
		name = fmt.Sprintf("%s%d", stem, b.counts[stem])
	}
	if b.names[name] {
		b.problem(path+".name", "%q is the name of an earlier layer", name)
	}
	b.names[name] = true
	return name
}

// Print writes the graph as a table.
func (g *Graph) Print(w io.Writer) {
	fmt.Fprintf(w, "%-16s %-12s %-14s %12s %14s\n", "layer", "kind", "output", "parameters", "multiply-adds")
	for _, n := range g.Nodes {
		count := 0
		for _, p := range n.Parameters {
			count += schema.Elements(p.Shape)
		}
		shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Shape), " ", "×"), "[]")
		fmt.Fprintf(w, "%-16s %-12s %-14s %12d %14d\n", n.Name, n.Kind, shape, count, n.MultiplyAdds)
	}
}
