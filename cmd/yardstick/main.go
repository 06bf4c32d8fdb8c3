// Command yardstick lays the engines of the yardstick's networks, and records for them, into a directory store, so that
// their training steps can be measured in browsers. It prints one JSON document: an array of what `npm run bench` takes.
//
//	yardstick STORE
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
)

// subject is a network to be measured.
type subject struct {
	Name         string        `json:"name"`
	Engine       schema.Digest `json:"engine"`
	Dataset      schema.Digest `json:"dataset"`
	Split        string        `json:"split"`
	Seed         int64         `json:"seed"`
	Microbatches int           `json:"microbatches"`
	// Flops per trained example: two for each textbook multiply-add.
	Flops int64 `json:"flops"`
}

// records of the noise that stands for data: a step's speed does not depend on what it learns.
const records = 2048

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: yardstick STORE")
		os.Exit(2)
	}
	subjects, err := run(context.Background(), os.Args[1])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(subjects)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "yardstick:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) ([]subject, error) {
	store, err := directory.Create(root)
	if err != nil {
		return nil, err
	}
	var subjects []subject
	for _, name := range []string{"w1", "w2", "w3", "w4", "dense512", "resnet18-cifar", "char-lstm", "char-transformer"} {
		s, err := lay(ctx, store, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

func lay(ctx context.Context, store zoo.Store, name string) (subject, error) {
	spec, err := schema.ReadSpecification(name+".yaml", fixtures.Specification(name))
	if err != nil {
		return subject{}, err
	}
	classes, target := fixtures.GlyphClasses(), schema.Field{DType: "u8", Shape: []int{}}
	if shape := spec.Model.Input.Shape; len(shape) == 1 && strings.HasPrefix(name, "char-") {
		target.Shape, classes = shape, make([]string, 65)
		for i := range classes {
			classes[i] = fmt.Sprintf("c%02d", i)
		}
	}
	dataset, digest, err := noise(ctx, store, name, spec.Model.Input.Shape, target, classes)
	if err != nil {
		return subject{}, err
	}
	resolved, err := wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: dataset, schema.RoleTest: dataset})
	if err != nil {
		return subject{}, err
	}
	engine, err := wasm.Compile(resolved, wasm.Options{})
	if err != nil {
		return subject{}, err
	}
	graph, err := wasm.Graph(resolved)
	if err != nil {
		return subject{}, err
	}
	_, train := graph.MultiplyAdds()
	s := subject{
		Name: name, Engine: schema.DigestOf(engine), Dataset: digest, Split: schema.RoleTrain,
		Seed: resolved.Algorithm.Seed, Microbatches: resolved.Algorithm.Microbatches(), Flops: 2 * train,
	}
	return s, store.Put(ctx, s.Engine, int64(len(engine)), bytes.NewReader(engine))
}

// noise is a dataset of random images or tokens in some classes.
func noise(ctx context.Context, store zoo.Store, name string, shape []int, target schema.Field, classes []string) (*schema.Dataset, schema.Digest, error) {
	in := schema.Field{DType: "u8", Shape: shape}
	target.Offset = in.Bytes()
	layout := schema.RecordLayout{Size: in.Bytes() + target.Bytes(), Input: in, Target: target}
	b, err := closure.NewBuilder(schema.Dataset{
		Name: "noise-" + name, Version: "1.0.0", Classes: classes, Record: layout,
	}, closure.BuilderOptions{})
	if err != nil {
		return nil, schema.Digest{}, err
	}
	state := uint32(1)
	record := make([]byte, layout.Size)
	for i := range records {
		for j := range in.Bytes() {
			state = state*1664525 + 1013904223 // Knuth's quick generator: any bytes do
			record[j] = byte(state >> 24)
		}
		for k := range target.Bytes() {
			record[target.Offset+k] = byte((i + k) % len(classes))
		}
		split := schema.RoleTrain
		if i%8 == 0 {
			split = schema.RoleTest
		}
		if err := b.Add(split, record); err != nil {
			return nil, schema.Digest{}, err
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
