package ref

// dropout multiplies by DropoutMask while training, and is the identity elsewhere.
type dropout[F Float] struct {
	rate  float32
	layer int // position in the graph
}

func (l dropout[F]) forward(c Call, x [][]F) [][]F {
	if !c.Train {
		return x
	}
	return l.times(c, x)
}

func (l dropout[F]) backward(c Call, _, _, dy [][]F) [][]F { return l.times(c, dy) }

func (l dropout[F]) times(c Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		for i, m := range DropoutMask(c.Seed, c.Step, c.Microbatch, l.layer, c.First+n, len(x[n]), l.rate) {
			y[n][i] = x[n][i] * F(m)
		}
	}
	return y
}
