package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// learner is the network of yardstick W2, trained in small microbatches.
const learner = `
name: w2-timed
version: 1.0.0
title: W2 in timed steps
license: Apache-2.0
model:
  input: {shape: [28, 28, 1], dtype: u8, normalize: {scale: 0.00392156862745098}}
  layers:
    - conv2d: {filters: 16, kernel: 5, padding: same, activation: relu}
    - maxpool2d: {size: 2}
    - flatten
    - dense: {units: 10}
  loss: softmax-cross-entropy
algorithm:
  optimizer: {sgd: {learningRate: 0.05, momentum: 0.9}}
  microbatchSize: 16
  batchSize: 16
  steps: 1000000
  seed: 42
datasets:
  train: {ref: "glyphs:1.0.0", split: train}
  test: {ref: "glyphs:1.0.0", split: test}
`

// course is how the test error falls with so many participants.
type course struct {
	Participants int       `json:"participants"`
	Errors       []float64 `json:"errors"` // after each second, 0 … 1
}

// errorsOf computes what a timed session's steps of one second come to when every participant computes one microbatch of 16 in each:
// the same numbers as in a session, since those depend on what was merged and on nothing else.
func errorsOf(ctx context.Context, arguments []string) ([]course, error) {
	f := flag.NewFlagSet("error", flag.ContinueOnError)
	out := f.String("out", ".", "folder for error.svg")
	counts := f.String("counts", "1,4,16,64,256,1024", "numbers of participants")
	steps := f.Int("seconds", 40, "steps")
	workers := f.Int("workers", 2, "of this computation")
	if err := f.Parse(arguments); err != nil {
		return nil, err
	}
	engine, data, err := glyphs(ctx)
	if err != nil {
		return nil, err
	}
	var all []course
	for text := range strings.SplitSeq(*counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		team, err := runner.Start(ctx, engine, data, runner.TeamOptions{Workers: *workers})
		if err != nil {
			return nil, err
		}
		c, err := courseOf(ctx, team, n, *steps)
		if err != nil {
			return nil, err
		}
		if err := team.Close(); err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%d participants: a test error of %.1f %% after %d s\n", n, 100*c.Errors[len(c.Errors)-1], *steps)
		all = append(all, c)
	}
	return all, os.WriteFile(filepath.Join(*out, "error.svg"), drawErrors(all), 0o644)
}

func courseOf(ctx context.Context, team runner.Team, n, steps int) (course, error) {
	c := course{Participants: n}
	if err := team.Init(ctx, 42); err != nil {
		return c, err
	}
	for step := range int64(steps + 1) { // step 0 only calibrates
		if _, err := team.Step(ctx, step, runner.First(int64(n))); err != nil {
			return c, err
		}
		if step == 0 {
			continue
		}
		correct, err := team.Correct(ctx, schema.RoleTest, 0, tested)
		if err != nil {
			return c, err
		}
		c.Errors = append(c.Errors, 1-float64(correct)/tested)
	}
	return c, nil
}

// Records of glyphs.
const (
	trained = 20_000
	tested  = 1_000
)

// glyphs is the engine of the learner, and its data: drawn letters.
func glyphs(ctx context.Context) ([]byte, runner.Data, error) {
	dir, err := os.MkdirTemp("", "loadtest-")
	if err != nil {
		return nil, runner.Data{}, err
	}
	defer os.RemoveAll(dir)
	if err := fixtures.WriteIDX(dir, 1, trained, tested); err != nil {
		return nil, runner.Data{}, err
	}
	store := &closuretest.Memory{}
	path := func(name string) string { return filepath.Join(dir, name) }
	dataset, _, err := closure.ImportIDX(ctx, closure.Import{
		Name: "glyphs", Version: "1.0.0",
		Splits: []closure.SplitFiles{
			{Name: schema.RoleTrain, Files: []string{path(fixtures.TrainImages), path(fixtures.TrainLabels)}},
			{Name: schema.RoleTest, Files: []string{path(fixtures.TestImages), path(fixtures.TestLabels)}},
		},
	}, store)
	if err != nil {
		return nil, runner.Data{}, err
	}
	spec, err := schema.ReadSpecification("w2.yaml", []byte(learner))
	if err != nil {
		return nil, runner.Data{}, err
	}
	resolved, err := wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: dataset, schema.RoleTest: dataset})
	if err != nil {
		return nil, runner.Data{}, err
	}
	engine, err := wasm.Compile(resolved, wasm.Options{})
	if err != nil {
		return nil, runner.Data{}, err
	}
	var data runner.Data
	if data.Train, err = closure.OpenSplit(ctx, store, dataset, schema.RoleTrain); err == nil {
		data.Test, err = closure.OpenSplit(ctx, store, dataset, schema.RoleTest)
	}
	return engine, data, err
}
