package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// mainVariable makes this binary the program that it tests, for what only a process can show.
const mainVariable = "REPRISE_TEST_MAIN"

func TestMain(m *testing.M) {
	runner.ChildMain()
	if join := os.Getenv(cheatVariable); join != "" {
		if err := cheat(join); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
		os.Exit(exitDone)
	}
	if os.Getenv(mainVariable) != "" {
		main()
	}
	for _, name := range []string{"REPRISE_STORE", "SOURCE_DATE_EPOCH"} {
		os.Unsetenv(name)
	}
	// Indexes of the stores of tests belong to nobody's caches.
	caches, err := os.MkdirTemp("", "reprise-caches-")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", caches)
	code := m.Run()
	os.RemoveAll(caches)
	os.Exit(code)
}

// outcome of a command.
type outcome struct {
	code           int
	stdout, stderr string
}

// desk is a folder with a store, in which commands run.
type desk struct {
	*testing.T
	dir string
}

// newDesk makes an empty one.
func newDesk(t *testing.T) *desk { return &desk{t, t.TempDir()} }

// withData makes one whose store has small datasets.
func withData(t *testing.T) *desk {
	d := newDesk(t)
	if err := fixtures.WriteIDX(d.dir, 1, 320, 80); err != nil {
		t.Fatal(err)
	}
	d.done("dataset", "import", "idx", d.dir, "--name", "glyphs:1.0.0")
	d.write("closure.yaml", specification)
	return d
}

// specification trains in a moment.
const specification = `name: small
version: 1.0.0
title: Small
license: MIT
authors: [{name: Ada Example}]
model:
  input: {shape: [28, 28, 1], dtype: u8, normalize: {scale: 0.00392156862745098}}
  layers:
    - flatten: {}
    - dense: {units: 10}
  loss: softmax-cross-entropy
algorithm:
  optimizer: {sgd: {learningRate: 0.1, momentum: 0.9}}
  microbatchSize: 8
  batchSize: 32
  steps: 12
  seed: 42
  evaluate: {every: 4}
datasets:
  train: {ref: "glyphs:1.0.0", split: train}
  test: {ref: "glyphs:1.0.0", split: test}
`

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(name, content string) string {
	d.Helper()
	if err := os.WriteFile(d.path(name), []byte(content), 0o666); err != nil {
		d.Fatal(err)
	}
	return d.path(name)
}

func (d *desk) read(name string) string {
	d.Helper()
	b, err := os.ReadFile(d.path(name))
	if err != nil {
		d.Fatal(err)
	}
	return string(b)
}

func (d *desk) storePath() string { return d.path("zoo") }

// run executes a command line in this process.
func (d *desk) run(args ...string) outcome {
	d.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), append([]string{"--store", d.storePath()}, args...), &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// done is run for what must succeed.
func (d *desk) done(args ...string) outcome {
	d.Helper()
	o := d.run(args...)
	if o.code != exitDone {
		d.Fatalf("reprise %s: exit %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

// refused is run for what must fail with a code, and say something about each of these.
func (d *desk) refused(code int, about []string, args ...string) outcome {
	d.Helper()
	o := d.run(args...)
	if o.code != code {
		d.Fatalf("reprise %s: exit %d, want %d\n%s%s", strings.Join(args, " "), o.code, code, o.stdout, o.stderr)
	}
	for _, text := range about {
		if !strings.Contains(o.stdout+o.stderr, text) {
			d.Errorf("reprise %s does not say %q:\n%s%s", strings.Join(args, " "), text, o.stdout, o.stderr)
		}
	}
	return o
}

// report runs a command with --json and reads its answer, which must be one document of the kind.
func report[T any](d *desk, kind schema.DocumentKind, code int, args ...string) *T {
	d.Helper()
	o := d.run(append(args, "--json")...)
	if o.code != code {
		d.Fatalf("reprise %s: exit %d, want %d\n%s%s", strings.Join(args, " "), o.code, code, o.stdout, o.stderr)
	}
	if err := schema.Validate(kind, strings.Join(args, " "), []byte(o.stdout)); err != nil {
		d.Fatalf("%v\n%s", err, o.stdout)
	}
	v := new(T)
	if err := json.Unmarshal([]byte(o.stdout), v); err != nil {
		d.Fatal(err)
	}
	return v
}

// trained trains the small specification into a directory of this name.
func (d *desk) trained(name string, more ...string) (string, *schema.TrainReport) {
	d.Helper()
	args := append([]string{"train", d.path("closure.yaml"), "-o", d.path(name)}, more...)
	return d.path(name), report[schema.TrainReport](d, schema.KindTrainReport, exitDone, args...)
}

// published puts it into the store.
func (d *desk) published() *schema.PublishReport {
	d.Helper()
	dir, _ := d.trained("closure")
	return report[schema.PublishReport](d, schema.KindPublishReport, exitDone, "publish", dir)
}
