package wasm

import (
	"encoding/binary"
	"math"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/kernel"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// scratch places everything that no call finds again: packed weights, gradients, and the activations of a tile.
//
// Its schedule has the forward pass of node i at step i, the loss at step n, and the backward pass of node i at step
// 2n − i. Values live from their forward to their backward pass, gradients from the pass that makes them to the one that
// uses them.
func (p *plan) scratch(m *memory) {
	n := len(p.graph.Nodes)
	end := 2 * n
	var l lifetimes
	always := func(addr *int, bytes int) { l.place(addr, bytes, 0, end) }
	for i := range p.parameters {
		k := &p.parameters[i]
		always(&k.Grad, k.Rows*k.GradStride*4+slack)
	}
	if p.local != nil {
		p.localScratch(always)
	}

	placements := make([]kernel.Placement, n)
	values, grads := make([]kernel.Buffer, n), make([]kernel.Buffer, n)
	layout := p.inputLayout()
	for i, node := range p.graph.Nodes {
		if i > 0 {
			placements[i] = node.Op.(kernel.Op).Place(node, layout, p.tile)
			layout = placements[i].Out
		}
		values[i] = kernel.Buffer{Layout: layout, Shape: node.Shape, Lanes: p.tile.Lanes}
		grads[i] = values[i]
	}
	if n > 1 {
		values[0].Halo = placements[1].Halo
	}
	p.nodes = make([]*kernel.Node, n)
	trained := false // whether anything up to node i is, so that the gradient by its output is needed
	for i, node := range p.graph.Nodes {
		trained = trained || len(node.Parameters) > 0
		pl := placements[i]
		k := &kernel.Node{Node: node, Index: i, Tile: p.tile, Context: p.context}
		p.nodes[i] = k
		always(&k.Pack, pl.Pack)
		always(&k.Partial, pl.Partial)
		l.place(&k.Saved, pl.Saved, i, end-i)
		l.place(&k.Scratch, pl.Scratch, end-i, end-i)
		if pl.InPlace {
			continue
		}
		last := i // the last node that works in these buffers
		for last+1 < n && placements[last+1].InPlace {
			last++
		}
		l.place(&values[i].Addr, values[i].Bytes(), i, end-i)
		if trained {
			l.place(&grads[i].Addr, grads[i].Bytes(), end-last-1, end-i)
		}
	}
	p.placeHead(&l, n)
	base := l.fix(m)
	p.addRegion(schema.RegionScratch, base, "u8", l.size)
	m.alloc(slack, 1)

	first := 0
	for i, k := range p.nodes {
		if placements[i].InPlace {
			values[i].Addr, grads[i].Addr = values[i-1].Addr, grads[i-1].Addr
			values[i].Halo = values[i-1].Halo
		}
		k.Out, k.OutGrad = values[i], grads[i]
		if i > 0 {
			k.In, k.InGrad = values[i-1], grads[i-1]
		}
		k.Parameters = p.parameters[first : first+len(k.Node.Parameters)]
		first += len(k.Node.Parameters)
	}
	p.input.Out, p.input.First = values[0], p.context.Example
	p.head.Outputs, p.head.Grad = values[n-1], grads[n-1]
	p.inputTables(m)
}

// inputLayout is what the first layer that cares wants.
func (p *plan) inputLayout() kernel.Layout {
	for _, n := range p.graph.Nodes[1:] {
		switch n.Kind {
		case "dense", "flatten":
			return kernel.Rows
		case "conv2d", "maxpool2d", "avgpool2d":
			return kernel.Sites
		}
	}
	return kernel.Rows
}

// placeHead gives the loss its scratch: it lives at the loss's step alone.
func (p *plan) placeHead(l *lifetimes, step int) {
	h := &p.head
	h.Loss, h.Classes, h.TargetDType = p.graph.Loss, p.train.Classes, p.train.Record.Target.DType
	sites := kernel.Buffer{Layout: kernel.Sites, Shape: p.graph.Output().Shape, Lanes: p.tile.Lanes}
	for _, b := range []*kernel.Buffer{&h.Values, &h.Predictions, &h.Targets} {
		*b = sites
		l.place(&b.Addr, b.Bytes(), step, step)
	}
	for _, addr := range []*int{&h.Normalizer, &h.Labels, &h.Valid, &h.Losses} {
		l.place(addr, 4*p.tile.Lanes, step, step)
	}
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
		var b []byte
		for _, v := range *values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		addr := m.alloc(len(b)+slack, 16)
		p.data = append(p.data, asm.Data{Offset: asm.ConstI32(int32(addr)), Bytes: b})
		return addr
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
