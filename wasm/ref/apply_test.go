package ref_test

import (
	"math"
	"testing"

	"github.com/reprise-ml/reprise/wasm/ref"
)

// The rules agree with their textbook formulas, computed here in f64 and with Adam's corrections as powers.
func TestRulesFollowTheirFormulas(t *testing.T) {
	const rate, mu, b1, b2, eps = 0.1, 0.9, 0.9, 0.999, 1e-8
	h := ref.Hyper{"momentum": mu, "beta1": b1, "beta2": b2, "epsilon": eps}
	gradient := func(step int) float64 { return math.Sin(float64(step)) + 0.3 }
	var a, b float64 // slots
	cases := []struct {
		name string
		rule ref.Rule
		next func(w, g float64, t int) float64
	}{
		{"sgd", ref.SGD{}, func(w, g float64, _ int) float64 { return w - rate*g }},
		{"momentum", ref.Momentum{}, func(w, g float64, _ int) float64 {
			a = mu*a + g
			return w - rate*a
		}},
		{"nesterov", ref.Momentum{Nesterov: true}, func(w, g float64, _ int) float64 {
			a = mu*a + g
			return w - rate*(g+mu*a)
		}},
		{"adagrad", ref.AdaGrad{}, func(w, g float64, _ int) float64 {
			a += g * g
			return w - rate*g/(math.Sqrt(a)+eps)
		}},
		{"adam", &ref.Adam{}, func(w, g float64, t int) float64 {
			a, b = b1*a+(1-b1)*g, b2*b+(1-b2)*g*g
			m, v := a/(1-math.Pow(b1, float64(t))), b/(1-math.Pow(b2, float64(t)))
			return w - rate*m/(math.Sqrt(v)+eps)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, b = 0, 0
			w, want, slots := float32(1), 1.0, make([]float32, 2)
			for step := 1; step <= 50; step++ {
				c.rule.Advance(h)
				w = c.rule.Update(h, ref.Value{W: w, G: float32(gradient(step)), Rate: rate}, slots)
				want = c.next(want, gradient(step), step)
				if math.Abs(float64(w)-want) > 1e-4 {
					t.Fatalf("step %d: got %g, want %g", step, w, want)
				}
			}
		})
	}
}

func TestRegularisationPullsTowardsZero(t *testing.T) {
	cases := []struct {
		name    string
		h       ref.Hyper
		decayed bool
		w, want float32
	}{
		{"l2", ref.Hyper{"learningRate": 0.5, "l2": 0.5}, true, 2, 1.5},
		{"l1", ref.Hyper{"learningRate": 0.5, "l1": 0.5}, true, 2, 1.75},
		{"l1, negative", ref.Hyper{"learningRate": 0.5, "l1": 0.5}, true, -2, -1.75},
		{"l1 at zero", ref.Hyper{"learningRate": 0.5, "l1": 0.5}, true, 0, 0},
		{"both", ref.Hyper{"learningRate": 0.5, "l1": 0.5, "l2": 0.5}, true, -2, -1.25},
		{"a bias", ref.Hyper{"learningRate": 0.5, "l1": 0.5, "l2": 0.5}, false, 2, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := &ref.Tensor{Rows: 1, Cols: 1, Value: []float32{c.w}, Sum: []int32{0}, Rate: 1, Decayed: c.decayed}
			if bad := ref.Apply([]*ref.Tensor{o}, 1, 16, ref.SGD{}, c.h, 1, 8); bad != nil {
				t.Fatal("not finite")
			}
			if o.Value[0] != c.want {
				t.Errorf("got %g, want %g", o.Value[0], c.want)
			}
		})
	}
}
