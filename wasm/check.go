package wasm

import (
	"fmt"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

// The checks of this file hold for whatever an engine is made of: Resolve applies them to a specification, and Compile to what
// a closure says that it was resolved to.

// problems collects what is wrong, with its place.
type problems []schema.Problem

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, schema.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// include adds what another check found.
func (p *problems) include(err error) {
	if invalid, ok := err.(*schema.Invalid); ok { //nolint:errorlint // it is returned as it is
		*p = append(*p, invalid.Problems...)
		return
	}
	p.add("model", "%v", err)
}

func (p problems) invalid() error {
	if len(p) == 0 {
		return nil
	}
	return &schema.Invalid{Document: documentName, Problems: p}
}

// Limits of the numbers of an algorithm.
const (
	// maxMicrobatch keeps regions within reason.
	maxMicrobatch = 1 << 16
	// maxStrength bounds l1 and l2.
	maxStrength = 1000
)

// algorithm checks the numbers that the engine's code depends on. The aggregation is resolved.
func (p *problems) algorithm(a schema.Algorithm) {
	switch {
	case a.MicrobatchSize < 1 || a.MicrobatchSize > maxMicrobatch:
		p.add("algorithm.microbatchSize", "%d is not between 1 and %d", a.MicrobatchSize, maxMicrobatch)
		return
	case a.BatchSize < 1 || a.BatchSize%a.MicrobatchSize != 0:
		p.add("algorithm.batchSize", "%d is not a multiple of microbatchSize (%d)", a.BatchSize, a.MicrobatchSize)
		return
	}
	switch g := a.Aggregation; {
	case g.Mode != schema.AggregateGradient && g.Mode != schema.AggregateLocalSteps:
		p.add("algorithm.aggregation.mode", "%q is not known; there are %s and %s", g.Mode, schema.AggregateGradient, schema.AggregateLocalSteps)
	case !slices.Contains([]int{8, 12, 16, 24}, g.Bits):
		p.add("algorithm.aggregation.bits", "%d is not 8, 12, 16 or 24", g.Bits)
	default:
		if most := kernel.MaxMicrobatches(g.Bits); int64(a.Microbatches()) > most {
			p.add("algorithm.batchSize", "%d microbatches in a step; at %d bits at most %d keep the sums exact", a.Microbatches(), g.Bits, most)
		}
	}
	p.localSteps(a)
	if a.Block < 0 || a.Block > math.MaxInt32 {
		p.add("algorithm.block", "%d is not between 1 and %d", a.Block, math.MaxInt32)
	}
	if g := a.Regularization; g != nil {
		for _, s := range []struct {
			name  string
			value float64
		}{{"l1", g.L1}, {"l2", g.L2}} {
			if !(s.value >= 0 && s.value <= maxStrength) {
				p.add("algorithm.regularization."+s.name, "%v is not between 0 and %d", s.value, maxStrength)
			}
		}
	}
}

// localSteps checks the numbers that belong to them.
func (p *problems) localSteps(a schema.Algorithm) {
	const path = "algorithm.aggregation."
	g := a.Aggregation
	if g.Mode != schema.AggregateLocalSteps {
		if g.Steps != 0 {
			p.add(path+"steps", "is for the mode %s; give it, or leave steps out", schema.AggregateLocalSteps)
		}
		if g.Outer != nil {
			p.add(path+"outer", "is for the mode %s; give it, or leave outer out", schema.AggregateLocalSteps)
		}
		return
	}
	switch {
	case g.Steps < 1 || g.Steps > a.MicrobatchSize:
		p.add(path+"steps", "%d is not between 1 and microbatchSize (%d)", g.Steps, a.MicrobatchSize)
	case a.MicrobatchSize%g.Steps != 0:
		p.add("algorithm.microbatchSize", "%d examples are not %d equal local steps; take a multiple of aggregation.steps", a.MicrobatchSize, g.Steps)
	}
	if o := g.Outer; o == nil || o.LearningRate == nil || o.Momentum == nil {
		p.add(path+"outer", "is not resolved")
	} else {
		for _, h := range kernel.Outer(*o.LearningRate, *o.Momentum).Hyperparameters {
			if !(h.Default >= h.Min && h.Default <= h.Max) {
				p.add(path+h.Name, "%v is not between %v and %v", h.Default, h.Min, h.Max)
			}
		}
	}
}

// innerRule checks that an optimizer can do local steps.
func (p *problems) innerRule(a schema.Algorithm, rule kernel.Rule) {
	if a.Aggregation.Mode == schema.AggregateLocalSteps && a.Aggregation.Steps < rule.LeastSteps {
		p.add("algorithm.optimizer", "%s starts each microbatch anew, and its first steps are as large as its rate whatever the gradient: "+
			"with %d local steps it learns badly; take sgd, or at least %d steps", a.Optimizer.Kind, a.Aggregation.Steps, rule.LeastSteps)
	}
}

// From leastNormalized examples on, statistics of a microbatch train as well as those of a batch. mostNormalized bounds the
// tile that all of them make.
const (
	leastNormalized = 8
	mostNormalized  = 256
)

// normalized checks that a batch norm sees enough examples, and not too many at once.
func (p *problems) normalized(a schema.Algorithm, g *graph.Graph) {
	if n := a.InnerBatch(); g.Normalizes() && (n < leastNormalized || n > mostNormalized) {
		p.add("algorithm.microbatchSize", "%s takes mean and variance of %d examples; it needs microbatches (or parts of them, with local steps) of %d to %d. Take 16 or 32",
			graph.BatchNorm, n, leastNormalized, mostNormalized)
	}
}

// layers checks their number and their multipliers of the learning rate.
func (p *problems) layers(layers []schema.Layer) {
	if n := len(layers); n < 1 || n > schema.MaxLayers {
		p.add("model.layers", "%d layers; a model has 1 to %d", n, schema.MaxLayers)
	}
	for i, l := range layers {
		if l.Rate != nil && !(*l.Rate >= 0 && *l.Rate <= maxRate) {
			p.add(fmt.Sprintf("model.layers[%d].rate", i), "%v is not between 0 and %d", *l.Rate, maxRate)
		}
	}
}

// input checks the model's input against the records, and the constants of normalisation.
func (p *problems) input(in schema.Input, record schema.RecordLayout) {
	switch {
	case in.DType != record.Input.DType:
		p.add("model.input.dtype", "%q; the dataset's records have %q", in.DType, record.Input.DType)
	case in.DType != "u8" && in.DType != "u16" && in.DType != "f32":
		p.add("model.input.dtype", "%q is not u8, u16 or f32", in.DType)
	case !slices.Equal(in.Shape, record.Input.Shape):
		p.add("model.input.shape", "%v; the dataset's records have %v", in.Shape, record.Input.Shape)
	case !graph.Fits(in.Shape):
		p.add("model.input.shape", "%v has no elements, or more than %d", in.Shape, graph.MaxElements)
	case in.Normalize != nil:
		p.normalization(*in.Normalize, in.Shape)
	}
}

// maxTable is the number of elements for which a constant each may be stored in the module.
const maxTable = 1 << 20

func (p *problems) normalization(n schema.Normalize, shape []int) {
	const path = "model.input.normalize"
	elements, last := schema.Elements(shape), shape[len(shape)-1]
	switch {
	case n.Standardize:
		p.add(path, "is not resolved to mean and deviation")
	case n.Mean == nil && n.Deviation == nil && n.Scale == nil && n.Offset == nil:
		p.add(path, "has no constants")
	case (n.Mean == nil) != (n.Deviation == nil):
		p.add(path, "mean and deviation belong together")
	case n.Mean != nil && (n.Scale != nil || n.Offset != nil):
		p.add(path, "mixes scale and offset with mean and deviation")
	}
	for _, list := range []struct {
		name   string
		values []float64
	}{{"scale", n.Scale}, {"offset", n.Offset}, {"mean", n.Mean}, {"deviation", n.Deviation}} {
		path := path + "." + list.name
		switch k := len(list.values); {
		case list.values != nil && k != 1 && k != last && k != elements:
			p.add(path, "has %d values; 1, %d (one per feature) or %d (one per element) are needed", k, last, elements)
		case k > 1 && elements > maxTable:
			p.add(path, "a constant per element is for inputs of at most %d elements; give one", maxTable)
		}
		for _, v := range list.values {
			if !(math.Abs(v) <= maxConstant) || list.name == "deviation" && !(v >= minDeviation) {
				p.add(path, "%v is out of range", v)
			}
		}
	}
}

// Constants of normalisation, and what is computed of them, are numbers of f32.
const (
	maxConstant  = 1e18
	minDeviation = 1e-18
)

// output checks the last layer, at a path, against the targets of a dataset.
func (p *problems) output(path string, g *graph.Graph, loss schema.Named, train schema.ResolvedDataset, dataset string) {
	shape, target := g.Output().Shape, train.Record.Target
	_, attributes, _ := kernel.LossOf(loss) // whether there is one, vocabulary tells
	if g.ParameterCount() == 0 {
		p.add("model.layers", "nothing is trained; a dense or conv2d layer is needed")
	}
	one := train.Classes == 2 && loss.Kind == kernel.BinaryCrossEntropy && schema.Elements(shape) == 1 // for two classes
	switch {
	case len(shape) == 2 && train.Classes > 0 && len(target.Shape) == 1:
		p.sequence(path, shape, loss, train, dataset)
	case len(shape) != 1:
		p.add(path, "the last layer's output has the shape %v; one row is needed, as flatten and dense make it", shape)
	case train.Classes > 0 && shape[0] != train.Classes && !one:
		p.add(path, "%d outputs, but %s has %d classes", shape[0], dataset, train.Classes)
	case train.Classes > 0 && (schema.Elements(target.Shape) != 1 || target.DType != "u8" && target.DType != "u16"):
		p.add("datasets.train", "its classes are %s %v; one u8 or u16 is needed, or as many as the last layer has steps", target.DType, target.Shape)
	case train.Classes < 0 || train.Classes == 0 && target.DType != "f32":
		p.add("datasets.train", "its targets are %s; without classes they are f32", target.DType)
	case train.Classes == 0 && shape[0] != schema.Elements(target.Shape):
		p.add(path, "%d outputs, but the targets have %d values", shape[0], schema.Elements(target.Shape))
	default:
		p.loss(loss.Kind, attributes, train)
	}
}

// sequence checks a last layer that predicts a class at each position.
func (p *problems) sequence(path string, shape []int, loss schema.Named, train schema.ResolvedDataset, dataset string) {
	_, attributes, _ := kernel.LossOf(loss)
	switch positions := schema.Elements(train.Record.Target.Shape); {
	case shape[0] != positions:
		p.add(path, "outputs at %d positions, but %s has classes at %d", shape[0], dataset, positions)
	case shape[1] != train.Classes:
		p.add(path, "%d outputs at each position, but %s has %d classes", shape[1], dataset, train.Classes)
	case train.Record.Target.DType != "u8" && train.Record.Target.DType != "u16":
		p.add("datasets.train", "its classes are %s; u8 or u16 are needed", train.Record.Target.DType)
	default:
		p.loss(loss.Kind, attributes, train)
	}
}

// loss checks that a loss suits the targets.
func (p *problems) loss(loss string, a schema.Attributes, train schema.ResolvedDataset) {
	switch classes := train.Classes > 0; {
	case loss == kernel.SoftmaxCrossEntropy && !classes:
		p.add("model.loss", "%s needs classes, and the dataset has none; use %s", loss, kernel.MeanSquaredError)
	case loss == kernel.KLDivergence && classes:
		p.add("model.loss", "%s needs targets that are distributions, and the dataset has classes; use %s", loss, kernel.SoftmaxCrossEntropy)
	case loss == kernel.Poisson && classes:
		p.add("model.loss", "%s needs targets that are counts, and the dataset has classes; use %s", loss, kernel.SoftmaxCrossEntropy)
	}
	if n := len(kernel.ClassWeights(a)); n > 0 && n != train.Classes {
		p.add("model.loss."+loss+".classWeights", "%d weights, but the dataset has %d classes", n, train.Classes)
	}
}

// embeddings checks that what is embedded are the tokens of the records.
func (p *problems) embeddings(layers []schema.Layer, input schema.Input, g *graph.Graph) {
	i := 0
	for _, n := range g.Nodes[1:] {
		if n.Expanded {
			continue
		}
		path := fmt.Sprintf("model.layers[%d].%s", i, n.Kind)
		switch i++; {
		case n.Kind != kernel.EmbeddingKind:
		case n.In() != g.Nodes[0]:
			p.add(path, "it reads %s; an embedding reads the tokens of the model's input", n.In().Name)
		case input.Normalize != nil:
			p.add("model.input.normalize", "an embedding reads tokens as they are; leave normalize out")
		}
	}
}

// weights checks that an initializer can do with the shapes of a model, and that what is constrained has weights. The graph's
// nodes that are not expanded stand in the order of the layers.
func (p *problems) weights(layers []schema.Layer, initializer string, g *graph.Graph) {
	i := 0
	for _, n := range g.Nodes[1:] {
		constrained := false
		for _, q := range n.Parameters {
			if q.Bias {
				continue
			}
			constrained = true
			if initializer != kernel.OrthogonalInitializer || q.Initializer != "" {
				continue
			}
			if rows := q.Shape[0]; kernel.OrthogonalCost(rows, schema.Elements(q.Shape)/rows) > kernel.MaxOrthogonal {
				p.add("algorithm.initializer", "%s takes too long for %s.%s of the shape %v; take another", initializer, n.Name, q.Name, q.Shape)
			}
		}
		if n.Expanded {
			continue
		}
		if layers[i].Constraint.Kind != "" && !constrained {
			p.add(fmt.Sprintf("model.layers[%d].constraint", i), "%s has no weights", n.Kind)
		}
		i++
	}
}
