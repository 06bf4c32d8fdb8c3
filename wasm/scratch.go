package wasm

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// scratch places everything that no call finds again: packed weights, gradients, and the activations of a tile.
//
// Its schedule has the forward pass of node i at step i, the loss at step n, and the backward pass of node i at step
// 2n − i. Values live from their forward to their backward pass, within which all their readers lie; gradients from the
// pass that makes the first part of them, which is the backward pass of their last reader, to the one that uses them.
func (p *plan) scratch(m *memory) {
	n := len(p.graph.Nodes)
	end := 2 * n
	var l lifetimes
	always := func(addr *int, bytes int) { l.place(addr, bytes, 0, end) }
	for i := range p.parameters {
		k := &p.parameters[i]
		always(&k.Grad, k.Rows*k.GradStride*4+slack)
	}
	if p.local != nil || p.hasEMA() {
		always(&p.before, p.parameterBytes()+slack)
	}
	if p.local != nil {
		p.localScratch(always)
	}

	p.placeAugment(always, m)

	index := make(map[*graph.Node]int, n)
	placements := make([]kernel.Placement, n)
	values, grads := make([]kernel.Buffer, n), make([]kernel.Buffer, n)
	for i, node := range p.graph.Nodes {
		index[node] = i
		layout := p.inputLayout()
		if i > 0 {
			placements[i] = node.Op.(kernel.Op).Place(node, values[index[node.In()]].Layout, p.tile)
			if len(node.In().Readers) > 1 {
				placements[i].InPlace = false // the others read the same values
			}
			layout = placements[i].Out
		}
		values[i] = kernel.Buffer{Layout: layout, Shape: node.Shape, Lanes: p.tile.Lanes}
		grads[i] = values[i]
	}
	if readers := p.graph.Nodes[0].Readers; len(readers) == 1 {
		values[0].Halo = placements[index[readers[0]]].Halo
	}
	p.nodes = make([]*kernel.Node, n)
	p.sums = make([][]kernel.GradientSum, n)
	trained := p.graph.Trained() // where the gradient by the output is needed
	for i, node := range p.graph.Nodes {
		pl := placements[i]
		k := &kernel.Node{Node: node, Index: i, Tile: p.tile, Context: p.context}
		p.nodes[i] = k
		if a := p.averages[node]; a != nil {
			always(&a.Pending, 8*a.Values())
		}
		if len(pl.Table) > 0 {
			k.Table = p.table(m, pl.Table)
		}
		always(&k.Pack, pl.Pack)
		always(&k.Partial, pl.Partial)
		l.place(&k.Saved, pl.Saved, i, end-i)
		l.place(&k.Scratch, pl.Scratch, end-i, end-i)
		for slot, in := range node.Inputs {
			if !trained[in] || firstPart(node, slot) {
				continue
			}
			s := kernel.GradientSum{Slot: slot, To: grads[index[in]], Part: grads[index[in]]}
			p.sums[i] = append(p.sums[i], s)
		}
		for s := range p.sums[i] {
			l.place(&p.sums[i][s].Part.Addr, p.sums[i][s].Part.Bytes(), end-i, end-i)
		}
		if pl.InPlace {
			continue
		}
		last := node // the last that works in these buffers
		for len(last.Readers) == 1 && placements[index[last.Readers[0]]].InPlace {
			last = last.Readers[0]
		}
		l.place(&values[i].Addr, values[i].Bytes(), i, end-i)
		if trained[last] {
			made := n // by the loss
			if r := last.Readers; len(r) > 0 {
				made = end - index[r[len(r)-1]]
			}
			l.place(&grads[i].Addr, grads[i].Bytes(), made, end-i)
		}
	}
	p.placeHead(&l, n)
	p.placeLoss(m)
	base := l.fix(m)
	p.addRegion(schema.RegionScratch, base, "u8", l.size)
	m.alloc(slack, 1)

	first := 0
	for i, k := range p.nodes {
		if placements[i].InPlace {
			in := index[k.Node.In()]
			values[i].Addr, grads[i].Addr = values[in].Addr, grads[in].Addr
			values[i].Halo = values[in].Halo
		}
		if a := p.averages[k.Node]; a != nil {
			k.Averages = *a
		}
		k.Out, k.OutGrad = values[i], grads[i]
		for _, in := range k.Inputs {
			k.Ins, k.InGrads = append(k.Ins, values[index[in]]), append(k.InGrads, grads[index[in]])
		}
		for s := range p.sums[i] {
			sum := &p.sums[i][s]
			sum.To = k.InGrads[sum.Slot]
			k.InGrads[sum.Slot] = sum.Part
		}
		if i > 0 {
			k.In, k.InGrad = k.Ins[0], k.InGrads[0]
		}
		k.Parameters = p.parameters[first : first+len(k.Node.Parameters)]
		first += len(k.Node.Parameters)
	}
	p.input.Out, p.input.First = values[0], p.context.Example
	if s := &p.head.Sequence; s.Steps > 0 {
		s.Outputs, s.Grad = values[n-1], grads[n-1]
	} else {
		p.head.Outputs, p.head.Grad = values[n-1], grads[n-1]
	}
	p.inputTables(m)
}

