package kernel

import "github.com/reprise-ml/reprise/schema"

// Parameter is a trainable tensor as quantise, apply and the initialisers see it. All addresses are constants.
//
// The gradient of a microbatch is a scratch of Rows rows with GradStride floats each, of which the first Cols count;
// the value and the accumulators are dense [Rows·Cols] in the same order, with at least 16 bytes of slack behind them.
type Parameter struct {
	Name       string // "conv1.weight"
	Shape      []int
	Rows, Cols int
	GradStride int // floats; a multiple of 4

	FanIn, FanOut int
	Initializer   schema.Named // of the vocabulary; biases are "zeros"
	Constraint    schema.Named // of the vocabulary, resolved; for the weights of a layer. None where its kind is ""
	Decayed       bool         // L1 and L2 apply (not to biases)

	Value    int   // f32 [Rows·Cols], a parameter tensor, or state where averages take its place
	Average  int   // f32 [Rows·Cols], a parameter tensor, where there are averages
	Grad     int   // f32 scratch
	Exponent int   // i32, state: E of DESIGN §5 ("none" is NoExponent)
	Sum      int   // i32 [Rows·Cols], accumulators: quantised gradients
	Peak     int   // i32, accumulators, combine max: F of DESIGN §5
	Rate     int   // f32, hyper-parameter: multiplier of the learning rate
	Slots    []int // f32 [Rows·Cols] each, state: the optimizer's moments

	Index int // position among the parameters; keys the random streams
}

// NoExponent marks a tensor that has had no signal yet: its quantised gradient is zero.
const NoExponent = -1000
