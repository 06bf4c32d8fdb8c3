package ref

import "math"

// Initializer gives count initial values of the parameter with this index, by the formulas of package kernel.
func Initializer(name string, seed int64, index, fanIn, fanOut, count int) []float32 {
	in, out := float64(fanIn), float64(fanOut)
	scale := float32(math.Sqrt(map[string]float64{
		"he-normal": 2 / in, "glorot-normal": 2 / (in + out), "lecun-normal": 1 / in,
		"he-uniform": 6 / in, "glorot-uniform": 6 / (in + out), "lecun-uniform": 3 / in,
	}[name]))
	value := make([]float32, count)
	for i := range value {
		w := Random(seed, [4]uint32{uint32(i / 4), PurposeInit | uint32(index)})
		switch name {
		case "ones":
			value[i] = 1
		case "he-uniform", "glorot-uniform", "lecun-uniform":
			u := Uniform(w[i%4])
			value[i] = (u + u - 1) * scale
		case "he-normal", "glorot-normal", "lecun-normal":
			value[i] = Normals(w)[i%4] * scale
		}
	}
	return value
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
