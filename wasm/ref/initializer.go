package ref

import (
	"math"

	"github.com/reprise-ml/reprise/schema"
)

// Initializer gives the initial values of the parameter with this index and shape, by the formulas of package kernel.
func Initializer(n schema.Named, seed int64, index, fanIn, fanOut int, shape []int) []float32 {
	in, out := float64(fanIn), float64(fanOut)
	number := func(name string, otherwise float64) float64 {
		if x, ok := n.Attributes[name].(float64); ok {
			return x
		}
		return otherwise
	}
	value := make([]float32, schema.Elements(shape))
	words := func(i, attempt int) [4]uint32 {
		return Random(seed, [4]uint32{uint32(i / 4), PurposeInit | uint32(index), uint32(attempt)})
	}
	fill := func(scale float64, draw func(i int) float32) {
		for i := range value {
			value[i] = draw(i) * float32(scale)
		}
	}
	one := func(int) float32 { return 1 }
	uniform := func(i int) float32 { u := Uniform(words(i, 0)[i%4]); return u + u - 1 }
	normal := func(i int) float32 { return Normals(words(i, 0))[i%4] }
	truncated := func(i int) float32 {
		var z float32
		for attempt := range 16 {
			if z = Normals(words(i, attempt))[i%4]; !(math.Abs(float64(z)) > 2) {
				break
			}
		}
		return pmax(pmin(z, 2), -2)
	}
	switch n.Kind {
	case "ones":
		fill(1, one)
	case "constant":
		fill(number("value", 0), one)
	case "he-uniform":
		fill(math.Sqrt(6/in), uniform)
	case "glorot-uniform":
		fill(math.Sqrt(6/(in+out)), uniform)
	case "lecun-uniform":
		fill(math.Sqrt(3/in), uniform)
	case "uniform":
		fill(number("limit", 0.05), uniform)
	case "he-normal":
		fill(math.Sqrt(2/in), normal)
	case "glorot-normal":
		fill(math.Sqrt(2/(in+out)), normal)
	case "lecun-normal":
		fill(math.Sqrt(1/in), normal)
	case "normal":
		fill(number("deviation", 0.05), normal)
	case "truncated-normal":
		fill(number("deviation", 0.05), truncated)
	case "variance-scaling":
		fan := in
		switch n.Attributes["mode"] {
		case "fan-out":
			fan = out
		case "fan-average":
			fan = (in + out) / 2
		}
		deviation := math.Sqrt(number("scale", 1) / fan)
		switch n.Attributes["distribution"] {
		case "uniform":
			fill(math.Sqrt(3)*deviation, uniform)
		case "normal":
			fill(deviation, normal)
		default:
			fill(deviation/0.87962566103423978, truncated)
		}
	case "orthogonal":
		fill(1, normal)
		orthonormalize(value, shape[0], len(value)/shape[0])
		for i := range value {
			value[i] *= float32(number("gain", 1))
		}
	case "identity":
		inputs, middle := shape[len(shape)-1], 0
		for _, size := range shape[1 : len(shape)-1] {
			middle = middle*size + size/2
		}
		for unit := range min(shape[0], inputs) {
			value[unit*(len(value)/shape[0])+middle*inputs+unit] = float32(number("gain", 1))
		}
	}
	return value
}

// orthonormalize is the method of Gram and Schmidt, by rows, or by columns where these are fewer.
func orthonormalize(matrix []float32, rows, cols int) {
	vectors, elements := rows, cols
	at := func(k, i int) *float32 { return &matrix[k*cols+i] }
	if rows > cols {
		vectors, elements = cols, rows
		at = func(k, i int) *float32 { return &matrix[i*cols+k] }
	}
	dot := func(a, b int) (sum float64) {
		for i := range elements {
			sum += float64(float64(*at(a, i)) * float64(*at(b, i)))
		}
		return sum
	}
	for k := range vectors {
		for range 2 {
			for j := range k {
				d := float32(dot(k, j))
				for i := range elements {
					*at(k, i) -= float32(d * *at(j, i))
				}
			}
		}
		length := float32(1 / math.Sqrt(dot(k, k)))
		for i := range elements {
			*at(k, i) *= length
		}
	}
}

// Normals makes standard normal numbers of random words (Box and Muller 1958): each two words give a radius and an
// angle, whose cosine and sine the two numbers take.
func Normals(w [4]uint32) [4]float32 {
	var z [4]float32
	for i := range z {
		radius := float32(math.Sqrt(float64(-2 * Log(1-Uniform(w[i&^1])))))
		z[i] = radius * CosTurns(Uniform(w[i|1])-[2]float32{0, 0.25}[i%2])
	}
	return z
}
