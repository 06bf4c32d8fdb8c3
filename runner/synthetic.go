package runner

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/reprise-ml/reprise/schema"
)

// synthetic makes records that fit an engine: random inputs, and targets that are class indices where they can be.
func synthetic(e *Engine) *memoryRecords {
	s, l := e.section, e.layout
	input, target := field(s.Regions[schema.RegionInput]), field(s.Regions[schema.RegionTarget])
	target.Offset = input.Bytes()
	total := int64(max(8*s.Capacity, 64))
	r := newMemoryRecords(schema.RecordLayout{Size: input.Bytes() + target.Bytes(), Input: input, Target: target}, total)
	random := rand.New(rand.NewPCG(1, 2)) // any numbers would do, as long as they are always the same
	classes := max(l.outputs/Predictions(target), 1)
	for range total {
		r.inputs = appendRandom(r.inputs, input, random, 256)
		r.targets = appendRandom(r.targets, target, random, classes)
	}
	return r
}

// field is what one record has of a region.
func field(r schema.Region) schema.Field { return schema.Field{DType: r.DType, Shape: r.Shape[1:]} }

// appendRandom appends a field of integers below a limit, or of floats in −1 … 1.
func appendRandom(b []byte, f schema.Field, random *rand.Rand, limit int) []byte {
	for range schema.Elements(f.Shape) {
		switch f.DType {
		case "f32":
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(2*random.Float32()-1))
		case "u16", "i16":
			b = binary.LittleEndian.AppendUint16(b, uint16(random.IntN(limit)))
		case "u8", "i8":
			b = append(b, byte(random.IntN(min(limit, 256))))
		default:
			b = append(b, make([]byte, schema.DTypeSize(f.DType))...)
			b[len(b)-schema.DTypeSize(f.DType)] = byte(random.IntN(min(limit, 256)))
		}
	}
	return b
}
