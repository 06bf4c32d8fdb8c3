package runner

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/reprise-ml/reprise/schema"
)

// Section implements Team.
func (c *child) Section() *schema.EngineSection { return c.section }

// Init implements Team.
func (c *child) Init(ctx context.Context, seed int64) error {
	_, _, err := c.call(ctx, request{Op: opInit, Seed: seed})
	return err
}

// Load implements Team.
func (c *child) Load(ctx context.Context, t Tensors) error {
	if err := t.Fit(c.section); err != nil {
		return err
	}
	_, _, err := c.call(ctx, request{Op: opLoad}, t.flatten(c.section)...)
	return err
}

// Save implements Team.
func (c *child) Save(ctx context.Context) (Tensors, error) {
	_, payload, err := c.call(ctx, request{Op: opSave})
	if err != nil {
		return Tensors{}, err
	}
	return unflatten(c.section, payload)
}

// Set implements Team.
func (c *child) Set(ctx context.Context, name string, value float64) error {
	if _, err := hyperparameter(c.section, name, value); err != nil {
		return err
	}
	_, _, err := c.call(ctx, request{Op: opSet, Name: name, Value: value})
	return err
}

// Step implements Team.
func (c *child) Step(ctx context.Context, step int64, microbatches Ranges) (Counts, error) {
	answer, _, err := c.call(ctx, request{Op: opStep, Step: step, Ranges: microbatches})
	return answer.Counts, err
}

// Accumulate implements Team.
func (c *child) Accumulate(ctx context.Context, step, first, end int64) ([]byte, error) {
	_, payload, err := c.call(ctx, request{Op: opAccumulate, Step: step, First: first, End: end})
	return payload, err
}

// Apply implements Team.
func (c *child) Apply(ctx context.Context, step int64, accumulators []byte) (Counts, error) {
	answer, _, err := c.call(ctx, request{Op: opApply, Step: step}, accumulators)
	return answer.Counts, err
}

// pieces cuts [first, end) so that a request stays far below any deadline. What they count adds up.
func (c *child) pieces(first, end int64, f func(first, end int64) error) error {
	const batches = 64
	n := batches * c.workers * int64(c.section.Capacity)
	for from := first; ; from += n {
		if err := f(from, min(from+n, end)); err != nil {
			return err
		}
		if from+n >= end {
			return nil
		}
	}
}

// Correct implements Team.
func (c *child) Correct(ctx context.Context, role string, first, end int64) (int64, error) {
	var correct int64
	err := c.pieces(first, end, func(first, end int64) error {
		answer, _, err := c.call(ctx, request{Op: opCorrect, Role: role, First: first, End: end})
		correct += answer.Correct
		return err
	})
	return correct, err
}

// Metrics implements Team.
func (c *child) Metrics(ctx context.Context, role string, first, end int64) ([]int64, error) {
	sums := make([]int64, len(c.section.Metrics))
	err := c.pieces(first, end, func(first, end int64) error {
		answer, _, err := c.call(ctx, request{Op: opMetrics, Role: role, First: first, End: end})
		for k := range answer.Metrics {
			sums[k] += answer.Metrics[k]
		}
		return err
	})
	return sums, err
}

// Predict implements Team.
func (c *child) Predict(ctx context.Context, inputs []byte) ([]float32, error) {
	_, payload, err := c.call(ctx, request{Op: opPredict}, inputs)
	values := make([]float32, len(payload)/4)
	for k := range values {
		values[k] = math.Float32frombits(binary.LittleEndian.Uint32(payload[4*k:]))
	}
	return values, err
}
