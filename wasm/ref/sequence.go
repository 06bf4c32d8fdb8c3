package ref

import (
	"math"

	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

// newSequenceLayer makes the layer of a node over steps, or nil.
func newSequenceLayer[F Float](node *graph.Node, own []*Parameter[F], tile int) layer[F] {
	last := node.Shape[len(node.Shape)-1]
	switch a := node.Attributes; node.Kind {
	case "dense":
		if len(node.Shape) < 2 {
			return nil
		}
		var bias *Parameter[F]
		if len(own) > 1 {
			bias = own[1]
		}
		return stepProducts(node.Shape[0], node.In().Shape[1], own[0], bias, tile)
	case "embedding":
		return embedding[F]{units: last, tile: tile, weight: own[0]}
	case "layer-norm":
		return layerNorm[F]{channels: last, tile: tile, epsilon: single(a.Float("epsilon")), weight: own[0], bias: own[1]}
	case "attention":
		return attention[F]{steps: node.Shape[0], units: last, heads: a.Int("heads"), causal: a.Bool("causal")}
	case "rnn", "lstm", "gru":
		in := node.In().Shape
		return newRecurrent(node.Kind, in[0], in[1], last, a.Bool("returnSequences"), own, tile)
	case "softmax":
		return softmax[F]{channels: last}
	case "positional-encoding":
		l := positions[F]{}
		if len(own) > 0 {
			l.weight = own[0]
		} else {
			l.table = kernel.Sinusoids(node.Shape[0], last)
		}
		return l
	}
	return nil
}

// stepProducts is y[t] = W·x[t] + b: a convolution whose kernel is one pixel, of the steps as an image.
func stepProducts[F Float](steps, inputs int, weight, bias *Parameter[F], tile int) conv2d[F] {
	units := len(weight.Value) / inputs
	return conv2d[F]{
		window: window{
			height: steps, width: 1, channels: inputs, kernelHeight: 1, kernelWidth: 1, strideHeight: 1, strideWidth: 1,
			outHeight: steps, outWidth: 1, outDepth: units,
		},
		filters: units, weight: weight, bias: bias, tile: tile,
	}
}

// embedding is a row of W for each token.
type embedding[F Float] struct {
	units, tile int
	weight      *Parameter[F]
}

// row is the number of the row of a token.
func (l embedding[F]) row(token F) int {
	last := float64(len(l.weight.Value)/l.units - 1)
	return int(math.Min(math.Max(math.Trunc(float64(token)), 0), last))
}

func (l embedding[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), len(x[0])*l.units)
	for n := range x {
		for t, token := range x[n] {
			copy(y[n][t*l.units:], l.weight.Value[l.row(token)*l.units:][:l.units])
		}
	}
	return y
}

func (l embedding[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	tiled(len(x), l.tile, len(x[0]), func(n, t int) {
		for u := range l.units {
			l.weight.Grad[l.row(x[n][t])*l.units+u] += dy[n][t*l.units+u]
		}
	})
	return zeros(x)
}

// tiled visits the positions of examples: tile after tile, in each position after position, and there example after example.
func tiled(examples, tile, positions int, visit func(n, position int)) {
	for first := 0; first < examples; first += tile {
		for t := range positions {
			for n := first; n < min(first+tile, examples); n++ {
				visit(n, t)
			}
		}
	}
}

// layerNorm gives the channels at each position mean 0 and variance 1, and then a scale and an offset.
type layerNorm[F Float] struct {
	channels, tile int
	epsilon        float32
	weight, bias   *Parameter[F]
}

// statistics of the channels from at on.
func (l layerNorm[F]) statistics(x []F) (mean, inverse F) {
	var sum F
	for _, v := range x {
		sum += v
	}
	mean = sum / F(l.channels)
	sum = 0
	for _, v := range x {
		d := v - mean
		sum += F(d * d)
	}
	return mean, 1 / F(math.Sqrt(float64(sum/F(l.channels)+F(l.epsilon))))
}

func (l layerNorm[F]) forward(_ Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		for at := 0; at < len(x[n]); at += l.channels {
			mean, inverse := l.statistics(x[n][at:][:l.channels])
			for c := range l.channels {
				y[n][at+c] = F(F((x[n][at+c]-mean)*inverse)*l.weight.Value[c]) + l.bias.Value[c]
			}
		}
	}
	return y
}

func (l layerNorm[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	weights, biases := make([][4]F, l.channels), make([][4]F, l.channels)
	tiled(len(x), l.tile, len(x[0])/l.channels, func(n, t int) {
		at := t * l.channels
		mean, inverse := l.statistics(x[n][at:][:l.channels])
		var first, second F
		g, normal := make([]F, l.channels), make([]F, l.channels)
		for c := range l.channels {
			d := dy[n][at+c]
			normal[c] = (x[n][at+c] - mean) * inverse
			biases[c][n%4] += d
			weights[c][n%4] += F(d * normal[c])
			g[c] = d * l.weight.Value[c]
			first += g[c]
			second += F(g[c] * normal[c])
		}
		first /= F(l.channels)
		second /= F(l.channels)
		for c := range l.channels {
			dx[n][at+c] = inverse * ((g[c] - first) - F(normal[c]*second))
		}
	})
	for c := range l.channels {
		l.weight.Grad[c], l.bias.Grad[c] = fold(weights[c]), fold(biases[c])
	}
	return dx
}

// softmax is exp(x_j − max x) / Σ over the last axis.
type softmax[F Float] struct{ channels int }

func (l softmax[F]) forward(_ Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		for at := 0; at < len(x[n]); at += l.channels {
			softmaxOf(y[n][at:][:l.channels], x[n][at:][:l.channels])
		}
	}
	return y
}

// softmaxOf sets y, of the same length as x.
func softmaxOf[F Float](y, x []F) {
	top := F(math.Inf(-1))
	for _, v := range x {
		top = pmax(top, v)
	}
	var sum F
	for j, v := range x {
		y[j] = elementary(v-top, Exp, math.Exp)
		sum += y[j]
	}
	for j := range y {
		y[j] /= sum
	}
}

func (l softmax[F]) backward(_ Call, _, y, dy [][]F) [][]F {
	dx := zeros(y)
	for n := range y {
		for at := 0; at < len(y[n]); at += l.channels {
			var sum F
			for c := range l.channels {
				sum += F(dy[n][at+c] * y[n][at+c])
			}
			for c := range l.channels {
				dx[n][at+c] = y[n][at+c] * (dy[n][at+c] - sum)
			}
		}
	}
	return dx
}

// positions adds a table, which is trained or not.
type positions[F Float] struct {
	weight *Parameter[F]
	table  []float32
}

func (l positions[F]) forward(_ Call, x [][]F) [][]F {
	y := zeros(x)
	for n := range x {
		for e, v := range x[n] {
			if l.weight != nil {
				y[n][e] = v + l.weight.Value[e]
			} else {
				y[n][e] = v + F(l.table[e])
			}
		}
	}
	return y
}

func (l positions[F]) backward(_ Call, _, _, dy [][]F) [][]F {
	if l.weight != nil {
		for e := range l.weight.Grad {
			var s [4]F
			for n := range dy {
				s[n%4] += dy[n][e]
			}
			l.weight.Grad[e] = fold(s)
		}
	}
	return dy
}
