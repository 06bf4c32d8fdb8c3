package ref

import "github.com/reprise-ml/reprise/wasm/graph"

// newMerging makes the layer of a node that merges its inputs, or nil.
func newMerging[F Float](node *graph.Node) merging[F] {
	switch node.Kind {
	case "add", "average", "subtract", "multiply", "maximum", "minimum":
		return merge[F]{node.Kind}
	case "dot":
		return dot[F]{node.In().Shape[len(node.In().Shape)-1]}
	case "concat":
		var channels []int
		for _, in := range node.Inputs {
			channels = append(channels, in.Shape[len(in.Shape)-1])
		}
		return concat[F]{channels}
	}
	return nil
}

// merge works element by element, in the order of the inputs.
type merge[F Float] struct{ kind string }

func (l merge[F]) forward(_ Call, x [][][]F) [][]F {
	y := zeros(x[0])
	for n := range y {
		for e := range y[n] {
			s := x[0][n][e]
			for _, other := range x[1:] {
				switch v := other[n][e]; l.kind {
				case "multiply":
					s *= v
				case "maximum":
					s = pmax(s, v)
				case "minimum":
					s = pmin(s, v)
				case "subtract":
					s -= v
				default:
					s += v
				}
			}
			if l.kind == "average" {
				s *= l.share(x)
			}
			y[n][e] = s
		}
	}
	return y
}

func (l merge[F]) share(x [][][]F) F { return 1 / F(len(x)) }

func (l merge[F]) backward(_ Call, x [][][]F, y, dy [][]F) (dx [][][]F) {
	for i := range x {
		d := zeros(dy)
		for n := range d {
			for e := range d[n] {
				g := dy[n][e]
				switch l.kind {
				case "average":
					g *= l.share(x)
				case "multiply":
					for j, other := range x {
						if j != i {
							g *= other[n][e]
						}
					}
				case "subtract":
					if i == 1 {
						g = -g
					}
				case "maximum", "minimum":
					for j := range i + 1 { // the first that is as large takes it
						if (x[j][n][e] == y[n][e]) != (j == i) {
							g = 0
						}
					}
				}
				d[n][e] = g
			}
		}
		dx = append(dx, d)
	}
	return dx
}

// concat puts channels, the last axis, one behind the other.
type concat[F Float] struct{ channels []int }

func (l concat[F]) forward(_ Call, x [][][]F) [][]F {
	y := make([][]F, len(x[0]))
	for n := range y {
		for at := range len(x[0][n]) / l.channels[0] {
			for i, c := range l.channels {
				y[n] = append(y[n], x[i][n][at*c:][:c]...)
			}
		}
	}
	return y
}

func (l concat[F]) backward(_ Call, x [][][]F, _, dy [][]F) [][][]F {
	dx := make([][][]F, len(x))
	for i := range x {
		dx[i] = make([][]F, len(dy))
	}
	for n, g := range dy {
		for len(g) > 0 {
			for i, c := range l.channels {
				dx[i][n] = append(dx[i][n], g[:c]...)
				g = g[c:]
			}
		}
	}
	return dx
}

// dot is the sum over the channels of the product of two values.
type dot[F Float] struct{ channels int }

func (l dot[F]) forward(_ Call, x [][][]F) [][]F {
	y := rows[F](len(x[0]), len(x[0][0])/l.channels)
	for n := range y {
		for e, v := range x[0][n] {
			y[n][e/l.channels] += F(v * x[1][n][e])
		}
	}
	return y
}

func (l dot[F]) backward(_ Call, x [][][]F, _, dy [][]F) [][][]F {
	dx := [][][]F{zeros(x[0]), zeros(x[0])}
	for i, d := range dx {
		for n := range d {
			for e := range d[n] {
				d[n][e] = dy[n][e/l.channels] * x[1-i][n][e]
			}
		}
	}
	return dx
}

// plus is a sum, element by element.
func plus[F Float](a, b [][]F) [][]F {
	s := zeros(a)
	for n := range s {
		for e := range s[n] {
			s[n][e] = a[n][e] + b[n][e]
		}
	}
	return s
}
