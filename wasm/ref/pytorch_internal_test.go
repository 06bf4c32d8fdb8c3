package ref

import (
	"encoding/binary"
	"maps"
	"math"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

// The numbers of this file are what PyTorch 1.13.1 (Debian's python3-torch) printed, in float32 and to seven digits. What
// was run is said beside each table.

func near(t *testing.T, what string, got float32, want float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > 2e-6*max(1, math.Abs(want)) {
		t.Errorf("%s: got %.7g, PyTorch has %.7g", what, got, want)
	}
}

// A parameter w = [1, -0.5, 0.25]; for each row g of gradients: w.grad = g; clip, where it is clipped; optimizer.step().
func TestOptimizersAgreeWithPyTorch(t *testing.T) {
	gradients := [][]float32{{0.5, -1, 0.25}, {-0.25, 0.75, 0.125}, {1.5, 0.5, -0.5}, {-1, 0, 0.25}, {0.125, -0.25, 1}}
	adam := Hyper{"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
	with := func(h Hyper, more Hyper) Hyper {
		all := Hyper{"learningRate": 0.1}
		for _, m := range []Hyper{h, more} {
			maps.Copy(all, m)
		}
		return all
	}
	for _, c := range []struct {
		call string // with lr=0.1 where it says nothing else
		rule Rule
		h    Hyper
		want [3]float64
	}{
		{"SGD", SGD{}, nil, [3]float64{0.9125, -0.5, 0.1375}},
		{"SGD(momentum=.9)", Momentum{}, Hyper{"momentum": 0.9}, [3]float64{0.6522201, -0.458915, 0.092635}},
		{"SGD(momentum=.9, nesterov=True)", Momentum{Nesterov: true}, Hyper{"momentum": 0.9}, [3]float64{0.599498, -0.4630235, -0.004128507}},
		{"SGD(weight_decay=.1)", SGD{}, Hyper{"l2": 0.1}, [3]float64{0.8667028, -0.4762128, 0.1258589}},
		{"Adagrad", AdaGrad{}, Hyper{"epsilon": 1e-10}, [3]float64{0.8973902, -0.4788817, 0.06776597}},
		{"Adam", &Adam{}, adam, [3]float64{0.7736366, -0.4244174, 0.01990023}},
		{"AdamW(weight_decay=.2)", &AdamW{}, with(adam, Hyper{"weightDecay": 0.2}), [3]float64{0.6898576, -0.3836961, 0.008463766}},
		{"Adamax", &Adamax{}, adam, [3]float64{0.8181068, -0.4162931, 0.05877969}},
		{"Adadelta(lr=1)", AdaDelta{}, Hyper{"learningRate": 1, "rho": 0.9, "epsilon": 1e-6}, [3]float64{0.9974487, -0.500542, 0.2405043}},
		{"RMSprop", RMSProp{}, Hyper{"alpha": 0.99, "epsilon": 1e-8}, [3]float64{-0.02361313, -0.2903401, -1.577295}},
		{"RMSprop(centered=True, alpha=.9)", RMSProp{Centered: true}, Hyper{"alpha": 0.9, "epsilon": 1e-8}, [3]float64{0.6500038, -0.4212878, -0.3856139}},
		{"RMSprop(momentum=.5)", RMSProp{Momentum: true}, Hyper{"alpha": 0.99, "momentum": 0.5, "epsilon": 1e-8}, [3]float64{-1.005705, -0.1600535, -2.452832}},
		{"RMSprop(momentum=.5, centered=True, alpha=.9)", RMSProp{Centered: true, Momentum: true}, Hyper{"alpha": 0.9, "momentum": 0.5, "epsilon": 1e-8}, [3]float64{0.3169582, -0.3756818, -0.6945029}},
		{"SGD, clip_grad_norm_(0.75)", Clipped{SGD{}, "norm"}, Hyper{"clip.limit": 0.75}, [3]float64{0.9865851, -0.5093682, 0.1541124}},
		{"SGD, clip_grad_value_(0.3)", Clipped{SGD{}, "value"}, Hyper{"clip.limit": 0.3}, [3]float64{0.9825, -0.5050001, 0.1875}},
	} {
		t.Run(c.call, func(t *testing.T) {
			w := &Tensor{Value: []float32{1, -0.5, 0.25}, Rate: 1, Decayed: true}
			for range 3 {
				w.Slots = append(w.Slots, make([]float32, 3))
			}
			h := with(nil, c.h)
			for _, g := range gradients {
				w.gradient = func(i int) float32 { return g[i] }
				if bad := change([]*Tensor{w}, c.rule, h, h["learningRate"]); bad != nil {
					t.Fatal("not finite")
				}
			}
			for i, want := range c.want {
				near(t, "w", w.Value[i], want)
			}
		})
	}
}

// NAdam by PyTorch's formula in float64; release 1.13 itself has a momentum too many in it, which later ones do not.
func TestNAdam(t *testing.T) {
	w := &Tensor{Value: []float32{1}, Rate: 1, Slots: [][]float32{{0}, {0}}}
	want, m, v, product := 1.0, 0.0, 0.0, 1.0
	rule := &NAdam{}
	h := Hyper{"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
	for step := 1; step <= 100; step++ {
		g := math.Sin(float64(step)) + 0.5
		w.gradient = func(int) float32 { return float32(g) }
		change([]*Tensor{w}, rule, h, 0.1)
		momentum := func(t int) float64 { return 0.9 * (1 - 0.5*math.Pow(0.96, 0.004*float64(t))) }
		mu, next := momentum(step), momentum(step+1)
		product *= mu
		m, v = 0.9*m+0.1*g, 0.999*v+0.001*g*g
		root := math.Sqrt(v/(1-math.Pow(0.999, float64(step)))) + 1e-8
		want -= 0.1*(1-mu)/(1-product)*g/root + 0.1*next/(1-product*next)*m/root
		if math.Abs(float64(w.Value[0])-want) > 2e-5 {
			t.Fatalf("step %d: got %g, want %g", step, w.Value[0], want)
		}
	}
}

// LAMB and LARS, which PyTorch does not have, by the formulas of their papers in float64, for a step of one tensor.
func TestLayerwiseRatesAgreeWithTheirPapers(t *testing.T) {
	values, g := []float32{1, -0.5, 0.25}, []float32{0.5, -1, 0.25}
	norm := func(x func(i int) float64) (n float64) {
		for i := range values {
			n += x(i) * x(i)
		}
		return math.Sqrt(n)
	}
	weight := norm(func(i int) float64 { return float64(values[i]) })
	direction := func(i int) float64 { // of the first step: m/c₁ = g, √(v/c₂) = |g|
		return float64(g[i])/(math.Abs(float64(g[i]))+1e-6) + 0.01*float64(values[i])
	}
	for _, c := range []struct {
		rule Rule
		h    Hyper
		step func(i int) float64
	}{
		{&LAMB{}, Hyper{"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6, "weightDecay": 0.01}, func(i int) float64 {
			return 0.1 * weight / norm(direction) * direction(i)
		}},
		{LARS{}, Hyper{"momentum": 0.9, "trustCoefficient": 0.02, "epsilon": 1e-8, "weightDecay": 0.01}, func(i int) float64 {
			ratio := 0.02 * weight / (norm(func(i int) float64 { return float64(g[i]) }) + 0.01*weight)
			return 0.1 * ratio * (float64(g[i]) + 0.01*float64(values[i]))
		}},
	} {
		w := &Tensor{Value: append([]float32(nil), values...), Rate: 1, Decayed: true, Slots: [][]float32{{0, 0, 0}, {0, 0, 0}}}
		w.gradient = func(i int) float32 { return g[i] }
		change([]*Tensor{w}, c.rule, c.h, 0.1)
		for i := range values {
			near(t, "w", w.Value[i], float64(values[i])-c.step(i))
		}
	}
}

// x = [[1, -2, 0.5], [0.25, 3, -1]], y = [[0.5, 1, -1.5], [0, 1, 2]], c = [2, 1]; the sum of the losses, and x.grad.
func TestLossesAgreeWithPyTorch(t *testing.T) {
	outputs := [][]float32{{1, -2, 0.5}, {0.25, 3, -1}}
	y := []float32{0.5, 1, -1.5, 0, 1, 2}
	distribution := []float32{0.2, 0.5, 0.3, 1, 0, 0}
	signs := []float32{1, -1, 1, -1, 1, 1}
	bits := []float32{0, 1, 1, 1, 0.25, 0}
	counts := []float32{0.5, 1, 1.5, 0, 1, 2}
	weights := map[string]any{"classWeights": []any{1.0, 0.5, 2.0}}
	for _, c := range []struct {
		call, kind string
		attributes map[string]any
		target     []float32 // nil is c
		loss       float64
		gradient   [6]float64
	}{
		{"CrossEntropyLoss(reduction='sum')(x, c)", "softmax-cross-entropy", nil, nil, 1.083633, [6]float64{0.6037489, 0.03005889, -0.6338078, 0.05906976, -0.0759936, 0.01692377}},
		{"the same, label_smoothing=.1", "softmax-cross-entropy", map[string]any{"labelSmoothing": 0.1}, nil, 1.3753, [6]float64{0.5704156, -0.003274448, -0.5671411, 0.02573642, -0.009326935, -0.01640957}},
		{"the same, weight=[1, .5, 2]", "softmax-cross-entropy", weights, nil, 2.048712, [6]float64{1.207498, 0.06011777, -1.267616, 0.02953488, -0.0379968, 0.008461884}},
		{"the same, both", "softmax-cross-entropy", map[string]any{"labelSmoothing": 0.1, "classWeights": weights["classWeights"]}, nil, 2.353598, [6]float64{1.123852, 0.0409462, -1.164798, 0.0001395267, 0.05693696, -0.05707654}},
		{"MSELoss(reduction='sum')(x, y)/3", "mean-squared-error", nil, y, 8.770833, [6]float64{0.3333333, -2, 1.333333, 0.1666667, 1.333333, -2}},
		{"L1Loss(reduction='sum')(x, y)/3", "mean-absolute-error", nil, y, 3.583333, [6]float64{0.3333333, -0.3333333, 0.3333333, 0.3333333, 0.3333333, -0.3333333}},
		{"HuberLoss(reduction='sum', delta=.75)(x, y)/3", "huber", map[string]any{"delta": 0.75}, y, 2.177083, [6]float64{0.1666667, -0.25, 0.25, 0.08333334, 0.25, -0.25}},
		{"log(cosh(x-y)).sum()/3", "log-cosh", nil, y, 2.473235, [6]float64{0.1540391, -0.3316849, 0.3213425, 0.08163956, 0.3213425, -0.3316849}},
		{"BCEWithLogitsLoss(reduction='sum')(x, [[0, 1, 1], [1, .25, 0]])/3", "binary-cross-entropy", nil, bits, 2.367352, [6]float64{0.2436862, -0.293599, -0.1258469, -0.1459412, 0.2341914, 0.08964714}},
		{"PoissonNLLLoss(reduction='sum')(x, y.abs())/3", "poisson", nil, counts, 8.66326, [6]float64{0.7394273, -0.2882216, 0.04957378, 0.4280085, 6.361845, -0.5440402}},
		{"KLDivLoss(reduction='sum')(log_softmax(x, 1), [[.2, .5, .3], [1, 0, 0]])", "kl-divergence", nil, distribution, 3.95398, [6]float64{0.4037489, -0.4699411, 0.06619221, -0.9409302, 0.9240064, 0.01692377}},
		{"MultiMarginLoss(reduction='sum')(x, c)*3", "hinge", nil, nil, 1.5, [6]float64{1, 0, -1, 0, 0, 0}},
		{"clamp(1.25 - s*x, min=0).sum()/3, s = [[1, -1, 1], [-1, 1, 1]]", "hinge", map[string]any{"margin": 1.25}, signs, 1.583333, [6]float64{-0.3333333, 0, -0.3333333, 0.3333333, 0, -0.3333333}},
	} {
		t.Run(c.call, func(t *testing.T) {
			l := loss[float32]{Named: schema.Named{Component: schema.Component{Kind: c.kind, Attributes: c.attributes}}, classes: 3, target: schema.Field{DType: "u8"}}
			targets := []byte{2, 1}
			if c.target != nil {
				l.classes, targets = 0, nil
				for _, x := range c.target {
					targets = binary.LittleEndian.AppendUint32(targets, math.Float32bits(x))
				}
			}
			predictions, normalizer := l.predict(outputs)
			s, ok := l.score(outputs, predictions, normalizer, targets)
			if !ok {
				t.Fatal("the targets are refused")
			}
			near(t, "loss", s.losses[0]+s.losses[1], c.loss)
			for i, want := range c.gradient {
				near(t, "gradient", s.gradient[i/3][i%3], want)
			}
		})
	}
}

// An optimizer with lr=1; the rates of the first 12 steps.
func TestSchedulesAgreeWithPyTorch(t *testing.T) {
	for _, c := range []struct {
		call, kind string
		attributes schema.Attributes
		want       [12]float64
	}{
		{"StepLR(3, gamma=.5)", "step", schema.Attributes{"every": 3.0, "factor": 0.5}, [12]float64{1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125}},
		{"MultiStepLR([2, 5], gamma=.1)", "piecewise", schema.Attributes{"at": []any{2.0, 5.0}, "factors": []any{0.1, 0.01}}, [12]float64{1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01}},
		{"PolynomialLR(total_iters=8, power=2)", "polynomial", schema.Attributes{"steps": 8.0, "power": 2.0, "end": 0.0}, [12]float64{1, 0.765625, 0.5625, 0.390625, 0.25, 0.140625, 0.0625, 0.015625}},
		{"CosineAnnealingLR(12, eta_min=.1)", "cosine", schema.Attributes{"steps": 12.0, "end": 0.1}, [12]float64{1, 0.9846666, 0.9397114, 0.8681981, 0.775, 0.6664686, 0.55, 0.4335314, 0.325, 0.2318019, 0.1602886, 0.1153334}},
		{"CosineAnnealingWarmRestarts(3, T_mult=2, eta_min=.1)", "cosine-restarts", schema.Attributes{"steps": 3.0, "factor": 2.0, "end": 0.1}, [12]float64{1, 0.775, 0.325, 1, 0.9397114, 0.775, 0.55, 0.325, 0.1602886, 1, 0.9846666, 0.9397114}},
		{"OneCycleLR(max_lr=1, total_steps=12)", "one-cycle", schema.Attributes{"steps": 12.0, "rise": 0.3, "divide": 25.0, "finalDivide": 10000.0}, [12]float64{0.04, 0.3497897, 0.8792852, 0.9944154, 0.933013, 0.8117457, 0.647379, 0.4626371, 0.283061, 0.1334775, 0.03456699, 4e-06}},
		{"SequentialLR([LinearLR(1/4, total_iters=3), CosineAnnealingLR(8)], milestones=[4])", "cosine", schema.Attributes{"steps": 8.0, "end": 0.0, "warmUp": 4.0}, [12]float64{0.25, 0.5, 0.75, 1, 1, 0.9619398, 0.8535534, 0.6913417, 0.5, 0.3086583, 0.1464466, 0.03806023}},
	} {
		t.Run(c.call, func(t *testing.T) {
			for step, want := range c.want {
				near(t, "rate", Schedule(c.kind, c.attributes, int64(step)), want)
			}
		})
	}
}
