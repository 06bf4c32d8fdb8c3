package modelfile

import "slices"

// flattened are the images, one behind the other, that the elements of a row were, where ONNX has them in another order than we:
// channel by channel instead of pixel by pixel. Nil where the orders are the same.
type flattened []image

type image struct{ height, width, channels int }

func (i image) size() int { return i.height * i.width * i.channels }

// alike reports whether both orders are the same.
func (i image) alike() bool { return i.channels == 1 || i.height*i.width == 1 }

// maxFlattened bounds how many images a row can be of.
const maxFlattened = 1 << 12

// flatten is the order of an image [channels, height, width] as a row.
func flatten(shape []int) flattened {
	if i := (image{shape[1], shape[2], shape[0]}); !i.alike() {
		return flattened{i}
	}
	return nil
}

// joinOrders is the order of rows one behind the other; false where there are too many.
func joinOrders(rows []value) (flattened, bool) {
	if !slices.ContainsFunc(rows, func(v value) bool { return v.order != nil }) {
		return nil, true
	}
	var joined flattened
	for _, v := range rows {
		if v.order == nil {
			joined = append(joined, image{1, 1, v.shape[0]})
		}
		if joined = append(joined, v.order...); len(joined) > maxFlattened {
			return nil, false
		}
	}
	return joined, true
}

// theirs says for each of our elements which of ONNX's it is.
func (f flattened) theirs() []int {
	var list []int
	start := 0
	for _, i := range f {
		for pixel := range i.height * i.width {
			for c := range i.channels {
				list = append(list, start+c*i.height*i.width+pixel)
			}
		}
		start += i.size()
	}
	return list
}

// columns brings the columns of a matrix [rows, elements], which ONNX has in its order, into ours.
func (f flattened) columns(values []float32) []float32 {
	if f == nil {
		return values
	}
	from := f.theirs()
	out := make([]float32, 0, len(values))
	for at := 0; at < len(values); at += len(from) {
		for _, k := range from {
			out = append(out, values[at+k])
		}
	}
	return out
}
