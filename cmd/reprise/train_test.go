package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
)

// compareDigests lets cmp look at digests.
var compareDigests = cmp.Comparer(func(a, b schema.Digest) bool { return a == b })

func TestTrain(t *testing.T) {
	d := withData(t)
	dir, r := d.trained("closure", "--workers", "2")
	if r.Steps != 12 || r.Directory != dir || len(r.Results) != 2 || r.Results[0].Total != 80 {
		t.Errorf("%+v", r)
	}
	opened, err := closure.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := opened.Closure
	if err := opened.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if c.Run.Digest != r.Run || c.Engine.Foreign || c.Name != "small" || len(c.Datasets) != 2 {
		t.Errorf("%+v", c)
	}
	var paths []string
	for _, f := range c.Files {
		paths = append(paths, f.Path)
	}
	want := strings.Fields("CITATION.cff LICENSE README.md code/engine.wasm journal/telemetry.jsonl journal/train.jsonl params/model.safetensors state/optimizer.safetensors")
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, workFolder)); err == nil {
		t.Error("the work folder is still there")
	}
	t.Run("one worker", func(t *testing.T) {
		d := &desk{t, d.dir}
		if _, one := d.trained("one", "--workers", "1"); one.Run != r.Run {
			t.Errorf("run %s from one worker, %s from two", one.Run, r.Run)
		}
	})
	t.Run("text", func(t *testing.T) {
		d := &desk{t, d.dir}
		o := d.done("train", d.path("closure.yaml"), "-o", d.path("text"))
		for _, text := range []string{"trained small:1.0.0, 12 steps", "accuracy", "/80 = ", r.Run.String()} {
			if !strings.Contains(o.stdout, text) {
				t.Errorf("%q is missing:\n%s", text, o.stdout)
			}
		}
		if !strings.Contains(o.stderr, "step 12/12") || !strings.Contains(o.stderr, "loss of each step") || strings.Contains(o.stderr, "\x1b") {
			t.Errorf("progress:\n%s", o.stderr)
		}
	})
	t.Run("quiet", func(t *testing.T) {
		d := &desk{t, d.dir}
		if o := d.done("train", d.path("closure.yaml"), "-o", d.path("quiet"), "-q"); o.stderr != "" {
			t.Errorf("stderr: %q", o.stderr)
		}
	})
	t.Run("fewer examples than a step takes", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.write("large.yaml", strings.Replace(specification, "batchSize: 32", "batchSize: 512", 1))
		dir := d.path("large")
		d.done("train", d.path("large.yaml"), "-o", dir, "--steps", "2")
		d.done("replay", dir)
	})
	t.Run("fewer steps", func(t *testing.T) {
		d := &desk{t, d.dir}
		if _, few := d.trained("few", "--steps", "3"); few.Steps != 3 || few.Engine != r.Engine {
			t.Errorf("%+v", few)
		}
	})
}

