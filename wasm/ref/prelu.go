package ref

import "slices"

// prelu is y = x > 0 ? x : w·x, with a slope of each channel or one of all.
type prelu[F Float] struct {
	weight *Parameter[F]
	tile   int // examples, which order the sums of the gradient by w
}

func (l prelu[F]) slope(e int) int { return e % len(l.weight.Value) }

func (l prelu[F]) forward(_ Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		for e, v := range x[n] {
			if v > 0 {
				y[n][e] = v
			} else {
				y[n][e] = l.weight.Value[l.slope(e)] * v
			}
		}
	}
	return y
}

func (l prelu[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	sums := make([][4]F, len(l.weight.Value))
	tiled(len(x), l.tile, len(x[0]), func(n, e int) {
		g := dy[n][e]
		if x[n][e] > 0 {
			dx[n][e] = g
			return
		}
		dx[n][e] = l.weight.Value[l.slope(e)] * g
		sums[l.slope(e)][n%4] += F(x[n][e] * g)
	})
	for i, s := range sums {
		l.weight.Grad[i] = fold(s)
	}
	return dx
}

// maxout is the largest of each so many neighbouring channels.
type maxout[F Float] struct{ size int }

func (l maxout[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), len(x[0])/l.size)
	for n := range x {
		for e := range y[n] {
			group := x[n][e*l.size:][:l.size]
			y[n][e] = group[0]
			for _, v := range group[1:] {
				y[n][e] = pmax(y[n][e], v)
			}
		}
	}
	return y
}

func (l maxout[F]) backward(_ Call, x, y, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range y {
		for e, most := range y[n] {
			dx[n][e*l.size+slices.Index(x[n][e*l.size:][:l.size], most)] = dy[n][e]
		}
	}
	return dx
}
