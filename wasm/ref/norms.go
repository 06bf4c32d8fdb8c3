package ref

import (
	"math"

	"github.com/reprise-ml/reprise/wasm/graph"
)

// groupNorm gives groups of channels of an example mean 0 and variance 1, and then each channel a scale and an offset, if it has such.
type groupNorm[F Float] struct {
	epsilon          float32
	channels, groups int
	weight, bias     *Parameter[F]
	tile             int
}

func newGroupNorm[F Float](node *graph.Node, groups int, weight, bias *Parameter[F], tile int) layer[F] {
	return groupNorm[F]{
		epsilon: single(node.Attributes.Float("epsilon")), channels: node.Shape[len(node.Shape)-1], groups: groups,
		weight: weight, bias: bias, tile: tile,
	}
}

func (l groupNorm[F]) group(e int) int { return e % l.channels / (l.channels / l.groups) }

// sums are the sums of what value gives for each element of a group.
func (l groupNorm[F]) sums(elements int, value func(e int) F) []F {
	s := make([]F, l.groups)
	for e := range elements {
		s[l.group(e)] += value(e)
	}
	return s
}

// statistics of an example.
func (l groupNorm[F]) statistics(x []F) (mean, inverse []F) {
	count := F(len(x) / l.groups)
	mean = l.sums(len(x), func(e int) F { return x[e] })
	for g := range mean {
		mean[g] /= count
	}
	inverse = l.sums(len(x), func(e int) F {
		d := x[e] - mean[l.group(e)]
		return F(d * d)
	})
	for g, s := range inverse {
		inverse[g] = 1 / F(math.Sqrt(float64(s/count+F(l.epsilon))))
	}
	return mean, inverse
}

func (l groupNorm[F]) forward(_ Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		mean, inverse := l.statistics(x[n])
		for e, v := range x[n] {
			g, c := l.group(e), e%l.channels
			if l.weight == nil {
				y[n][e] = (v - mean[g]) * inverse[g]
			} else {
				y[n][e] = F((v-mean[g])*F(l.weight.Value[c]*inverse[g])) + l.bias.Value[c]
			}
		}
	}
	return y
}

func (l groupNorm[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx, normalized := zeros(x), zeros(x)
	for n := range x {
		mean, inverse := l.statistics(x[n])
		for e, v := range x[n] {
			normalized[n][e] = (v - mean[l.group(e)]) * inverse[l.group(e)]
		}
		h := func(e int) F {
			if l.weight == nil {
				return dy[n][e]
			}
			return dy[n][e] * l.weight.Value[e%l.channels]
		}
		count := F(len(x[n]) / l.groups)
		first := l.sums(len(x[n]), h)
		second := l.sums(len(x[n]), func(e int) F { return F(h(e) * normalized[n][e]) })
		for e := range x[n] {
			g := l.group(e)
			dx[n][e] = inverse[g] * ((h(e) - first[g]/count) - F(normalized[n][e]*(second[g]/count)))
		}
	}
	if l.weight == nil {
		return dx
	}
	weights, biases := make([][4]F, l.channels), make([][4]F, l.channels)
	tiled(len(x), l.tile, len(x[0]), func(n, e int) {
		weights[e%l.channels][n%4] += F(dy[n][e] * normalized[n][e])
		biases[e%l.channels][n%4] += dy[n][e]
	})
	for c := range weights {
		l.weight.Grad[c], l.bias.Grad[c] = fold(weights[c]), fold(biases[c])
	}
	return dx
}

// localResponse divides by a power of the mean square of neighbouring channels.
type localResponse[F Float] struct {
	channels, size int
	alpha, beta, k float64
}

func newLocalResponse[F Float](node *graph.Node) layer[F] {
	a := node.Attributes
	return localResponse[F]{node.Shape[len(node.Shape)-1], a.Int("size"), a.Float("alpha"), a.Float("beta"), a.Float("k")}
}

// sum is that of value over the channels from so many before to so many behind element e.
func (l localResponse[F]) sum(e, before, behind int, value func(e int) F) (s F) {
	c := e % l.channels
	for j := max(c-before, 0); j <= min(c+behind, l.channels-1); j++ {
		s += value(e - c + j)
	}
	return s
}

// divisors of an example, and their powers.
func (l localResponse[F]) divisors(x []F) (d, power []F) {
	d, power = make([]F, len(x)), make([]F, len(x))
	for e := range x {
		sum := l.sum(e, l.size/2, (l.size-1)/2, func(e int) F { return F(x[e] * x[e]) })
		d[e] = F(single(l.k)) + F(F(single(l.alpha/float64(l.size)))*sum)
		power[e] = exponential(F(single(-l.beta)) * elementary(d[e], Log, math.Log))
	}
	return d, power
}

func (l localResponse[F]) forward(_ Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		_, power := l.divisors(x[n])
		for e, v := range x[n] {
			y[n][e] = v * power[e]
		}
	}
	return y
}

func (l localResponse[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range x {
		d, power := l.divisors(x[n])
		factor := F(single(2 * l.alpha * l.beta / float64(l.size)))
		for e, v := range x[n] {
			sum := l.sum(e, (l.size-1)/2, l.size/2, func(e int) F { return F(dy[n][e]*x[n][e]) * F(power[e]/d[e]) })
			dx[n][e] = F(dy[n][e]*power[e]) - F(F(factor*v)*sum)
		}
	}
	return dx
}