// With a fixed date, two trainings differ in their telemetry alone.
func TestTrainIsReproducible(t *testing.T) {
	d := withData(t)
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	d.write("LICENSE", "the licence")
	d.write("README.md", "# Mine\n")
	a, _ := d.trained("a")
	b, _ := d.trained("b")
	differing := map[string]bool{}
	for _, path := range []string{"LICENSE", "README.md", "CITATION.cff", "code/engine.wasm", "journal/train.jsonl", "params/model.safetensors", "state/optimizer.safetensors"} {
		one, two := (&desk{t, a}).read(path), (&desk{t, b}).read(path)
		if one != two {
			differing[path] = true
		}
	}
	if len(differing) > 0 {
		t.Errorf("they differ in %v", differing)
	}
	if got := (&desk{t, a}).read("LICENSE") + (&desk{t, a}).read("README.md"); got != "the licence# Mine\n" {
		t.Errorf("what lay beside the specification was not taken: %q", got)
	}
	opened, err := closure.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Closure.Created != "2023-11-14T22:13:20Z" {
		t.Errorf("created %s", opened.Closure.Created)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	d.refused(exitInvalid, []string{"SOURCE_DATE_EPOCH", "yesterday"}, "train", d.path("closure.yaml"), "-o", d.path("c"))
}

func TestTrainRefuses(t *testing.T) {
	d := withData(t)
	d.write("importing.wasm", string(fixtures.HostileNamed(fixtures.Importing)))
	d.write("huge.wasm", string(fixtures.HostileNamed(fixtures.HugeMemory)))
	d.write("endless.wasm", string(fixtures.HostileNamed(fixtures.Endless)))
	d.write("trapping.wasm", string(fixtures.HostileNamed(fixtures.Trapping)))
	foreign := func(engine string) string {
		return strings.NewReplacer("model:", "engine: "+engine+"\nmodel:", "microbatchSize: 8", "microbatchSize: 4", "batchSize: 32", "batchSize: 8").Replace(specification)
	}
	for _, c := range []struct {
		name, spec string
		code       int
		want       []string
	}{
		{"no YAML", "name: [", exitInvalid, []string{"closure.yaml"}},
		{"misspelt field", strings.Replace(specification, "seed:", "sede:", 1), exitInvalid, []string{"algorithm.sede", "unknown field"}},
		{"bad value", strings.Replace(specification, "units: 10", "units: 0", 1), exitInvalid, []string{"model.layers[1].dense.units", "0 is not"}},
		{"class count", strings.Replace(specification, "units: 10", "units: 9", 1), exitInvalid, []string{"closure.yaml: model.layers[1]", "9 outputs", "10 classes"}},
		{"shape", strings.Replace(specification, "[28, 28, 1]", "[14, 14, 1]", 1), exitInvalid, []string{"model.input.shape"}},
		{"unknown dataset", strings.ReplaceAll(specification, "glyphs:1.0.0", "mnist:1.0.0"), exitFailed, []string{"datasets.t", "mnist", "the store has glyphs", "dataset import"}},
		{"unknown version", strings.ReplaceAll(specification, "glyphs:1.0.0", "glyphs:2.0.0"), exitFailed, []string{"the versions 1.0.0"}},
		{"unknown split", strings.Replace(specification, "split: test", "split: validation", 1), exitInvalid, []string{"datasets.test.split", "validation", "[test train]"}},
		{"diverging", strings.NewReplacer("0.00392156862745098", "1e15", "learningRate: 0.1", "learningRate: 1000").Replace(specification), exitFailed, []string{"step", "non-finite"}},
		{"engine that is not there", foreign("no.wasm"), exitInvalid, []string{"no.wasm", "no such file"}},
		{"importing engine", foreign("importing.wasm"), exitInvalid, []string{"importing.wasm", "import"}},
		{"huge engine", foreign("huge.wasm"), exitInvalid, []string{"huge.wasm", "memory"}},
		{"endless engine", foreign("endless.wasm"), exitInvalid, []string{"accumulate ran out of fuel"}},
		{"trapping engine", foreign("trapping.wasm"), exitInvalid, []string{"accumulate trapped"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{t, d.dir}
			out := filepath.Join(t.TempDir(), "out")
			d.refused(c.code, c.want, "train", d.write("closure.yaml", c.spec), "-o", out)
			if _, err := os.Stat(out); err == nil {
				t.Error("something is left of it")
			}
		})
	}
	t.Run("directory in use", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.refused(exitInvalid, []string{"is not empty", "name a new directory"}, "train", d.write("closure.yaml", specification), "-o", d.dir)
	})
	t.Run("finished directory", func(t *testing.T) {
		d := &desk{t, d.dir}
		dir, _ := d.trained("finished")
		d.refused(exitInvalid, []string{"is not empty"}, "train", d.path("closure.yaml"), "-o", dir)
	})
	t.Run("no store", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.refused(exitFailed, []string{"there is no store in", "--store"}, "train", d.path("closure.yaml"), "-o", d.path("x"), "--store", d.path("nowhere"))
	})
}

// A training that is interrupted or killed goes on with the same command and ends with the same bits.
func TestTrainIsContinued(t *testing.T) {
	d := withData(t)
	d.write("closure.yaml", strings.Replace(specification, "steps: 12", "steps: 1000", 1))
	_, want := d.trained("whole")
	for _, c := range []struct {
		name   string
		signal os.Signal
		told   string
	}{
		{"killed", syscall.SIGKILL, ""},
		{"interrupted", os.Interrupt, "the same command goes on from the snapshot in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{t, d.dir}
			dir := d.path(c.name)
			program := d.process("train", d.path("closure.yaml"), "-o", dir, "--snapshot-every", "1ns")
			progress, err := program.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(progress)
			if !lines.Scan() {
				t.Fatal("no progress was told")
			}
			// Nobody else writes the same directory meanwhile, however the first one ends.
			if err := program.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			d.refused(exitFailed, []string{dir, "another program is writing it", "choose another directory"}, "train", d.path("closure.yaml"), "-o", dir)
			if err := program.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := program.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			var told bytes.Buffer
			for lines.Scan() {
				told.WriteString(lines.Text() + "\n")
			}
			if err := program.Wait(); err == nil {
				t.Fatal("it ended as if nothing had happened")
			}
			if !strings.Contains(told.String(), c.told) {
				t.Errorf("%q is not told:\n%s", c.told, told.String())
			}
			if snapshots, err := filepath.Glob(filepath.Join(dir, workFolder, "step-*")); err != nil || len(snapshots) == 0 {
				t.Fatalf("no snapshot (%v)", err)
			}
			t.Run("another specification", func(t *testing.T) {
				d := &desk{t, d.dir}
				d.refused(exitInvalid, []string{"another specification", "name another directory"}, "train", d.path("closure.yaml"), "--steps", "5", "-o", dir)
			})
			if _, got := d.trained(c.name); got.Run != want.Run {
				t.Errorf("run %s, uninterrupted %s", got.Run, want.Run)
			}
			if (&desk{t, dir}).read(schema.PathJournal) != (&desk{t, d.path("whole")}).read(schema.PathJournal) {
				t.Error("the journals differ")
			}
		})
	}
}

// process is this binary as the program, with the desk's store.
func (d *desk) process(args ...string) *exec.Cmd {
	d.Helper()
	self, err := os.Executable()
	if err != nil {
		d.Fatal(err)
	}
	c := exec.Command(self, append([]string{"--store", d.storePath()}, args...)...)
	c.Env = append(os.Environ(), mainVariable+"=1")
	return c
}
