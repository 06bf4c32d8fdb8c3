package runner

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

type tensor = closure.Tensor

// checkEnds runs everything once, so that an engine which does not get through a step says so first.
func checkEnds(ctx context.Context, c *checker) error {
	r, err := c.trained(ctx)
	if err != nil {
		return err
	}
	if err := r.Restore(ctx); err != nil {
		return err
	}
	n := c.engine.section.Capacity
	if err := c.read(ctx, r, 0, n); err != nil {
		return err
	}
	if err := r.Accumulate(ctx, 3, 0, n); err != nil {
		return err
	}
	if err := r.Evaluate(ctx, n); err != nil {
		return err
	}
	return r.Predict(ctx, n)
}

func checkHyperparameters(ctx context.Context, c *checker) error {
	r, err := c.fresh(ctx)
	if err != nil {
		return err
	}
	has := func(h schema.Hyperparameter, want float64) error {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(r.memory[h.Offset:])); got != float32(want) {
			return fmt.Errorf("%s is %v, not %v", h.Name, got, want)
		}
		return nil
	}
	for _, h := range c.engine.section.Hyperparameters {
		if err := has(h, h.Default); err != nil {
			return fmt.Errorf("by default, %w", err)
		}
	}
	// Another value that every one may have, as near to the default as that is.
	other := func(h schema.Hyperparameter) float64 {
		if v := h.Default * 0.75; v >= h.Min && v <= h.Max {
			return v
		}
		return h.Default
	}
	for _, h := range c.engine.section.Hyperparameters {
		if err := r.Set(h.Name, other(h)); err != nil {
			return err
		}
	}
	stay := func(after string, err error) error {
		for _, h := range c.engine.section.Hyperparameters {
			if err == nil {
				err = has(h, other(h))
			}
		}
		if err != nil {
			return fmt.Errorf("after %s: %w", after, err)
		}
		return nil
	}
	if err := stay("a step", c.step(ctx, r, 0)); err != nil {
		return err
	}
	if err := stay("restore", r.Restore(ctx)); err != nil {
		return err
	}
	return stay("init", r.Init(ctx, checkSeed))
}

func checkInit(ctx context.Context, c *checker) error {
	a, err := c.fresh(ctx)
	if err != nil {
		return err
	}
	b, err := c.trained(ctx)
	if err != nil {
		return err
	}
	c.poison(b)
	if err := b.Init(ctx, checkSeed); err != nil {
		return err
	}
	return sameState(a.Save(), b.Save())
}

func checkSelect(ctx context.Context, c *checker) error {
	a, err := c.fresh(ctx)
	if err != nil {
		return err
	}
	b, err := c.fresh(ctx)
	if err != nil {
		return err
	}
	before := a.Save()
	for step := range int64(4) {
		for u := range c.microbatches() {
			first, err := a.Select(ctx, step, u, c.records.total, nil)
			if err != nil {
				return err
			}
			// The other instance is asked for others between.
			if _, err := b.Select(ctx, step+1, u+1, c.records.total, nil); err != nil {
				return err
			}
			second, err := b.Select(ctx, step, u, c.records.total, nil)
			if err != nil {
				return err
			}
			if !slices.Equal(first, second) {
				return fmt.Errorf("step %d, microbatch %d: %v on one instance and %v on another", step, u, first, second)
			}
		}
	}
	// Any number of examples that can hold a microbatch.
	for _, examples := range []int64{c.records.total + 1, c.records.total + 7, 1 << 20, 1<<32 - 1} {
		for u := range c.microbatches() {
			if _, err := a.Select(ctx, 1<<40+u, u, examples, nil); err != nil {
				return fmt.Errorf("of %d examples: %w", examples, err)
			}
		}
	}
	return sameState(before, a.Save())
}

