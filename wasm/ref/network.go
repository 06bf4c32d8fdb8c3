package ref

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

// Float is what a network computes in: float32 as engines do, bit for bit, or float64, in which gradients can be measured
// as differences.
type Float interface{ float32 | float64 }

// Call is what a forward or backward pass knows about the call that it is part of.
type Call struct {
	Train                  bool // dropout drops
	Seed, Step, Microbatch int64
	First                  int // number, in the microbatch, of the pass's first example
}

// Network executes a graph, layer by layer. Values of a tensor are [example][element], elements in C order.
type Network[F Float] struct {
	Parameters []*Parameter[F]
	Averages   []*Averages[F]

	input   input[F]
	augment []schema.Component
	layers  []place[F]
	loss    loss[F]
}

// place is a layer with the numbers of the values that it reads; its own stand behind the layer's number.
type place[F Float] struct {
	merging[F]
	inputs []int
}

// Parameter is a trainable tensor: its values, and the gradient of the last backward pass.
type Parameter[F Float] struct {
	graph.Parameter
	Name  string // "conv1.weight"
	Rate  float64
	Value []F
	Grad  []F
}

// layer is an operation with one input at its place.
type layer[F Float] interface {
	forward(c Call, x [][]F) [][]F
	// backward adds to the gradients of the layer's parameters and returns that by x, given those x and y of forward
	// and the gradient by y.
	backward(c Call, x, y, dy [][]F) [][]F
}

// merging is an operation with any number of inputs; its methods are those of layer, for each of them.
type merging[F Float] interface {
	forward(c Call, x [][][]F) [][]F
	backward(c Call, x [][][]F, y, dy [][]F) [][][]F
}

// alone is a layer as one that merges.
type alone[F Float] struct{ layer[F] }

func (l alone[F]) forward(c Call, x [][][]F) [][]F { return l.layer.forward(c, x[0]) }

func (l alone[F]) backward(c Call, x [][][]F, y, dy [][]F) [][][]F {
	return [][][]F{l.layer.backward(c, x[0], y, dy)}
}

// NewNetwork makes the network of a resolved specification and its graph. Parameters are zero.
func NewNetwork[F Float](r schema.Resolved, g *graph.Graph) *Network[F] {
	train := trainDataset(r)
	n := &Network[F]{
		input: newInput[F](r.Model.Input.Normalize, train.Record.Input), augment: r.Algorithm.Augmentation,
		loss: loss[F]{Named: g.Loss, classes: train.Classes, target: train.Record.Target},
	}
	for i, node := range g.Nodes[1:] {
		var own []*Parameter[F]
		for _, p := range node.Parameters {
			count := schema.Elements(p.Shape)
			own = append(own, &Parameter[F]{
				Parameter: p, Name: node.Name + "." + p.Name, Rate: node.Rate, Value: make([]F, count), Grad: make([]F, count),
			})
		}
		n.Parameters = append(n.Parameters, own...)
		l := place[F]{merging: newMerging[F](node)}
		if node.Kind == graph.BatchNorm {
			a := newAverages[F](node, own[0])
			n.Averages = append(n.Averages, a)
			l.merging = alone[F]{&batchNorm[F]{
				epsilon: single(node.Attributes.Float("epsilon")), weight: own[0], bias: own[1], averages: a,
			}}
		}
		if l.merging == nil {
			l.merging = alone[F]{newLayer(node, i+1, own, kernel.TileFor(g, r.Algorithm.InnerBatch()))}
		}
		for _, in := range node.Inputs {
			l.inputs = append(l.inputs, slices.Index(g.Nodes, in))
		}
		n.layers = append(n.layers, l)
	}
	return n
}

func trainDataset(r schema.Resolved) schema.ResolvedDataset {
	for _, d := range r.Datasets {
		if d.Role == schema.RoleTrain {
			return d
		}
	}
	panic("ref: the specification has no data to train on")
}

