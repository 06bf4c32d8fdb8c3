package runner

import (
	"context"
	"slices"

	"github.com/reprise-ml/reprise/schema"
)

// Evaluation is what was counted on a split.
type Evaluation struct {
	Total int64 // predictions
	// Correct is counted blindly by the host; nil where targets are no class indices.
	Correct *int64
	// Loss is the sum of the predictions' losses in 2⁻²⁰, which only the engine can compute; nil where it does not or was not
	// asked.
	Loss *int64
}

// Evaluate counts a whole split of so many records: blindly where targets are class indices, and by the engine's evaluate
// where loss is wanted or nothing else can be.
func Evaluate(ctx context.Context, team Team, role string, target schema.Field, records int64, loss bool) (*Evaluation, error) {
	classes := IsClass(target)
	e := &Evaluation{Total: records * int64(Predictions(target))}
	if classes {
		correct, err := team.Correct(ctx, role, 0, records)
		if err != nil {
			return nil, err
		}
		e.Correct = &correct
	}
	if classes && !loss {
		return e, nil
	}
	var err error
	e.Loss, err = lossOf(ctx, team, role, records)
	return e, err
}

// lossOf sums the losses of so many records; it is nil where the engine has none.
func lossOf(ctx context.Context, team Team, role string, records int64) (*int64, error) {
	k := slices.Index(team.Section().Metrics, schema.SegmentLoss)
	if k < 0 {
		return nil, nil
	}
	sums, err := team.Metrics(ctx, role, 0, records)
	if err != nil {
		return nil, err
	}
	return &sums[k], nil
}

// Line is the journal's. It holds what is counted blindly, and the loss only where there is nothing else.
func (e *Evaluation) Line(step int64, split string) schema.JournalLine {
	line := schema.JournalLine{Type: schema.LineEvaluation, Step: step, Split: split, Examples: &e.Total, Correct: e.Correct}
	if e.Correct == nil {
		line.Loss = e.Loss
	}
	return line
}

// Results are the claims that an evaluation supports.
func (e *Evaluation) Results(dataset schema.Digest, split string, step int64) []schema.Result {
	var results []schema.Result
	if e.Correct != nil {
		results = append(results, schema.Result{Metric: schema.MetricAccuracy, Dataset: dataset, Split: split, Step: step, Correct: e.Correct, Total: e.Total})
	}
	if e.Loss != nil {
		results = append(results, schema.Result{Metric: schema.MetricLoss, Dataset: dataset, Split: split, Step: step, Sum: e.Loss, Total: e.Total})
	}
	return results
}
