package ref

// dense is y = W·x + b, W [units, inputs].
type dense[F Float] struct {
	inputs, units int
	weight, bias  *Parameter[F]
}

func (d dense[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), d.units)
	for n := range x {
		for u := range d.units {
			var s [4]F
			for i := range d.inputs {
				s[i%4] += F(d.weight.Value[u*d.inputs+i] * x[n][i])
			}
			y[n][u] = fold(s)
			if d.bias != nil {
				y[n][u] += d.bias.Value[u]
			}
		}
	}
	return y
}

// fewUnits is the number of units below which the gradient by x is one sum; else it is four partial ones.
const fewUnits = 32

func (d dense[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range x {
		for i := range d.inputs {
			var s [4]F
			for u := range d.units {
				d.weight.Grad[u*d.inputs+i] += F(dy[n][u] * x[n][i])
				part := u % 4
				if d.units < fewUnits {
					part = 0
				}
				s[part] += F(dy[n][u] * d.weight.Value[u*d.inputs+i])
			}
			dx[n][i] = fold(s)
		}
		if d.bias != nil {
			for u := range d.units {
				d.bias.Grad[u] += dy[n][u]
			}
		}
	}
	return dx
}
