package runner

import (
	"github.com/reprise-ml/reprise/schema"
)

// Plan is a training run: which specification, by which engine.
type Plan struct {
	Resolved      schema.Resolved
	Specification schema.Digest // of the canonical Resolved
	Engine        schema.Digest
}

// NewPlan computes the specification digest.
func NewPlan(r schema.Resolved, engine schema.Digest) (Plan, error) {
	specification, err := schema.DigestOfDocument(r)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Resolved: r, Specification: specification, Engine: engine}, nil
}

// Steps is the number of the last step.
func (p Plan) Steps() int64 { return p.Resolved.Algorithm.Steps }

// Microbatches is their number in a step.
func (p Plan) Microbatches() int64 { return int64(p.Resolved.Algorithm.Microbatches()) }

// Due reports whether the state after a step is evaluated and digested.
func (p Plan) Due(step int64) bool {
	if step == p.Steps() {
		return true
	}
	e := p.Resolved.Algorithm.Evaluate
	return e != nil && e.Every > 0 && step > 0 && step%e.Every == 0
}

// Split is the name of the split that plays a role, or empty.
func (p Plan) Split(role string) string {
	for _, d := range p.Resolved.Datasets {
		if d.Role == role {
			return d.Split
		}
	}
	return ""
}

// Header is the journal's first line.
func (p Plan) Header() schema.JournalLine {
	seed := p.Resolved.Algorithm.Seed
	return schema.JournalLine{Type: schema.LineHeader, Specification: p.Specification, Engine: p.Engine, Seed: &seed}
}

// check refuses a plan that this engine cannot run. A run on imported parameters may have no steps.
func (p Plan) check(s *schema.EngineSection, imported bool) error {
	const document = "specification"
	a := p.Resolved.Algorithm
	switch {
	case a.Steps < 0 || a.Steps == 0 && !imported:
		return schema.Invalidf(document, "algorithm.steps", "%d is not a positive number of steps", a.Steps)
	case a.MicrobatchSize < 1 || a.BatchSize < 1 || a.BatchSize%a.MicrobatchSize != 0:
		return schema.Invalidf(document, "algorithm.batchSize", "%d is not a multiple of the microbatch size %d", a.BatchSize, a.MicrobatchSize)
	case p.Microbatches() > s.MaxMicrobatches:
		return schema.Invalidf(document, "algorithm.batchSize", "%d microbatches a step; the engine sums at most %d without overflow", p.Microbatches(), s.MaxMicrobatches)
	}
	return nil
}
