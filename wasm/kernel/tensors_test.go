package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

// tensors are parameters that a machine and the oracle train side by side.
type tensors struct {
	machine
	params []kernel.Parameter
	oracle []*ref.Tensor
}

// tensorShape is rows, columns, and floats from a row of the gradient to the next.
type tensorShape [3]int

// oddShapes are dense and padded, shorter and longer than what loops take at a time.
var oddShapes = []tensorShape{
	{1, 1, 4},
	{1, 3, 4},
	{1, 4, 4},
	{1, 5, 8},
	{1, 17, 20},
	{1, 1000, 1000},
	{5, 4, 4},
	{3, 3, 4},
	{7, 10, 12},
	{4, 16, 20},
	{3, 33, 40},
	{2, 19, 20},
	{1, 8, 8},
	{1, 7, 8},
}

// Addresses of what all tensors share. The tensors follow.
const (
	clippedAt  = 64
	examplesAt = 72
	canaryAt   = 80
	hyperAt    = 256
	tensorsAt  = 1024
)

// noise is what memory holds before anybody wrote it: a NaN, so that whoever reads too much is found out.
const noise = 0x7fc00000

// place lays tensors out, with as many slots, and fills all memory with noise.
func place(shapes []tensorShape, slots int) (params []kernel.Parameter, oracle []*ref.Tensor) {
	at := tensorsAt
	take := func(words int) int {
		a := at
		at += 4*words + 16
		return a
	}
	for i, s := range shapes {
		n := s[0] * s[1]
		p := kernel.Parameter{Name: fmt.Sprintf("layer%d.weight", i), Rows: s[0], Cols: s[1], GradStride: s[2], Index: i, Decayed: i%3 != 0}
		p.Value, p.Sum, p.Grad = take(n), take(n), take(s[0]*s[2])
		p.Exponent, p.Peak, p.Rate = take(1), take(1), take(1)
		t := &ref.Tensor{Rows: s[0], Cols: s[1], GradStride: s[2], Decayed: p.Decayed, Rate: 1, Exponent: ref.NoExponent}
		t.Value, t.Sum, t.Grad = make([]float32, n), make([]int32, n), make([]float32, s[0]*s[2])
		for range slots {
			p.Slots = append(p.Slots, take(n))
			t.Slots = append(t.Slots, make([]float32, n))
		}
		params, oracle = append(params, p), append(oracle, t)
	}
	return params, oracle
}

func newTensors(t *testing.T, shapes []tensorShape, slots int, define func(e *kernel.Emitter, ps []kernel.Parameter) map[string]kernel.Fn) tensors {
	params, oracle := place(shapes, slots)
	m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn { return define(e, params) })
	for a := uint32(tensorsAt); a < m.Memory().Size(); a += 4 {
		m.Memory().WriteUint32Le(a, noise)
	}
	ts := tensors{m, params, oracle}
	ts.write()
	return ts
}

// write copies the oracle's tensors to the machine, padding of gradients included.
func (ts tensors) write() {
	for i, p := range ts.params {
		o := ts.oracle[i]
		ts.setFloats(p.Value, o.Value)
		ts.setFloats(p.Grad, o.Grad)
		for j, a := range p.Slots {
			ts.setFloats(a, o.Slots[j])
		}
		for j, x := range o.Sum {
			ts.set(p.Sum+4*j, uint32(x))
		}
		ts.set(p.Exponent, uint32(o.Exponent))
		ts.set(p.Peak, uint32(o.Peak))
		ts.setFloats(p.Rate, []float32{o.Rate})
	}
}

// compare fails where the machine's tensors are not those of the oracle, bit for bit.
func (ts tensors) compare(when string) {
	ts.t.Helper()
	for i, p := range ts.params {
		o := ts.oracle[i]
		ts.compareWords(when+": value of "+p.Name, p.Value, floatBits(o.Value))
		ts.compareWords(when+": sum of "+p.Name, p.Sum, intBits(o.Sum))
		ts.compareWords(when+": exponent of "+p.Name, p.Exponent, intBits([]int32{o.Exponent}))
		ts.compareWords(when+": peak of "+p.Name, p.Peak, intBits([]int32{o.Peak}))
		for j, a := range p.Slots {
			ts.compareWords(fmt.Sprintf("%s: slot %d of %s", when, j, p.Name), a, floatBits(o.Slots[j]))
			// What lies behind a slot may belong to somebody else.
			ts.compareWords(fmt.Sprintf("%s: behind slot %d of %s", when, j, p.Name), a+4*len(o.Value), []uint32{noise, noise, noise, noise})
		}
	}
}

func (ts tensors) compareWords(what string, addr int, want []uint32) {
	ts.t.Helper()
	for i, got := range ts.words(uint32(addr), len(want)) {
		if got != want[i] {
			ts.t.Fatalf("%s, element %d: got %08x (%g), want %08x (%g)", what, i,
				got, math.Float32frombits(got), want[i], math.Float32frombits(want[i]))
		}
	}
}

func (ts tensors) set(addr int, x uint32) { ts.Memory().WriteUint32Le(uint32(addr), x) }

func (ts tensors) setFloats(addr int, xs []float32) {
	for i, b := range floatBits(xs) {
		ts.set(addr+4*i, b)
	}
}

func (ts tensors) long(addr int) int64 {
	x, _ := ts.Memory().ReadUint64Le(uint32(addr))
	return int64(x)
}

func (ts tensors) setLong(addr int, x int64) { ts.Memory().WriteUint64Le(uint32(addr), uint64(x)) }

func floatBits(xs []float32) []uint32 {
	bits := make([]uint32, len(xs))
	for i, x := range xs {
		bits[i] = math.Float32bits(x)
	}
	return bits
}

func intBits(xs []int32) []uint32 {
	bits := make([]uint32, len(xs))
	for i, x := range xs {
		bits[i] = uint32(x)
	}
	return bits
}

// fillGradients draws gradients around 2^exponent, with edge values among them, and NaNs and infinities as padding.
func (ts tensors) fillGradients(r *rand.Rand, exponent int) {
	edges := []float32{
		0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -0x1p-127, 0x1p-126,
		float32(math.Ldexp(1, exponent)), float32(math.Ldexp(-1, exponent)),
	}
	padding := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32}
	for _, o := range ts.oracle {
		for i := range o.Grad {
			switch {
			case i%o.GradStride >= o.Cols:
				o.Grad[i] = padding[r.IntN(len(padding))]
			case r.IntN(8) == 0:
				o.Grad[i] = edges[r.IntN(len(edges))]
			default:
				o.Grad[i] = float32(math.Ldexp(r.NormFloat64()/2, exponent-r.IntN(6)))
			}
		}
	}
}
