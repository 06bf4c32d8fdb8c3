package ref

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/reprise-ml/reprise/schema"
)

// input is x·scale + offset of a record's values.
type input[F Float] struct {
	field schema.Field
	// One constant, or one per element. A single scale of 1 or offset of 0 is left out.
	scale, offset []float32
}

func newInput[F Float](n *schema.Normalize, field schema.Field) input[F] {
	scale, offset := constants(n)
	in := input[F]{field: field}
	elements := schema.Elements(field.Shape)
	if len(scale) == 1 && len(offset) == 1 {
		elements = 1
	}
	for i := range elements {
		in.scale = append(in.scale, single(scale[i%len(scale)]))
		in.offset = append(in.offset, single(offset[i%len(offset)]))
	}
	return in
}

// constants are scale and offset of whatever form a specification gave, computed in f64.
func constants(n *schema.Normalize) (scale, offset []float64) {
	scale, offset = []float64{1}, []float64{0}
	switch {
	case n == nil:
	case n.Mean != nil:
		scale, offset = nil, nil
		for i := range max(len(n.Mean), len(n.Deviation)) {
			s := 1 / n.Deviation[i%len(n.Deviation)]
			scale, offset = append(scale, s), append(offset, -n.Mean[i%len(n.Mean)]*s)
		}
	default:
		if n.Scale != nil {
			scale = n.Scale
		}
		if n.Offset != nil {
			offset = n.Offset
		}
	}
	return scale, offset
}

// single rounds a decimal number to f32 once.
func single(x float64) float32 {
	f, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', -1, 64), 32)
	if err != nil {
		panic("ref: " + err.Error())
	}
	return float32(f)
}

func (in input[F]) load(records []byte, examples int) [][]F {
	elements := schema.Elements(in.field.Shape)
	x := rows[F](examples, elements)
	for n := range x {
		for i := range x[n] {
			x[n][i] = in.normalize(F(scalar(in.field.DType, records, n*elements+i)), i)
		}
	}
	return x
}

func (in input[F]) normalize(x F, i int) F {
	if len(in.scale) > 1 {
		return F(x*F(in.scale[i])) + F(in.offset[i])
	}
	if in.scale[0] != 1 {
		x = F(x * F(in.scale[0]))
	}
	if in.offset[0] != 0 {
		x += F(in.offset[0])
	}
	return x
}

// scalar is the i-th number of an array.
func scalar(dtype string, array []byte, i int) float32 {
	switch dtype {
	case "u8":
		return float32(array[i])
	case "u16":
		return float32(binary.LittleEndian.Uint16(array[2*i:]))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(array[4*i:]))
}
