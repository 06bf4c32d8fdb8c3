package optest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

// What tests can show of an operation.
const (
	ShownForward  = "forward = oracle"    // outputs, bit for bit, in wazero's compiler and interpreter
	ShownBackward = "backward = oracle"   // gradients, likewise
	ShownGradient = "gradient = measured" // the oracle's gradients are differences of its loss
	ShownPyTorch  = "PyTorch"             // the oracle's outputs and gradients are PyTorch's
)

// evidence is what the tests of this process have shown, by operation and kind.
var evidence = struct {
	sync.Mutex
	shown map[string]map[string]bool
}{shown: map[string]map[string]bool{}}

// Show notes what a test has shown of all operations of a graph. The test must not have failed.
func Show(t *testing.T, g *graph.Graph, kinds ...string) {
	t.Helper()
	if t.Failed() {
		return
	}
	evidence.Lock()
	defer evidence.Unlock()
	for _, op := range operations(g) {
		if evidence.shown[op] == nil {
			evidence.shown[op] = map[string]bool{}
		}
		for _, k := range kinds {
			evidence.shown[op][k] = true
		}
	}
}

// operations of a graph: its layers, and the functions of its activations.
func operations(g *graph.Graph) (list []string) {
	for _, n := range g.Nodes[1:] {
		list = append(list, n.Kind)
		if n.Kind == graph.Activation {
			list = append(list, n.Attributes.Text("function"))
		}
	}
	return list
}

// Table is what the tests of this process have shown of each operation of the vocabulary, beside the golden trainings of a folder
// that have it, as Markdown. Gaps are what is missing, but for what excused says, by operation: why there is no comparison with
// PyTorch.
func Table(goldens string, excused map[string]string) (text string, gaps []string, err error) {
	trainings, err := goldenTrainings(goldens)
	if err != nil {
		return "", nil, err
	}
	evidence.Lock()
	defer evidence.Unlock()
	var b strings.Builder
	kinds := []string{ShownForward, ShownBackward, ShownGradient, ShownPyTorch}
	section := func(title string, names []string) {
		fmt.Fprintf(&b, "\n| %s | %s | golden |\n|---|%s---|\n", title, strings.Join(kinds, " | "), strings.Repeat(":---:|", len(kinds)))
		for _, op := range slices.Sorted(slices.Values(names)) {
			fmt.Fprintf(&b, "| %s |", op)
			for _, k := range kinds {
				cell := "yes"
				if !evidence.shown[op][k] {
					cell = ""
					if k == ShownPyTorch {
						cell = excused[op]
					}
					if cell == "" {
						gaps = append(gaps, fmt.Sprintf("%s: no test shows %q", op, k))
					}
				}
				fmt.Fprintf(&b, " %s |", cell)
			}
			list := trainings[op]
			if len(list) == 0 {
				gaps = append(gaps, op+": no golden training has it")
			}
			fmt.Fprintf(&b, " %s |\n", strings.Join(list, ", "))
		}
	}
	var layers []string
	for _, op := range kernel.Ops() {
		layers = append(layers, op.Declaration().Name)
	}
	section("layer", layers)
	section("activation", kernel.Activations())
	return b.String(), gaps, nil
}

// mostGoldens is how many trainings the table names for an operation.
const mostGoldens = 3

// goldenTrainings are the names of the recorded trainings in a folder, by operation.
func goldenTrainings(dir string) (map[string][]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	list := map[string][]string{}
	for _, file := range files {
		if _, err := os.Stat(strings.TrimSuffix(file, ".yaml") + ".json"); err != nil {
			return nil, fmt.Errorf("%s was never recorded: %w", file, err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		spec, err := schema.ReadSpecification(file, text)
		if err != nil {
			return nil, err
		}
		g, err := graph.Build(file, spec.Model, kernel.GraphOps())
		if err != nil {
			return nil, err
		}
		found := map[string]bool{}
		for _, op := range operations(g) {
			found[op] = true
		}
		for op := range maps.Keys(found) {
			if len(list[op]) < mostGoldens {
				list[op] = append(list[op], strings.TrimSuffix(filepath.Base(file), ".yaml"))
			}
		}
	}
	return list, nil
}

// showResolved is Show of a resolved specification.
func showResolved(t *testing.T, r schema.Resolved, kinds ...string) {
	t.Helper()
	g, err := wasm.Graph(r)
	if err != nil {
		t.Fatal(err)
	}
	Show(t, g, kinds...)
}
