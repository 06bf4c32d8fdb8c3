package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Op is an operation of the vocabulary with its code. A new one is a file with such a type, and its line in Ops.
type Op interface {
	graph.Op
	// Place says what the operation needs of the memory, given the layout that its first input has.
	Place(n *graph.Node, in Layout, t Tile) Placement
	// Emit emits its functions. Addresses are constants by then.
	Emit(e *Emitter, n *Node) Kernels
}

// Ops is the vocabulary of layers.
func Ops() []Op {
	return []Op{
		dense{},
		conv2d{},
		depthwise{},
		pool2d{max: true},
		pool2d{},
		flatten{},
		dropout{},
		activation{},
		onSites{prelu{}},
		onSites{maxout{}},
		batchNorm{},
		globalPool{},
		onSites{adaptivePool{name: "global-max-pool", max: true, global: true}},
		onSites{adaptivePool{name: "adaptive-maxpool2d", max: true}},
		onSites{adaptivePool{name: "adaptive-avgpool2d"}},
		onSites{localResponse{}},
		onSites{groupNorm{"group-norm"}},
		onSites{groupNorm{"instance-norm"}},
		merge{"add"},
		merge{"average"},
		merge{"multiply"},
		merge{"maximum"},
		merge{"minimum"},
		merge{"subtract"},
		onSites{dot{}},
		concat{},
		embedding{},
		positionalEncoding{},
		layerNorm{},
		softmaxLayer{},
		attention{},
		recurrent{simpleCell{}},
		recurrent{lstmCell{}},
		recurrent{gruCell{}},
		onSites{remap{"pad"}},
		onSites{remap{"crop"}},
		onSites{upsample{}},
		reshape{},
		onSites{permute{}},
		onSites{noise{}},
	}
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
	v := schema.Vocabulary{
		Initializers: Initializers(), Activations: Activations(), Clippings: Clippings(), Constraints: Constraints(),
		Averagings: Averagings(), Augmentations: Augmentations(),
	}
	for _, l := range Losses() {
		v.Losses = append(v.Losses, l.Declaration())
	}
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
	InPlace bool   // the output takes the first input's buffer, unless that has other readers
	Halo    Halo   // that the input must have; only the model's input offers one, to its only reader
	// Bytes of areas of its own: Pack lives from Prepare to the end of the call (weights spread over lanes), Partial
	// from the first to the last tile (sums that Finish folds), Saved from Forward to Backward of one tile, and
	// Scratch during one function.
	Pack, Partial, Saved, Scratch int
	Table                         []float32 // constants that it reads
}

// Node is a graph node with its place in memory.
type Node struct {
	*graph.Node
	In, Out Buffer // values of a tile
	// OutGrad holds the loss's gradient by Out when Backward runs. Backward leaves that by In in InGrad, unless nobody
	// needs it (InGrad.Addr == 0).
	InGrad, OutGrad Buffer
	// Ins and InGrads are the same for each input; In and InGrad are the first. Where an input has several readers, InGrad
	// is this one's part (GradientSum).
	Ins, InGrads []Buffer
	Parameters   []Parameter
	Averages     Averages // of a batch norm
	Index        int      // position in the graph, which keys random streams

	Pack, Partial, Saved, Scratch, Table int // addresses

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

// inPlace reports whether the output took the first input's buffer.
func (n *Node) inPlace() bool { return n.Out.Addr == n.In.Addr }

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

// GradientSum is the addition of a reader's part to the gradient by an output that has several readers. The first part is
// stored, the others are added one after the other in the order of the backward passes: from the last reader to the first,
// and of one reader in the order of its inputs.
type GradientSum struct {
	Slot     int // the reader's input
	To, Part Buffer
}

// Emit emits the addition, for a reader of this name.
func (s GradientSum) Emit(e *Emitter, reader string) Fn {
	return *e.define(fmt.Sprintf("%s.add-gradient%d", reader, s.Slot), func(c *code) {
		eachVector(c, []int{s.To.Addr, s.Part.Addr}, s.To.Bytes()-slack, func(at func(int) (local, int)) {
			to, offset := at(0)
			part, partOffset := at(1)
			c.Get(to)
			c.Load(asm.V128Load, to, offset)
			c.Load(asm.V128Load, part, partOffset)
			c.Op(asm.F32x4Add)
			c.Mem(asm.V128Store, offset)
		})
	})
}

// define emits a function without parameters and results.
func (e *Emitter) define(name string, body func(c *code)) *Fn {
	f := e.Define(name, nil, nil, func(c *code, _ []local) { body(c) })
	return &f
}