func checkAccumulateLeaves(ctx context.Context, c *checker) error {
	r, err := c.trained(ctx)
	if err != nil {
		return err
	}
	before, metrics := r.Save(), c.engine.layout.metrics
	clear(metrics.of(r.memory))
	l := &c.engine.layout
	for u := range c.microbatches() {
		if _, err := c.alone(ctx, r, 3, u); err != nil {
			return err
		}
		n := len(r.indices)
		input, target := make([]byte, n*l.inputBytes), make([]byte, n*l.targetBytes)
		if err := c.records.Read(ctx, r.indices, input, target); err != nil {
			return err
		}
		if !bytes.HasPrefix(l.input.of(r.memory), input) || !bytes.HasPrefix(l.target.of(r.memory), target) {
			return fmt.Errorf("step 3, microbatch %d: it writes to the records in the regions input and target", u)
		}
		if err := sameState(before, r.Save()); err != nil {
			return fmt.Errorf("step 3, microbatch %d: %w", u, err)
		}
		if !bytes.Equal(metrics.of(r.memory), make([]byte, metrics.size)) {
			return fmt.Errorf("step 3, microbatch %d: it writes to the region metrics", u)
		}
	}
	return nil
}

func checkAccumulateFresh(ctx context.Context, c *checker) error {
	used, err := c.trained(ctx)
	if err != nil {
		return err
	}
	state := used.Save()
	for u := c.microbatches() - 1; u >= 0; u-- {
		r, err := c.restored(ctx, state)
		if err != nil {
			return err
		}
		want, err := c.alone(ctx, r, 3, u)
		if err != nil {
			return err
		}
		c.poison(used)
		got, err := c.alone(ctx, used, 3, u)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return fmt.Errorf("step 3, microbatch %d: %w between an instance that has done others before and a new one", u, errAccumulators)
		}
		r.Close(ctx)
	}
	return nil
}

