package ref

// recurrent is a layer with a state that goes over the steps; package kernel has the formulas.
type recurrent[F Float] struct {
	kind           string
	steps, units   int
	returnsAll     bool
	inputs, states conv2d[F] // the products a of all steps, and the gradients of those with the states
}

func newRecurrent[F Float](kind string, steps, inputs, units int, all bool, own []*Parameter[F], tile int) recurrent[F] {
	return recurrent[F]{
		kind: kind, steps: steps, units: units, returnsAll: all,
		inputs: stepProducts(steps, inputs, own[0], own[2], tile),
		states: stepProducts(steps, units, own[1], own[3], tile),
	}
}

func (l recurrent[F]) gates() int { return len(l.states.bias.Value) / l.units }

// trace is what a pass over the steps of an example leaves.
type trace[F Float] struct {
	gates  [][]F // activated, of each step
	newest [][]F // of a GRU: W_hh's part of the new gate
	cells  [][]F // of an LSTM, from the one before the first step on
	states [][]F // likewise
}

// run goes over the steps, given W_ih's part of the gates.
func (l recurrent[F]) run(a []F) (t trace[F]) {
	rows := l.gates() * l.units
	t.states, t.cells = [][]F{make([]F, l.units)}, [][]F{make([]F, l.units)}
	for s := range l.steps {
		before, b := t.states[s], make([]F, rows)
		for r := range b {
			for k, h := range before {
				b[r] += F(l.states.weight.Value[r*l.units+k] * h)
			}
			b[r] += l.states.bias.Value[r]
		}
		g, own := make([]F, rows), a[s*rows:][:rows]
		h, c, newest := make([]F, l.units), make([]F, l.units), make([]F, l.units)
		gate := func(k, u int, f func(F) F, b F) F {
			g[k*l.units+u] = f(own[k*l.units+u] + b)
			return g[k*l.units+u]
		}
		for u := range l.units {
			part := func(k int) F { return b[k*l.units+u] }
			switch l.kind {
			case "rnn":
				h[u] = gate(0, u, tanh, part(0))
			case "lstm":
				i, f := gate(0, u, sigmoid, part(0)), gate(1, u, sigmoid, part(1))
				c[u] = F(f*t.cells[s][u]) + F(i*gate(2, u, tanh, part(2)))
				h[u] = gate(3, u, sigmoid, part(3)) * tanh(c[u])
			case "gru":
				r, z := gate(0, u, sigmoid, part(0)), gate(1, u, sigmoid, part(1))
				newest[u] = part(2)
				h[u] = F((1-z)*gate(2, u, tanh, F(r*part(2)))) + F(z*before[u])
			}
		}
		t.gates, t.newest = append(t.gates, g), append(t.newest, newest)
		t.states, t.cells = append(t.states, h), append(t.cells, c)
	}
	return t
}

func (l recurrent[F]) forward(c Call, x [][]F) [][]F {
	var y [][]F
	for _, a := range l.inputs.forward(c, x) {
		t := l.run(a)
		if !l.returnsAll {
			y = append(y, t.states[l.steps])
			continue
		}
		var all []F
		for _, h := range t.states[1:] {
			all = append(all, h...)
		}
		y = append(y, all)
	}
	return y
}

func (l recurrent[F]) backward(c Call, x, _, dy [][]F) [][]F {
	rows := l.gates() * l.units
	var das, dbs, before [][]F
	for n, a := range l.inputs.forward(c, x) {
		t := l.run(a)
		da, db, earlier := make([]F, l.steps*rows), make([]F, l.steps*rows), []F{}
		dh, carried := make([]F, l.units), make([]F, l.units)
		if !l.returnsAll {
			copy(dh, dy[n])
		}
		for s := l.steps - 1; s >= 0; s-- {
			g, direct := t.gates[s], make([]F, l.units)
			da, db := da[s*rows:][:rows], db[s*rows:][:rows]
			for u := range l.units {
				d := dh[u]
				if l.returnsAll {
					d = dy[n][s*l.units+u] + dh[u]
				}
				gate := func(k int) F { return g[k*l.units+u] }
				set := func(k int, a, b F) { da[k*l.units+u], db[k*l.units+u] = a, b }
				switch l.kind {
				case "rnn":
					v := byTanh(d, gate(0))
					set(0, v, v)
				case "lstm":
					i, f, g, o := gate(0), gate(1), gate(2), gate(3)
					top := tanh(t.cells[s+1][u])
					do := bySigmoid(F(d*top), o)
					dc := carried[u] + byTanh(F(d*o), top)
					di, df, dg := bySigmoid(F(dc*g), i), bySigmoid(F(dc*t.cells[s][u]), f), byTanh(F(dc*i), g)
					for k, v := range []F{di, df, dg, do} {
						set(k, v, v)
					}
					carried[u] = dc * f
				case "gru":
					r, z, fresh := gate(0), gate(1), gate(2)
					dn := byTanh(F(d*(1-z)), fresh)
					set(2, dn, dn*r)
					dr := bySigmoid(F(dn*t.newest[s][u]), r)
					set(0, dr, dr)
					dz := bySigmoid(F(d*(t.states[s][u]-fresh)), z)
					set(1, dz, dz)
					direct[u] = d * z
				}
			}
			for k := range dh {
				dh[k] = 0
				for r := range db {
					dh[k] += F(l.states.weight.Value[r*l.units+k] * db[r])
				}
				if l.kind == "gru" {
					dh[k] += direct[k]
				}
			}
		}
		for s := range l.steps {
			earlier = append(earlier, t.states[s]...)
		}
		das, dbs, before = append(das, da), append(dbs, db), append(before, earlier)
	}
	l.states.weightGradient(before, dbs)
	return l.inputs.backward(c, x, nil, das)
}

// bySigmoid and byTanh multiply a gradient by the derivative, given the function's value.
func bySigmoid[F Float](g, y F) F { return g * F(y*(1-y)) }
func byTanh[F Float](g, y F) F    { return g * (1 - F(y*y)) }
