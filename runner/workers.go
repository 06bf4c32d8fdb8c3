package runner

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/reprise-ml/reprise/schema"
)

// Workers is a Team in this process: one instance per worker, each with a goroutine while there is work.
type Workers struct {
	engine   *Engine
	replicas []*replica
	data     Data
}

var _ Team = (*Workers)(nil)

// replica is an instance with its buffers.
type replica struct {
	*Instance
	indices []uint32
	targets []byte // of predictions, outside the engine's memory
}

// NewWorkers makes a team of n replicas of an engine. Records that do not fit the engine's regions give *schema.Invalid.
func NewWorkers(ctx context.Context, e *Engine, data Data, n int) (*Workers, error) {
	if n < 1 {
		return nil, schema.Invalidf("workers", "", "%d is not a positive number", n)
	}
	for role, r := range map[string]Records{schema.RoleTrain: data.Train, schema.RoleTest: data.Test} {
		if err := e.layout.fitRecords(role, r); err != nil {
			return nil, err
		}
	}
	w := &Workers{engine: e, data: data}
	for range n {
		i, err := e.Instantiate(ctx)
		if err != nil {
			return nil, err
		}
		w.replicas = append(w.replicas, &replica{
			Instance: i, indices: make([]uint32, 0, e.section.Capacity), targets: make([]byte, e.layout.target.size),
		})
	}
	return w, nil
}

// Section implements Team.
func (w *Workers) Section() *schema.EngineSection { return w.engine.section }

// Close implements Team.
func (w *Workers) Close() error {
	for _, r := range w.replicas {
		r.Close(context.Background())
	}
	w.replicas = nil
	return nil
}

