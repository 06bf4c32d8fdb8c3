package ref

import (
	"github.com/reprise-ml/reprise/wasm/graph"
)

// remap copies: output e is input from[e], or 0 where that is negative.
type remap[F Float] struct{ inputs []int }

func (l remap[F]) forward(_ Call, x [][]F) [][]F {
	y := rows[F](len(x), len(l.inputs))
	for n := range y {
		for e, from := range l.inputs {
			if from >= 0 {
				y[n][e] = x[n][from]
			}
		}
	}
	return y
}

func (l remap[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range dy {
		for e, from := range l.inputs {
			if from >= 0 {
				dx[n][from] += dy[n][e]
			}
		}
	}
	return dx
}

// image is a shape as height, width, channels.
func image(shape []int) (h, w, c int) {
	if len(shape) == 2 {
		return 1, shape[0], shape[1]
	}
	return shape[0], shape[1], shape[2]
}

// newRemap makes padding, cropping and nearest neighbours: row and column give the input's of an output.
func newRemap[F Float](node *graph.Node, row, column func(at, size int) int) remap[F] {
	h, w, channels := image(node.In().Shape)
	oh, ow, _ := image(node.Shape)
	var l remap[F]
	for y := range oh {
		for x := range ow {
			iy, ix := row(y, h), column(x, w)
			for c := range channels {
				from := -1
				if 0 <= iy && iy < h && 0 <= ix && ix < w {
					from = (iy*w+ix)*channels + c
				}
				l.inputs = append(l.inputs, from)
			}
		}
	}
	return l
}

func newPad[F Float](node *graph.Node) layer[F] {
	shift := func(before int) func(at, size int) int {
		return func(at, size int) int {
			i := at - before
			if node.Attributes.Text("mode") == "reflect" {
				if i < 0 {
					i = -i
				}
				if i >= size {
					i = 2*(size-1) - i
				}
			}
			return i
		}
	}
	return newRemap[F](node, shift(node.Attributes.Int("top")), shift(node.Attributes.Int("left")))
}

func newCrop[F Float](node *graph.Node) layer[F] {
	shift := func(before int) func(at, size int) int { return func(at, _ int) int { return at + before } }
	return newRemap[F](node, shift(node.Attributes.Int("top")), shift(node.Attributes.Int("left")))
}

func newUpsample[F Float](node *graph.Node) layer[F] {
	h, w := node.Attributes.Size("factor")
	if len(node.Shape) == 2 {
		h = 1
	}
	if node.Attributes.Text("mode") == "bilinear" {
		return bilinear[F]{in: node.In().Shape, out: node.Shape, factors: [2]int{h, w}}
	}
	divide := func(by int) func(at, size int) int { return func(at, _ int) int { return at / by } }
	return newRemap[F](node, divide(h), divide(w))
}

func newPermute[F Float](node *graph.Node) layer[F] {
	in := node.In().Shape
	strides := make([]int, len(in))
	for k, stride := len(in)-1, 1; k >= 0; k-- {
		strides[k] = stride
		stride *= in[k]
	}
	var l remap[F]
	var each func(k, from int)
	each = func(k, from int) {
		if k == len(in) {
			l.inputs = append(l.inputs, from)
			return
		}
		for i := range node.Shape[k] {
			each(k+1, from+i*strides[int(node.Attributes.Numbers("order")[k])-1])
		}
	}
	each(0, 0)
	return l
}

// bilinear is up-sampling by means of neighbours.
type bilinear[F Float] struct {
	in, out []int
	factors [2]int // of height and width
}

// corners visits the outputs, with the four inputs of each and the weights of both axes.
func (l bilinear[F]) corners(visit func(out int, at [4]int, y, x [2]F)) {
	h, w, channels := image(l.in)
	oh, ow, _ := image(l.out)
	axis := func(at, size, factor int) (i, j int, weight [2]F) {
		s := pmax(F(F(F(at)+0.5)*F(1/float32(factor)))-0.5, 0)
		i = int(s)
		far := s - F(i)
		return i, min(i+1, size-1), [2]F{1 - far, far}
	}
	for oy := range oh {
		y0, y1, wy := axis(oy, h, l.factors[0])
		for ox := range ow {
			x0, x1, wx := axis(ox, w, l.factors[1])
			for c := range channels {
				at := func(y, x int) int { return (y*w+x)*channels + c }
				visit((oy*ow+ox)*channels+c, [4]int{at(y0, x0), at(y0, x1), at(y1, x0), at(y1, x1)}, wy, wx)
			}
		}
	}
}

func (l bilinear[F]) forward(_ Call, x [][]F) [][]F {
	h, w, c := image(l.out)
	y := rows[F](len(x), h*w*c)
	for n, v := range x {
		l.corners(func(out int, at [4]int, wy, wx [2]F) {
			above := F(wx[0]*v[at[0]]) + F(wx[1]*v[at[1]])
			below := F(wx[0]*v[at[2]]) + F(wx[1]*v[at[3]])
			y[n][out] = F(wy[0]*above) + F(wy[1]*below)
		})
	}
	return y
}

func (l bilinear[F]) backward(_ Call, x, _, dy [][]F) [][]F {
	dx := zeros(x)
	for n := range dx {
		l.corners(func(out int, at [4]int, wy, wx [2]F) {
			for k, i := range at {
				dx[n][i] += F(dy[n][out] * F(wy[k/2]*wx[k%2]))
			}
		})
	}
	return dx
}

// noise adds normal numbers while training.
type noise[F Float] struct {
	deviation float32
	layer     int // position in the graph
}

func (l noise[F]) forward(c Call, x [][]F) [][]F {
	if !c.Train {
		return x
	}
	y := zeros(x)
	for n := range x {
		for i, v := range x[n] {
			w := Random(c.Seed, [4]uint32{
				uint32((c.First+n)*((len(x[n])+3)/4) + i/4), PurposeDropout | uint32(l.layer), uint32(c.Microbatch), uint32(c.Step),
			})
			y[n][i] = v + F(Normals(w)[i%4]*l.deviation)
		}
	}
	return y
}

func (noise[F]) backward(_ Call, _, _, dy [][]F) [][]F { return dy }
