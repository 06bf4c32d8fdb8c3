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
	if o := d.done("engine", "check", d.path("engine.wasm")); !strings.Contains(o.stdout, "passed") {
		t.Errorf("%s", o.stdout)
	}
	for _, h := range fixtures.Hostile() {
		if h.Name == fixtures.EndlessGreedy {
			continue // it would work through its budget, as it may
		}
		t.Run(h.Name, func(t *testing.T) {
			d := &desk{t, d.dir}
			file := d.write("hostile.wasm", string(h.Wasm))
			if h.Refused {
				f := report[schema.Failure](d, schema.KindFailure, exitInvalid, "engine", "check", file)
				if f.Error.Message == "" || !strings.Contains(f.Error.Where, "hostile.wasm") {
					t.Errorf("%+v", f.Error)
				}
				return
			}
			r := report[schema.CheckReport](d, schema.KindCheckReport, exitInvalid, "engine", "check", file)
			if r.Passed {
				t.Errorf("%+v", r)
			}
			d.refused(exitInvalid, []string{"failed", "does not conform to ABI 1"}, "engine", "check", file)
		})
	}
	d.refused(exitInvalid, []string{"text.wasm"}, "engine", "check", d.write("text.wasm", "not an engine"))
}
