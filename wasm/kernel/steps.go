package kernel

import "github.com/reprise-ml/reprise/wasm/graph"

// steps is y[t] = W·x[t] + b at each of several steps, W [units, inputs]: the products of dense and recurrent layers over
// sequences. It is a conv2d whose kernel is one pixel, of the steps as an image, which it leaves to that. Memory is the same
// whether the steps are the image's rows or its columns, and so is the order of additions; as rows, a step's values stay in
// the cache while all units are computed, as columns the sums of a weight's gradient stay in registers from step to step.
type steps struct{ rows, columns *graph.Node }

// stepsOf makes them for so many steps, inputs and units.
func stepsOf(count, inputs, units int) steps {
	image := func(height, width int) *graph.Node {
		attributes, problems := conv2d{}.Declaration().Resolve("", map[string]any{"filters": units, "kernel": 1})
		if len(problems) > 0 {
			panic("kernel: " + problems[0].Message)
		}
		in := &graph.Node{Kind: "sequence", Shape: []int{height, width, inputs}}
		return &graph.Node{Kind: "conv2d", Inputs: []*graph.Node{in}, Shape: []int{height, width, units}, Attributes: attributes}
	}
	return steps{rows: image(count, 1), columns: image(1, count)}
}

// place says what the products need of the memory.
func (s steps) place(t Tile) Placement { return conv2d{}.Place(s.rows, Sites, t) }

// stepsAddresses are where the areas of the placement lie.
type stepsAddresses struct{ pack, partial, scratch int }

// emit emits the products for a node, whose buffers, parameters and fused activation they take.
func (s steps) emit(e *Emitter, n *Node, at stepsAddresses) Kernels {
	view := func(shape *graph.Node) *Node {
		as := func(b Buffer, like []int) Buffer {
			b.Shape = like
			return b
		}
		in := shape.Inputs[0].Shape
		v := &Node{
			Node: &graph.Node{Name: n.Name, Kind: shape.Kind, Inputs: shape.Inputs, Shape: shape.Shape, Attributes: shape.Attributes, Fused: n.Fused},
			In:   as(n.In, in), InGrad: as(n.InGrad, in), Out: as(n.Out, shape.Shape), OutGrad: as(n.OutGrad, shape.Shape),
			Parameters: n.Parameters, Index: n.Index, Pack: at.pack, Partial: at.partial, Scratch: at.scratch, Tile: n.Tile, Context: n.Context,
		}
		return v
	}
	return conv2d{}.emit(e, view(s.rows), view(s.columns))
}