// firstPart reports whether a node's gradient by an input is the first part of the gradient by that output. The parts come
// in the order of the backward passes, from the last reader to the first, and of one reader in the order of its inputs.
func firstPart(reader *graph.Node, slot int) bool {
	in := reader.Inputs[slot]
	return in.Readers[len(in.Readers)-1] == reader && slices.Index(reader.Inputs, in) == slot
}

// inputLayout is Sites where an operation that works on these sees the model's input or what keeps its layout.
func (p *plan) inputLayout() kernel.Layout {
	seen := map[*graph.Node]bool{}
	var sites func(n *graph.Node) bool
	sites = func(n *graph.Node) bool {
		return slices.ContainsFunc(n.Readers, func(r *graph.Node) bool {
			if seen[r] {
				return false
			}
			seen[r] = true
			switch kernel.Reads(r) {
			case kernel.Sites:
				return true
			case kernel.Rows:
				return false
			}
			return sites(r)
		})
	}
	if sites(p.graph.Nodes[0]) {
		return kernel.Sites
	}
	return kernel.Rows
}

// placeHead gives the loss its scratch: it lives at the loss's step alone.
func (p *plan) placeHead(l *lifetimes, step int) {
	h := &p.head
	h.Classes, h.TargetDType = p.train.Classes, p.train.Record.Target.DType
	sites := kernel.Buffer{Layout: kernel.Sites, Shape: p.graph.Output().Shape, Lanes: p.tile.Lanes}
	if shape := p.graph.Output().Shape; len(shape) == 2 {
		h.Sequence.Steps, sites.Shape = shape[0], shape[1:]
		l.place(&h.Sequence.Labels, 4*p.tile.Lanes*shape[0], step, step)
		h.Outputs = sites
		h.Grad = kernel.Buffer{Layout: kernel.Rows, Shape: sites.Shape, Lanes: p.tile.Lanes}
		l.place(&h.Grad.Addr, h.Grad.Bytes(), step, step)
	}
	for _, b := range []*kernel.Buffer{&h.Values, &h.Predictions, &h.Targets} {
		*b = sites
		if b == &h.Predictions && p.pair() {
			b.Shape = []int{2}
		}
		l.place(&b.Addr, b.Bytes(), step, step)
	}
	for _, addr := range []*int{&h.Normalizer, &h.Labels, &h.Valid, &h.Losses} {
		l.place(addr, 4*p.tile.Lanes, step, step)
	}
}

// placeLoss gives the head its loss, with a table of the weights of classes where it has such.
func (p *plan) placeLoss(m *memory) {
	loss, attributes, _ := kernel.LossOf(p.graph.Loss)
	if weights := kernel.ClassWeights(attributes); len(weights) > 0 {
		p.head.ClassWeights = p.table(m, weights)
	}
	p.head.SetLoss(loss, attributes)
}

// table places constants in memory.
func (p *plan) table(m *memory, values []float32) int {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	addr := m.alloc(len(b)+slack, 16)
	p.data = append(p.data, asm.Data{Offset: asm.ConstI32(int32(addr)), Bytes: b})
	return addr
}

// inputTables computes the constants of normalisation in f64 and rounds them once. Those that differ between elements
// become tables in memory.
func (p *plan) inputTables(m *memory) {
	in := &p.input
	in.DType = p.train.Record.Input.DType
	scale, offset := normalization(p.resolved.Model.Input.Normalize)
	in.Scale, in.Offset = perElement(scale, in.Out.Elements()), perElement(offset, in.Out.Elements())
	if len(in.Scale) == 1 && len(in.Offset) == 1 {
		return
	}
	table := func(values *[]float32) int {
		if len(*values) == 1 {
			*values = perElement([]float64{float64((*values)[0])}, 1)
			for len(*values) < in.Out.Elements() {
				*values = append(*values, (*values)[0])
			}
		}
		return p.table(m, *values)
	}
	in.Scales, in.Offsets = table(&in.Scale), table(&in.Offset)
}

// normalization is x·scale + offset of whatever form the specification gave.
func normalization(n *schema.Normalize) (scale, offset []float64) {
	switch {
	case n == nil:
		return []float64{1}, []float64{0}
	case n.Scale != nil || n.Offset != nil:
		scale, offset = n.Scale, n.Offset
		if scale == nil {
			scale = []float64{1}
		}
		if offset == nil {
			offset = []float64{0}
		}
		return scale, offset
	}
	for i := range max(len(n.Mean), len(n.Deviation)) {
		s := 1 / n.Deviation[i%len(n.Deviation)]
		scale = append(scale, s)
		offset = append(offset, -n.Mean[i%len(n.Mean)]*s)
	}
	return scale, offset
}

// perElement repeats constants of the last axis for each element; one constant stays one.
func perElement(constants []float64, elements int) []float32 {
	n := elements
	if len(constants) == 1 {
		n = 1
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = kernel.Single(constants[i%len(constants)])
	}
	return out
}
