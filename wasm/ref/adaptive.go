package ref

import (
	"math"

	"github.com/reprise-ml/reprise/wasm/graph"
)

// adaptivePool is the maximum or the mean of each channel in windows that divide an image into so many.
type adaptivePool[F Float] struct {
	max               bool
	height, width     int
	channels          int
	outHeight, outWid int
}

func newAdaptivePool[F Float](node *graph.Node, max, global bool) layer[F] {
	l := adaptivePool[F]{max: max, outHeight: 1, outWid: 1}
	l.height, l.width, l.channels = image(node.In().Shape)
	if !global {
		l.outHeight, l.outWid = node.Attributes.Size("size")
	}
	return l
}

// windows visits the outputs, with the inputs of each, row by row.
func (l adaptivePool[F]) windows(visit func(out int, in []int)) {
	span := func(o, n, m int) (first, end int) { return o * n / m, ((o+1)*n + m - 1) / m }
	for oy := range l.outHeight {
		y0, y1 := span(oy, l.height, l.outHeight)
		for ox := range l.outWid {
			x0, x1 := span(ox, l.width, l.outWid)
			for c := range l.channels {
				var in []int
				for y := y0; y < y1; y++ {
					for x := x0; x < x1; x++ {
						in = append(in, (y*l.width+x)*l.channels+c)
					}
				}
				visit((oy*l.outWid+ox)*l.channels+c, in)
			}
		}
	}
}

func (l adaptivePool[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), l.outHeight*l.outWid*l.channels)
	for n := range x {
		l.windows(func(out int, in []int) {
			if l.max {
				y[n][out] = F(math.Inf(-1))
			}
			for _, i := range in {
				if l.max {
					y[n][out] = pmax(y[n][out], x[n][i])
				} else {
					y[n][out] += x[n][i]
				}
			}
			if !l.max {
				y[n][out] /= F(len(in))
			}
		})
	}
	return y
}

func (l adaptivePool[F]) backward(_ Call, x, y, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range x {
		l.windows(func(out int, in []int) {
			for _, i := range in {
				if !l.max {
					dx[n][i] += dy[n][out] / F(len(in))
				} else if x[n][i] == y[n][out] {
					dx[n][i] += dy[n][out]
					return
				}
			}
		})
	}
	return dx
}
