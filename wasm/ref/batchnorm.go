package ref

import (
	"math"

	"github.com/reprise-ml/reprise/wasm/graph"
)

// batchNorm gives each channel mean 0 and variance 1, and then a scale and an offset. Package kernel defines the sums.
type batchNorm[F Float] struct {
	epsilon      float32
	weight, bias *Parameter[F]
	averages     *Averages[F]

	mean, inverse []F // of the last forward pass while training
}

// channelSums are the sums of what value gives for each element of a channel.
func channelSums[F Float](x [][]F, channels int, value func(n, e, c int) F) []F {
	parts := make([][4]F, channels)
	for at := 0; at < len(x[0]); at += channels {
		for c := range channels {
			for n := range x {
				parts[c][n%4] += value(n, at+c, c)
			}
		}
	}
	sums := make([]F, channels)
	for c, s := range parts {
		sums[c] = fold(s)
	}
	return sums
}

func (l *batchNorm[F]) channels() int { return len(l.weight.Value) }

// values is how many a channel has.
func (l *batchNorm[F]) values(x [][]F) F { return F(len(x) * len(x[0]) / l.channels()) }

func (l *batchNorm[F]) forward(c Call, x [][]F) [][]F {
	mean, variance := l.averages.Mean, l.averages.Variance
	if c.Train {
		mean = channelSums(x, l.channels(), func(n, e, _ int) F { return x[n][e] })
		for c := range mean {
			mean[c] /= l.values(x)
		}
		variance = channelSums(x, l.channels(), func(n, e, c int) F {
			d := x[n][e] - mean[c]
			return F(d * d)
		})
		for c := range variance {
			variance[c] /= l.values(x)
		}
		l.averages.report(mean, variance)
	}
	inverse := make([]F, l.channels())
	for c, v := range variance {
		inverse[c] = 1 / F(math.Sqrt(float64(v+F(l.epsilon))))
	}
	if c.Train {
		l.mean, l.inverse = mean, inverse
	}
	y := zeros(x)
	for n := range x {
		for e, v := range x[n] {
			c := e % l.channels()
			y[n][e] = F((v-mean[c])*F(l.weight.Value[c]*inverse[c])) + l.bias.Value[c]
		}
	}
	return y
}

func (l *batchNorm[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	normalized := func(n, e, c int) F { return (x[n][e] - l.mean[c]) * l.inverse[c] }
	copy(l.bias.Grad, channelSums(dy, l.channels(), func(n, e, _ int) F { return dy[n][e] }))
	copy(l.weight.Grad, channelSums(dy, l.channels(), func(n, e, c int) F { return F(dy[n][e] * normalized(n, e, c)) }))
	dx := zeros(x)
	for n := range x {
		for e := range x[n] {
			c := e % l.channels()
			first, second := l.bias.Grad[c]/l.values(x), l.weight.Grad[c]/l.values(x)
			dx[n][e] = F(l.weight.Value[c]*l.inverse[c]) * ((dy[n][e] - first) - F(normalized(n, e, c)*second))
		}
	}
	return dx
}

// Averages are the running averages of a layer.
type Averages[F Float] struct {
	Name           string // of the layer
	Mean, Variance []F
	Sum            []int64 // how many statistics, means, variances
	pending        []int64 // of this microbatch
	momentum       float64
	weight         *Parameter[F]
}

func newAverages[F Float](node *graph.Node, weight *Parameter[F]) *Averages[F] {
	channels := len(weight.Value)
	return &Averages[F]{
		Name: node.Name, Mean: make([]F, channels), Variance: make([]F, channels), weight: weight,
		Sum: make([]int64, 1+2*channels), pending: make([]int64, 1+2*channels), momentum: node.Attributes.Float("momentum"),
	}
}

func (a *Averages[F]) report(mean, variance []F) {
	a.pending[0]++
	for i, list := range [][]F{mean, variance} {
		for c, x := range list {
			x := min(max(float64(x), -(1<<20)), 1<<20)
			a.pending[1+i*len(list)+c] += int64(math.RoundToEven(x * (1 << 24)))
		}
	}
}

func (a *Averages[F]) apply() {
	count := float64(a.Sum[0])
	if count == 0 || a.weight.Rate == 0 {
		return
	}
	for i, list := range [][]F{a.Mean, a.Variance} {
		for c, old := range list {
			x := float64(a.Sum[1+i*len(list)+c]) * (1.0 / (1 << 24))
			list[c] = F(float64(float64(old)*(1-a.momentum)) + float64(x/count*a.momentum))
			if math.Abs(float64(list[c])) < 0x1p-100 {
				list[c] = 0
			}
		}
	}
}

// globalPool is the mean of each channel over all positions.
type globalPool[F Float] struct{ channels int }

func (l globalPool[F]) share(x [][]F) F { return 1 / F(len(x[0])/l.channels) }

func (l globalPool[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), l.channels)
	for n := range x {
		for e, v := range x[n] {
			y[n][e%l.channels] += v
		}
		for c := range y[n] {
			y[n][c] *= l.share(x)
		}
	}
	return y
}

func (l globalPool[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range x {
		for e := range x[n] {
			dx[n][e] = dy[n][e%l.channels] * l.share(x)
		}
	}
	return dx
}
