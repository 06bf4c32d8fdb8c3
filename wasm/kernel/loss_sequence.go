package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// Sequence is an output and a class target at each of several positions of an example, as a language model has them: its
// outputs are [steps, classes], its targets [steps]. Each position is a prediction of its own, which loss, correct and
// examples count one by one, in the order of the examples' tiles, positions and examples.
//
// A head for one position works on all of them in turn: what belongs to a position is copied to where it expects it. It
// predicts once for the score and once for the gradient, which costs less than keeping the probabilities of all.
type Sequence struct {
	Steps         int    // 0: there is one prediction for an example
	Outputs, Grad Buffer // Sites: the last layer, and the loss's gradient by it
	Labels        int    // scratch: i32 [steps][lanes]
}

// Predictions is how many an example has.
func (s Sequence) Predictions() int { return max(s.Steps, 1) }

// positions runs body for the only position of an example, or for each of them with its values, predictions and labels.
func (h Head) positions(c *code, body func(c *code)) {
	if h.Sequence.Steps == 0 {
		body(c)
		return
	}
	h.each(c, true, func(local) { body(c) })
}

// each runs body for each position of a sequence, predicted and, if wanted, with its labels, and gives the position's
// number.
func (h Head) each(c *code, labels bool, body func(step local)) {
	t, bytes := c.Local(asm.I32), h.units()*h.Values.Site()
	c.For(t, 0, h.Sequence.Steps, 1, func() {
		c.I32(h.Values.Addr)
		scaled(c, t, bytes)
		c.I32(h.Sequence.Outputs.Addr)
		c.Op(asm.I32Add)
		c.MemCopy(bytes)
		p := c.Local(asm.I32)
		h.Loss.predict(h, c, p) // releases p
		if labels {
			c.I32(h.Labels)
			scaled(c, t, 4*h.Outputs.Lanes)
			c.I32(h.Sequence.Labels)
			c.Op(asm.I32Add)
			c.MemCopy(4 * h.Outputs.Lanes)
		}
		body(t)
	})
	c.Release(t)
}

// sequenceLabels loads all labels of the example in a lane.
func (h Head) sequenceLabels(c *code, lane, example, bad local) {
	t, label := c.Local(asm.I32), c.Local(asm.I32)
	c.For(t, 0, h.Sequence.Steps, 1, func() {
		h.loadLabel(c, func() {
			scaled(c, example, h.Sequence.Steps)
			c.Get(t)
			c.Op(asm.I32Add)
		})
		c.Set(label)
		scaled(c, t, h.Outputs.Lanes)
		c.Get(lane)
		c.Op(asm.I32Add)
		c.I32(4)
		c.Op(asm.I32Mul)
		c.Get(label)
		c.Mem(asm.I32Store, h.Sequence.Labels)
		h.checkLabel(c, label, lane, bad)
	})
	c.Release(t, label)
}

// sequenceGradient sets the gradient by the outputs of all positions.
func (h Head) sequenceGradient(c *code) {
	bytes := h.units() * h.Values.Site()
	h.each(c, true, func(t local) {
		h.slopes(c)
		scaled(c, t, bytes)
		c.I32(h.Sequence.Grad.Addr)
		c.Op(asm.I32Add)
		c.I32(h.Values.Addr)
		c.MemCopy(bytes)
	})
}

// writeSequence writes the predictions of all positions to the tile's rows of the region output, [examples, steps, units]
// without padding.
func (h Head) writeSequence(c *code) {
	rows, units, steps := h.Grad, h.units(), h.Sequence.Steps
	n, from, to, i := c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32), c.Local(asm.I32)
	h.each(c, false, func(t local) {
		transpose(c, h.Predictions, rows)
		c.I32(h.Count)
		c.Mem(asm.I32Load, 0)
		c.I32(h.First)
		c.Mem(asm.I32Load, 0)
		c.Op(asm.I32Sub)
		c.Tee(n)
		c.I32(rows.Lanes)
		c.Get(n)
		c.I32(rows.Lanes)
		c.Op(asm.I32LtS, asm.Select)
		c.Set(n)
		c.SetI32(from, 0)
		c.I32(h.First)
		c.Mem(asm.I32Load, 0)
		c.I32(steps)
		c.Op(asm.I32Mul)
		c.Get(t)
		c.Op(asm.I32Add)
		c.I32(4 * units)
		c.Op(asm.I32Mul)
		c.Set(to)
		c.Repeat(rows.Lanes, func() {
			if whole := 4 * (units / 4 * 4); whole > 0 {
				c.For(i, 0, whole, 16, func() {
					c.Get(to, i)
					c.Op(asm.I32Add)
					c.Get(from, i)
					c.Op(asm.I32Add)
					c.Mem(asm.V128Load, rows.Addr)
					c.Mem(asm.V128Store, h.Output)
				})
			}
			for k := units / 4 * 4; k < units; k++ { // a vector would reach into the next example
				c.Get(to)
				c.Load(asm.I32Load, from, rows.Addr+4*k)
				c.Mem(asm.I32Store, h.Output+4*k)
			}
			c.AddTo(from, rows.Stride())
			c.AddTo(to, 4*units*steps)
			c.AddTo(n, -1)
			c.Get(n)
		})
	})
	c.Release(n, from, to, i)
}
