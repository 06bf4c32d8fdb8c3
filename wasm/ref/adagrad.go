package ref

// AdaGrad divides steps by the root of the sum of squared gradients, which is its slot.
type AdaGrad struct{}

// Advance does nothing.
func (AdaGrad) Advance(Hyper) {}

// Update adds to the sum, then takes a step.
func (AdaGrad) Update(h Hyper, v Value, slots []float32) float32 {
	slots[0] = slots[0] + float32(v.G*v.G)
	return v.W - float32(v.Rate*v.G)/(sqrt(slots[0])+h["epsilon"])
}