// restored is a new instance with this state, as a participant that joins has one.
func (c *checker) restored(ctx context.Context, t Tensors) (*replica, error) {
	r, err := c.blank(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Load(t); err != nil {
		return nil, err
	}
	return r, r.Restore(ctx)
}

func checkAccumulateAdds(ctx context.Context, c *checker) error {
	r, err := c.trained(ctx)
	if err != nil {
		return err
	}
	s := c.engine.section
	sum := make([]byte, len(r.memory)) // the host's merge works on whole memories
	one := make([]byte, len(r.memory))
	region := c.engine.layout.accumulators
	for u := range c.microbatches() {
		got, err := c.alone(ctx, r, 3, u)
		if err != nil {
			return err
		}
		copy(region.of(one), got)
		if err := withinBound(s, one); err != nil {
			return fmt.Errorf("step 3, microbatch %d: %w", u, err)
		}
		for _, segment := range s.Segments {
			merge(segment, 0, segment.Count, sum, one)
		}
	}
	clear(region.of(r.memory))
	for u := c.microbatches() - 1; u >= 0; u-- {
		if err := r.microbatch(ctx, c.records, 3, u); err != nil {
			return &MicrobatchError{Step: 3, Microbatch: u, Err: err}
		}
	}
	if s := differing(s, sum, r.memory); s != nil {
		return fmt.Errorf("segment %s: microbatches one after the other, from the last to the first, do not give what they give alone, merged by %s", s.Name, s.Combine)
	}
	return nil
}

// differing is the first segment in which two memories differ, or nil.
func differing(s *schema.EngineSection, a, b []byte) *schema.Segment {
	for k, segment := range s.Segments {
		part := span{segment.Offset, segment.Count * schema.DTypeSize(segment.Type)}
		if !bytes.Equal(part.of(a), part.of(b)) {
			return &s.Segments[k]
		}
	}
	return nil
}

func checkAccumulateSplit(ctx context.Context, c *checker) error {
	one, err := c.trained(ctx)
	if err != nil {
		return err
	}
	state := one.Save()
	a, err := c.restored(ctx, state)
	if err != nil {
		return err
	}
	b, err := c.restored(ctx, state)
	if err != nil {
		return err
	}
	for _, r := range []*replica{one, a, b} {
		clear(c.engine.layout.accumulators.of(r.memory))
	}
	for u := range c.microbatches() {
		part := a
		if u%2 == 1 {
			part = b
		}
		for _, r := range []*replica{one, part} {
			if err := r.microbatch(ctx, c.records, 3, u); err != nil {
				return &MicrobatchError{Step: 3, Microbatch: u, Err: err}
			}
		}
	}
	for _, segment := range c.engine.section.Segments {
		merge(segment, 0, segment.Count, a.memory, b.memory)
	}
	if s := differing(c.engine.section, one.memory, a.memory); s != nil {
		return fmt.Errorf("segment %s differs between one instance and two that are merged by %s", s.Name, s.Combine)
	}
	return nil
}

// withinBound checks what one microbatch has added.
func withinBound(s *schema.EngineSection, memory []byte) error {
	for _, segment := range s.Segments {
		for k := range segment.Count {
			v := value(segment, memory, k)
			switch {
			case segment.Combine == schema.CombineMax && v < 0:
				return fmt.Errorf("segment %s: %d is negative, and zero must be neutral for max", segment.Name, v)
			case segment.Combine == schema.CombineAdd && segment.Type == "i32" && (v > s.Bound || v < -s.Bound):
				return fmt.Errorf("segment %s: %d is beyond the stated bound of %d", segment.Name, v, s.Bound)
			}
		}
	}
	return nil
}

func value(s schema.Segment, memory []byte, k int) int64 {
	if s.Type == "i32" {
		return int64(int32(binary.LittleEndian.Uint32(memory[s.Offset+4*k:])))
	}
	return int64(binary.LittleEndian.Uint64(memory[s.Offset+8*k:]))
}

func checkCounts(ctx context.Context, c *checker) error {
	r, err := c.trained(ctx)
	if err != nil {
		return err
	}
	capacity := c.engine.section.Capacity
	outputs, err := c.predicted(ctx, r, capacity)
	if err != nil {
		return err
	}
	width := c.engine.layout.outputs
	for _, n := range someCounts(capacity) {
		c.poison(r)
		got, err := c.predicted(ctx, r, n)
		if err != nil {
			return fmt.Errorf("%d records: %w", n, err)
		}
		if !sameBits(got, outputs[:n*width]) {
			return fmt.Errorf("%d records: the outputs are not those that the same records have among %d", n, capacity)
		}
		clear(c.engine.layout.accumulators.of(r.memory))
		c.poison(r)
		if err := r.Accumulate(ctx, 3, 0, n); err != nil {
			return fmt.Errorf("%d records: %w", n, err)
		}
		if e := counts(c.engine.section, r.memory).Examples; e != nil && *e != int64(n) && *e != int64(n*c.predictions()) {
			return fmt.Errorf("%d records: accumulate counts %d examples", n, *e)
		}
	}
	return nil
}

// someCounts are all the numbers of records where there are few, else those where vectors end.
func someCounts(capacity int) []int {
	var ns []int
	for n := 1; n <= capacity; n++ {
		if n <= 9 || n >= capacity-4 || n&(n-1) == 0 {
			ns = append(ns, n)
		}
	}
	return ns
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// predicted are the outputs of the first n records.
func (c *checker) predicted(ctx context.Context, r *replica, n int) ([]float32, error) {
	if err := c.read(ctx, r, 0, n); err != nil {
		return nil, err
	}
	err := r.Predict(ctx, n)
	return r.outputs(n), err
}

// read puts n records from a first one on into an instance.
func (c *checker) read(ctx context.Context, r *replica, first, n int) error {
	r.indices = r.indices[:0]
	for k := range n {
		r.indices = append(r.indices, uint32(first+k))
	}
	return r.read(ctx, c.records, c.engine.layout.target.of(r.memory))
}

func checkApply(ctx context.Context, c *checker) error {
	a, err := c.trained(ctx)
	if err != nil {
		return err
	}
	b, err := c.restored(ctx, a.Save())
	if err != nil {
		return err
	}
	for u := range c.microbatches() {
		if err := a.microbatch(ctx, c.records, 3, u); err != nil {
			return &MicrobatchError{Step: 3, Microbatch: u, Err: err}
		}
	}
	region := c.engine.layout.accumulators
	copy(region.of(b.memory), region.of(a.memory))
	c.poison(b)
	for _, r := range []*replica{a, b} {
		if err := r.Apply(ctx, 3); err != nil {
			return &StepError{Step: 3, Err: err}
		}
	}
	return sameState(a.Save(), b.Save())
}

func checkRestore(ctx context.Context, c *checker) error {
	a, err := c.trained(ctx)
	if err != nil {
		return err
	}
	saved := a.Save()
	b, err := c.restored(ctx, saved)
	if err != nil {
		return err
	}
	if err := b.Restore(ctx); err != nil {
		return err
	}
	if err := sameState(saved, b.Save()); err != nil {
		return fmt.Errorf("after restore, %w from what was written", err)
	}
	for step := int64(3); step < 6; step++ {
		for _, r := range []*replica{a, b} {
			if err := c.step(ctx, r, step); err != nil {
				return err
			}
		}
	}
	if err := sameState(a.Save(), b.Save()); err != nil {
		return fmt.Errorf("three steps after parameters and state were moved to a new instance, %w", err)
	}
	return nil
}

func checkPredict(ctx context.Context, c *checker) error {
	a, err := c.trained(ctx)
	if err != nil {
		return err
	}
	saved := a.Save()
	n := c.engine.section.Capacity
	want, err := c.predicted(ctx, a, n)
	if err != nil {
		return err
	}
	if err := sameState(saved, a.Save()); err != nil {
		return err
	}
	// The same parameters with the state of another seed, other targets, and nothing known of before.
	b, err := c.blank(ctx)
	if err != nil {
		return err
	}
	if err := b.Init(ctx, checkSeed+1); err != nil {
		return err
	}
	if err := b.Load(Tensors{Parameters: saved.Parameters, State: b.Save().State}); err != nil {
		return err
	}
	if err := b.Restore(ctx); err != nil {
		return err
	}
	if err := c.read(ctx, b, 0, n); err != nil {
		return err
	}
	b.forget()
	c.poison(b)
	if err := b.Predict(ctx, n); err != nil {
		return err
	}
	if !sameBits(want, b.outputs(n)) {
		return fmt.Errorf("the outputs change with targets, state or memory that earlier calls have left")
	}
	return nil
}

func checkEvaluate(ctx context.Context, c *checker) error {
	r, err := c.trained(ctx)
	if err != nil {
		return err
	}
	saved := r.Save()
	n := c.engine.section.Capacity
	metrics := c.engine.layout.metrics
	evaluate := func(cuts ...int) ([]byte, error) {
		clear(metrics.of(r.memory))
		at := 0
		for _, cut := range cuts {
			if cut <= at {
				continue
			}
			if err := c.read(ctx, r, at, cut-at); err != nil {
				return nil, err
			}
			c.poison(r)
			if err := r.Evaluate(ctx, cut-at); err != nil {
				return nil, err
			}
			at = cut
		}
		return slices.Clone(metrics.of(r.memory)), nil
	}
	whole, err := evaluate(n)
	if err != nil {
		return err
	}
	parts, err := evaluate(1, n/3, n/2, n)
	if err != nil {
		return err
	}
	if !bytes.Equal(whole, parts) {
		return fmt.Errorf("the metrics of parts do not add up to those of the whole")
	}
	for k, name := range c.engine.section.Metrics {
		if v := int64(binary.LittleEndian.Uint64(whole[8*k:])); name == schema.MetricCount && v != int64(n) && v != int64(n*c.predictions()) {
			return fmt.Errorf("%s is %d after %d records", name, v, n)
		}
	}
	return sameState(saved, r.Save())
}

// predictions is how many a record asks for, which an engine may count in the place of records.
func (c *checker) predictions() int { return Predictions(c.records.layout.Target) }

// checkNumbers looks for NaN: which one an operation gives is the one thing that WebAssembly leaves open.
func checkNumbers(ctx context.Context, c *checker) error {
	r, err := c.trained(ctx)
	if err != nil {
		return err
	}
	saved := r.Save()
	for _, t := range append(append([]tensor(nil), saved.Parameters...), saved.State...) {
		for k := 0; t.DType == "f32" && k < len(t.Data); k += 4 {
			if v := math.Float32frombits(binary.LittleEndian.Uint32(t.Data[k:])); v != v {
				return fmt.Errorf("%s[%d] is not a number after two steps: return a status instead", t.Name, k/4)
			}
		}
	}
	outputs, err := c.predicted(ctx, r, c.engine.section.Capacity)
	if err != nil {
		return err
	}
	for k, v := range outputs {
		if v != v {
			return fmt.Errorf("output %d is not a number after two steps: return a status instead", k)
		}
	}
	return nil
}
