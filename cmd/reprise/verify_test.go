package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

func TestVerify(t *testing.T) {
	d := withData(t)
	published := d.published()
	r := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDone, "verify", "small")
	if r.Closure != published.Digest || r.Verdict != schema.VerdictReproduced || r.Derivation != schema.Derived || len(r.Claims) != 2 {
		t.Errorf("%+v", r)
	}
	o := d.done("verify", d.path("closure"), "--junit", d.path("verify.xml"), "--markdown", d.path("verify.md"), "--workers", "2")
	for _, text := range []string{"reproduced", "Engine: derived. Compiling the specification again gave the same engine", "claimed", "observed", published.Digest.String()} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("%q is missing:\n%s", text, o.stdout)
		}
	}
	suite := d.junit("verify.xml")
	if suite.Tests != 4 || suite.Failures != 0 || len(suite.Cases) != 4 {
		t.Errorf("%+v", suite)
	}
	if text := d.read("verify.md"); !strings.Contains(text, "| accuracy | test |") || !strings.Contains(text, "reproduced") {
		t.Errorf("%s", text)
	}
	d.refused(exitFailed, []string{"verify.xml"}, "verify", "small", "--junit", d.path("no/verify.xml"))
	d.refused(exitInvalid, []string{"is a dataset, not a closure"}, "verify", "glyphs")
	d.refused(exitFailed, []string{"dataset glyphs:1.0.0", "there is no store in"}, "verify", d.path("closure"), "--store", d.path("nowhere"))
}

func (d *desk) junit(name string) junitSuite {
	d.Helper()
	var s junitSuite
	if err := xml.Unmarshal([]byte(d.read(name)), &s); err != nil {
		d.Fatal(err)
	}
	return s
}

// edit changes the closure.json of a directory, in whatever spelling.
func (d *desk) edit(dir string, change func(c *schema.Closure)) {
	d.Helper()
	opened, err := closure.Open(dir)
	if err != nil {
		d.Fatal(err)
	}
	change(opened.Closure)
	b, err := json.MarshalIndent(opened.Closure, "", "\t")
	if err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, schema.PathClosure), b, 0o666); err != nil {
		d.Fatal(err)
	}
}

func TestChangedClaim(t *testing.T) {
	d := withData(t)
	dir, trained := d.trained("closure")
	honest := *trained.Results[0].Correct
	d.edit(dir, func(c *schema.Closure) { *c.Results[0].Correct++ })
	r := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDiffers, "verify", dir)
	if c := r.Claims[0]; r.Verdict != schema.VerdictDiffers || c.Verdict != schema.VerdictDiffers || *c.Claimed.Correct != honest+1 || *c.Observed.Correct != honest {
		t.Errorf("%+v", r)
	}
	o := d.refused(exitDiffers, []string{"differs", "small:1.0.0 was not reproduced"}, "verify", dir, "--junit", d.path("verify.xml"), "--markdown", d.path("verify.md"))
	both := false
	for line := range strings.Lines(o.stdout) {
		both = both || strings.Contains(line, fmt.Sprintf("%d/80", honest)) && strings.Contains(line, fmt.Sprintf("%d/80", honest+1))
	}
	if !both {
		t.Errorf("the two numbers are not side by side:\n%s", o.stdout)
	}
	if suite := d.junit("verify.xml"); suite.Failures != 1 || suite.Cases[2].Failure == nil {
		t.Errorf("%+v", suite)
	}
	if text := d.read("verify.md"); !strings.Contains(text, fmt.Sprintf("| %d/80", honest+1)) {
		t.Errorf("%s", text)
	}
	d.done("replay", dir) // the training itself is as recorded
}

// The cheat claims everything, reads nothing and poses as derived. Verify and replay say why it is not believed.
func TestCheatIsExposed(t *testing.T) {
	d := withData(t)
	d.write("cheat.wasm", string(fixtures.Cheat(fixtures.CheatOptions{
		Shape: []int{28, 28, 1}, Classes: 10, Microbatch: 8, Microbatches: 4, Steps: 12,
		Weights: []fixtures.Weight{{Name: "dense1.bias", Shape: []int{10}, Values: make([]float32, 10)}},
	})))
	d.write("closure.yaml", strings.Replace(specification, "model:", "engine: cheat.wasm\nmodel:", 1))
	dir, _ := d.trained("closure")
	d.edit(dir, func(c *schema.Closure) {
		c.Engine.Foreign, c.Engine.Compiler = false, wasm.Version
		for i := range c.Results {
			if c.Results[i].Correct != nil {
				*c.Results[i].Correct = c.Results[i].Total
			}
		}
	})
	v := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDiffers, "verify", dir)
	if v.Derivation != schema.Foreign || *v.Claims[0].Claimed.Correct != 80 || *v.Claims[0].Observed.Correct >= 40 || v.Claims[0].Verdict != schema.VerdictDiffers {
		t.Errorf("%+v", v)
	}
	const reason = "the engine is not declared foreign"
	d.refused(exitDiffers, []string{reason}, "verify", dir)
	d.refused(exitDiffers, []string{reason}, "replay", dir)
}
