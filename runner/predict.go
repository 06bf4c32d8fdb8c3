package runner

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"

	"github.com/reprise-ml/reprise/schema"
)

// Argmax is the class of a prediction: the index of the largest value, ties to the lowest index. A NaN is never the
// largest; of NaNs alone it is 0.
func Argmax(values []float32) int {
	best, at := float32(math.Inf(-1)), 0
	for k, v := range values {
		if v > best {
			best, at = v, k
		}
	}
	return at
}

// Correct implements Team. Targets never enter the engine's memory.
func (w *Workers) Correct(ctx context.Context, role string, first, end int64) (int64, error) {
	records, err := w.data.records(role)
	if err != nil {
		return 0, err
	}
	field := records.Layout().Target
	positions, width := Predictions(field), w.engine.layout.outputs
	switch {
	case !IsClass(field):
		return 0, schema.Invalidf("datasets", role, "the target is %s, not a class index: there is no accuracy", describe(field.DType, field.Shape))
	case width%positions != 0:
		return 0, schema.Invalidf("datasets", role, "the target is %s, but predict writes %d values for a record: they are not as many for each class index", describe(field.DType, field.Shape), width)
	}
	width /= positions
	var correct atomic.Int64
	err = w.batches(ctx, role, first, end, func(r *replica, records Records) error {
		r.forget()
		if err := r.read(ctx, records, r.targets); err != nil {
			return err
		}
		if err := r.Predict(ctx, len(r.indices)); err != nil {
			return err
		}
		outputs, size := r.outputs(len(r.indices)), schema.DTypeSize(field.DType)
		for k := range len(r.indices) * positions {
			if Argmax(outputs[k*width:(k+1)*width]) == class(field, r.targets[k*size:]) {
				correct.Add(1)
			}
		}
		return nil
	})
	return correct.Load(), err
}

// forget clears the targets that an earlier call may have left in the engine's memory, which predict must not see.
func (r *replica) forget() { clear(r.engine.layout.target.of(r.memory)) }

// IsClass reports whether a target is a class index, or one for each of several positions.
func IsClass(f schema.Field) bool { return f.DType == "u8" || f.DType == "u16" }

// Predictions is how many predictions a record asks for, which accuracies and losses are counted over: one, or as many as
// its target has class indices.
func Predictions(target schema.Field) int {
	if !IsClass(target) {
		return 1
	}
	return schema.Elements(target.Shape)
}

func class(f schema.Field, b []byte) int {
	if f.DType == "u8" {
		return int(b[0])
	}
	return int(binary.LittleEndian.Uint16(b))
}

// outputs of the first n records.
func (r *replica) outputs(n int) []float32 {
	l := &r.engine.layout
	region := l.output.of(r.memory)
	values := make([]float32, n*l.outputs)
	for k := range values {
		values[k] = math.Float32frombits(binary.LittleEndian.Uint32(region[4*k:]))
	}
	return values
}

// Predict implements Team.
func (w *Workers) Predict(ctx context.Context, inputs []byte) ([]float32, error) {
	l := w.engine.layout
	if l.inputBytes == 0 || len(inputs)%l.inputBytes != 0 {
		return nil, schema.Invalidf("inputs", "", "%d bytes are not whole inputs of %d bytes", len(inputs), l.inputBytes)
	}
	n, capacity := len(inputs)/l.inputBytes, w.engine.section.Capacity
	values := make([]float32, n*l.outputs)
	err := w.share(ctx, 0, int64((n+capacity-1)/capacity), func(r *replica, batch int64) error {
		from := int(batch) * capacity
		count := min(capacity, n-from)
		copy(l.input.of(r.memory), inputs[from*l.inputBytes:(from+count)*l.inputBytes])
		r.forget()
		if err := r.Predict(ctx, count); err != nil {
			return err
		}
		copy(values[from*l.outputs:], r.outputs(count))
		return nil
	})
	return values, err
}
