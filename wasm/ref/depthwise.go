package ref

// depthwise is y[oy,ox,c] = Σ x[oy·s + i − p, ox·s + j − p, c]·W[c,i,j] + b[c].
type depthwise[F Float] struct {
	window
	weight, bias *Parameter[F]
	tile         int // examples, which order the sums of the gradients by W and b
}

// at is the index of a weight.
func (l depthwise[F]) at(c, i, j int) int { return (c*l.kernelHeight+i)*l.kernelWidth + j }

func (l depthwise[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), l.outHeight*l.outWidth*l.channels)
	for n := range x {
		l.eachOutput(func(oy, ox, c, out int) {
			l.each(oy, ox, func(i, j, at int) { y[n][out] += F(l.weight.Value[l.at(c, i, j)] * x[n][at+c]) })
			if l.bias != nil {
				y[n][out] += l.bias.Value[c]
			}
		})
	}
	return y
}

func (l depthwise[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	weights, biases := make([][4]F, len(l.weight.Value)), make([][4]F, l.channels)
	for first := 0; first < len(x); first += l.tile {
		l.eachOutput(func(oy, ox, c, out int) {
			for n := first; n < min(first+l.tile, len(x)); n++ {
				g := dy[n][out]
				biases[c][n%4] += g
				l.each(oy, ox, func(i, j, at int) {
					weights[l.at(c, i, j)][n%4] += F(g * x[n][at+c])
					dx[n][at+c] += F(l.weight.Value[l.at(c, i, j)] * g)
				})
			}
		})
	}
	for i, s := range weights {
		l.weight.Grad[i] = fold(s)
	}
	if l.bias != nil {
		for c, s := range biases {
			l.bias.Grad[c] = fold(s)
		}
	}
	return dx
}
