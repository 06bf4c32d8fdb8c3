package runner_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// bundle is a closure of the tiny engine with all its blobs, to be tampered with.
type bundle struct {
	closure *schema.Closure
	files   *closuretest.Memory
	dataset *schema.Dataset
	shards  *closuretest.Memory
	wasm    []byte
}

func (b *bundle) archive() *runner.Archive {
	return &runner.Archive{
		Closure: b.closure, Digest: schema.DigestOf([]byte("manifest")), Blobs: b.files,
		Dataset: func(context.Context, schema.ClosureDataset) (*schema.Dataset, closure.Blobs, error) {
			return b.dataset, b.shards, nil
		},
	}
}

// derivation compiles every specification to the bundle's engine.
func (b *bundle) derivation() runner.Derivation {
	wasm := b.wasm
	return runner.Derivation{Compiler: "test 1", Compile: func(schema.Resolved) ([]byte, error) { return wasm, nil }}
}

// put replaces a file of the closure, whose document follows.
func (b *bundle) put(t testing.TB, content closure.Content) {
	t.Helper()
	var buffer bytes.Buffer
	if err := content.Write(&buffer); err != nil {
		t.Fatal(err)
	}
	role, mediaType, ok := closure.Classify(content.Path)
	if !ok {
		t.Fatalf("%s has no place in a closure", content.Path)
	}
	f := schema.File{Path: content.Path, Role: role, MediaType: mediaType, Digest: schema.DigestOf(buffer.Bytes()), Size: int64(buffer.Len())}
	b.files.Set(f.Digest, buffer.Bytes())
	b.closure.Files = slices.DeleteFunc(b.closure.Files, func(old schema.File) bool { return old.Path == f.Path })
	b.closure.Files = append(b.closure.Files, f)
}

func (b *bundle) bytes(t testing.TB, path string) []byte {
	t.Helper()
	f, ok := closure.FindFile(b.closure, path)
	if !ok {
		t.Fatalf("there is no %s", path)
	}
	return slices.Clone(b.files.Get(f.Digest))
}

// makeDataset is a dataset object of records.
func makeDataset(t testing.TB, classes []string, data runner.Data) (*schema.Dataset, *closure.Manifest, *closuretest.Memory) {
	t.Helper()
	shards := &closuretest.Memory{}
	layout := data.Train.Layout()
	builder, err := closure.NewBuilder(schema.Dataset{Name: "records", Version: "1.0.0", Classes: classes, Record: layout}, closure.BuilderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	record := make([]byte, layout.Size)
	for split, r := range map[string]runner.Records{"train": data.Train, "test": data.Test} {
		for k := range r.Len() {
			err := r.Read(t.Context(), []uint32{uint32(k)}, record[:layout.Target.Offset], record[layout.Target.Offset:])
			if err == nil {
				err = builder.Add(split, record)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	d, m, err := builder.Finish(t.Context(), shards)
	if err != nil {
		t.Fatal(err)
	}
	return d, m, shards
}

// makeBundle trains the tiny engine for ten steps and archives that.
func makeBundle(t testing.TB, v tiny) *bundle {
	t.Helper()
	return archived(t, v.wasm(t), tinyResolved(10), tinyData)
}

// archived trains an engine as a specification says, on a dataset object of the records, and archives that.
func archived(t testing.TB, wasm []byte, r schema.Resolved, data runner.Data) *bundle {
	t.Helper()
	b := &bundle{wasm: wasm, files: &closuretest.Memory{}}
	classes := []string{"a", "b", "c"}
	if n := r.Datasets[0].Classes; n != len(classes) {
		classes = fixtures.GlyphClasses()
	}
	d, m, shards := makeDataset(t, classes, data)
	b.dataset, b.shards = d, shards
	for k := range r.Datasets {
		r.Datasets[k].Content = d.Content
	}
	plan, err := runner.NewPlan(r, schema.DigestOf(b.wasm))
	if err != nil {
		t.Fatal(err)
	}
	b.closure = &schema.Closure{
		SchemaVersion: 1, Name: "sample", Version: "1.0.0", Created: "2026-01-01T00:00:00Z",
		Model: r.Model, Algorithm: r.Algorithm, Specification: plan.Specification,
		Engine: schema.EngineReference{Digest: plan.Engine, ABI: schema.ABI, Compiler: "test 1"},
	}
	for _, x := range r.Datasets {
		b.closure.Datasets = append(b.closure.Datasets, schema.ClosureDataset{ResolvedDataset: x, Name: d.Name, Version: d.Version, Digest: m.Digest()})
	}
	b.put(t, closure.Bytes(schema.PathEngine, b.wasm))
	stored, err := b.archive().Data(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var journal bytes.Buffer
	result, err := runner.Train(t.Context(), start(t, b.wasm, stored, runner.TeamOptions{}), plan, runner.TrainOptions{
		Journal: &journal, KeepEvery: 3,
		Keep: func(step int64, x runner.Tensors) error {
			parameters, state := runner.SnapshotPaths(step)
			b.put(t, closure.Safetensors(parameters, x.Parameters))
			b.put(t, closure.Safetensors(state, x.State))
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, closure.Safetensors(schema.PathParameters, result.Tensors.Parameters))
	b.put(t, closure.Safetensors(schema.PathState, result.Tensors.State))
	b.put(t, closure.Bytes(schema.PathJournal, journal.Bytes()))
	b.closure.Parameters = schema.ParametersClaim{Step: result.Steps, Digest: result.Parameters}
	b.closure.Run.Digest = result.Run
	b.closure.Results = result.Test.Results(m.Digest(), "test", result.Steps)
	return b
}

// ways to verify and replay, which must all give the same report.
func ways() map[string]runner.TeamOptions {
	return map[string]runner.TeamOptions{"in process": {Workers: 2}, "child process": {Child: &runner.ChildOptions{}}}
}

// checkReport validates a report against its JSON Schema.
func checkReport(t *testing.T, kind schema.DocumentKind, report any) {
	t.Helper()
	b, err := schema.Canonical(report)
	if err == nil {
		err = schema.Validate(kind, "report", b)
	}
	if err != nil {
		t.Error(err)
	}
}
