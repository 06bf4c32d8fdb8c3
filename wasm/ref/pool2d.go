package ref

import "math"

// maxPool2d is the maximum of each channel in a window. Its gradient goes to the first of equal elements.
type maxPool2d[F Float] struct{ window }

func (l maxPool2d[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), l.outHeight*l.outWidth*l.channels)
	for n := range x {
		l.eachOutput(func(oy, ox, c, out int) {
			most := F(math.Inf(-1))
			l.each(oy, ox, func(_, _, at int) { most = pmax(most, x[n][at+c]) })
			y[n][out] = most
		})
	}
	return y
}

func (l maxPool2d[F]) backward(_ Call, x, y, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range x {
		l.eachOutput(func(oy, ox, c, out int) {
			found := false
			l.each(oy, ox, func(_, _, at int) {
				if hit := x[n][at+c] == y[n][out]; hit && !found {
					found = true
					give(l.window, &dx[n][at+c], dy[n][out])
				}
			})
		})
	}
	return dx
}

// avgPool2d is the mean of each channel in a window, zeros of the padding included.
type avgPool2d[F Float] struct{ window }

// share is what each element of a window contributes.
func (l avgPool2d[F]) share() F { return 1 / F(l.kernelHeight*l.kernelWidth) }

func (l avgPool2d[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), l.outHeight*l.outWidth*l.channels)
	for n := range x {
		l.eachOutput(func(oy, ox, c, out int) {
			var s F
			l.each(oy, ox, func(_, _, at int) { s += x[n][at+c] })
			y[n][out] = s * l.share()
		})
	}
	return y
}

func (l avgPool2d[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range x {
		l.eachOutput(func(oy, ox, c, out int) {
			g := dy[n][out] * l.share()
			l.each(oy, ox, func(_, _, at int) { give(l.window, &dx[n][at+c], g) })
		})
	}
	return dx
}

func (w window) eachOutput(visit func(oy, ox, c, out int)) {
	w.positions(func(oy, ox int) {
		for c := range w.channels {
			visit(oy, ox, c, w.output(oy, ox, c))
		}
	})
}

// give adds to the gradient of an input. Where windows do not meet it is stored, which tells −0 from +0.
func give[F Float](w window, to *F, g F) {
	if w.strideHeight >= w.kernelHeight && w.strideWidth >= w.kernelWidth {
		*to = g
		return
	}
	*to += g
}
