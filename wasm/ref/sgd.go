package ref

// SGD is stochastic gradient descent without momentum.
type SGD struct{}

// Advance does nothing.
func (SGD) Advance(Hyper) {}

// Update takes a step against the gradient.
func (SGD) Update(_ Hyper, v Value, _ []float32) float32 {
	return v.W - float32(v.Rate*v.G)
}

// Momentum is stochastic gradient descent with momentum; its slot is the velocity.
type Momentum struct {
	Nesterov bool
}

// Advance does nothing.
func (Momentum) Advance(Hyper) {}

// Update takes a step against the velocity, or against where the velocity will lead.
func (m Momentum) Update(h Hyper, v Value, slots []float32) float32 {
	mu := h["momentum"]
	velocity := float32(mu*slots[0]) + v.G
	slots[0] = velocity
	if m.Nesterov {
		return v.W - float32(v.Rate*(v.G+float32(mu*velocity)))
	}
	return v.W - float32(v.Rate*velocity)
}
