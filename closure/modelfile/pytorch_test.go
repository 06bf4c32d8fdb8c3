package modelfile_test

import (
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure/modelfile"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// predictionTolerance is by how much predictions may differ from PyTorch's, which adds in another order.
const predictionTolerance = 1e-5

// exported is what testdata/pytorch.py prints of a network.
type exported struct {
	Name            string
	ONNX            []byte
	Loss            string
	Inputs, Outputs [][]float32
}

//go:embed testdata/pytorch.json
var recorded []byte

// What PyTorch has exported predicts, as an engine of ours, what PyTorch has predicted.
func TestPyTorchExports(t *testing.T) { predictAlike(t, recorded) }

// The same with what PyTorch exports now. REPRISE_PYTORCH is a python3 with PyTorch 1.13; make test-all sets it.
func TestPyTorchExportsAnew(t *testing.T) {
	python := os.Getenv("REPRISE_PYTORCH")
	if python == "" {
		t.Skip("make test-all installs PyTorch and runs this")
	}
	c := exec.Command(python, "testdata/pytorch.py")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	predictAlike(t, out)
}

func predictAlike(t *testing.T, document []byte) {
	t.Helper()
	var networks []exported
	if err := json.Unmarshal(document, &networks); err != nil || len(networks) == 0 {
		t.Fatalf("%d networks: %v", len(networks), err)
	}
	for _, n := range networks {
		t.Run(n.Name, func(t *testing.T) {
			m, err := modelfile.Read(n.Name+".onnx", n.ONNX)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(m.Tool, "pytorch 1.13") {
				t.Errorf("written by %q", m.Tool)
			}
			i := engineOf(t, m, n.Loss, len(n.Inputs), len(n.Outputs[0]), nil)
			var input []byte
			for _, record := range n.Inputs {
				input = append(input, optest.Floats(record)...)
			}
			i.Write(input, nil)
			if status := i.Predict(len(n.Inputs)); status != "" {
				t.Fatal(status)
			}
			output := i.Region(schema.RegionOutput)
			worst, least, most := 0.0, math.Inf(1), math.Inf(-1)
			for r, record := range n.Outputs {
				for k, want := range record {
					got := math.Float32frombits(binary.LittleEndian.Uint32(output[4*(r*len(record)+k):]))
					worst = max(worst, math.Abs(float64(got-want)))
					least, most = min(least, float64(want)), max(most, float64(want))
				}
			}
			t.Logf("between %.3g and %.3g, at most %.2g apart", least, most, worst)
			if !(worst <= predictionTolerance) {
				t.Errorf("predictions are up to %g apart, more than %g", worst, predictionTolerance)
			}
		})
	}
}

// engineOf is an engine with a model's layers and parameters, for some records at once. flattened is the image whose elements the
// inputs of dense1 are, where the file has them in another order.
func engineOf(t *testing.T, m *modelfile.Model, loss string, records, outputs int, flattened []int) *optest.Instance {
	t.Helper()
	text, err := json.Marshal(m.Input)
	if err != nil {
		t.Fatal(err)
	}
	spec := optest.Model{Input: strings.Trim(string(text), "[]"), Loss: loss, Microbatch: 8, Outputs: outputs}
	if records > spec.Microbatch {
		t.Fatalf("%d records; at most %d", records, spec.Microbatch)
	}
	if loss == "softmax-cross-entropy" {
		spec.Classes = outputs
	}
	for _, l := range m.Layers {
		text, err := l.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		spec.Layers += "- " + string(text) + "\n"
	}
	i := optest.Compiler().Open(t, optest.Compile(t, spec.Resolve(t)))
	var slots []modelfile.Slot
	for _, p := range i.Section.Parameters {
		s := modelfile.Slot{Name: p.Name, Shape: p.Shape}
		if p.Name == "dense1.weight" {
			s.Flattened = flattened
		}
		slots = append(slots, s)
	}
	tensors, err := m.Onto("model", slots, modelfile.Names{})
	if err != nil {
		t.Fatal(err)
	}
	i.Init(1)
	for _, p := range tensors {
		copy(i.Tensor(p.Name), p.Data)
	}
	i.Restore()
	return i
}
