package ref

// AdamW is Adam with decoupled weight decay.
type AdamW struct{ Adam }

// Update decays the weight, then does as Adam.
func (a *AdamW) Update(h Hyper, v Value, slots []float32) float32 {
	if v.Decayed {
		v.W = float32(v.W * (1 - float32(v.Rate*h["weightDecay"])))
	}
	return a.Adam.Update(h, v, slots)
}

// Adamax has the largest magnitude of the gradient in its second slot.
type Adamax struct{ Correction1 float32 }

// Advance moves the correction.
func (a *Adamax) Advance(h Hyper) { a.Correction1 = decayTo(a.Correction1, 1, h["beta1"]) }

// Update moves mean and magnitude, then takes a step.
func (a *Adamax) Update(h Hyper, v Value, slots []float32) float32 {
	slots[0] = decayTo(slots[0], v.G, h["beta1"])
	slots[1] = pmax(float32(h["beta2"]*slots[1]), abs(v.G)+h["epsilon"])
	return v.W - float32(v.Rate/a.Correction1*slots[0])/slots[1]
}

// NAdam keeps 1 − 0.96^(0.004·t), and 1 less the product of all momenta.
type NAdam struct {
	Adam
	Fade, Product float32
}

const nadamDecay = 0.9998367253526753

func (*NAdam) fadeOn(fade float32) float32 {
	return float32(single(nadamDecay)*fade) + single(1-nadamDecay)
}

func (*NAdam) momentum(h Hyper, fade float32) float32 {
	return h["beta1"] * (1 - float32(0.5*(1-fade)))
}

func (a *NAdam) productOn(mu float32) float32 { return float32(a.Product*mu) + (1 - mu) }

// Advance moves what all values have in common.
func (a *NAdam) Advance(h Hyper) {
	a.Adam.Advance(h)
	a.Fade = a.fadeOn(a.Fade)
	a.Product = a.productOn(a.momentum(h, a.Fade))
}

// Update moves the means, then takes a step along gradient and mean.
func (a *NAdam) Update(h Hyper, v Value, slots []float32) float32 {
	m, root := a.means(h, v.G, slots)
	ofGradient := float32(v.Rate*(1-a.momentum(h, a.Fade))) / a.Product
	mu := a.momentum(h, a.fadeOn(a.Fade))
	ofMean := float32(v.Rate*mu) / a.productOn(mu)
	return v.W - (float32(ofGradient*v.G)+float32(ofMean*m))/(root+h["epsilon"])
}

// AdaDelta has the mean squares of gradients and of steps in its slots.
type AdaDelta struct{}

// Advance does nothing.
func (AdaDelta) Advance(Hyper) {}

// Update takes a step in the units of the steps before.
func (AdaDelta) Update(h Hyper, v Value, slots []float32) float32 {
	slots[0] = decayTo(slots[0], float32(v.G*v.G), h["rho"])
	d := float32(sqrt(slots[1]+h["epsilon"]) / sqrt(slots[0]+h["epsilon"]) * v.G)
	slots[1] = decayTo(slots[1], float32(d*d), h["rho"])
	return v.W - float32(v.Rate*d)
}

// RMSProp has the mean square in its first slot, then the mean if it is centred, then the velocity if there is momentum.
type RMSProp struct{ Centered, Momentum bool }

// Advance does nothing.
func (RMSProp) Advance(Hyper) {}

// Update takes a step along the gradient divided by its root mean square, or along a velocity of such.
func (r RMSProp) Update(h Hyper, v Value, slots []float32) float32 {
	slots[0] = decayTo(slots[0], float32(v.G*v.G), h["alpha"])
	square := slots[0]
	if r.Centered {
		slots[1] = decayTo(slots[1], v.G, h["alpha"])
		square = pmax(square-float32(slots[1]*slots[1]), 0)
	}
	root := sqrt(square) + h["epsilon"]
	if !r.Momentum {
		return v.W - float32(v.Rate*v.G)/root
	}
	last := len(slots) - 1
	slots[last] = float32(h["momentum"]*slots[last]) + v.G/root
	return v.W - float32(v.Rate*slots[last])
}

// measured is a rule that needs the norms of whole tensors.
type measured interface {
	// measure gives what the norms are taken of; it changes nothing.
	measure(h Hyper, v Value, slots []float32) (w, g float32)
	// ratio multiplies the rate.
	ratio(h Hyper, w, g float64) float32
}

// LAMB is Adam with steps in proportion to a tensor's length.
type LAMB struct{ Adam }

func (a *LAMB) direction(h Hyper, v Value, slots []float32) float32 {
	m, root := a.means(h, v.G, slots)
	r := float32(m*(1/a.Correction1)) / (root + h["epsilon"])
	if v.Decayed {
		r += float32(h["weightDecay"] * v.W)
	}
	return r
}

// Update takes a step.
func (a *LAMB) Update(h Hyper, v Value, slots []float32) float32 {
	return v.W - float32(v.Rate*a.direction(h, v, slots))
}

func (a *LAMB) measure(h Hyper, v Value, slots []float32) (w, g float32) {
	return v.W, a.direction(h, v, []float32{slots[0], slots[1]})
}

func (*LAMB) ratio(_ Hyper, w, g float64) float32 {
	if w > 0 && g > 0 {
		return float32(w / g)
	}
	return 1
}

// LARS is momentum with steps in proportion to a tensor's length.
type LARS struct{}

// Advance does nothing.
func (LARS) Advance(Hyper) {}

// Update takes a step along a velocity that contains the rate.
func (LARS) Update(h Hyper, v Value, slots []float32) float32 {
	g := v.G
	if v.Decayed {
		g += float32(h["weightDecay"] * v.W)
	}
	slots[0] = float32(h["momentum"]*slots[0]) + float32(v.Rate*g)
	return v.W - slots[0]
}

func (LARS) measure(_ Hyper, v Value, _ []float32) (w, g float32) { return v.W, v.G }

func (LARS) ratio(h Hyper, w, g float64) float32 {
	if !(w > 0 && g > 0) {
		return 1
	}
	return float32(float64(float64(h["trustCoefficient"])*w) / (g + float64(float64(h["weightDecay"])*w) + float64(h["epsilon"])))
}
