package closuretest

import (
	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Closure returns a closure.json as complete as one gets before its files are known, and the contents of its directory.
// The engine is not a real one.
func Closure() (*schema.Closure, []closure.Content) {
	engine := []byte("\x00asm\x01\x00\x00\x00")
	parameters := []closure.Tensor{{Name: "dense1.weight", DType: "f32", Shape: []int{2, 1}, Data: []byte{0, 0, 128, 63, 0, 0, 0, 64}}}
	state := []closure.Tensor{{Name: "seed", DType: "i64", Shape: []int{}, Data: []byte{42, 0, 0, 0, 0, 0, 0, 0}}}
	content := schema.DigestOf([]byte("records"))
	c := &schema.Closure{
		SchemaVersion: 1, Name: "ada/tiny", Version: "1.2.0", Title: "A tiny model", Description: "Two weights.",
		Authors: []schema.Author{{Name: "Ada Example", Email: "ada@example.org", ORCID: "0000-0002-1825-0097"}},
		License: "Apache-2.0", Keywords: []string{"tiny"}, Task: "classification", Created: "2026-01-02T03:04:05Z",
		Model: schema.Model{
			Input:  schema.Input{Shape: []int{2}, DType: "f32"},
			Layers: []schema.Layer{{Name: "dense1", Component: schema.Component{Kind: "dense", Attributes: map[string]any{"units": 1.0}}}},
			Loss:   schema.Named{Component: schema.Component{Kind: "mean-squared-error", Attributes: map[string]any{}}},
		},
		Algorithm: schema.Algorithm{
			Optimizer:      schema.Component{Kind: "sgd", Attributes: map[string]any{"learningRate": 0.5}},
			Schedule:       schema.Component{Kind: "constant", Attributes: map[string]any{}},
			MicrobatchSize: 4, BatchSize: 8, Steps: 10, Seed: 42,
			Aggregation: &schema.Aggregation{Mode: "gradient", Bits: 16},
		},
		Datasets: []schema.ClosureDataset{{
			ResolvedDataset: schema.ResolvedDataset{
				Role: schema.RoleTrain, Split: "train", Content: content, Examples: 16, Classes: 2,
				Record: schema.RecordLayout{
					Size: 9, Input: schema.Field{DType: "f32", Shape: []int{2}}, Target: schema.Field{Offset: 8, DType: "u8", Shape: []int{}},
				},
			},
			Name: "points", Version: "1.0.0", Digest: schema.DigestOf([]byte("manifest of points")),
		}},
		Engine:     schema.EngineReference{Digest: schema.DigestOf(engine), ABI: schema.ABI, Compiler: "test"},
		Parameters: schema.ParametersClaim{Step: 10, Digest: digestOf(parameters)},
		Run:        schema.RunClaim{Digest: digestOf(parameters, state)},
	}
	correct := int64(15)
	c.Results = []schema.Result{{
		Metric: schema.MetricAccuracy, Dataset: c.Datasets[0].Digest, Split: "train", Step: 10, Correct: &correct, Total: 16,
	}}
	var err error
	if c.Specification, err = schema.DigestOfDocument(c.Resolved()); err != nil {
		panic(err)
	}
	return c, []closure.Content{
		closure.Bytes(schema.PathEngine, engine),
		closure.Safetensors(schema.PathParameters, parameters),
		closure.Safetensors(schema.PathState, state),
		closure.Bytes(schema.PathJournal, []byte(`{"seed":42,"step":0,"type":"header"}`+"\n")),
	}
}

func digestOf(groups ...[]closure.Tensor) schema.Digest {
	d, err := closure.ContentDigest(groups...)
	if err != nil {
		panic(err)
	}
	return d
}