// newLayer makes the layer of a node, the index-th of its graph.
func newLayer[F Float](node *graph.Node, index int, own []*Parameter[F], tile kernel.Tile) layer[F] {
	if l := newSequenceLayer(node, own, tile.Lanes); l != nil {
		return l
	}
	var weight, bias *Parameter[F]
	if len(own) > 0 {
		weight = own[0]
	}
	if len(own) > 1 {
		bias = own[1]
	}
	switch a := node.Attributes; node.Kind {
	case "dense":
		return dense[F]{inputs: node.In().Shape[0], units: node.Shape[0], weight: weight, bias: bias}
	case "conv2d":
		return conv2d[F]{window: newWindow(node, "kernel"), filters: node.Shape[2], weight: weight, bias: bias, tile: tile.Lanes}
	case "depthwise-conv2d":
		return depthwise[F]{window: newWindow(node, "kernel"), weight: weight, bias: bias, tile: tile.Lanes}
	case "maxpool2d":
		return maxPool2d[F]{newWindow(node, "size")}
	case "avgpool2d":
		return avgPool2d[F]{newWindow(node, "size")}
	case "global-average-pool":
		return globalPool[F]{channels: node.Shape[0]}
	case "global-max-pool":
		return newAdaptivePool[F](node, true, true)
	case "adaptive-maxpool2d":
		return newAdaptivePool[F](node, true, false)
	case "adaptive-avgpool2d":
		return newAdaptivePool[F](node, false, false)
	case "local-response-norm":
		return newLocalResponse[F](node)
	case "group-norm":
		return newGroupNorm(node, a.Int("groups"), weight, bias, tile.Lanes)
	case "instance-norm":
		return newGroupNorm(node, node.Shape[len(node.Shape)-1], weight, bias, tile.Lanes)
	case "flatten", "reshape":
		return flatten[F]{}
	case "permute":
		return newPermute[F](node)
	case "pad":
		return newPad[F](node)
	case "crop":
		return newCrop[F](node)
	case "upsample":
		return newUpsample[F](node)
	case "gaussian-noise":
		return noise[F]{deviation: single(a.Float("deviation")), layer: index}
	case "dropout":
		return dropout[F]{rate: single(a.Float("rate")), layer: index}
	case "prelu":
		return prelu[F]{weight: weight, tile: tile.Lanes}
	case "maxout":
		return maxout[F]{a.Int("size")}
	case graph.Activation:
		return activation[F]{a.Text("function")}
	}
	panic(fmt.Sprintf("ref: %q is not defined", node.Kind))
}

// Forward gives the values behind each layer, the input's first. The records' input fields stand one behind the other.
func (n *Network[F]) Forward(c Call, records []byte, examples int) [][][]F {
	if c.Train && len(n.augment) > 0 {
		var changed []byte
		size := len(records) / examples
		for i := range examples {
			changed = append(changed, Augment(n.augment, n.input.field, c, c.First+i, records[i*size:][:size])...)
		}
		records = changed
	}
	values := [][][]F{n.input.load(records, examples)}
	for _, l := range n.layers {
		values = append(values, l.forward(c, l.read(values)))
	}
	return values
}

// read gives the values of a layer's inputs.
func (l place[F]) read(values [][][]F) (x [][][]F) {
	for _, i := range l.inputs {
		x = append(x, values[i])
	}
	return x
}

// Backward sets the gradients of all parameters, of the sum of the examples' losses, and returns that by the input. The gradient by values with several
// readers is the sum of their parts, from the last reader to the first, and of one reader in the order of its inputs.
func (n *Network[F]) Backward(c Call, values [][][]F, gradient [][]F) [][]F {
	for _, p := range n.Parameters {
		clear(p.Grad)
	}
	gradients := make([][][]F, len(values))
	gradients[len(values)-1] = gradient
	for i, l := range slices.Backward(n.layers) {
		for slot, part := range l.backward(c, l.read(values), values[i+1], gradients[i+1]) {
			if at := &gradients[l.inputs[slot]]; *at == nil {
				*at = part
			} else {
				*at = plus(*at, part)
			}
		}
	}
	return gradients[0]
}

// Gradient sets the gradients of all parameters for these records.
func (n *Network[F]) Gradient(c Call, input, target []byte, examples int) {
	values, s, ok := n.judge(c, input, target, examples)
	if !ok {
		panic("ref: " + ErrClass.Error())
	}
	n.Backward(c, values, s.gradient)
}

// Loss is the sum of the losses of these records.
func (n *Network[F]) Loss(c Call, input, target []byte, examples int) (sum F) {
	_, s, ok := n.judge(c, input, target, examples)
	if !ok {
		panic("ref: " + ErrClass.Error())
	}
	for _, x := range s.losses {
		sum += x
	}
	return sum
}

// judge runs the network forward and compares what comes out with the targets. It reports whether these are of the model.
func (n *Network[F]) judge(c Call, input, target []byte, examples int) (values [][][]F, s scored[F], ok bool) {
	values = n.Forward(c, input, examples)
	outputs := n.loss.split(values[len(values)-1])
	predictions, normalizer := n.loss.predict(outputs)
	s, ok = n.loss.score(outputs, predictions, normalizer, target)
	if ok {
		s.gradient = n.loss.join(s.gradient)
	}
	return values, s, ok
}

// zeros has the shape of x.
func zeros[F Float](x [][]F) [][]F {
	z := make([][]F, len(x))
	for i := range x {
		z[i] = make([]F, len(x[i]))
	}
	return z
}

// rows makes values of so many elements for each example.
func rows[F Float](examples, elements int) [][]F {
	z := make([][]F, examples)
	for i := range z {
		z[i] = make([]F, elements)
	}
	return z
}

// fold is how four partial sums become one.
func fold[F Float](s [4]F) F { return (s[0] + s[2]) + (s[1] + s[3]) }
