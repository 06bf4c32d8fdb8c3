package ref_test

import (
	"math"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/ref"
)

func named(kind string) schema.Named { return schema.Named{Component: schema.Component{Kind: kind}} }

// The moments of each distribution, within five standard errors of what its literature says.
func TestInitializer(t *testing.T) {
	const n, in, out = 40000, 50, 30
	for _, tt := range []struct {
		name      string
		variance  float64
		kurtosis  float64
		magnitude float64 // no value is larger
	}{
		{"zeros", 0, 0, 0},
		{"he-normal", 2. / in, 3, math.Inf(1)},
		{"he-uniform", 2. / in, 1.8, math.Sqrt(6. / in)},
		{"glorot-normal", 2. / (in + out), 3, math.Inf(1)},
		{"glorot-uniform", 2. / (in + out), 1.8, math.Sqrt(6. / (in + out))},
		{"lecun-normal", 1. / in, 3, math.Inf(1)},
		{"lecun-uniform", 1. / in, 1.8, math.Sqrt(3. / in)},
		{"normal", 0.05 * 0.05, 3, math.Inf(1)},
		{"uniform", 0.05 * 0.05 / 3, 1.8, 0.05},
		// Of a normal number within ±2: the variance is 0.7737413, the kurtosis 2.3655.
		{"truncated-normal", 0.05 * 0.05 * 0.7737413, 2.3655, 0.1},
		{"variance-scaling", 1. / in, 2.3655, 2.28 * math.Sqrt(1./in)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sum, squares, fourths, largest, product float64
			value := ref.Initializer(named(tt.name), 42, 3, in, out, []int{1, n})
			for i, x := range value {
				x := float64(x)
				sum += x
				squares += x * x
				fourths += x * x * x * x
				product += x * float64(value[(i+1)%n])
				largest = max(largest, math.Abs(x))
			}
			deviation := math.Sqrt(tt.variance)
			check := func(what string, got, want, standardError float64) {
				if !(math.Abs(got-want) <= 5*standardError) {
					t.Errorf("%s = %g, want %g ± %g", what, got, want, standardError)
				}
			}
			check("mean", sum/n, 0, deviation/math.Sqrt(n))
			check("variance", squares/n, tt.variance, tt.variance*math.Sqrt(2./n))
			check("fourth moment", fourths/n, tt.kurtosis*tt.variance*tt.variance, tt.variance*tt.variance*math.Sqrt(96./n))
			check("covariance of neighbours", product/n, 0, tt.variance/math.Sqrt(n))
			if largest > tt.magnitude*(1+1e-6) {
				t.Errorf("a value of %g, want at most %g", largest, tt.magnitude)
			}
		})
	}
	if got := ref.Initializer(named("ones"), 1, 0, 1, 1, []int{1, 3}); got[0] != 1 || got[2] != 1 {
		t.Errorf("ones = %v", got)
	}
}

// Parameters and seeds must have streams of their own.
func TestInitializerIsKeyed(t *testing.T) {
	a := ref.Initializer(named("he-normal"), 42, 0, 8, 8, []int{1, 8})
	for name, b := range map[string][]float32{
		"index": ref.Initializer(named("he-normal"), 42, 1, 8, 8, []int{1, 8}),
		"seed":  ref.Initializer(named("he-normal"), 43, 0, 8, 8, []int{1, 8}),
	} {
		for i := range a {
			if a[i] == b[i] {
				t.Errorf("another %s must give another value %d", name, i)
			}
		}
	}
}

// Rows, or columns where these are fewer, have the length of the gain and right angles between them.
func TestOrthogonal(t *testing.T) {
	for _, shape := range [][]int{{5, 12}, {12, 5}, {8, 8}, {6, 3, 3, 2}} {
		rows := shape[0]
		n := named("orthogonal")
		n.Attributes = map[string]any{"gain": 3.0}
		value := ref.Initializer(n, 42, 0, 1, 1, shape)
		cols := len(value) / rows
		at := func(vector, i int) float64 { return float64(value[vector*cols+i]) }
		vectors, elements := rows, cols
		if rows > cols {
			vectors, elements = cols, rows
			at = func(vector, i int) float64 { return float64(value[i*cols+vector]) }
		}
		for a := range vectors {
			for b := range vectors {
				var product float64
				for i := range elements {
					product += at(a, i) * at(b, i)
				}
				want := 0.0
				if a == b {
					want = 9
				}
				if math.Abs(product-want) > 1e-5 {
					t.Errorf("%v: vectors %d and %d have the product %g, want %g", shape, a, b, product, want)
				}
			}
		}
	}
}
