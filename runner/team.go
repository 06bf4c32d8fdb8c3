package runner

import (
	"context"

	"github.com/reprise-ml/reprise/schema"
)

// Team is a set of equal replicas of one engine, and the records that it works on. All replicas always hold the same
// parameters and state. A Team is not safe for concurrent use; it spreads its work itself. Contexts are looked at between
// microbatches, never inside an engine's call.
//
// Records are named by the role that they play: schema.RoleTrain or schema.RoleTest.
type Team interface {
	Section() *schema.EngineSection

	// Init fills parameters and state from a seed.
	Init(ctx context.Context, seed int64) error
	// Load replaces parameters and state. Tensors that do not fit the engine give *schema.Invalid.
	Load(ctx context.Context, t Tensors) error
	// Save copies parameters and state.
	Save(ctx context.Context) (Tensors, error)
	// Set changes a hyper-parameter, which holds until it is set again: Init and Load leave it as it is.
	Set(ctx context.Context, name string, value float64) error

	// Step runs these microbatches of a step and applies their sum.
	Step(ctx context.Context, step int64, microbatches Ranges) (Counts, error)
	// Accumulate runs the microbatches [first, end) of a step and returns the region accumulators: their sum.
	Accumulate(ctx context.Context, step, first, end int64) ([]byte, error)
	// Apply ends a step with these accumulators, the sum of all its microbatches.
	Apply(ctx context.Context, step int64, accumulators []byte) (Counts, error)

	// Correct counts the records [first, end) whose class is the largest output of predict, ties to the lowest index. The
	// engine sees inputs alone. Records whose target is not a class index give *schema.Invalid.
	Correct(ctx context.Context, role string, first, end int64) (int64, error)
	// Metrics runs evaluate on the records [first, end); the values are in the order of the section's metrics.
	Metrics(ctx context.Context, role string, first, end int64) ([]int64, error)
	// Predict computes the outputs for inputs, which are whole input fields one after the other; the answer holds as many
	// values per input as the region output does per record.
	Predict(ctx context.Context, inputs []byte) ([]float32, error)

	// Close releases the team, and waits until it has ended.
	Close() error
}

// Ranges are microbatches of a step, each range [first, end); in order, and without touching each other, as journals record them.
type Ranges [][2]int64

// First are the first n microbatches.
func First(n int64) Ranges { return Ranges{{0, n}} }

// Len is their number.
func (r Ranges) Len() (n int64) {
	for _, one := range r {
		n += one[1] - one[0]
	}
	return n
}

// at is the k-th of them.
func (r Ranges) at(k int64) int64 {
	for _, one := range r {
		if n := one[1] - one[0]; k >= n {
			k -= n
		} else {
			return one[0] + k
		}
	}
	return -1
}

// check refuses what a step of an engine cannot be made of.
func (r Ranges) check(s *schema.EngineSection) error {
	last := int64(-1)
	for _, one := range r {
		if one[0] <= last && last >= 0 || one[0] < 0 || one[0] >= one[1] {
			return schema.Invalidf("microbatches", "", "%v are not ranges in order", [][2]int64(r))
		}
		last = one[1]
	}
	if n := r.Len(); n < 1 || n > s.MaxMicrobatches {
		return schema.Invalidf("microbatches", "", "%d of a step; the engine sums at least 1 and at most %d", n, s.MaxMicrobatches)
	}
	return nil
}

// Counts are the reserved segments of a step, where the engine has them.
type Counts struct {
	Examples *int64 `json:"examples,omitempty"`
	Loss     *int64 `json:"loss,omitempty"` // sum in 2⁻²⁰
	Correct  *int64 `json:"correct,omitempty"`
	Clipped  *int64 `json:"clipped,omitempty"`
}

// closeTeam is for teams that have done their work: what fails now changes nothing of it.
func closeTeam(t Team) { _ = t.Close() }
