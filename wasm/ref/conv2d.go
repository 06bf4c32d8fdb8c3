package ref

// conv2d is y[oy,ox,f] = Σ x[oy·s + i − p, ox·s + j − p, c]·W[f,i,j,c] + b[f].
type conv2d[F Float] struct {
	window
	filters      int
	weight, bias *Parameter[F]
	tile         int // examples, which order the sums of the gradients by W and b
}

// at is the index of a weight.
func (l conv2d[F]) at(f, i, j, c int) int {
	return ((f*l.kernelHeight+i)*l.kernelWidth+j)*l.channels + c
}

func (l conv2d[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), l.outHeight*l.outWidth*l.filters)
	for n := range x {
		l.positions(func(oy, ox int) {
			for f := range l.filters {
				var s F
				l.each(oy, ox, func(i, j, at int) {
					for c := range l.channels {
						s += F(l.weight.Value[l.at(f, i, j, c)] * x[n][at+c])
					}
				})
				if l.bias != nil {
					s += l.bias.Value[f]
				}
				y[n][l.output(oy, ox, f)] = s
			}
		})
	}
	return y
}

func (l conv2d[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	l.weightGradient(x, dy)
	dx := zeros(x)
	for n := range x {
		l.inputGradient(dx[n], dy[n])
	}
	return dx
}

// inputGradient visits the outputs in their order. At a stride of 1 in both directions each product is added to the input's
// sum by itself; else those of one output are summed over the filters first.
func (l conv2d[F]) inputGradient(dx, dy []F) {
	alone := l.strideHeight == 1 && l.strideWidth == 1
	l.positions(func(oy, ox int) {
		l.each(oy, ox, func(i, j, at int) {
			for c := range l.channels {
				var s F
				if alone {
					s = dx[at+c]
				}
				for f := range l.filters {
					s += F(l.weight.Value[l.at(f, i, j, c)] * dy[l.output(oy, ox, f)])
				}
				if !alone {
					s = dx[at+c] + s
				}
				dx[at+c] = s
			}
		})
	})
}

// weightGradient has a partial sum for the examples ≡ l (mod 4) each, over tiles, positions and the examples of a tile.
func (l conv2d[F]) weightGradient(x, dy [][]F) {
	weights, biases := make([][4]F, len(l.weight.Value)), make([][4]F, l.filters)
	for first := 0; first < len(x); first += l.tile {
		l.positions(func(oy, ox int) {
			for n := first; n < min(first+l.tile, len(x)); n++ {
				for f := range l.filters {
					g := dy[n][l.output(oy, ox, f)]
					biases[f][n%4] += g
					l.each(oy, ox, func(i, j, at int) {
						for c := range l.channels {
							weights[l.at(f, i, j, c)][n%4] += F(g * x[n][at+c])
						}
					})
				}
			}
		})
	}
	for i, s := range weights {
		l.weight.Grad[i] = fold(s)
	}
	if l.bias != nil {
		for f, s := range biases {
			l.bias.Grad[f] = fold(s)
		}
	}
}
