package schema_test

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

// Documents that are right, for tests to read, write and break.

func digest(text string) schema.Digest { return schema.DigestOf([]byte(text)) }

func exampleRecord() schema.RecordLayout {
	return schema.RecordLayout{
		Size:   785,
		Input:  schema.Field{DType: "u8", Shape: []int{28, 28, 1}},
		Target: schema.Field{Offset: 784, DType: "u8", Shape: []int{}},
	}
}

func exampleResolved() schema.Resolved {
	return schema.Resolved{
		Model: schema.Model{
			Input: schema.Input{Shape: []int{28, 28, 1}, DType: "u8", Normalize: &schema.Normalize{Mean: []float64{33.3}, Deviation: []float64{78.6}}},
			Layers: []schema.Layer{
				{Name: "flatten1", Component: schema.Component{Kind: "flatten", Attributes: map[string]any{}}},
				{
					Name: "dense1", Inputs: []string{"flatten1"}, Rate: new(0.5),
					Component: schema.Component{Kind: "dense", Attributes: map[string]any{"units": 10.0, "bias": true, "activation": "none"}},
				},
			},
			Loss: named("softmax-cross-entropy"),
		},
		Algorithm: schema.Algorithm{
			Optimizer:      schema.Component{Kind: "sgd", Attributes: map[string]any{"learningRate": 0.1, "momentum": 0.0, "nesterov": false}},
			Schedule:       schema.Component{Kind: "constant", Attributes: map[string]any{}},
			Initializer:    named("he-normal"),
			MicrobatchSize: 16, BatchSize: 128, Steps: 1407, Seed: 42, Block: 7488,
			Aggregation: &schema.Aggregation{Mode: "gradient", Bits: 16},
		},
		Datasets: []schema.ResolvedDataset{
			{Role: "test", Split: "test", Content: digest("records"), Examples: 10000, Classes: 10, Record: exampleRecord()},
			{Role: "train", Split: "train", Content: digest("records"), Examples: 60000, Classes: 10, Record: exampleRecord()},
		},
	}
}

func exampleClosure(t testing.TB) *schema.Closure {
	t.Helper()
	resolved := exampleResolved()
	specification, err := schema.DigestOfDocument(resolved)
	if err != nil {
		t.Fatal(err)
	}
	var datasets []schema.ClosureDataset
	for _, d := range resolved.Datasets {
		datasets = append(datasets, schema.ClosureDataset{ResolvedDataset: d, Name: "mnist", Version: "1.0.0", Digest: digest("mnist")})
	}
	return &schema.Closure{
		SchemaVersion: 1, Name: "ada/mnist-dense", Version: "1.0.0-rc.1", Title: "Dense & plain <net>",
		Authors: []schema.Author{{Name: "Ada Example", ORCID: "0000-0002-1825-0097"}}, License: "MIT OR Apache-2.0",
		Created: "2026-01-31T12:00:00Z", Model: resolved.Model, Algorithm: resolved.Algorithm, Datasets: datasets,
		Specification: specification,
		Engine:        schema.EngineReference{Digest: digest("engine"), ABI: 1, Compiler: "reprise 0.1.0"},
		Files: []schema.File{
			{Path: "README.md", Role: "document", MediaType: schema.MediaTypeDocument, Digest: digest("readme"), Size: 12},
			{Path: schema.PathEngine, Role: "engine", MediaType: schema.MediaTypeEngine, Digest: digest("engine"), Size: 4096},
		},
		Parameters: schema.ParametersClaim{Step: 1407, Digest: digest("parameters")},
		Run:        schema.RunClaim{Digest: digest("run")},
		Results: []schema.Result{
			{Metric: "accuracy", Dataset: digest("mnist"), Split: "test", Step: 1407, Correct: new(int64(9210)), Total: 10000},
			{Metric: "loss", Dataset: digest("mnist"), Split: "test", Step: 1407, Sum: new(int64(2840000000)), Total: 10000},
		},
		Parents: []schema.Parent{{Digest: digest("parent"), Relation: schema.RelationResumed}},
	}
}

func exampleDataset() *schema.Dataset {
	return &schema.Dataset{
		SchemaVersion: 1, Name: "mnist", Version: "1.0.0", Classes: strings.Split("0123456789", ""), Record: exampleRecord(),
		Splits: []schema.Split{
			{Name: "test", Records: 2, Shards: []schema.Shard{{Path: "test/0000", Records: 2, Size: 1570, Digest: digest("a")}}},
			{Name: "train", Records: 3, Shards: []schema.Shard{
				{Path: "train/0000", Records: 2, Size: 1570, Digest: digest("b")},
				{Path: "train/0001", Records: 1, Size: 785, Digest: digest("c")},
			}},
		},
		Sources:    []schema.Source{{Name: "train-images-idx3-ubyte.gz", Size: 9912422, Digest: digest("d")}},
		Statistics: &schema.Statistics{Mean: []float64{33.3}, Deviation: []float64{78.6}},
		Content:    digest("records"),
	}
}

func exampleEngine() *schema.EngineSection {
	return &schema.EngineSection{
		ABI: 1, Compiler: "reprise 0.1.0", Capacity: 16, MaxMicrobatches: 65535, Bound: 32767,
		Regions: map[string]schema.Region{
			schema.RegionIndices: {Offset: 1024, Size: 64, DType: "u32", Shape: []int{16}},
			schema.RegionInput:   {Offset: 2048, Size: 12544, DType: "u8", Shape: []int{16, 28, 28, 1}},
		},
		Parameters: []schema.Tensor{{Name: "dense1.weight", DType: "f32", Shape: []int{784, 10}, Offset: 16384}},
		State:      []schema.Tensor{{Name: "seed", DType: "i64", Shape: []int{}, Offset: 512}},
		Hyperparameters: []schema.Hyperparameter{
			{Name: "learningRate", Type: "f32", Default: 0.1, Min: 0, Max: 3.4028234663852886e38, Offset: 600},
		},
		Segments: []schema.Segment{{Name: "loss", Type: "i64", Combine: "add", Count: 1, Offset: 700}},
		Metrics:  []string{"count", "correct", "loss"},
		Errors:   []string{"", "non-finite gradient in dense1.weight"},
		Fuel:     map[string]int64{"accumulate": 1000000},
	}
}

func exampleJournal() []schema.JournalLine {
	return []schema.JournalLine{
		{Type: "header", Specification: digest("specification"), Engine: digest("engine"), Seed: new(int64(0))},
		{Type: "step", Step: 1, Microbatches: [][2]int64{{0, 8}}, Examples: new(int64(128)), Loss: new(int64(309485009)), Correct: new(int64(12)), Clipped: new(int64(0))},
		{Type: "event", Step: 2, Event: "hyperparameter", Name: "learningRate", Value: new(0.05)},
		{Type: "event", Step: 2, Event: "engine", Engine: digest("other")},
		{Type: "step", Step: 2, Microbatches: [][2]int64{{8, 12}, {14, 16}}, Examples: new(int64(96))},
		{Type: "evaluation", Step: 2, Split: "test", Examples: new(int64(10000)), Correct: new(int64(980))},
		{Type: "checkpoint", Step: 2, Parameters: digest("parameters"), Run: digest("run")},
	}
}

func canonical(t testing.TB, v any) []byte {
	t.Helper()
	b, err := schema.Canonical(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func named(kind string) schema.Named {
	return schema.Named{Component: schema.Component{Kind: kind, Attributes: map[string]any{}}}
}
