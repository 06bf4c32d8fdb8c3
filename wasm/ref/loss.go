package ref

import (
	"math"
	"slices"

	"github.com/reprise-ml/reprise/schema"
)

// loss is what stands behind the last layer.
type loss[F Float] struct {
	schema.Named
	classes int // of a class target; 0 where the target is a vector
	target  schema.Field
}

// positions is how many predictions an example asks for.
func (l loss[F]) positions() int {
	if l.classes == 0 {
		return 1
	}
	return schema.Elements(l.target.Shape)
}

// split makes a row of each prediction.
func (l loss[F]) split(outputs [][]F) (split [][]F) {
	for _, row := range outputs {
		for part := range slices.Chunk(row, len(row)/l.positions()) {
			split = append(split, part)
		}
	}
	return split
}

// join is the other way round.
func (l loss[F]) join(split [][]F) (rows [][]F) {
	for parts := range slices.Chunk(split, l.positions()) {
		rows = append(rows, slices.Concat(parts...))
	}
	return rows
}

// predict gives what the engine's predict writes, and log Σ exp of each example's outputs where they are logits.
func (l loss[F]) predict(outputs [][]F) (predictions [][]F, normalizer []F) {
	switch l.Kind {
	case "softmax-cross-entropy", "kl-divergence":
	case "binary-cross-entropy":
		predictions = zeros(outputs)
		for n, x := range outputs {
			for j, v := range x {
				predictions[n][j] = sigmoid(v)
			}
			if l.pair(x) {
				predictions[n] = []F{1 - predictions[n][0], predictions[n][0]}
			}
		}
		return predictions, nil
	default:
		return outputs, nil
	}
	predictions, normalizer = zeros(outputs), make([]F, len(outputs))
	for n, x := range outputs {
		top := F(math.Inf(-1))
		for _, v := range x {
			top = pmax(top, v)
		}
		var sum F
		for j, v := range x {
			e := elementary(v-top, Exp, math.Exp)
			predictions[n][j] = e
			sum += e
		}
		for j := range x {
			predictions[n][j] /= sum
		}
		normalizer[n] = elementary(sum, Log, math.Log) + top
	}
	return predictions, normalizer
}

// pair reports whether one output decides between two classes.
func (l loss[F]) pair(outputs []F) bool { return l.classes == 2 && len(outputs) == 1 }

// labels are the classes of a class target. It reports whether all are classes.
func (l loss[F]) labels(targets []byte, examples int) ([]int, bool) {
	labels := make([]int, examples)
	for n := range labels {
		labels[n] = int(scalar(l.target.DType, targets, n))
		if labels[n] >= l.classes {
			return nil, false
		}
	}
	return labels, true
}

// scored is the judgement of a microbatch.
type scored[F Float] struct {
	losses   []F // of each example
	gradient [][]F
	correct  int64
}

// score compares what was predicted with the targets. It reports whether all targets are of the model.
func (l loss[F]) score(outputs, predictions [][]F, normalizer []F, targets []byte) (s scored[F], ok bool) {
	units := len(outputs[0])
	wanted := rows[F](len(outputs), units)
	var labels []int
	if l.classes == 0 {
		for n := range wanted {
			for j := range wanted[n] {
				wanted[n][j] = F(scalar("f32", targets, n*units+j))
			}
		}
	} else {
		if labels, ok = l.labels(targets, len(outputs)); !ok {
			return s, false
		}
		for n, class := range labels {
			if l.pair(outputs[n]) {
				wanted[n][0] = F(class)
			} else {
				wanted[n][class] = 1
			}
			if argmax(predictions[n]) == class {
				s.correct++
			}
		}
	}
	s.gradient = zeros(outputs)
	for n, x := range outputs {
		if l.pair(x) {
			predictions[n] = predictions[n][1:]
		}
		e := example[F]{x: x, p: predictions[n], t: wanted[n], class: -1}
		if normalizer != nil {
			e.normalizer = normalizer[n]
		}
		if labels != nil {
			e.class = labels[n]
		}
		s.losses = append(s.losses, l.judge(e, s.gradient[n]))
	}
	return s, true
}

// argmax is the index of the largest value, the lowest of equal ones.
func argmax[F Float](x []F) int {
	best := 0
	for j := range x {
		if x[j] > x[best] {
			best = j
		}
	}
	return best
}

// fixedPoint is a loss as it is counted: clamped to ±2^14, in units of 2^−20.
func fixedPoint(x float32) int64 {
	if !(x < 1<<14) {
		x = 1 << 14
	}
	if !(x > -1<<14) {
		x = -1 << 14
	}
	return int64(math.RoundToEven(float64(x) * (1 << 20)))
}
