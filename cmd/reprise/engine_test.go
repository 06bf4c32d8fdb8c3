package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
)

func TestEngineCheck(t *testing.T) {
	d := withData(t)
	d.done("compile", d.path("closure.yaml"), "-o", d.path("engine.wasm"))
	r := report[schema.CheckReport](d, schema.KindCheckReport, exitDone, "engine", "check", d.path("engine.wasm"))
	if !r.Passed || len(r.Tests) == 0 || r.ABI != 1 {
		t.Errorf("%+v", r)
	}
	if o := d.done("engine", "check", d.path("engine.wasm")); !strings.Contains(o.stdout, "  ok      every export ends") {
		t.Errorf("%s", o.stdout)
	}
	for _, h := range fixtures.Hostile() {
		if h.Name == fixtures.EndlessGreedy {
			continue // it would work through its budget, as it may
		}
		t.Run(h.Name, func(t *testing.T) {
			d := &desk{t, d.dir}
			file := d.write("hostile.wasm", string(h.Wasm))
			r := report[schema.CheckReport](d, schema.KindCheckReport, exitInvalid, "engine", "check", file)
			if r.Passed || h.Refused != (r.ABI == 0) {
				t.Errorf("%+v", r)
			}
			d.refused(exitInvalid, []string{"failed", "does not conform to ABI 1"}, "engine", "check", file)
		})
	}
	d.refused(exitInvalid, []string{"not a WebAssembly module", "text.wasm does not conform"}, "engine", "check", d.write("text.wasm", "not an engine"))
}
