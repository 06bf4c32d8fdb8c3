package kernel

import (
	"fmt"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// conv2d is the cross-correlation y[oy,ox,f] = Σ x[oy·s + i − p, ox·s + j − p, c] · W[f,i,j,c] + b[f] of images
// [height, width, channels], W [filters, kernel height, kernel width, channels], b [filters]. Outside the image x is 0;
// such products are left out, which changes no bit, because a sum that starts at +0 stays the same when ±0 is added.
//
// Order of additions. Forward: i, then j, then c, ascending, then the bias (conv2d_forward.go). Gradient by x: over the
// output positions oy, then ox, then the filters, ascending (conv2d_input.go). Gradients by W and b: four partial sums,
// one for the examples ≡ l (mod 4) each, over tiles, oy, ox and the examples of the tile, ascending; then
// (s0 + s2) + (s1 + s3) (conv2d_weight.go).
type conv2d struct{}

func (conv2d) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "conv2d",
		Doc:  "Convolution of images [height, width, channels]: activation(W∗x + b).",
		Attributes: []schema.Attribute{
			{Name: "filters", Kind: schema.Integer, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 16), Doc: "Number of output channels."},
			{Name: "kernel", Kind: schema.Size, Doc: "Height and width of the window."},
			{Name: "stride", Kind: schema.Size, Default: 1, Doc: "Steps of the window."},
			{Name: "padding", Kind: schema.Padding, Default: "valid", Doc: "Zeros around the image: none, so many, or as many as keep height / stride and width / stride (rounded up; the odd one goes below and right)."},
			activationAttribute(),
			{Name: "bias", Kind: schema.Boolean, Default: true, Doc: "Whether b is trained; without it b = 0."},
		},
	}
}

// window is the geometry of a convolution or pooling.
type window struct {
	H, W, C       int // input
	KH, KW        int
	SH, SW        int
	Top, Left     int // padding before; behind it is whatever the output needs
	OH, OW        int // output
	Bottom, Right int
}

func windowOf(in []int, size string, a schema.Attributes) (window, error) {
	if len(in) != 3 {
		return window{}, fmt.Errorf("its input has the shape %v; an image [height, width, channels] is needed", in)
	}
	w := window{H: in[0], W: in[1], C: in[2]}
	w.KH, w.KW = a.Size(size)
	w.SH, w.SW = a.Size("stride")
	mode, ph, pw := a.Padding("padding")
	side := func(n, k, s, p int) (out, before, after int) {
		if mode == "same" {
			out = (n + s - 1) / s
			total := max((out-1)*s+k-n, 0)
			return out, total / 2, total - total/2
		}
		if n+2*p < k {
			return 0, 0, 0
		}
		return (n+2*p-k)/s + 1, p, p
	}
	w.OH, w.Top, w.Bottom = side(w.H, w.KH, w.SH, ph)
	w.OW, w.Left, w.Right = side(w.W, w.KW, w.SW, pw)
	switch {
	case w.OH < 1 || w.OW < 1:
		return w, fmt.Errorf("a window of %d×%d does not fit into its input of %d×%d; make it smaller or give padding", w.KH, w.KW, w.H, w.W)
	case w.Top >= w.KH || w.Left >= w.KW:
		return w, fmt.Errorf("padding of %d×%d makes windows of %d×%d that see no input; it must be smaller than the window", w.Top, w.Left, w.KH, w.KW)
	}
	return w, nil
}

// element pushes the byte offset of the input element that element (i, j) of the kernel meets at output (y, x):
// ((y·SH + i − Top)·W + x·SW + j − Left)·bytes.
func (w window) element(c *code, y, i, x, j local, bytes int) {
	scaled(c, y, w.SH)
	c.Get(i)
	c.Op(asm.I32Add)
	c.I32(w.Top)
	c.Op(asm.I32Sub)
	c.I32(w.W)
	c.Op(asm.I32Mul)
	scaled(c, x, w.SW)
	c.Op(asm.I32Add)
	c.Get(j)
	c.Op(asm.I32Add)
	c.I32(w.Left)
	c.Op(asm.I32Sub)
	c.I32(bytes)
	c.Op(asm.I32Mul)
}

func (conv2d) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	w, err := windowOf(in[0], "kernel", a)
	if err != nil {
		return graph.Inference{}, err
	}
	f := a.Int("filters")
	fanIn, fanOut := w.KH*w.KW*w.C, w.KH*w.KW*f
	inf := graph.Inference{
		Shape:        []int{w.OH, w.OW, f},
		MultiplyAdds: int64(w.OH*w.OW) * int64(fanIn) * int64(f),
		Parameters:   []graph.Parameter{{Name: "weight", Shape: []int{f, w.KH, w.KW, w.C}, FanIn: fanIn, FanOut: fanOut}},
	}
	if a.Bool("bias") {
		inf.Parameters = append(inf.Parameters, graph.Parameter{Name: "bias", Shape: []int{f}, FanIn: fanIn, FanOut: fanOut, Bias: true})
	}
	return inf, nil
}

func (conv2d) fuses() bool { return true }

// smallKernel is the number of products up to which all of an output's are unrolled.
const smallKernel = 80

// unrolled reports whether the forward pass is one straight line of products per register block. It then wants its
// zeros in memory, which only the model's input offers, to its only reader.
func (w window) unrolled(n *graph.Node) bool {
	return n.In().Kind == "input" && len(n.In().Readers) == 1 && !w.heavy(n.Shape[2]) && w.KH*w.KW*w.C <= smallKernel
}

