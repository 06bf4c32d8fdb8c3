// Package graph turns a model of the vocabulary into a directed acyclic graph of nodes with shapes and parameters, without
// any code.
//
// Phases: Build checks every layer's attributes against the operation's declaration, finds its inputs among the layers
// before it, infers shapes, expands the `activation` attribute into a node of its own and names what has no name. All
// problems of a model are collected, each with its place in the specification.
package graph

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Op is an operation of the vocabulary, seen from the graph: what it is called and what it makes of a shape. Shapes are
// those of one example, without the batch.
type Op interface {
	Declaration() schema.Declaration
	// Infer returns the output's shape and the parameters, given the shape of each input. The attributes are resolved, and
	// there are as many inputs as the declaration allows.
	Infer(a schema.Attributes, in [][]int) (Inference, error)
}

// Inference is what an operation says about itself at a shape.
type Inference struct {
	Shape      []int
	Parameters []Parameter
	// Averages are tensors beside the parameters, made by training but not by a gradient. Their FanIn plays no part.
	Averages []Parameter
	// MultiplyAdds is the textbook count of the forward pass of one example.
	MultiplyAdds int64
}

// Parameter is a trainable tensor.
type Parameter struct {
	Name          string // "weight", "bias"
	Shape         []int
	FanIn, FanOut int
	Bias          bool    // not regularised
	Initializer   string  // "" is the algorithm's, or zeros for a bias
	Value         float64 // of the initializer constant
}

// InitializedBy is the initializer, given that of the algorithm.
func (p Parameter) InitializedBy(algorithm schema.Named) schema.Named {
	own := p.Initializer
	if p.Bias {
		own = cmp.Or(own, "zeros")
	}
	if own == "" {
		return algorithm
	}
	named := schema.Named{Component: schema.Component{Kind: own}}
	if own == "constant" {
		named.Attributes = map[string]any{"value": p.Value}
	}
	return named
}

// Node is one operation at its place.
type Node struct {
	Name       string
	Kind       string
	Op         Op
	Attributes schema.Attributes
	Inputs     []*Node // none for the model's input
	// Readers are the nodes that name this one among their inputs, in the order of the graph; one that names it twice is
	// there twice. Only the last node has none.
	Readers    []*Node
	Shape      []int
	Parameters []Parameter
	Averages   []Parameter
	Rate       float64 // multiplier of the learning rate
	// Expanded marks a node that stands for another layer's attribute.
	Expanded bool
	// Fused is an activation that the node before computes as it stores its outputs. Both nodes name it; "" is none.
	Fused string
	// MultiplyAdds of the forward pass of one example.
	MultiplyAdds int64
}

// In is the node's first input, which for most operations is the only one.
func (n *Node) In() *Node { return n.Inputs[0] }

