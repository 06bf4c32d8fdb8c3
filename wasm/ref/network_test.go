package ref_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// newNetwork makes a network of layers on f32 records of a shape.
func newNetwork(t *testing.T, shape []int, loss string, layers ...schema.Component) *ref.Network[float32] {
	t.Helper()
	m := schema.Model{Input: schema.Input{Shape: shape, DType: "f32"}, Loss: named(loss)}
	for _, l := range layers {
		m.Layers = append(m.Layers, schema.Layer{Component: l})
	}
	g, err := graph.Build("closure.yaml", m, kernel.GraphOps())
	if err != nil {
		t.Fatal(err)
	}
	record := schema.RecordLayout{Input: schema.Field{DType: "f32", Shape: shape}, Target: schema.Field{DType: "f32", Shape: g.Output().Shape}}
	return ref.NewNetwork[float32](schema.Resolved{
		Model: m, Algorithm: schema.Algorithm{MicrobatchSize: 4, BatchSize: 4},
		Datasets: []schema.ResolvedDataset{{Role: schema.RoleTrain, Record: record}},
	}, g)
}

func floats(xs ...float32) []byte {
	var b []byte
	for _, x := range xs {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// What layers make of small inputs, computed by hand.
func TestLayersByHand(t *testing.T) {
	type attributes = map[string]any
	count := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, c := range []struct {
		name         string
		shape        []int
		kind         string
		attributes   attributes
		weight, bias []float32
		x, want      []float32
	}{
		{"dense", []int{3}, "dense", attributes{"units": 2}, []float32{1, 2, 3, 4, 5, 6}, []float32{0.5, -0.5}, []float32{1, 1, 2}, []float32{9.5, 20.5}},
		{"conv2d", []int{3, 3, 1}, "conv2d", attributes{"filters": 1, "kernel": 2}, []float32{1, 2, 3, 4}, []float32{0.5}, count, []float32{37.5, 47.5, 67.5, 77.5}},
		{"conv2d, same", []int{3, 3, 1}, "conv2d", attributes{"filters": 1, "kernel": 2, "padding": "same"}, []float32{1, 2, 3, 4}, []float32{0}, count, []float32{37, 47, 21, 67, 77, 33, 23, 26, 9}},
		{"conv2d, strided", []int{3, 3, 1}, "conv2d", attributes{"filters": 1, "kernel": 2, "padding": "same", "stride": 2}, []float32{1, 2, 3, 4}, []float32{0}, count, []float32{37, 21, 23, 9}},
		{"conv2d, channels", []int{1, 1, 2}, "conv2d", attributes{"filters": 2, "kernel": 1}, []float32{3, 4, 5, 6}, []float32{0, 1}, []float32{1, 2}, []float32{11, 18}},
		{"maxpool2d", []int{3, 3, 1}, "maxpool2d", attributes{"size": 2, "stride": 1}, nil, nil, count, []float32{5, 6, 8, 9}},
		{"maxpool2d of negative numbers, padded", []int{2, 2, 1}, "maxpool2d", attributes{"size": 2, "padding": 1}, nil, nil, []float32{-1, -2, -3, -4}, []float32{-1, -2, -3, -4}},
		{"avgpool2d, same", []int{3, 3, 1}, "avgpool2d", attributes{"size": 2, "padding": "same"}, nil, nil, count, []float32{3, 2.25, 3.75, 2.25}},
		{"avgpool2d, channels", []int{1, 2, 2}, "avgpool2d", attributes{"size": []any{1.0, 2.0}}, nil, nil, []float32{1, 10, 3, 30}, []float32{2, 20}},
		{"relu", []int{3}, "activation", attributes{"function": "relu"}, nil, nil, []float32{-1, 0, 2}, []float32{0, 0, 2}},
		{"leaky-relu", []int{2}, "activation", attributes{"function": "leaky-relu"}, nil, nil, []float32{-1, 2}, []float32{-0.01, 2}},
		{"sigmoid", []int{1}, "activation", attributes{"function": "sigmoid"}, nil, nil, []float32{0}, []float32{0.5}},
		{"flatten", []int{2, 1, 2}, "flatten", nil, nil, nil, []float32{1, 2, 3, 4}, []float32{1, 2, 3, 4}},
		{"dropout, not training", []int{2}, "dropout", attributes{"rate": 0.9}, nil, nil, []float32{1, 2}, []float32{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.shape, kernel.MeanSquaredError, schema.Component{Kind: c.kind, Attributes: c.attributes})
			for i, values := range [][]float32{c.weight, c.bias} {
				if values != nil {
					copy(n.Parameters[i].Value, values)
				}
			}
			values := n.Forward(ref.Call{}, floats(c.x...), 1)
			if got := values[len(values)-1][0]; !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// The gradient of ((w·x + b) − t)² by w and b, summed over two examples.
func TestGradientByHand(t *testing.T) {
	n := newNetwork(t, []int{2}, kernel.MeanSquaredError, schema.Component{Kind: "dense", Attributes: map[string]any{"units": 1}})
	copy(n.Parameters[0].Value, []float32{2, 3})
	copy(n.Parameters[1].Value, []float32{1})
	// Outputs 2·1 + 3·2 + 1 = 9 and 2·1 + 3·0 + 1 = 3; off by 4 and −1.
	input, target := floats(1, 2, 1, 0), floats(5, 4)
	n.Gradient(ref.Call{}, input, target, 2)
	if got, want := n.Parameters[0].Grad, []float32{8*1 - 2*1, 8 * 2}; !slices.Equal(got, want) {
		t.Errorf("by w: %v, want %v", got, want)
	}
	if got := n.Parameters[1].Grad[0]; got != 6 {
		t.Errorf("by b: %v, want 6", got)
	}
	if got := n.Loss(ref.Call{}, input, target, 2); got != 17 {
		t.Errorf("loss %v, want 17", got)
	}
}
