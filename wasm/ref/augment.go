package ref

import (
	"encoding/binary"
	"math"

	"github.com/reprise-ml/reprise/schema"
)

// PurposeAugment are random changes of inputs; lower bits: the place in the list of changes.
const PurposeAugment = 5 << 24

// Augment gives a record as training sees it, by the rules of package kernel.
func Augment(changes []schema.Component, field schema.Field, c Call, example int, record []byte) []byte {
	record = append([]byte(nil), record...)
	for place, change := range changes {
		words := Random(c.Seed, [4]uint32{uint32(example), PurposeAugment | uint32(place), uint32(c.Microbatch), uint32(c.Step)})
		record = augmented(change.Kind, change.Attributes, field, words, record)
	}
	return record
}

func augmented(kind string, a schema.Attributes, field schema.Field, words [4]uint32, record []byte) []byte {
	below := func(word, n int) int { return int(uint64(words[word]) * uint64(n) >> 32) }
	size := schema.DTypeSize(field.DType)
	out := make([]byte, len(record))
	// moved makes each pixel that of another place, or zero where there is none.
	moved := func(from func(y, x int) (int, int)) []byte {
		h, w, pixel := field.Shape[0], field.Shape[1], field.Shape[2]*size
		for y := range h {
			for x := range w {
				if fy, fx := from(y, x); fy >= 0 && fy < h && fx >= 0 && fx < w {
					copy(out[(y*w+x)*pixel:][:pixel], record[(fy*w+fx)*pixel:])
				}
			}
		}
		return out
	}
	switch kind {
	case "crop":
		_, h, w := a.Padding("padding")
		dy, dx := below(0, 2*h+1)-h, below(1, 2*w+1)-w
		return moved(func(y, x int) (int, int) { return y + dy, x + dx })
	case "flip":
		if words[0]>>8 >= uint32(a.Float("probability")*(1<<24)) {
			return record
		}
		h, w := field.Shape[0], field.Shape[1]
		return moved(func(y, x int) (int, int) {
			if a.Text("direction") == "vertical" {
				return h - 1 - y, x
			}
			return y, w - 1 - x
		})
	case "cutout":
		h, w := a.Size("size")
		top, left := below(0, field.Shape[0])-h/2, below(1, field.Shape[1])-w/2
		return moved(func(y, x int) (int, int) {
			if y >= top && y < top+h && x >= left && x < left+w {
				return -1, -1
			}
			return y, x
		})
	}
	u := Uniform(words[0])
	factor := 1 + float32(single(a.Float("delta"))*(u+u-1))
	elements := schema.Elements(field.Shape)
	var sum float64
	for i := range elements {
		sum += float64(scalar(field.DType, record, i))
	}
	mean := float32(sum / float64(elements))
	for i := range elements {
		v := scalar(field.DType, record, i)
		if kind == "contrast" {
			v = mean + float32((v-mean)*factor)
		} else {
			v *= factor
		}
		if size == 1 {
			out[i] = byte(math.RoundToEven(float64(min(max(v, 0), 255))))
		} else {
			binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(v))
		}
	}
	return out
}
