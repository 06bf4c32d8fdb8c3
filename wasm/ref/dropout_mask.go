package ref

// DropoutMask is what dropout multiplies the elements of a microbatch's example by; package kernel defines the stream
// (Mask).
func DropoutMask(seed, step, microbatch int64, layer, example, elements int, rate float32) []float32 {
	mask := make([]float32, elements)
	for i := range mask {
		w := Random(seed, [4]uint32{
			uint32(example*((elements+3)/4) + i/4), PurposeDropout | uint32(layer), uint32(microbatch), uint32(step),
		})
		if Uniform(w[i%4]) >= rate {
			mask[i] = 1 / (1 - rate)
		}
	}
	return mask
}
