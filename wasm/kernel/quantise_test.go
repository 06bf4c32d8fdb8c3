package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/ref"
)

func status(p kernel.Parameter) int { return 100 + p.Index }

func newQuantiser(t *testing.T, shapes []tensorShape, bits int) tensors {
	return newTensors(t, shapes, 0, func(e *kernel.Emitter, ps []kernel.Parameter) map[string]kernel.Fn {
		return map[string]kernel.Fn{"quantise": e.Quantise(ps, bits, clippedAt, status)}
	})
}

func TestQuantiseAgreesWithOracle(t *testing.T) {
	for _, bits := range []int{8, 12, 16, 24} {
		for _, exponent := range []int{-140, -126, -30, 0, 20, 127} {
			t.Run(fmt.Sprintf("%d bits at 2^%d", bits, exponent), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(bits), uint64(exponent+1000)))
				ts := newQuantiser(t, oddShapes, bits)
				clipped := int64(0)
				for microbatch := range 3 {
					ts.fillGradients(r, exponent)
					for i, o := range ts.oracle {
						// The exponent lags: none at all, as it was, too low by one and by more, too high.
						lag := []int32{0, -1, -4, 3, 40}[i%5]
						o.Exponent = max(int32(exponent)+1+lag, -125)
						if i == 6 {
							o.Exponent = ref.NoExponent
						}
					}
					ts.write()
					n, bad := ref.Quantise(ts.oracle, bits)
					if bad != nil {
						t.Fatal("the oracle found a gradient that is not finite")
					}
					clipped += n
					if got := ts.call("quantise")[0]; got != 0 {
						t.Fatalf("status %d", got)
					}
					ts.compare(fmt.Sprintf("microbatch %d", microbatch))
				}
				if got := ts.long(clippedAt); got != clipped {
					t.Errorf("clipped: got %d, want %d", got, clipped)
				}
				if clipped == 0 && exponent > -126 {
					t.Error("nothing was clipped: the test shows too little")
				}
			})
		}
	}
}

func TestQuantiseByHand(t *testing.T) {
	cases := []struct {
		name     string
		bits     int
		exponent int32
		gradient float32
		want     int32
		clipped  int64
	}{
		{"largest without headroom", 8, 0, 0.5, 32, 0},
		{"headroom", 8, 0, 1.5, 96, 0},
		{"clamped", 8, 0, 2, 127, 1},
		{"clamped below", 8, 0, -300, -127, 1},
		{"rounds to the bound", 8, 0, 126.75 / 64, 127, 1},
		{"a tie goes to even, down", 8, 0, 2.5 / 64, 2, 0},
		{"a tie goes to even, up", 8, 0, 3.5 / 64, 4, 0},
		{"a negative tie", 16, 0, -2.5 / 16384, -2, 0},
		{"24 bits", 24, 0, 1.99999988, 1<<23 - 1, 1},
		{"a tie at 24 bits", 24, 0, 0x1p-22 * 2.5, 2, 0},
		{"no exponent", 16, kernel.NoExponent, 1, 0, 0},
		{"subnormal", 24, -125, 0x1p-127, 0, 0},
		{"lowest exponent", 8, -125, 0x1p-126, 0, 0},
		{"highest exponent", 8, 128, math.MaxFloat32, 64, 0},
		{"negative zero", 16, 0, float32(math.Copysign(0, -1)), 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ts := newQuantiser(t, []tensorShape{{1, 1, 4}}, c.bits)
			ts.oracle[0].Exponent, ts.oracle[0].Grad[0] = c.exponent, c.gradient
			ts.write()
			ts.call("quantise")
			if got := int32(ts.words(uint32(ts.params[0].Sum), 1)[0]); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			if got := ts.long(clippedAt); got != c.clipped {
				t.Errorf("clipped: got %d, want %d", got, c.clipped)
			}
			wantPeak := math.Float32bits(c.gradient) >> 23 & 0xff
			if got := ts.words(uint32(ts.params[0].Peak), 1)[0]; got != wantPeak {
				t.Errorf("peak: got %d, want %d", got, wantPeak)
			}
		})
	}
}

func TestQuantiseRefusesWhatIsNotFinite(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), -float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for tensor, s := range oddShapes {
			t.Run(fmt.Sprintf("%x in %v", math.Float32bits(bad), s), func(t *testing.T) {
				ts := newQuantiser(t, oddShapes, 16)
				ts.fillGradients(rand.New(rand.NewPCG(1, 2)), 0)
				for _, o := range ts.oracle {
					o.Exponent = 0
				}
				ts.oracle[tensor].Grad[(s[0]-1)*s[2]+s[1]-1] = bad // the last that counts
				ts.write()
				if got, want := ts.call("quantise")[0], uint32(status(ts.params[tensor])); got != want {
					t.Errorf("status: got %d, want %d", got, want)
				}
				ts.compare("after a refusal")
				if got := ts.long(clippedAt); got != 0 {
					t.Errorf("clipped: got %d, want 0", got)
				}
			})
		}
	}
}

func TestSumsCannotOverflow(t *testing.T) {
	for bits, want := range map[int]int64{8: 16909320, 12: 1049088, 16: 65538, 24: 256} {
		n := kernel.MaxMicrobatches(bits)
		if n != want {
			t.Errorf("%d bits: %d microbatches, want %d", bits, n, want)
		}
		if q := kernel.Bound(bits); q*n > math.MaxInt32 || q*(n+1) <= math.MaxInt32 || q != int64(ref.Bound(bits)) {
			t.Errorf("%d bits: bound %d does not fit %d microbatches", bits, q, n)
		}
	}
}
