package ref

// Adam keeps decaying means of gradients and of their squares in two slots. The corrections are the same means of ones.
type Adam struct {
	Correction1, Correction2 float32
}

// Advance moves the corrections.
func (a *Adam) Advance(h Hyper) {
	a.Correction1 = decayTo(a.Correction1, 1, h["beta1"])
	a.Correction2 = decayTo(a.Correction2, 1, h["beta2"])
}

// Update moves the means, then takes a step.
func (a *Adam) Update(h Hyper, v Value, slots []float32) float32 {
	m, root := a.means(h, v.G, slots)
	return v.W - float32(v.Rate/a.Correction1*m)/(root+h["epsilon"])
}

// means moves both; the second's root is corrected.
func (a *Adam) means(h Hyper, g float32, slots []float32) (m, root float32) {
	slots[0] = decayTo(slots[0], g, h["beta1"])
	slots[1] = decayTo(slots[1], float32(g*g), h["beta2"])
	return slots[0], float32(sqrt(slots[1]) * (1 / sqrt(a.Correction2)))
}

// decayTo is β·mean + (1−β)·x.
func decayTo(mean, x, beta float32) float32 {
	return float32(beta*mean) + float32((1-beta)*x)
}
