package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
)

// Op is an operation of the vocabulary with its code. A new one is a file with such a type, and its line in Ops.
type Op interface {
	graph.Op
	// Place says what the operation needs of the memory, given the layout that its input has.
	Place(n *graph.Node, in Layout, t Tile) Placement
	// Emit emits its functions. Addresses are constants by then.
	Emit(e *Emitter, n *Node) Kernels
}

// Ops is the vocabulary of layers.
func Ops() []Op {
	return []Op{dense{}, conv2d{}, pool2d{max: true}, pool2d{}, flatten{}, dropout{}, activation{}}
}

// GraphOps is the same list as the graph sees it.
func GraphOps() []graph.Op {
	var ops []graph.Op
	for _, op := range Ops() {
		ops = append(ops, op)
	}
	return ops
}

// Vocabulary declares everything that a specification may name.
func Vocabulary() schema.Vocabulary {
	v := schema.Vocabulary{Losses: Losses(), Initializers: Initializers(), Activations: Activations()}
	for _, op := range Ops() {
		v.Layers = append(v.Layers, op.Declaration())
	}
	for _, o := range Optimizers() {
		v.Optimizers = append(v.Optimizers, o.Declaration())
	}
	for _, s := range Schedules() {
		v.Schedules = append(v.Schedules, s.Declaration())
	}
	return v
}

// Placement is what an operation needs of the memory.
type Placement struct {
	Out     Layout // of the output
	InPlace bool   // the output takes the input's buffer
	Halo    Halo   // that the input must have; only the model's input offers one
	// Bytes of areas of its own: Pack lives from Prepare to the end of the call (weights spread over lanes), Partial
	// from the first to the last tile (sums that Finish folds), Saved from Forward to Backward of one tile, and
	// Scratch during one function.
	Pack, Partial, Saved, Scratch int
}

// Node is a graph node with its place in memory.
type Node struct {
	*graph.Node
	In, Out Buffer // values of a tile
	// OutGrad holds the loss's gradient by Out when Backward runs. Backward leaves that by In in InGrad, unless nobody
	// needs it (InGrad.Addr == 0).
	InGrad, OutGrad Buffer
	Parameters      []Parameter
	Index           int // position in the chain, which keys random streams

	Pack, Partial, Saved, Scratch int // addresses

	Tile    Tile
	Context Context
}

// Weight and bias of a node that has both or only the first.
func (n *Node) weight() Parameter { return n.Parameters[0] }

func (n *Node) bias() (Parameter, bool) {
	if len(n.Parameters) < 2 {
		return Parameter{}, false
	}
	return n.Parameters[1], true
}

// needsInGrad reports whether anything before the node is trained.
func (n *Node) needsInGrad() bool { return n.InGrad.Addr != 0 }

// Kernels are an operation's functions, nil where there is nothing to do. None has parameters or results: they work on
// the node's buffers, a tile at a time.
type Kernels struct {
	Prepare         *Fn // before the first tile: packs weights for Forward
	PrepareBackward *Fn // the same while training: packs for Backward, clears Partial
	Forward         *Fn // while training
	Infer           *Fn // while evaluating and predicting
	Backward        *Fn // adds to the gradients of the parameters, sets InGrad
	Finish          *Fn // after the last tile: folds Partial into the gradients
}

// define emits a function without parameters and results.
func (e *Emitter) define(name string, body func(c *code)) *Fn {
	f := e.Define(name, nil, nil, func(c *code, _ []local) { body(c) })
	return &f
}