// Graph is a list of nodes in which inputs come before their readers; the first is the model's input.
type Graph struct {
	Nodes []*Node
	Loss  schema.Named
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

// Trained reports, for each node, whether it or anything before it has parameters: whether the loss's gradient by its
// output is needed.
func (g *Graph) Trained() map[*Node]bool {
	trained := make(map[*Node]bool, len(g.Nodes))
	for _, n := range g.Nodes {
		trained[n] = len(n.Parameters) > 0 || slices.ContainsFunc(n.Inputs, func(in *Node) bool { return trained[in] })
	}
	return trained
}

// MultiplyAdds is the textbook count for one trained example: forward, and backward for parameters and for inputs. A layer
// before which nothing is trained needs no gradient by its input, so that does not count.
func (g *Graph) MultiplyAdds() (forward, train int64) {
	trained := g.Trained()
	for _, n := range g.Nodes {
		forward += n.MultiplyAdds
		train += 2 * n.MultiplyAdds
		if slices.ContainsFunc(n.Inputs, func(in *Node) bool { return trained[in] }) {
			train += n.MultiplyAdds
		}
	}
	return forward, train
}

// Activation is the kind of the node that the attribute `activation` of another layer becomes.
const Activation = "activation"

// BatchNorm is the kind of a layer that needs all of a microbatch at once.
const BatchNorm = "batch-norm"

// Normalizes reports whether there is a batch norm.
func (g *Graph) Normalizes() bool {
	return slices.ContainsFunc(g.Nodes, func(n *Node) bool { return n.Kind == BatchNorm })
}

// Build makes the graph of a model whose layers' attributes may still lack defaults.
func Build(document string, m schema.Model, ops []Op) (*Graph, error) {
	byKind := make(map[string]Op, len(ops))
	for _, op := range ops {
		byKind[op.Declaration().Name] = op
	}
	b := &builder{ops: byKind, outputs: map[string]*Node{}, last: schema.InputLayer, counts: map[string]int{}}
	if !Fits(m.Input.Shape) {
		b.problem("model.input.shape", "%v has no elements, or more than %d", m.Input.Shape, MaxElements)
		return nil, b.invalid(document)
	}
	b.nodes = []*Node{{Name: schema.InputLayer, Kind: "input", Shape: m.Input.Shape}}
	b.outputs[schema.InputLayer] = b.nodes[0]
	for i, l := range m.Layers {
		if !b.layer(fmt.Sprintf("model.layers[%d]", i), l) {
			break // shapes after this one would only repeat the trouble
		}
		b.ends = append(b.ends, b.nodes[len(b.nodes)-1])
	}
	if len(b.problems) == 0 {
		b.unread()
		b.dropBiases()
	}
	if len(b.problems) > 0 {
		return nil, b.invalid(document)
	}
	return &Graph{Nodes: b.nodes, Loss: m.Loss}, nil
}

type builder struct {
	ops      map[string]Op
	nodes    []*Node
	ends     []*Node          // of each layer
	outputs  map[string]*Node // by the layer's name
	last     string           // name of the last layer
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
	inputs := b.inputs(path+".inputs", l, op.Declaration())
	if inputs == nil {
		return false
	}
	var shapes [][]int
	for _, in := range inputs {
		shapes = append(shapes, in.Shape)
	}
	inf, err := op.Infer(resolved, shapes)
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
	n := b.add(&Node{
		Name: name, Kind: l.Kind, Op: op, Attributes: resolved, Inputs: inputs, Shape: inf.Shape,
		Parameters: inf.Parameters, Averages: inf.Averages, Rate: rate, MultiplyAdds: inf.MultiplyAdds,
	})
	if f, ok := resolved["activation"].(string); ok && f != "" && f != "linear" {
		n = b.add(&Node{
			Name: name + "." + f, Kind: Activation, Op: b.ops[Activation],
			Attributes: schema.Attributes{"function": f}, Inputs: []*Node{n}, Shape: inf.Shape, Rate: 1,
			Expanded: true,
		})
	}
	b.outputs[name], b.last = n, name
	return true
}

func (b *builder) add(n *Node) *Node {
	b.nodes = append(b.nodes, n)
	for _, in := range n.Inputs {
		in.Readers = append(in.Readers, n)
	}
	return n
}

// inputs are the nodes that a layer reads: those that it names, else the layer before. It is nil where they are not those
// of a layer before, or not as many as the operation takes.
func (b *builder) inputs(path string, l schema.Layer, d schema.Declaration) []*Node {
	list := []*Node{b.nodes[len(b.nodes)-1]}
	if len(l.Inputs) > 0 {
		list = nil
	}
	for i, name := range l.Inputs {
		in, ok := b.outputs[name]
		if !ok {
			b.problem(fmt.Sprintf("%s[%d]", path, i), "%q is not the name of a layer before this one", name)
			return nil
		}
		list = append(list, in)
	}
	least, most := max(d.MinInputs, 1), max(d.MaxInputs, 1)
	switch n := len(list); {
	case n > most && most == 1:
		b.problem(path, "names %d layers; %s reads one. Put a layer between that merges them, such as add or concat", n, l.Kind)
		return nil
	case n > most:
		b.problem(path, "names %d layers; %s reads at most %d", n, l.Kind, most)
		return nil
	case n < least:
		b.problem(path, "%s merges at least %d layers; name them, such as inputs: [%s, …]", l.Kind, least, b.last)
		return nil
	}
	return list
}

// dropBiases leaves out what a batch norm behind it takes away again: its true gradient is 0, and rounding noise would make
// it wander.
func (b *builder) dropBiases() {
	for _, n := range b.nodes {
		if len(n.Readers) != 1 || n.Readers[0].Kind != BatchNorm {
			continue
		}
		i := slices.IndexFunc(n.Parameters, func(p Parameter) bool { return p.Name == "bias" })
		if _, ok := n.Attributes["bias"]; ok && i >= 0 {
			n.Parameters = slices.Delete(slices.Clone(n.Parameters), i, i+1)
			n.Attributes["bias"] = false
		}
	}
}

// unread complains about layers whose output goes nowhere.
func (b *builder) unread() {
	for i, n := range b.ends {
		if len(n.Readers) == 0 && i < len(b.ends)-1 {
			b.problem(fmt.Sprintf("model.layers[%d]", i), "no layer reads its output; name it among the inputs of a later one, or leave it out")
		}
	}
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
	switch b.outputs[name] {
	case nil:
	case b.nodes[0]:
		b.problem(path+".name", "%q is the name of the model's input", name)
	default:
		b.problem(path+".name", "%q is the name of an earlier layer", name)
	}
	return name
}

// Branches are the names of the nodes that node i reads, where these are not just the node before.
func (g *Graph) Branches(i int) []string {
	n := g.Nodes[i]
	if len(n.Inputs) == 0 || len(n.Inputs) == 1 && n.In() == g.Nodes[i-1] {
		return nil
	}
	var names []string
	for _, in := range n.Inputs {
		names = append(names, in.Name)
	}
	return names
}

// Print writes the graph as a table. What a node reads is written behind its line where it is not the node before.
func (g *Graph) Print(w io.Writer) {
	fmt.Fprintf(w, "%-16s %-12s %-14s %12s %14s\n", "layer", "kind", "output", "parameters", "multiply-adds")
	for i, n := range g.Nodes {
		count := 0
		for _, p := range n.Parameters {
			count += schema.Elements(p.Shape)
		}
		shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Shape), " ", "×"), "[]")
		fmt.Fprintf(w, "%-16s %-12s %-14s %12d %14d", n.Name, n.Kind, shape, count, n.MultiplyAdds)
		if reads := g.Branches(i); reads != nil {
			fmt.Fprintf(w, "  reads %s", strings.Join(reads, ", "))
		}
		fmt.Fprintln(w)
	}
}
