package optest

import (
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/wasm/engine"
)

// CheckFuel is one run of CheckBits with an engine that traps when a call uses more than its section says.
func CheckFuel(t *testing.T, m Model) {
	t.Helper()
	r := m.Resolve(t)
	code := Compile(t, r)
	p := newPair(t, Compiler(), r, code)
	fuelled, err := engine.Fuelled(code)
	if err != nil {
		t.Fatal(err)
	}
	section := p.engine.Section
	p.engine = Compiler().instantiate(t, fuelled)
	p.engine.Section = section
	p.engine.fuel = p.engine.module.ExportedGlobal(engine.FuelGlobal).(api.MutableGlobal)
	p.run()
}

// refuel gives a call what the section grants it.
func (i *Instance) refuel(export string) {
	if i.fuel != nil {
		i.fuel.Set(uint64(i.Section.Fuel[export]))
	}
}
