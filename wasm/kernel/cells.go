package kernel

import asm "github.com/reprise-ml/reprise/wasm/module"

// The cells of recurrent layers (recurrent.go has their formulas). Elman, "Finding structure in time", 1990; Hochreiter,
// Schmidhuber, "Long short-term memory", 1997; Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, with
// the reset gate behind the product, as PyTorch and cuDNN have it.
type (
	simpleCell struct{}
	lstmCell   struct{}
	gruCell    struct{}
)

func (simpleCell) name() string { return "rnn" }
func (simpleCell) doc() string {
	return "Simple recurrent layer over the steps of a sequence: tanh of its input's and its state's part."
}
func (simpleCell) gates() int { return 1 }
func (simpleCell) kept() int  { return 0 }

func (simpleCell) step(u unit) { u.activated(0, "tanh", func() { u.b(0) }) }

func (simpleCell) back(u unit, dh local) bool {
	u.setGradient(0, func() {
		u.Get(dh)
		u.derived("tanh", u.after)
	})
	return false
}

// Gates of an LSTM.
const (
	inputGate = iota
	forgetGate
	cellGate
	outputGate
)

// What an LSTM keeps.
const (
	keptCell = iota
	keptTanh
)

func (lstmCell) name() string { return "lstm" }
func (lstmCell) doc() string {
	return "Long short-term memory over the steps of a sequence."
}
func (lstmCell) gates() int { return 4 }
func (lstmCell) kept() int  { return 2 }

func (lstmCell) step(u unit) {
	x := u.Local(asm.V128)
	for gate, f := range []string{"sigmoid", "sigmoid", "tanh", "sigmoid"} {
		u.setA(gate, func() { u.activated(gate, f, func() { u.b(gate) }) })
	}
	u.a(forgetGate)
	u.past(keptCell)
	u.Op(asm.F32x4Mul)
	u.a(inputGate)
	u.a(cellGate)
	u.Op(asm.F32x4Mul, asm.F32x4Add)
	u.Set(x)
	u.keep(keptCell, func() { u.Get(x) })
	u.keep(keptTanh, func() { Tanh(u.code, x) })
	u.a(outputGate)
	u.kept(keptTanh)
	u.Op(asm.F32x4Mul)
	u.Release(x)
}

func (lstmCell) back(u unit, dh local) bool {
	dc := u.Local(asm.V128)
	u.setGradient(outputGate, func() {
		u.Get(dh)
		u.kept(keptTanh)
		u.Op(asm.F32x4Mul)
		u.derived("sigmoid", func() { u.a(outputGate) })
	})
	u.Load(asm.V128Load, u.u, u.carried())
	u.Get(dh)
	u.a(outputGate)
	u.Op(asm.F32x4Mul)
	u.derived("tanh", func() { u.kept(keptTanh) })
	u.Op(asm.F32x4Add)
	u.Set(dc)
	for _, g := range []struct {
		gate int
		f    string
		by   func()
	}{
		{inputGate, "sigmoid", func() { u.a(cellGate) }},
		{forgetGate, "sigmoid", func() { u.past(keptCell) }},
		{cellGate, "tanh", func() { u.a(inputGate) }},
	} {
		u.setGradient(g.gate, func() {
			u.Get(dc)
			g.by()
			u.Op(asm.F32x4Mul)
			u.derived(g.f, func() { u.a(g.gate) })
		})
	}
	u.Get(u.u, dc)
	u.a(forgetGate)
	u.Op(asm.F32x4Mul)
	u.Mem(asm.V128Store, u.carried())
	u.Release(dc)
	return false
}

// Gates of a GRU.
const (
	resetGate = iota
	updateGate
	newGate
)

func (gruCell) name() string { return "gru" }
func (gruCell) doc() string {
	return "Gated recurrent unit over the steps of a sequence."
}
func (gruCell) gates() int { return 3 }
func (gruCell) kept() int  { return 1 } // W_hh's part of the new gate

func (gruCell) step(u unit) {
	for _, gate := range []int{resetGate, updateGate} {
		u.setA(gate, func() { u.activated(gate, "sigmoid", func() { u.b(gate) }) })
	}
	u.keep(0, func() { u.b(newGate) })
	u.setA(newGate, func() {
		u.activated(newGate, "tanh", func() {
			u.a(resetGate)
			u.b(newGate)
			u.Op(asm.F32x4Mul)
		})
	})
	u.rest(updateGate)
	u.a(newGate)
	u.Op(asm.F32x4Mul)
	u.a(updateGate)
	u.before()
	u.Op(asm.F32x4Mul, asm.F32x4Add)
}

func (gruCell) back(u unit, dh local) bool {
	dn := u.Local(asm.V128)
	u.Get(dh)
	u.rest(updateGate)
	u.Op(asm.F32x4Mul)
	u.derived("tanh", func() { u.a(newGate) })
	u.Set(dn)
	u.setGradient(newGate, func() { u.Get(dn) })
	u.setStateGradient(newGate, func() {
		u.Get(dn)
		u.a(resetGate)
		u.Op(asm.F32x4Mul)
	})
	u.setGradient(resetGate, func() {
		u.Get(dn)
		u.kept(0)
		u.Op(asm.F32x4Mul)
		u.derived("sigmoid", func() { u.a(resetGate) })
	})
	u.setGradient(updateGate, func() {
		u.Get(dh)
		u.before()
		u.a(newGate)
		u.Op(asm.F32x4Sub, asm.F32x4Mul)
		u.derived("sigmoid", func() { u.a(updateGate) })
	})
	u.Get(dh)
	u.a(updateGate)
	u.Op(asm.F32x4Mul)
	u.Release(dn)
	return true
}

// activated pushes f(a + what other pushes) of a gate.
func (u unit) activated(gate int, f string, other func()) {
	x := u.Local(asm.V128)
	u.a(gate)
	other()
	u.Op(asm.F32x4Add)
	u.Set(x)
	functionNamed(f).apply(u.code, x)
	u.Release(x)
}

// derived multiplies the gradient on the stack by f', given what pushes f's value.
func (u unit) derived(f string, value func()) {
	y := u.Local(asm.V128)
	value()
	u.Set(y)
	functionNamed(f).derive(u.code, y)
	u.Release(y)
}

// rest pushes 1 less a gate.
func (u unit) rest(gate int) {
	u.F32x4(1)
	u.a(gate)
	u.Op(asm.F32x4Sub)
}
