package wasm

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

// documentName is what errors call the specification.
const documentName = "closure.yaml"

// Defaults of a specification.
const (
	defaultInitializer = "he-normal"
	defaultBits        = 16 // of a gradient
	defaultLocalSteps  = 8
	defaultLocalBits   = 8 // of what local steps change
	// Of Nesterov's momentum over microbatches, as in DiLoCo.
	defaultOuterRate, defaultOuterMomentum = 0.7, 0.9
)

// Resolve makes the identity of a training run: it fills in every default, turns epochs into steps, replaces
// "standardize" by the dataset's constants, and checks the model against the data. datasets are those that the
// specification's roles refer to. Errors are *schema.Invalid.
func Resolve(spec *schema.Specification, datasets map[string]*schema.Dataset) (schema.Resolved, error) {
	r := resolver{spec: spec, datasets: datasets}
	r.out.Model, r.out.Algorithm = spec.Model, spec.Algorithm
	r.roles()
	if len(r.problems) == 0 {
		r.algorithm()
		r.input()
	}
	if len(r.problems) == 0 && spec.Engine == "" {
		r.model()
		r.components()
	}
	if err := r.problems.invalid(); err != nil {
		return schema.Resolved{}, err
	}
	return r.out, nil
}

type resolver struct {
	spec     *schema.Specification
	datasets map[string]*schema.Dataset
	out      schema.Resolved
	problems problems
}

