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
		d.write("kmeans.wasm", string(fixtures.Idle()))
		f := report[schema.CompileReport](d, schema.KindCompileReport, exitDone, "compile", d.write("kmeans.yaml", string(fixtures.Specification("kmeans"))))
		if f.FLOPs != nil || f.Memory == 0 {
			t.Errorf("%+v", f)
		}
		d.done("compile", d.path("kmeans.yaml"), "--text")
	})
}