// each runs f on every replica at once and returns the error of the first of them that failed.
func (w *Workers) each(f func(k int, r *replica) error) error {
	if len(w.replicas) == 1 {
		return f(0, w.replicas[0])
	}
	errs := make([]error, len(w.replicas))
	var wg sync.WaitGroup
	for k, r := range w.replicas {
		wg.Go(func() { errs[k] = f(k, r) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// share hands the tasks [first, end) out to the replicas, in ascending order, and returns the error of the lowest task
// that failed. Since tasks are taken in order, every task below a failing one has been taken too, and is finished: so the
// answer does not depend on the number of replicas.
func (w *Workers) share(ctx context.Context, first, end int64, f func(r *replica, task int64) error) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		mu     sync.Mutex
		lowest = int64(math.MaxInt64)
		cause  error
	)
	next.Store(first)
	_ = w.each(func(_ int, r *replica) error {
		for !failed.Load() && ctx.Err() == nil {
			task := next.Add(1) - 1
			if task >= end {
				break
			}
			if err := f(r, task); err != nil {
				failed.Store(true)
				mu.Lock()
				if task < lowest {
					lowest, cause = task, err
				}
				mu.Unlock()
			}
		}
		return nil
	})
	if cause == nil {
		return ctx.Err()
	}
	return cause
}

// Init implements Team.
func (w *Workers) Init(ctx context.Context, seed int64) error {
	return w.each(func(_ int, r *replica) error { return r.Init(ctx, seed) })
}

// Load implements Team.
func (w *Workers) Load(ctx context.Context, t Tensors) error {
	return w.each(func(_ int, r *replica) error {
		if err := r.Load(t); err != nil {
			return err
		}
		return r.Restore(ctx)
	})
}

// Save implements Team.
func (w *Workers) Save(context.Context) (Tensors, error) { return w.replicas[0].Save(), nil }

// Set implements Team.
func (w *Workers) Set(_ context.Context, name string, value float64) error {
	return w.each(func(_ int, r *replica) error { return r.Set(name, value) })
}

// Step implements Team.
func (w *Workers) Step(ctx context.Context, step int64, microbatches Ranges) (Counts, error) {
	if err := w.accumulate(ctx, step, microbatches); err != nil {
		return Counts{}, err
	}
	return w.apply(ctx, step)
}

// Accumulate implements Team.
func (w *Workers) Accumulate(ctx context.Context, step, first, end int64) ([]byte, error) {
	if err := w.accumulate(ctx, step, Ranges{{first, end}}); err != nil {
		return nil, err
	}
	return slices.Clone(w.engine.layout.accumulators.of(w.replicas[0].memory)), nil
}

// Apply implements Team.
func (w *Workers) Apply(ctx context.Context, step int64, accumulators []byte) (Counts, error) {
	region := w.engine.layout.accumulators
	if len(accumulators) != region.size {
		return Counts{}, schema.Invalidf("accumulators", "", "%d bytes, and the engine has %d", len(accumulators), region.size)
	}
	for _, r := range w.replicas {
		copy(region.of(r.memory), accumulators)
	}
	return w.apply(ctx, step)
}

// accumulate leaves the sum of microbatches in the accumulators of every replica.
func (w *Workers) accumulate(ctx context.Context, step int64, microbatches Ranges) error {
	if err := microbatches.check(w.engine.section); err != nil {
		return err
	}
	records, err := w.data.records(schema.RoleTrain)
	if err != nil {
		return err
	}
	for _, r := range w.replicas {
		clear(w.engine.layout.accumulators.of(r.memory))
	}
	err = w.share(ctx, 0, microbatches.Len(), func(r *replica, k int64) error {
		microbatch := microbatches.at(k)
		if err := r.microbatch(ctx, records, step, microbatch); err != nil {
			return &MicrobatchError{Step: step, Microbatch: microbatch, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.merge()
	return nil
}

// microbatch is select, copy and accumulate.
func (r *replica) microbatch(ctx context.Context, records Records, step, microbatch int64) error {
	var err error
	r.indices, err = r.Select(ctx, step, microbatch, records.Len(), r.indices)
	if err != nil {
		return err
	}
	if err := r.read(ctx, records, r.engine.layout.target.of(r.memory)); err != nil {
		return err
	}
	return r.Accumulate(ctx, step, microbatch, len(r.indices))
}

// read copies the chosen records' inputs into the region input, and their targets where the caller wants them.
func (r *replica) read(ctx context.Context, records Records, targets []byte) error {
	l, n := &r.engine.layout, len(r.indices)
	return records.Read(ctx, r.indices, l.input.of(r.memory)[:n*l.inputBytes], targets[:n*l.targetBytes])
}

// merge makes the accumulators of every replica the sum over all. Each replica's goroutine does its part of every segment.
func (w *Workers) merge() {
	n := len(w.replicas)
	if n == 1 {
		return
	}
	_ = w.each(func(k int, _ *replica) error {
		for _, s := range w.engine.section.Segments {
			from, to := s.Count*k/n, s.Count*(k+1)/n
			sum := w.replicas[0].memory
			for _, other := range w.replicas[1:] {
				merge(s, from, to-from, sum, other.memory)
			}
			size := schema.DTypeSize(s.Type)
			part := span{s.Offset + from*size, (to - from) * size}
			for _, other := range w.replicas[1:] {
				copy(part.of(other.memory), part.of(sum))
			}
		}
		return nil
	})
}

// apply ends a step on every replica.
func (w *Workers) apply(ctx context.Context, step int64) (Counts, error) {
	c := counts(w.engine.section, w.replicas[0].memory)
	if err := w.each(func(_ int, r *replica) error { return r.Apply(ctx, step) }); err != nil {
		return Counts{}, &StepError{Step: step, Err: err}
	}
	return c, nil
}

// batches cuts the records [first, end) of a role into pieces of the engine's capacity and hands them out. Of each, the
// indices are set, and f reads what it may see.
func (w *Workers) batches(ctx context.Context, role string, first, end int64, f func(r *replica, records Records) error) error {
	records, err := w.data.records(role)
	if err != nil {
		return err
	}
	if first < 0 || first > end || end > records.Len() {
		return schema.Invalidf("records", role, "[%d, %d) of %d", first, end, records.Len())
	}
	capacity := int64(w.engine.section.Capacity)
	return w.share(ctx, 0, (end-first+capacity-1)/capacity, func(r *replica, batch int64) error {
		r.indices = r.indices[:0]
		from := first + batch*capacity
		for k := from; k < min(from+capacity, end); k++ {
			r.indices = append(r.indices, uint32(k))
		}
		return f(r, records)
	})
}

// Metrics implements Team.
func (w *Workers) Metrics(ctx context.Context, role string, first, end int64) ([]int64, error) {
	region := w.engine.layout.metrics
	for _, r := range w.replicas {
		clear(region.of(r.memory))
	}
	err := w.batches(ctx, role, first, end, func(r *replica, records Records) error {
		if err := r.read(ctx, records, r.engine.layout.target.of(r.memory)); err != nil {
			return err
		}
		return r.Evaluate(ctx, len(r.indices))
	})
	if err != nil {
		return nil, err
	}
	sums := make([]int64, len(w.engine.section.Metrics))
	for _, r := range w.replicas {
		values := region.of(r.memory)
		for k := range sums {
			sums[k] += int64(binary.LittleEndian.Uint64(values[8*k:]))
		}
	}
	return sums, nil
}
