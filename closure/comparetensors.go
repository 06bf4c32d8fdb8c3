package closure

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/schema"
)

func compareParameters(ctx context.Context, a, b Side) ([]schema.TensorDifference, error) {
	var sides [2]map[string]Tensor
	var order []string
	for i, side := range []Side{a, b} {
		f, _ := FindFile(side.Closure, schema.PathParameters)
		tensors, err := LoadTensors(ctx, side.Blobs, f)
		if err != nil {
			return nil, err
		}
		sides[i] = map[string]Tensor{}
		for _, t := range tensors {
			sides[i][t.Name] = t
		}
	}
	order = keys(sides[0], sides[1])
	list := []schema.TensorDifference{}
	for _, name := range order {
		list = append(list, compareTensors(name, pointer(sides[0], name), pointer(sides[1], name)))
	}
	return list, nil
}

func compareTensors(name string, a, b *Tensor) schema.TensorDifference {
	d := schema.TensorDifference{Name: name, A: typeOf(a), B: typeOf(b)}
	if a == nil || b == nil || a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) {
		return d
	}
	d.Equal = bytes.Equal(a.Data, b.Data)
	size := schema.DTypeSize(a.DType)
	var most, sum float64
	for at := 0; at < len(a.Data); at += size {
		x, y := number(a.DType, a.Data[at:]), number(a.DType, b.Data[at:])
		difference := math.Abs(x - y)
		if math.IsNaN(difference) || math.IsInf(difference, 0) {
			return d
		}
		most, sum = max(most, difference), sum+difference
	}
	d.Max, d.Mean = new(most), new(sum/float64(max(1, len(a.Data)/size)))
	return d
}

func typeOf(t *Tensor) *schema.TensorType {
	if t == nil {
		return nil
	}
	return &schema.TensorType{DType: t.DType, Shape: append([]int{}, t.Shape...)}
}

// number reads a value, for people: a large integer is the nearest float64.
func number(dtype string, b []byte) float64 {
	switch dtype {
	case "u8":
		return float64(b[0])
	case "i8":
		return float64(int8(b[0]))
	case "u16":
		return float64(binary.LittleEndian.Uint16(b))
	case "i16":
		return float64(int16(binary.LittleEndian.Uint16(b)))
	case "u32":
		return float64(binary.LittleEndian.Uint32(b))
	case "i32":
		return float64(int32(binary.LittleEndian.Uint32(b)))
	case "i64":
		return float64(int64(binary.LittleEndian.Uint64(b)))
	case "f64":
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
}
