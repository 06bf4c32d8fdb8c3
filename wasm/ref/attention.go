package ref

import "math"

// attention is p·v of p = softmax(q·k/√d), for each head; queries, keys and values lie side by side.
type attention[F Float] struct {
	steps, units, heads int
	causal              bool
}

// each runs body for each head of an example, with what reads an element of its queries, keys or values (0, 1, 2).
func (l attention[F]) each(body func(at func(part, t, c int) int, first int)) {
	depth := l.units / l.heads
	for h := range l.heads {
		body(func(part, t, c int) int { return t*3*l.units + part*l.units + h*depth + c }, h*depth)
	}
}

func (l attention[F]) depth() int { return l.units / l.heads }

func (l attention[F]) scale() F { return F(single(1 / math.Sqrt(float64(l.depth())))) }

// seen is how many steps a step sees.
func (l attention[F]) seen(i int) int {
	if l.causal {
		return i + 1
	}
	return l.steps
}

// probabilities of the steps that each step sees.
func (l attention[F]) probabilities(x []F, at func(part, t, c int) int) [][]F {
	p := make([][]F, l.steps)
	for i := range p {
		p[i] = make([]F, l.seen(i))
		for j := range p[i] {
			var s F
			for c := range l.depth() {
				s += F(x[at(0, i, c)] * x[at(1, j, c)])
			}
			p[i][j] = s * l.scale()
		}
		softmaxOf(p[i], p[i])
	}
	return p
}

func (l attention[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), l.steps*l.units)
	for n := range x {
		l.each(func(at func(part, t, c int) int, first int) {
			for i, p := range l.probabilities(x[n], at) {
				for c := range l.depth() {
					var s F
					for j := range p {
						s += F(p[j] * x[n][at(2, j, c)])
					}
					y[n][i*l.units+first+c] = s
				}
			}
		})
	}
	return y
}

func (l attention[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range x {
		l.each(func(at func(part, t, c int) int, first int) {
			p := l.probabilities(x[n], at)
			for i := range p {
				ds, sum := make([]F, len(p[i])), F(0)
				for j := range p[i] {
					for c := range l.depth() {
						d := dy[n][i*l.units+first+c]
						ds[j] += F(d * x[n][at(2, j, c)])
						dx[n][at(2, j, c)] += F(p[i][j] * d)
					}
					sum += F(ds[j] * p[i][j])
				}
				for j := range ds {
					s := F(F(p[i][j]*(ds[j]-sum)) * l.scale())
					for c := range l.depth() {
						dx[n][at(0, i, c)] += F(s * x[n][at(1, j, c)])
						dx[n][at(1, j, c)] += F(s * x[n][at(0, i, c)])
					}
				}
			}
		})
	}
	return dx
}