// heavyWeights is the number of weights from which on copies of four times their size are too many.
const heavyWeights = 1 << 15

// heavy reports whether the weights are spread panel by panel (panels), instead of all at once. Where a microbatch is one
// tile, the partial sums of their gradients then stay in registers.
func (w window) heavy(filters int) bool {
	return filters*w.KH*w.KW*w.C > heavyWeights && filters%4 == 0 && w.C%4 == 0
}

func (conv2d) window(n *graph.Node) window {
	w, err := windowOf(n.In().Shape, "kernel", n.Attributes)
	if err != nil {
		panic("kernel: " + err.Error()) // Infer has accepted it
	}
	return w
}

func (d conv2d) Place(n *graph.Node, _ Layout, t Tile) Placement {
	w := d.window(n)
	p := Placement{Out: Sites}
	weights := n.Shape[2] * w.KH * w.KW * w.C
	if w.heavy(n.Shape[2]) {
		p.Pack = panelBytes(w, n.Shape[2], t)
		if t.Count > 1 {
			p.Partial = (weights+n.Shape[2])*16 + 3*16
		} else {
			p.Partial = n.Shape[2]*16 + 3*16 // of the bias
			_, _, p.Scratch = wholeMemory(w, n.Shape[2], 4*t.Lanes)
		}
		return p
	}
	p.Pack = 2 * weights * 16                  // for the output, and for the gradient by the input
	p.Partial = (weights+n.Shape[2])*16 + 3*16 // finish reads whole fours
	if w.unrolled(n) {
		p.Halo = Halo{Top: w.Top, Left: w.Left, Bottom: w.Bottom, Right: w.Right}
	}
	return p
}

func (d conv2d) Emit(e *Emitter, n *Node) Kernels { return d.emit(e, n, n) }

// emit emits the functions. The gradients of the parameters may see the same memory as an image of another form (steps).
func (d conv2d) emit(e *Emitter, n, seen *Node) Kernels {
	w := d.window(n.Node)
	v := n.Tile.Lanes / 4
	groups := laneGroups(v)
	filters := n.Shape[2]
	heavy := w.heavy(filters)
	rows := maxRows(groups[0].Size)
	forward := pack{addr: n.Pack, rows: blocks(filters, rows)}
	backward := pack{addr: n.Pack + filters*w.KH*w.KW*w.C*16, rows: blocks(w.C, rows)}
	bias := 0
	if b, ok := n.bias(); ok {
		bias = b.Value
	}
	var k Kernels
	if !heavy && n.Out.Addr != 0 {
		k.Prepare = e.define(n.Name+".pack", func(c *code) { d.packForward(c, n, w, forward) })
	}
	switch {
	case n.Out.Addr == 0: // only the gradients are wanted
	case heavy:
		k.Forward = e.define(n.Name+".forward", func(c *code) {
			d.heavyForward(n, w, groups).gather(c)
			finishAll(c, n.Out, bias, n.Fused)
		})
	case w.unrolled(n.Node):
		k.Forward = e.define(n.Name+".forward", func(c *code) { d.forwardUnrolled(c, n, w, forward, groups) })
	default:
		g := gather{
			in: n.In, out: n.Out, pack: forward, kh: w.KH, kw: w.KW, sh: w.SH, sw: w.SW, top: w.Top, left: w.Left,
			bias: bias, fused: n.Fused, groups: groups,
		}
		k.Forward = e.define(n.Name+".forward", g.emit)
	}
	k.Infer = k.Forward

	registers := heavy && n.Tile.Count == 1
	weight := e.define(n.Name+".weight-gradient", func(c *code) {
		if registers {
			d.wholeWeightGradient(c, seen, d.window(seen.Node))
		} else {
			d.weightGradient(c, seen, d.window(seen.Node))
		}
	})
	k.PrepareBackward = e.define(n.Name+".prepare-backward", func(c *code) {
		bytes := filters * w.KH * w.KW * w.C * 16
		if registers {
			bytes = 0
		}
		c.MemFill(n.Partial, bytes+filters*16)
		if n.needsInGrad() && !heavy {
			d.packBackward(c, n, w, backward)
		}
	})
	var input *Fn
	if n.needsInGrad() {
		input = e.define(n.Name+".input-gradient", func(c *code) {
			switch p := d.heavyBackward(n, w, groups); {
			case !heavy:
				d.inputGradient(c, n, w, backward, groups)
			case w.SH == 1 && w.SW == 1:
				p.gather(c)
			default:
				p.scatter(c)
			}
		})
	}
	k.Backward = e.define(n.Name+".backward", func(c *code) {
		call(c, *weight)
		if input != nil {
			call(c, *input)
		}
	})
	k.Finish = e.define(n.Name+".finish", func(c *code) { d.finish(c, n, w, registers) })
	return k
}

// laneGroups cuts the v vectors of a site into those that one register block takes.
func laneGroups(v int) []blockRun {
	if v >= 4 {
		return blocks(v, 2)
	}
	return blocks(v, v)
}

// groupCount is the number of groups and their width; all have the same.
func groupCount(groups []blockRun) (count, width int) { return groups[0].Count, groups[0].Size }

// pack is where weights lie spread over vectors, block of rows after block of rows, and in a block step after step:
// [block][k][row in the block] of 16 bytes.
type pack struct {
	addr int
	rows []blockRun
}
