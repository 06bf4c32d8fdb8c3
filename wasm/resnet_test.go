package wasm_test

import (
	"testing"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// ResNet-18 as it is known: 11.2 million parameters, 108.6 million multiply-adds for a trained example. It trains within the
// memory of a small device.
func TestResNet18(t *testing.T) {
	spec, err := schema.ReadSpecification("closure.yaml", fixtures.Specification("resnet18-cifar"))
	if err != nil {
		t.Fatal(err)
	}
	delete(spec.Datasets, schema.RoleTest)
	d := optest.Model{Input: "32, 32, 3", DType: "u8", Classes: 10}.Dataset(t)
	d.Statistics = &schema.Statistics{Mean: []float64{125, 123, 114}, Deviation: []float64{63, 62, 67}}
	r, err := wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: d})
	if err != nil {
		t.Fatal(err)
	}
	g, err := wasm.Graph(r)
	if err != nil {
		t.Fatal(err)
	}
	forward, train := g.MultiplyAdds()
	if n := g.ParameterCount(); n != 11_181_642 || forward != 37_016_576 || train != 108_641_280 {
		t.Errorf("%d parameters, %d multiply-adds forward, %d of a trained example", n, forward, train)
	}
	start := time.Now()
	e, err := engine.Parse(optest.Compile(t, r))
	if err != nil {
		t.Fatal(err)
	}
	const most = 400 << 20
	t.Logf("compiled and checked in %v; %d MB of memory", time.Since(start), e.Memory>>20)
	if e.Memory > most {
		t.Errorf("training needs %d MB", e.Memory>>20)
	}
}
