package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/ws"
	"github.com/reprise-ml/reprise/wasm"
)

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

func engineOf(b fixtures.Burden, microbatches int) []byte {
	return b.Engine([]int{fixtures.GlyphSide, fixtures.GlyphSide, 1}, len(fixtures.GlyphClasses()), microbatches)
}

// session is a server with one session.
type session struct {
	sessions *trainer.Sessions
	session  *trainer.Coordinator
	server   *ws.Server
	site     *http.Server
	address  string
}

// memory is a store that nobody will miss.
type memory struct {
	closuretest.Memory
	mu     sync.Mutex
	record []byte
}

func (m *memory) SaveSession(_ context.Context, _ string, record []byte, _ []closure.Descriptor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record = bytes.Clone(record)
	return nil
}

func (m *memory) LoadSession(context.Context, string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record, nil
}

func (m *memory) Sessions(context.Context) ([]string, error) { return nil, nil }

func (m *memory) Discard(_ context.Context, d schema.Digest) error {
	m.Delete(d)
	return nil
}

// start prepares a paused session of so many microbatches a step, or of timed steps, behind a listener.
func start(ctx context.Context, b fixtures.Burden, microbatches int, request trainer.Request, listen func(net.Listener) net.Listener) (*session, error) {
	store := &memory{}
	dataset, manifest, err := noise(ctx, store)
	if err != nil {
		return nil, err
	}
	data := func(ctx context.Context, _ *schema.Closure) (runner.Data, error) {
		train, err := closure.OpenSplit(ctx, store, dataset, schema.RoleTrain)
		if err != nil {
			return runner.Data{}, err
		}
		test, err := closure.OpenSplit(ctx, store, dataset, schema.RoleTest)
		return runner.Data{Train: train, Test: test}, err
	}
	prepare := func(context.Context, trainer.Request) (*trainer.Job, error) {
		spec, err := schema.ReadSpecification("burden.yaml", []byte(request.Specification))
		if err != nil {
			return nil, err
		}
		resolved, err := wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: dataset, schema.RoleTest: dataset})
		if err != nil {
			return nil, err
		}
		engine := engineOf(b, microbatches)
		plan, err := runner.NewPlan(resolved, schema.DigestOf(engine))
		if err != nil {
			return nil, err
		}
		c := &schema.Closure{
			SchemaVersion: 1, Name: spec.Name, Version: spec.Version, Title: spec.Title, License: spec.License,
			Model: resolved.Model, Algorithm: resolved.Algorithm, Specification: plan.Specification,
			Engine: schema.EngineReference{Digest: plan.Engine, ABI: schema.ABI, Foreign: true},
		}
		for _, d := range resolved.Datasets {
			c.Datasets = append(c.Datasets, schema.ClosureDataset{ResolvedDataset: d, Name: dataset.Name, Version: dataset.Version, Digest: manifest})
		}
		return &trainer.Job{Document: c, Engine: engine}, nil
	}
	sessions, err := trainer.Open(ctx, trainer.Environment{
		Store: store, Prepare: prepare, Data: data,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, err
	}
	coordinator, _, err := sessions.Create(ctx, request)
	if err != nil {
		return nil, err
	}
	// Step 0, which has begun, is given to whoever comes first; the next one begins when all are there.
	if err := coordinator.Do(ctx, trainer.Command{Command: trainer.CommandPause}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &session{sessions: sessions, session: coordinator, server: ws.New(ws.Options{Burst: 1 << 20, Staging: 1 << 30, Waiting: 2 << 30}), address: l.Addr().String()}
	s.site = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.server.Serve(w, r, coordinator) })}
	go s.site.Serve(listen(l)) //nolint:errcheck // it ends with close
	return s, nil
}

func (s *session) close() {
	s.server.Close()
	s.site.Close()
	s.sessions.Close()
}

// noise is a dataset of a few records without content.
func noise(ctx context.Context, store *memory) (*schema.Dataset, schema.Digest, error) {
	in := schema.Field{DType: "u8", Shape: []int{fixtures.GlyphSide, fixtures.GlyphSide, 1}}
	layout := schema.RecordLayout{Size: in.Bytes() + 1, Input: in, Target: schema.Field{Offset: in.Bytes(), DType: "u8", Shape: []int{}}}
	b, err := closure.NewBuilder(schema.Dataset{
		Name: "noise", Version: "1.0.0", Classes: fixtures.GlyphClasses(), Record: layout,
	}, closure.BuilderOptions{})
	if err != nil {
		return nil, schema.Digest{}, err
	}
	for i := range 256 {
		record := make([]byte, layout.Size)
		record[layout.Target.Offset] = byte(i % len(fixtures.GlyphClasses()))
		for _, split := range []string{schema.RoleTrain, schema.RoleTest} {
			if err := b.Add(split, record); err != nil {
				return nil, schema.Digest{}, err
			}
		}
	}
	d, m, err := b.Finish(ctx, store)
	if err != nil {
		return nil, schema.Digest{}, err
	}
	text := m.Bytes()
	digest := schema.DigestOf(text)
	return d, digest, store.Put(ctx, digest, int64(len(text)), bytes.NewReader(text))
}
