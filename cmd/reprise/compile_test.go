package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
)

func TestCompile(t *testing.T) {
	d := withData(t)
	r := report[schema.CompileReport](d, schema.KindCompileReport, exitDone, "compile", d.path("closure.yaml"), "-o", d.path("engine.wasm"))
	if wasm := d.read("engine.wasm"); schema.DigestOf([]byte(wasm)) != r.Engine || r.Size != int64(len(wasm)) {
		t.Errorf("%+v", r)
	}
	if r.Parameters != 7850 || r.FLOPs.Predict != 2*7840 || r.FLOPs.Train != 4*7840 {
		t.Errorf("%+v %+v", r, r.FLOPs)
	}
	if o := d.done("compile", d.path("closure.yaml")); !strings.Contains(o.stdout, "dense1") || !strings.Contains(o.stdout, "15680 per example to predict") {
		t.Errorf("%s", o.stdout)
	}
	o := d.done("compile", d.path("closure.yaml"), "--text")
	for _, text := range []string{"dense1", "(module", "f32x4", `(export "accumulate"`} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("%q is not in the text", text)
		}
	}
	d.refused(exitFailed, []string{"engine.wasm", "no such file"}, "compile", d.path("closure.yaml"), "-o", d.path("no/engine.wasm"))
	t.Run("foreign", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.write("kmeans.wasm", string(fixtures.KMeans(fixtures.GlyphKMeans())))
		f := report[schema.CompileReport](d, schema.KindCompileReport, exitDone, "compile", d.write("kmeans.yaml", string(fixtures.Specification("kmeans"))))
		if f.FLOPs != nil || f.Memory == 0 {
			t.Errorf("%+v", f)
		}
		d.done("compile", d.path("kmeans.yaml"), "--text")
	})
}

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
