package runner_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// compiled is an engine of our compiler, its specification, and records for it.
type compiled struct {
	resolved schema.Resolved
	wasm     []byte
	data     runner.Data
}

func (c compiled) plan(t testing.TB) runner.Plan {
	t.Helper()
	plan, err := runner.NewPlan(c.resolved, schema.DigestOf(c.wasm))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// compile makes the engine of a sample specification after a change. It trains on drawn glyphs, or on noise where its
// records have another shape.
func compile(t testing.TB, name string, o wasm.Options, change func(*schema.Specification)) compiled {
	t.Helper()
	spec, err := schema.ReadSpecification(name+".yaml", fixtures.Specification(name))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(spec)
	}
	const train, test = 640, 22
	var c compiled
	var layout schema.RecordLayout
	classes := fixtures.GlyphClasses()
	if schema.Elements(spec.Model.Input.Shape) == 28*28 {
		c.data = runner.Data{Train: newGlyphRecords(1, train), Test: newGlyphRecords(2, test)}
		layout = c.data.Train.Layout()
	} else {
		layout = noiseLayout(spec.Model.Input.Shape)
		if spec.Task == "language-modelling" { // a class at each step
			layout.Target.Shape = layout.Input.Shape
			layout.Size += layout.Target.Bytes() - 1
			for len(classes) < 65 {
				classes = append(classes, fmt.Sprint(len(classes)))
			}
		}
		c.data = runner.Data{Train: newNoise(layout, 1, train), Test: newNoise(layout, 2, test)}
	}
	d := &schema.Dataset{
		Name: "records", Version: "1.0.0", Classes: classes, Record: layout, Content: schema.DigestOf([]byte(name)),
		Splits:     []schema.Split{{Name: "test", Records: test}, {Name: "train", Records: train}},
		Statistics: &schema.Statistics{Mean: []float64{127.5}, Deviation: []float64{73.6}}, // of evenly distributed bytes
	}
	c.resolved, err = wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: d, schema.RoleTest: d})
	if err != nil {
		t.Fatal(err)
	}
	if c.wasm, err = wasm.Compile(c.resolved, o); err != nil {
		t.Fatal(err)
	}
	return c
}

// noise are random records of ten classes.
type noise struct {
	layout  schema.RecordLayout
	inputs  []byte
	targets []byte
}

func noiseLayout(shape []int) schema.RecordLayout {
	in := schema.Field{DType: "u8", Shape: shape}
	return schema.RecordLayout{Size: in.Bytes() + 1, Input: in, Target: schema.Field{Offset: in.Bytes(), DType: "u8", Shape: []int{}}}
}

func newNoise(layout schema.RecordLayout, seed uint64, n int) noise {
	random := rand.New(rand.NewPCG(seed, 0))
	r := noise{layout: layout, inputs: make([]byte, n*layout.Input.Bytes()), targets: make([]byte, n*layout.Target.Bytes())}
	for k := range r.inputs {
		r.inputs[k] = byte(random.Uint32())
	}
	for k := range r.targets {
		r.targets[k] = byte(random.IntN(10))
	}
	return r
}

func (r noise) Len() int64 { return int64(len(r.targets) / r.layout.Target.Bytes()) }

func (r noise) Layout() schema.RecordLayout { return r.layout }

func (r noise) Read(_ context.Context, indices []uint32, input, target []byte) error {
	n, size := r.layout.Input.Bytes(), r.layout.Target.Bytes()
	for k, i := range indices {
		copy(input[k*n:(k+1)*n], r.inputs[int(i)*n:])
		if target != nil {
			copy(target[k*size:(k+1)*size], r.targets[int(i)*size:])
		}
	}
	return nil
}

// shortened leaves a few small steps of a specification.
func shortened(spec *schema.Specification) {
	a := &spec.Algorithm
	a.MicrobatchSize, a.BatchSize, a.Steps, a.Epochs = 4, 12, 3, nil
	a.Evaluate = &schema.Evaluate{Every: 2}
}

// samples are specifications that train on the records at hand.
var samples = []string{"mlp", "mnist-cnn", "lenet", "w4"}

func trained(t testing.TB, c compiled, team runner.TeamOptions) (string, *runner.TrainResult) {
	t.Helper()
	var journal bytes.Buffer
	result, err := runner.Train(t.Context(), start(t, c.wasm, c.data, team), c.plan(t), runner.TrainOptions{Journal: &journal})
	if err != nil {
		t.Fatal(err)
	}
	return journal.String(), result
}

func TestCompiledEnginesAgree(t *testing.T) {
	for _, name := range samples {
		c := compile(t, name, wasm.Options{}, shortened)
		want, _ := trained(t, c, runner.TeamOptions{})
		for how, team := range teams() {
			// The interpreter would take minutes for the large ones.
			if team.Interpreter && name != "mlp" && (name != "mnist-cnn" || team.Child != nil) {
				continue
			}
			t.Run(name+", "+how, func(t *testing.T) {
				got, _ := trained(t, c, team)
				if d := diff(want, got); d != "" {
					t.Errorf("(-one worker +%s):\n%s", how, d)
				}
			})
		}
	}
}

func TestCompiledEnginesConform(t *testing.T) {
	for _, name := range samples {
		t.Run(name, func(t *testing.T) {
			c := compile(t, name, wasm.Options{}, shortened)
			report, err := runner.Check(t.Context(), c.wasm, runner.TeamOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !report.Passed() {
				t.Errorf("%+v", report.Tests)
			}
		})
	}
}

// The contract names every test, so that nobody has to guess what one means.
func TestContractNamesTheTests(t *testing.T) {
	contract, err := os.ReadFile("../wasm/engine/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	report, err := runner.Check(t.Context(), tiny{}.wasm(t), runner.TeamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Tests {
		if !bytes.Contains(contract, []byte("\n| "+r.Name+" | ")) {
			t.Errorf("ABI.md does not explain %q", r.Name)
		}
	}
}

// TestInjectedInfinity: the bits of a NaN differ between processors, so none may be hashed; every runtime must report the
// same error instead.
func TestInjectedInfinity(t *testing.T) {
	c := compile(t, "mlp", wasm.Options{}, shortened)
	for _, value := range []float64{math.Inf(1), math.NaN()} {
		var want error
		for how, team := range teams() {
			x := start(t, c.wasm, c.data, team)
			if err := x.Init(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			tensors, err := x.Save(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			binary.LittleEndian.PutUint32(tensors.Parameters[0].Data[40:], math.Float32bits(float32(value)))
			if err := x.Load(t.Context(), tensors); err != nil {
				t.Fatal(err)
			}
			_, err = x.Step(t.Context(), 1, runner.First(3))
			if _, ok := errors.AsType[*runner.EngineError](err); !ok {
				t.Fatalf("%v, %s: got %v, want *EngineError", value, how, err)
			}
			if want == nil {
				want = err
			}
			if d := diff(want, err); d != "" {
				t.Errorf("%v, %s: (-another +this):\n%s", value, how, d)
			}
		}
	}
}