// roles pins the datasets.
func (r *resolver) roles() {
	var roles []string
	for role := range r.spec.Datasets {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	for _, role := range roles {
		use, d := r.spec.Datasets[role], r.datasets[role]
		path := "datasets." + role
		if d == nil {
			r.problems.add(path, "%s is not at hand", use.Ref)
			continue
		}
		split, ok := d.Split(use.Split)
		if !ok {
			var names []string
			for _, s := range d.Splits {
				names = append(names, s.Name)
			}
			r.problems.add(path+".split", "%s has no split %q; it has %v", use.Ref, use.Split, names)
			continue
		}
		switch {
		case split.Records < 1:
			r.problems.add(path+".split", "the split %q of %s has no records", use.Split, use.Ref)
		case split.Records > math.MaxUint32:
			r.problems.add(path+".split", "the split %q of %s has %d records, more than an engine can number", use.Split, use.Ref, split.Records)
		}
		r.out.Datasets = append(r.out.Datasets, schema.ResolvedDataset{
			Role: role, Split: use.Split, Content: d.Content, Examples: split.Records,
			Classes: len(d.Classes), Record: d.Record,
		})
	}
	if _, err := trainDataset(r.out); err != nil && len(r.problems) == 0 {
		r.problems.add("datasets.train", "is missing; name the records to train on")
	}
	for _, d := range r.out.Datasets {
		first := r.out.Datasets[0]
		switch {
		case fmt.Sprint(d.Record) != fmt.Sprint(first.Record):
			r.problems.add("datasets."+d.Role, "its records differ from those of datasets.%s in their layout", first.Role)
		case d.Classes != first.Classes:
			r.problems.add("datasets."+d.Role, "it has %d classes, datasets.%s has %d", d.Classes, first.Role, first.Classes)
		}
	}
}

// algorithm resolves what does not depend on the model.
func (r *resolver) algorithm() {
	a := &r.out.Algorithm
	train, err := trainDataset(r.out)
	if err != nil {
		return
	}
	a.Aggregation = aggregation(a.Aggregation)
	r.problems.algorithm(*a)
	if len(r.problems) > 0 {
		return
	}
	perEpoch := float64(train.Examples) / float64(a.BatchSize)
	if a.Epochs != nil {
		a.Steps = int64(math.Ceil(*a.Epochs * perEpoch))
		a.Epochs = nil
	}
	if a.Steps < 1 {
		r.problems.add("algorithm.steps", "a run has at least one step")
	}
	if a.Evaluate == nil {
		a.Evaluate = &schema.Evaluate{Every: int64(math.Max(1, math.Round(perEpoch)))}
	}
	if a.Block == 0 {
		perShard := train.Examples
		if d := r.datasets[schema.RoleTrain]; d != nil {
			if split, ok := d.Split(train.Split); ok && len(split.Shards) > 0 {
				perShard = split.Shards[0].Records
			}
		}
		a.Block = kernel.DefaultBlock(train.Examples, perShard, a.MicrobatchSize, a.Microbatches())
	}
}

// aggregation fills in what a specification left open.
func aggregation(given *schema.Aggregation) *schema.Aggregation {
	var a schema.Aggregation
	if given != nil {
		a = *given
	}
	a.Mode = cmp.Or(a.Mode, schema.AggregateGradient)
	if a.Mode != schema.AggregateLocalSteps {
		a.Bits = cmp.Or(a.Bits, defaultBits)
		return &a
	}
	a.Bits, a.Steps = cmp.Or(a.Bits, defaultLocalBits), cmp.Or(a.Steps, defaultLocalSteps)
	var outer schema.Outer
	if a.Outer != nil {
		outer = *a.Outer
	}
	if outer.LearningRate == nil {
		outer.LearningRate = new(defaultOuterRate)
	}
	if outer.Momentum == nil {
		outer.Momentum = new(defaultOuterMomentum)
	}
	a.Outer = &outer
	return &a
}

// input checks the model's input against the records and pins the constants of normalisation.
func (r *resolver) input() {
	in := &r.out.Model.Input
	train, err := trainDataset(r.out)
	if err != nil {
		return
	}
	if n := in.Normalize; n != nil && n.Standardize {
		d := r.datasets[schema.RoleTrain]
		if d.Statistics == nil {
			r.problems.add("model.input.normalize", "the dataset has no statistics; give mean and deviation")
			return
		}
		in.Normalize = &schema.Normalize{Mean: d.Statistics.Mean, Deviation: d.Statistics.Deviation}
	}
	r.problems.input(*in, train.Record)
}

// model resolves the layers' attributes and checks the output against the targets.
func (r *resolver) model() {
	m := &r.out.Model
	r.problems.layers(m.Layers)
	if len(r.problems) > 0 {
		return
	}
	g, err := graph.Build(documentName, *m, kernel.GraphOps())
	if err != nil {
		r.problems.include(err)
		return
	}
	r.problems.weights(m.Layers, r.out.Algorithm.Initializer.Kind, g)
	r.problems.embeddings(m.Layers, m.Input, g)
	layers := slices.Clone(m.Layers)
	i := 0
	for _, n := range g.Nodes[1:] {
		if n.Expanded {
			continue
		}
		// The layer before is what is read where nothing is named.
		if before := lastName(layers[:i]); len(n.Inputs) == 1 && slices.Equal(layers[i].Inputs, []string{before}) {
			layers[i].Inputs = nil
		}
		layers[i].Name, layers[i].Attributes = n.Name, n.Attributes
		i++
	}
	m.Layers = layers
	train, err := trainDataset(r.out)
	if err != nil {
		return
	}
	r.problems.normalized(r.out.Algorithm, g)
	r.problems.output(lastLayer(layers), g, m.Loss, train, r.spec.Datasets[schema.RoleTrain].Ref)
}

// lastName is the name of the last of these layers, whose names are known, or the model's input.
func lastName(layers []schema.Layer) string {
	if len(layers) == 0 {
		return schema.InputLayer
	}
	return layers[len(layers)-1].Name
}

// lastLayer is where the last layer stands.
func lastLayer(layers []schema.Layer) string { return fmt.Sprintf("model.layers[%d]", len(layers)-1) }

// components resolves optimizer, schedule and initialiser.
func (r *resolver) components() {
	v := kernel.Vocabulary()
	a := &r.out.Algorithm
	r.problems.component("algorithm.optimizer", &a.Optimizer, v.Optimizers, schema.Declaration.Canonical)
	if rule, err := optimizerRule(a.Optimizer); err == nil {
		r.problems.innerRule(*a, rule)
	}
	if a.Schedule.Kind == "" {
		a.Schedule.Kind = "constant"
	}
	r.problems.component("algorithm.schedule", &a.Schedule, v.Schedules, schema.Declaration.Canonical)
	if len(r.problems) == 0 {
		schedule := a.Schedule // its attributes are completed
		if _, err := scheduleOf(&schedule); err != nil {
			r.problems.include(err)
		}
		r.problems = append(r.problems, checkOptimizer(a.Optimizer)...)
	}
	if a.Initializer.Kind == "" {
		a.Initializer.Kind = defaultInitializer
	}
	r.problems.vocabulary(&r.out.Model, a)
	if a.Regularization != nil && *a.Regularization == (schema.Regularization{}) {
		a.Regularization = nil
	}
}

func trainDataset(r schema.Resolved) (schema.ResolvedDataset, error) {
	for _, d := range r.Datasets {
		if d.Role == schema.RoleTrain {
			return d, nil
		}
	}
	return schema.ResolvedDataset{}, schema.Invalidf(documentName, "datasets.train", "is missing; name the records to train on")
}

func optimizerRule(c schema.Component) (kernel.Rule, error) {
	for _, o := range kernel.Optimizers() {
		if o.Declaration().Name == c.Kind {
			attributes, problems := o.Declaration().Resolve("algorithm.optimizer."+c.Kind, c.Attributes)
			if len(problems) > 0 {
				return kernel.Rule{}, &schema.Invalid{Document: documentName, Problems: problems}
			}
			return o.Rule(attributes), nil
		}
	}
	return kernel.Rule{}, schema.Invalidf(documentName, "algorithm.optimizer", "%q is not known", c.Kind)
}

// scheduleOf finds a schedule and resolves its attributes in place.
func scheduleOf(c *schema.Component) (kernel.Schedule, error) {
	for _, s := range kernel.Schedules() {
		if s.Declaration().Name == c.Kind {
			attributes, problems := s.Declaration().Resolve("algorithm.schedule."+c.Kind, c.Attributes)
			if len(problems) > 0 {
				return nil, &schema.Invalid{Document: documentName, Problems: problems}
			}
			c.Attributes = attributes
			if problems := kernel.Check(s, "algorithm.schedule."+c.Kind, attributes); len(problems) > 0 {
				return nil, &schema.Invalid{Document: documentName, Problems: problems}
			}
			return s, nil
		}
	}
	return nil, schema.Invalidf(documentName, "algorithm.schedule", "%q is not known", c.Kind)
}

// checkOptimizer tells of resolved attributes that do not go together. What was trained before this was told still compiles.
func checkOptimizer(c schema.Component) []schema.Problem {
	for _, o := range kernel.Optimizers() {
		if o.Declaration().Name == c.Kind {
			return kernel.Check(o, "algorithm.optimizer."+c.Kind, c.Attributes)
		}
	}
	return nil
}
