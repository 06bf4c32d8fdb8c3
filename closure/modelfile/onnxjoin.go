package modelfile

import (
	"math"
	"slices"

	"github.com/reprise-ml/reprise/closure"
)

// Exporters write some activations as several nodes. joinFunctions puts one node in their place: Gelu for
// x·0.5·(1 + erf(x/√2)), Silu for x·sigmoid(x), Softsign for x/(1 + |x|).
func joinFunctions(g *onnxGraph) []onnxNode {
	j := joiner{nodes: g.nodes, readers: map[string][]int{}, scalars: map[string]float64{}, gone: make([]bool, len(g.nodes))}
	for name, c := range g.initializers {
		j.scalar(name, c)
	}
	for k, n := range g.nodes {
		if v := n.attributes["value"].tensor; n.op == "Constant" && v != nil {
			j.scalar(n.output(), *v)
		}
		for _, in := range n.inputs {
			if list := j.readers[in]; len(list) == 0 || list[len(list)-1] != k {
				j.readers[in] = append(list, k)
			}
		}
	}
	for _, out := range g.outputs {
		j.readers[out.name] = append(j.readers[out.name], -1)
	}
	for k, n := range g.nodes {
		switch n.op {
		case "Erf":
			j.gelu(k)
		case "Sigmoid":
			if len(n.inputs) == 1 {
				if last, ok := j.product(k, n.inputs[0]); ok {
					j.join("Silu", n.inputs[0], last, k)
				}
			}
		case "Abs":
			if len(n.inputs) == 1 {
				j.softsign(k)
			}
		}
	}
	var left []onnxNode
	for k, n := range j.nodes {
		if !j.gone[k] {
			left = append(left, n)
		}
	}
	return left
}

type joiner struct {
	nodes   []onnxNode
	readers map[string][]int // of a value: nodes, or −1 for the graph's output
	scalars map[string]float64
	gone    []bool
}

func (j *joiner) scalar(name string, c closure.Tensor) {
	if x, ok := scalarOf(c); ok {
		j.scalars[name] = x
	}
}

// next is the one node that reads what node k makes, if its operation is op.
func (j *joiner) next(k int, op string) (int, bool) {
	list := j.readers[j.nodes[k].output()]
	if len(list) != 1 || list[0] < 0 || j.gone[list[0]] || j.nodes[list[0]].op != op {
		return 0, false
	}
	return list[0], true
}

// beside is what a node of two inputs reads beside one that is a number close to x.
func (j *joiner) beside(k int, x float64) (string, bool) {
	n := j.nodes[k]
	if len(n.inputs) != 2 {
		return "", false
	}
	for i, in := range n.inputs {
		if s, ok := j.scalars[in]; ok && math.Abs(s-x) < 1e-6 && (n.op != "Div" || i == 1) {
			return n.inputs[1-i], true
		}
	}
	return "", false
}

// maker is the node that makes a value, if node k reads it.
func (j *joiner) maker(value string, before int) (int, bool) {
	for k := before - 1; k >= 0 && k >= before-maxJoined; k-- {
		if slices.Contains(j.nodes[k].outputs, value) {
			return k, !j.gone[k]
		}
	}
	return 0, false
}

// maxJoined is how far apart the nodes of a function can be.
const maxJoined = 64

// product is the node that alone reads what node k makes, and multiplies it by a value.
func (j *joiner) product(k int, by string) (int, bool) {
	m, ok := j.next(k, "Mul")
	if !ok || len(j.nodes[m].inputs) != 2 || !slices.Contains(j.nodes[m].inputs, by) || by == j.nodes[k].output() {
		return 0, false
	}
	return m, true
}

// join makes the last of some nodes one operation on a value.
func (j *joiner) join(op, of string, last int, others ...int) {
	n := &j.nodes[last]
	n.op, n.inputs, n.attributes = op, []string{of}, nil
	for _, k := range others {
		j.gone[k] = true
	}
}

// gelu starts at the error function. The half is multiplied last, or first.
func (j *joiner) gelu(erf int) {
	if len(j.nodes[erf].inputs) != 1 {
		return
	}
	scaled, ok := j.maker(j.nodes[erf].inputs[0], erf)
	if !ok {
		return
	}
	factor := math.Sqrt2
	if j.nodes[scaled].op == "Mul" {
		factor = 1 / math.Sqrt2
	} else if j.nodes[scaled].op != "Div" {
		return
	}
	x, ok := j.beside(scaled, factor)
	if !ok || len(j.readers[j.nodes[scaled].output()]) != 1 {
		return
	}
	one, ok := j.next(erf, "Add")
	if !ok {
		return
	}
	if _, ok := j.beside(one, 1); !ok {
		return
	}
	if times, ok := j.product(one, x); ok {
		half, ok := j.next(times, "Mul")
		if !ok {
			return
		}
		if _, ok := j.beside(half, 0.5); ok {
			j.join("Gelu", x, half, scaled, erf, one, times)
		}
		return
	}
	last, ok := j.next(one, "Mul")
	if !ok {
		return
	}
	for _, in := range j.nodes[last].inputs {
		if in == j.nodes[one].output() {
			continue
		}
		half, ok := j.maker(in, last)
		if !ok || j.nodes[half].op != "Mul" || len(j.readers[in]) != 1 {
			continue
		}
		if of, ok := j.beside(half, 0.5); ok && of == x {
			j.join("Gelu", x, last, scaled, erf, one, half)
			return
		}
	}
}

func (j *joiner) softsign(abs int) {
	x := j.nodes[abs].inputs[0]
	one, ok := j.next(abs, "Add")
	if !ok {
		return
	}
	if _, ok := j.beside(one, 1); !ok {
		return
	}
	if by, ok := j.next(one, "Div"); ok && slices.Equal(j.nodes[by].inputs, []string{x, j.nodes[one].output()}) {
		j.join("Softsign", x, by, abs, one)
	}
}
