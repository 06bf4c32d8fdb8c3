package kernel

import (
	"fmt"
	"math"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// attention is scaled dot-product self-attention with several heads (Vaswani et al. 2017). Its input [steps, 3·units] has
// queries, keys and values side by side, as a dense layer of 3·units makes them; each head takes d = units/heads channels of
// each. A dense layer behind it is the output projection. For each head, with s = 1/√d,
//
//	p[i] = softmax over j of (q[i]·k[j])·s   y[i] = Σ_j p[i,j]·v[j]
//
// where j goes to i in a causal one, and else to the last step. Backward, with dp[i,j] = dy[i]·v[j]:
//
//	ds[i,j] = (p[i,j]·(dp[i,j] − Σ_j dp·p))·s   dq[i] = Σ_j ds[i,j]·k[j]   dk[j] = Σ_i ds[i,j]·q[i]   dv[j] = Σ_i p[i,j]·dy[i]
//
// All sums are ascending. Probabilities of all heads are kept from the forward to the backward pass.
type attention struct{}

func (attention) Declaration() schema.Declaration {
	return schema.Declaration{
		Name: "attention",
		Doc:  "Self-attention: of queries, keys and values side by side, [steps, 3·units] as a dense layer makes them, [steps, units].",
		Attributes: []schema.Attribute{
			{Name: "heads", Kind: schema.Integer, Default: 1, Min: schema.AtLeast(1), Max: schema.AtMost(1 << 10), Doc: "Number of heads, which divides the units."},
			{Name: "causal", Kind: schema.Boolean, Default: false, Doc: "Whether a step sees none behind it."},
		},
	}
}

// mostAttended bounds the pairs of steps of all heads, whose probabilities are kept for each example.
const mostAttended = 1 << 24

func (attention) Infer(a schema.Attributes, in [][]int) (graph.Inference, error) {
	shape, heads := in[0], a.Int("heads")
	if len(shape) != 2 || shape[1]%3 != 0 {
		return graph.Inference{}, fmt.Errorf("its input has the shape %v; queries, keys and values [steps, 3·units] are needed, as a dense layer makes them", shape)
	}
	steps, units := shape[0], shape[1]/3
	if units%heads != 0 {
		return graph.Inference{}, fmt.Errorf("%d units are not the same for %d heads; take a number of heads that divides them", units, heads)
	}
	if int64(steps)*int64(steps)*int64(heads) > mostAttended {
		return graph.Inference{}, fmt.Errorf("%d heads over %d steps are too many pairs of steps; take a shorter window", heads, steps)
	}
	return graph.Inference{
		Shape: []int{steps, units}, MultiplyAdds: 2 * int64(steps) * attendedBy(steps, a.Bool("causal")) / 2 * int64(units),
	}, nil
}

// attendedBy is twice the mean number of steps that a step sees.
func attendedBy(steps int, causal bool) int64 {
	if causal {
		return int64(steps) + 1
	}
	return 2 * int64(steps)
}

func (attention) Place(n *graph.Node, _ Layout, t Tile) Placement {
	steps := n.Shape[0]
	pairs := 4 * t.Lanes * steps * steps
	return Placement{Out: Sites, Saved: n.Attributes.Int("heads")*pairs + slack, Scratch: pairs + slack}
}

// head is an attention at its place while a function is emitted.
type head struct {
	*code
	n                         *Node
	steps, units, depth, site int
	causal                    bool
	scale                     float32
	in, out, pairs            local // byte offsets of the head's channels at the input and output, and of its probabilities
}

func (attention) Emit(e *Emitter, n *Node) Kernels {
	heads := n.Attributes.Int("heads")
	each := func(name string, body func(h head)) *Fn {
		return e.define(n.Name+name, func(c *code) {
			h := head{code: c, n: n, steps: n.Shape[0], units: n.Shape[1], depth: n.Shape[1] / heads, site: n.In.Site(), causal: n.Attributes.Bool("causal")}
			h.scale = Single(1 / math.Sqrt(float64(h.depth)))
			h.in, h.pairs = c.Local(asm.I32), c.Local(asm.I32)
			h.out = h.in
			number := c.Local(asm.I32)
			c.For(number, 0, heads, 1, func() {
				scaled(c, number, h.depth*h.site)
				c.Set(h.in)
				scaled(c, number, h.steps*h.steps*h.site)
				c.Set(h.pairs)
				body(h)
			})
			c.Release(number, h.in, h.pairs)
		})
	}
	k := Kernels{Forward: each(".forward", func(h head) {
		q, keys, v := h.part(n.In, 0), h.part(n.In, 1), h.part(n.In, 2)
		p := h.matrix(n.Saved, &h.pairs)
		h.multiply(factors{a: q, b: keys, to: p, rows: h.steps, cols: h.steps, steps: h.depth, limit: toDiagonalColumns})
		h.softmax()
		h.multiply(factors{a: p, b: v.turned(), to: h.result(n.Out), rows: h.steps, cols: h.depth, steps: h.steps, limit: toDiagonal})
	})}
	k.Infer = k.Forward
	if !n.needsInGrad() {
		return k
	}
	k.Backward = each(".backward", func(h head) {
		q, keys, v := h.part(n.In, 0), h.part(n.In, 1), h.part(n.In, 2)
		dq, dk, dv := h.part(n.InGrad, 0), h.part(n.InGrad, 1), h.part(n.InGrad, 2)
		dy, p := h.result(n.OutGrad), h.matrix(n.Saved, &h.pairs)
		ds := h.matrix(n.Scratch, nil)
		h.multiply(factors{a: p.turned(), b: dy.turned(), to: dv, rows: h.steps, cols: h.depth, steps: h.steps, limit: fromDiagonal})
		h.multiply(factors{a: dy, b: v, to: ds, rows: h.steps, cols: h.steps, steps: h.depth, limit: toDiagonalColumns})
		h.softmaxGradient()
		h.multiply(factors{a: ds, b: keys.turned(), to: dq, rows: h.steps, cols: h.depth, steps: h.steps, limit: toDiagonal})
		h.multiply(factors{a: ds.turned(), b: q.turned(), to: dk, rows: h.steps, cols: h.depth, steps: h.steps, limit: fromDiagonal})
	})
	return k
}

// matrix is where element (r, k) of one lies: addr + a local's bytes + r·row + k·step.
type matrix struct {
	addr      int
	base      *local // or none
	row, step int
}

// turned is the transposed one.
func (m matrix) turned() matrix {
	m.row, m.step = m.step, m.row
	return m
}

// part is the head's queries, keys or values, [steps, depth].
func (h head) part(b Buffer, number int) matrix {
	return matrix{addr: b.Addr + number*h.units*h.site, base: &h.in, row: 3 * h.units * h.site, step: h.site}
}

// result is the head's part of the output.
func (h head) result(b Buffer) matrix {
	return matrix{addr: b.Addr, base: &h.out, row: h.units * h.site, step: h.site}
}

// matrix is one of pairs of steps.
func (h head) matrix(addr int, base *local) matrix {
	return matrix{addr: addr, base: base, row: h.steps * h.site, step: h.site}
}

// factors is to[r, c] = Σ_k a[r, k]·b[c, k], for each lane.
type factors struct {
	a, b, to          matrix
	rows, cols, steps int
	limit             limit
}

// limit is what a causal attention leaves out, in blocks of blockRows rows.
type limit int

const (
	toDiagonalColumns limit = iota // columns behind the block's last row
	toDiagonal                     // steps behind it
	fromDiagonal                   // steps before its first
)

// The register block.
const (
	blockRows    = 4
	blockColumns = 2
)

// multiply emits a product. Of a causal attention it computes what is not behind the diagonal, and the rest of the blocks
// that this cuts, where a and b are 0.
func (h head) multiply(f factors) {
	block := h.Local(asm.I32)
	full := f.rows / blockRows
	if full > 0 {
		h.For(block, 0, full, 1, func() { h.rowBlock(f, block, blockRows) })
	}
	if rest := f.rows % blockRows; rest > 0 {
		h.SetI32(block, full)
		h.rowBlock(f, block, rest)
	}
	h.Release(block)
}

// rowBlock works off the rows of a block, blockRows of them or what is left at the end.
func (h head) rowBlock(f factors, block local, rows int) {
	a, b, to := h.Local(asm.I32), h.Local(asm.I32), h.Local(asm.I32)
	start := func(l local, m matrix, perBlock int) {
		scaled(h.code, block, perBlock)
		if m.base != nil {
			h.Get(*m.base)
			h.Op(asm.I32Add)
		}
		h.Set(l)
	}
	from := f.limit == fromDiagonal && h.causal
	start(to, f.to, blockRows*f.to.row)
	if from {
		start(a, f.a, blockRows*(f.a.row+f.a.step))
		start(b, f.b, blockRows*f.b.step)
	} else {
		start(a, f.a, blockRows*f.a.row)
		start(b, f.b, 0)
	}
	column := func(cols int) {
		h.laneBlock(f, block, a, b, to, rows, cols)
		h.AddTo(b, cols*f.b.row)
		h.AddTo(to, cols*f.to.step)
	}
	i := h.Local(asm.I32)
	switch pairs := f.cols / blockColumns; {
	case h.causal && f.limit == toDiagonalColumns && rows == blockRows: // (block + 1)·blockRows columns
		h.Get(block)
		h.I32(1)
		h.Op(asm.I32Add)
		h.I32(blockRows / blockColumns)
		h.Op(asm.I32Mul)
		h.Set(i)
		h.Repeat(pairs, func() {
			column(blockColumns)
			h.AddTo(i, -1)
			h.Get(i)
		})
	default:
		if pairs > 0 {
			h.For(i, 0, pairs, 1, func() { column(blockColumns) })
		}
		if f.cols%blockColumns > 0 {
			column(f.cols % blockColumns)
		}
	}
	h.Release(a, b, to, i)
}

// laneBlock works off one block of rows and columns, for each vector of lanes.
func (h head) laneBlock(f factors, block, a, b, to local, rows, cols int) {
	lane, pa, pb, pt, runs := h.Local(asm.I32), h.Local(asm.I32), h.Local(asm.I32), h.Local(asm.I32), h.Local(asm.I32)
	h.For(lane, 0, h.site, 16, func() {
		for _, p := range [][2]local{{pa, a}, {pb, b}, {pt, to}} {
			h.Get(p[1], lane)
			h.Op(asm.I32Add)
			h.Set(p[0])
		}
		acc := accumulators(h.code, rows*cols)
		left := operand{Base: pa, Offset: f.a.addr, Row: f.a.row, Step: f.a.step}
		right := operand{Base: pb, Offset: f.b.addr, Row: f.b.row, Step: f.b.step}
		full, rest := f.steps/blockRows, f.steps%blockRows
		switch {
		case !h.causal || f.limit == toDiagonalColumns || f.limit == toDiagonal && rows < blockRows:
			product(h.code, acc, rows, cols, f.steps, left, right)
		case f.limit == toDiagonal: // (block + 1)·blockRows steps
			h.Get(block)
			h.I32(1)
			h.Op(asm.I32Add)
			h.Set(runs)
			productRuns(h.code, acc, rows, cols, runs, full, blockRows, left, right)
		default: // from block·blockRows on
			if rows == blockRows {
				h.I32(full)
				h.Get(block)
				h.Op(asm.I32Sub)
				h.Set(runs)
				productRuns(h.code, acc, rows, cols, runs, full, blockRows, left, right)
			}
			if rest > 0 {
				product(h.code, acc, rows, cols, rest, left, right)
			}
		}
		for k, x := range acc {
			h.Get(pt, x)
			h.Mem(asm.V128Store, f.to.addr+k/cols*f.to.row+k%cols*f.to.step)
		}
		h.Release(acc...)
	})
	h.Release(lane, pa, pb, pt, runs)
}

// rows runs body for each row of pairs and each vector of lanes, with a function that runs its body for each pair that the
// row's step sees, and with one that sets to 0 those behind, as far as blocks reach. Both go by a byte offset in a matrix of
// pairs.
func (h head) rows(body func(seen func(body func(p local)), hide func(addr int, base *local))) {
	i, lane, p, left, start := h.Local(asm.I32), h.Local(asm.I32), h.Local(asm.I32), h.Local(asm.I32), h.Local(asm.I32)
	h.SetI32(start, 0)
	h.For(i, 0, h.steps, 1, func() {
		h.For(lane, 0, h.site, 16, func() {
			seen := func(body func(p local)) {
				h.Get(start, lane)
				h.Op(asm.I32Add)
				h.Set(p)
				if !h.causal {
					h.For(left, 0, h.steps, 1, func() {
						body(p)
						h.AddTo(p, h.site)
					})
					return
				}
				h.Get(i)
				h.Set(left)
				h.Repeat(h.steps, func() {
					body(p)
					h.AddTo(p, h.site)
					h.AddTo(left, -1)
					h.Get(left)
					h.I32(0)
					h.Op(asm.I32GeS)
				})
			}
			hide := func(addr int, base *local) { // p stands behind what is seen
				if !h.causal {
					return
				}
				// as many as there are to the end of the block, or of the rows
				h.I32(h.steps - 1)
				h.Get(i)
				h.I32(blockRows - 1)
				h.Op(asm.I32Or)
				h.I32(h.steps - 1)
				h.Get(i)
				h.I32(blockRows - 1)
				h.Op(asm.I32Or, asm.I32LtS, asm.Select)
				h.Get(i)
				h.Op(asm.I32Sub)
				h.Tee(left)
				h.If(func() {
					h.Repeat(blockRows, func() {
						h.Get(p)
						if base != nil {
							h.Get(*base)
							h.Op(asm.I32Add)
						}
						h.I32x4(0)
						h.Mem(asm.V128Store, addr)
						h.AddTo(p, h.site)
						h.AddTo(left, -1)
						h.Get(left)
					})
				})
			}
			body(seen, hide)
		})
		h.AddTo(start, h.steps*h.site)
	})
	h.Release(i, lane, p, left, start)
}

// softmax turns the head's products of queries and keys into probabilities.
func (h head) softmax() {
	top, sum, x, q := h.Local(asm.V128), h.Local(asm.V128), h.Local(asm.V128), h.Local(asm.I32)
	addr := h.n.Saved
	place := func(p local) { // q ← the place of a pair of this head
		h.Get(p, h.pairs)
		h.Op(asm.I32Add)
		h.Set(q)
	}
	h.rows(func(seen func(func(p local)), hide func(int, *local)) {
		h.I32x4(-1 << 23) // −∞
		h.Set(top)
		seen(func(p local) {
			place(p)
			h.Load(asm.V128Load, q, addr)
			h.F32x4(h.scale)
			h.Op(asm.F32x4Mul)
			h.Set(x)
			h.Get(q, x)
			h.Mem(asm.V128Store, addr)
			h.Get(top, x)
			h.Op(asm.F32x4PMax)
			h.Set(top)
		})
		h.I32x4(0)
		h.Set(sum)
		seen(func(p local) {
			place(p)
			h.Load(asm.V128Load, q, addr)
			h.Get(top)
			h.Op(asm.F32x4Sub)
			h.Set(x)
			Exp(h.code, x)
			h.Set(x)
			h.Get(q, x)
			h.Mem(asm.V128Store, addr)
			addVector(h.code, sum, func() { h.Get(x) })
		})
		seen(func(p local) {
			place(p)
			h.Get(q)
			h.Load(asm.V128Load, q, addr)
			h.Get(sum)
			h.Op(asm.F32x4Div)
			h.Mem(asm.V128Store, addr)
		})
		hide(addr, &h.pairs)
	})
	h.Release(top, sum, x, q)
}

// softmaxGradient turns dp into ds, in Scratch.
func (h head) softmaxGradient() {
	sum, q := h.Local(asm.V128), h.Local(asm.I32)
	probability := func(p local) {
		h.Get(p, h.pairs)
		h.Op(asm.I32Add)
		h.Mem(asm.V128Load, h.n.Saved)
	}
	h.rows(func(seen func(func(p local)), hide func(int, *local)) {
		h.I32x4(0)
		h.Set(sum)
		seen(func(p local) {
			addVector(h.code, sum, func() {
				h.Load(asm.V128Load, p, h.n.Scratch)
				probability(p)
				h.Op(asm.F32x4Mul)
			})
		})
		seen(func(p local) {
			h.Get(p)
			probability(p)
			h.Load(asm.V128Load, p, h.n.Scratch)
			h.Get(sum)
			h.Op(asm.F32x4Sub, asm.F32x4Mul)
			h.F32x4(h.scale)
			h.Op(asm.F32x4Mul)
			h.Mem(asm.V128Store, h.n.Scratch)
		})
		hide(h.n.Scratch, nil)
	})
	h.Release(sum, q)
}
