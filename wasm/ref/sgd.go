package ref

// SGD is stochastic gradient descent without momentum.
type SGD struct{}

// Advance does nothing.
func (SGD) Advance(Hyper) {}

// Update takes a step against the gradient.
func (SGD) Update(_ Hyper, w, g, rate float32, _ []float32) float32 { return w - float32(rate*g) }

// Momentum is stochastic gradient descent with momentum; its slot is the velocity.
type Momentum struct {
	Nesterov bool
}

// Advance does nothing.
func (Momentum) Advance(Hyper) {}

// Update takes a step against the velocity, or against where the velocity will lead.
func (m Momentum) Update(h Hyper, w, g, rate float32, slots []float32) float32 {
	mu := h["momentum"]
	v := float32(mu*slots[0]) + g
	slots[0] = v
	if m.Nesterov {
		return w - float32(rate*(g+float32(mu*v)))
	}
	return w - float32(rate*v)
}
