package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// subject is what a session trains.
type subject struct {
	store    *memory
	text     string // of the specification
	resolved schema.Resolved
	engine   []byte
	foreign  bool
	dataset  *schema.Dataset
	manifest schema.Digest
}

// specification of what the session believes to train: its network is of no account, the engine is a burden.
const specification = `
name: burden
version: 1.0.0
title: A burden
license: Apache-2.0
model:
  input: {shape: [28, 28, 1], dtype: u8}
  layers: [flatten, dense: {units: 10}]
  loss: softmax-cross-entropy
algorithm:
  optimizer: {sgd: {learningRate: 0.1}}
  microbatchSize: 1
  batchSize: %BATCH%
  steps: 1000000
  evaluate: {every: 1000000}
datasets:
  train: {ref: "noise:1.0.0", split: train}
  test: {ref: "noise:1.0.0", split: test}
`

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
  evaluate: {every: 1000000}
datasets:
  train: {ref: "glyphs:1.0.0", split: train}
  test: {ref: "glyphs:1.0.0", split: test}
`

// newSubject stores a dataset and resolves a specification of it. An engine is compiled, unless there is one.
func newSubject(ctx context.Context, store *memory, text string, d *schema.Dataset, m *closure.Manifest, engine []byte) (*subject, error) {
	s := &subject{store: store, text: text, engine: engine, foreign: engine != nil, dataset: d, manifest: schema.DigestOf(m.Bytes())}
	if err := store.Put(ctx, s.manifest, int64(len(m.Bytes())), bytes.NewReader(m.Bytes())); err != nil {
		return nil, err
	}
	spec, err := schema.ReadSpecification("specification.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	if s.resolved, err = wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: d, schema.RoleTest: d}); err != nil {
		return nil, err
	}
	if engine == nil {
		s.engine, err = wasm.Compile(s.resolved, wasm.Options{})
	}
	return s, err
}

// data opens the records.
func (s *subject) data(ctx context.Context) (data runner.Data, err error) {
	if data.Train, err = closure.OpenSplit(ctx, s.store, s.dataset, schema.RoleTrain); err == nil {
		data.Test, err = closure.OpenSplit(ctx, s.store, s.dataset, schema.RoleTest)
	}
	return data, err
}

// document is the closure that the session would become.
func (s *subject) document() (*schema.Closure, error) {
	plan, err := runner.NewPlan(s.resolved, schema.DigestOf(s.engine))
	if err != nil {
		return nil, err
	}
	c := &schema.Closure{
		SchemaVersion: 1, Name: "loadtest", Version: "1.0.0", Title: "A session under load", License: "Apache-2.0",
		Model: s.resolved.Model, Algorithm: s.resolved.Algorithm, Specification: plan.Specification,
		Engine: schema.EngineReference{Digest: plan.Engine, ABI: schema.ABI, Foreign: s.foreign},
	}
	for _, d := range s.resolved.Datasets {
		c.Datasets = append(c.Datasets, schema.ClosureDataset{ResolvedDataset: d, Name: s.dataset.Name, Version: s.dataset.Version, Digest: s.manifest})
	}
	return c, nil
}

func engineOf(b fixtures.Burden, microbatches int) []byte {
	return b.Engine([]int{fixtures.GlyphSide, fixtures.GlyphSide, 1}, len(fixtures.GlyphClasses()), microbatches)
}

// noise is a dataset of a few records without content.
func noise(ctx context.Context, store *memory) (*schema.Dataset, *closure.Manifest, error) {
	in := schema.Field{DType: "u8", Shape: []int{fixtures.GlyphSide, fixtures.GlyphSide, 1}}
	layout := schema.RecordLayout{Size: in.Bytes() + 1, Input: in, Target: schema.Field{Offset: in.Bytes(), DType: "u8", Shape: []int{}}}
	b, err := closure.NewBuilder(schema.Dataset{
		Name: "noise", Version: "1.0.0", Classes: fixtures.GlyphClasses(), Record: layout,
	}, closure.BuilderOptions{})
	if err != nil {
		return nil, nil, err
	}
	for i := range 256 {
		record := make([]byte, layout.Size)
		record[layout.Target.Offset] = byte(i % len(fixtures.GlyphClasses()))
		for _, split := range []string{schema.RoleTrain, schema.RoleTest} {
			if err := b.Add(split, record); err != nil {
				return nil, nil, err
			}
		}
	}
	return b.Finish(ctx, store)
}

// Records of glyphs.
const (
	trained = 10_000
	tested  = 1_000
)

// glyphs is the learner and its data: drawn letters.
func glyphs(ctx context.Context) (*subject, error) {
	dir, err := os.MkdirTemp("", "loadtest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := fixtures.WriteIDX(dir, 1, trained, tested); err != nil {
		return nil, err
	}
	store := &memory{}
	path := func(name string) string { return filepath.Join(dir, name) }
	dataset, manifest, err := closure.ImportIDX(ctx, closure.Import{
		Name: "glyphs", Version: "1.0.0",
		Splits: []closure.SplitFiles{
			{Name: schema.RoleTrain, Files: []string{path(fixtures.TrainImages), path(fixtures.TrainLabels)}},
			{Name: schema.RoleTest, Files: []string{path(fixtures.TestImages), path(fixtures.TestLabels)}},
		},
	}, store)
	if err != nil {
		return nil, err
	}
	return newSubject(ctx, store, learner, dataset, manifest, nil)
}
