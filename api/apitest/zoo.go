// Package apitest makes stores for tests and measurements of the service: closures that look like trained ones, with real
// engines and data, whose parameters and journals nobody computed.
package apitest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/engine"
	"github.com/reprise-ml/reprise/zoo"
)

// Zoo is a store with the datasets glyphs:1.0.0 (images of ten classes) and table:1.0.0 (rows of six features).
type Zoo struct {
	Store  zoo.Store
	Glyphs *Dataset
	Table  *Dataset

	mu    sync.Mutex
	parts map[string]*parts // by specification and learning rate
}

// Dataset is one that was published.
type Dataset struct {
	Document *schema.Dataset
	Digest   schema.Digest
}

// parts of a closure, which many share.
type parts struct {
	specification *schema.Specification
	resolved      schema.Resolved
	contents      []closure.Content
	parameters    schema.Digest
	run           schema.Digest
	engine        schema.Digest
}

// New publishes the datasets.
func New(ctx context.Context, s zoo.Store) (*Zoo, error) {
	z := &Zoo{Store: s, parts: map[string]*parts{}}
	var err error
	if z.Glyphs, err = z.glyphs(ctx); err != nil {
		return nil, err
	}
	z.Table, err = z.table(ctx)
	return z, err
}

func (z *Zoo) glyphs(ctx context.Context) (*Dataset, error) {
	const train, test = 320, 80
	images, labels := fixtures.Glyphs(1, train+test)
	size := len(images) / (train + test)
	b, err := closure.NewBuilder(schema.Dataset{
		Name: "glyphs", Version: "1.0.0", Title: "Drawn letters", License: "CC0-1.0", Classes: fixtures.GlyphClasses(), Created: "2026-01-02T03:04:05Z",
		Record: schema.RecordLayout{
			Size:   size + 1,
			Input:  schema.Field{DType: "u8", Shape: []int{28, 28, 1}},
			Target: schema.Field{Offset: size, DType: "u8", Shape: []int{}},
		},
	}, closure.BuilderOptions{})
	if err != nil {
		return nil, err
	}
	for i, label := range labels {
		if err := b.Add(splitOf(i, train), append(images[i*size:(i+1)*size:(i+1)*size], label)); err != nil {
			return nil, err
		}
	}
	return z.dataset(ctx, b)
}

func splitOf(i, train int) string {
	if i < train {
		return "train"
	}
	return "test"
}

func (z *Zoo) table(ctx context.Context) (*Dataset, error) {
	const train, test, features = 300, 60, 6
	b, err := closure.NewBuilder(schema.Dataset{
		Name: "table", Version: "1.0.0", Title: "Points", License: "CC0-1.0", Classes: fixtures.TableClasses(), Created: "2026-01-02T03:04:05Z",
		Features: []string{"a", "b", "c", "d", "e", "f"},
		Record: schema.RecordLayout{
			Size:   4*features + 1,
			Input:  schema.Field{DType: "f32", Shape: []int{features}},
			Target: schema.Field{Offset: 4 * features, DType: "u8", Shape: []int{}},
		},
	}, closure.BuilderOptions{})
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(2, 0))
	for i := range train + test {
		var record []byte
		for range features {
			record = binary.LittleEndian.AppendUint32(record, math.Float32bits(random.Float32()))
		}
		if err := b.Add(splitOf(i, train), append(record, byte(i%3))); err != nil {
			return nil, err
		}
	}
	return z.dataset(ctx, b)
}

func (z *Zoo) dataset(ctx context.Context, b *closure.Builder) (*Dataset, error) {
	d, m, err := b.Finish(ctx, z.Store)
	if err != nil {
		return nil, err
	}
	e, err := zoo.Publish(ctx, z.Store, zoo.Object{Name: d.Name, Version: d.Version, Manifest: m, Blobs: z.Store}, zoo.PublishOptions{})
	return &Dataset{Document: d, Digest: e.Digest}, err
}

// Sample is what a closure is made from.
type Sample struct {
	// Specification is a sample of package fixtures; empty is mlp.
	Specification string
	// Rate is the learning rate; 0 is that of the sample.
	Rate float64
	// Change is applied to the document before it is packed.
	Change func(*schema.Closure)
	// Readme is README.md; empty for the generated card.
	Readme string
	// Journal is journal/train.jsonl; empty for the first of Journal.
	Journal []byte
	// Beside are further files.
	Beside []closure.Content
}

// Publish puts a closure into the store.
func (z *Zoo) Publish(ctx context.Context, name, version string, sample Sample) (zoo.Entry, error) {
	p, err := z.partsOf(sample)
	if err != nil {
		return zoo.Entry{}, err
	}
	c := z.document(p, name, version)
	if sample.Change != nil {
		sample.Change(c)
	}
	if c.Specification, err = schema.DigestOfDocument(c.Resolved()); err != nil {
		return zoo.Entry{}, err
	}
	journal := sample.Journal
	if journal == nil {
		journal = Journal(0, int(c.Algorithm.Steps))
	}
	readme := sample.Readme
	if readme == "" {
		readme = closure.Card(c)
	}
	contents := append([]closure.Content{
		closure.Bytes(schema.PathReadme, []byte(readme)), closure.Bytes(schema.PathJournal, journal),
	}, p.contents...)
	contents = append(contents, sample.Beside...)
	return z.pack(ctx, c, contents)
}

// pack completes a closure in memory and publishes it.
func (z *Zoo) pack(ctx context.Context, c *schema.Closure, contents []closure.Content) (zoo.Entry, error) {
	files := map[schema.Digest][]byte{}
	c.Files = nil
	for _, content := range contents {
		var b bytes.Buffer
		if err := content.Write(&b); err != nil {
			return zoo.Entry{}, err
		}
		role, mediaType, ok := closure.Classify(content.Path)
		if !ok {
			return zoo.Entry{}, fmt.Errorf("a closure has no place for %s", content.Path)
		}
		d := schema.DigestOf(b.Bytes())
		files[d] = b.Bytes()
		c.Files = append(c.Files, schema.File{Path: content.Path, Role: role, MediaType: mediaType, Digest: d, Size: int64(b.Len())})
	}
	sortFiles(c.Files)
	m, document, err := closure.ClosureManifest(c)
	if err != nil {
		return zoo.Entry{}, err
	}
	files[m.Config.Digest] = document
	return zoo.Publish(ctx, z.Store, zoo.Object{Name: c.Name, Version: c.Version, Manifest: m, Blobs: blobs(files)}, zoo.PublishOptions{})
}

// document is a closure before its files are known.
func (z *Zoo) document(p *parts, name, version string) *schema.Closure {
	data := z.dataOf(p.specification)
	c := &schema.Closure{
		SchemaVersion: 1, Name: name, Version: version, Title: p.specification.Title, Task: p.specification.Task, License: "Apache-2.0",
		Authors: []schema.Author{{Name: "Ada Example"}}, Keywords: []string{"sample"}, Created: "2026-01-02T03:04:05Z",
		Model: p.resolved.Model, Algorithm: p.resolved.Algorithm,
		Engine:     schema.EngineReference{Digest: p.engine, ABI: schema.ABI, Compiler: wasm.Version},
		Parameters: schema.ParametersClaim{Step: p.resolved.Algorithm.Steps, Digest: p.parameters},
		Run:        schema.RunClaim{Digest: p.run},
	}
	for _, use := range p.resolved.Datasets {
		c.Datasets = append(c.Datasets, schema.ClosureDataset{ResolvedDataset: use, Name: data.Document.Name, Version: data.Document.Version, Digest: data.Digest})
		if use.Role == schema.RoleTest {
			c.Results = []schema.Result{{
				Metric: schema.MetricAccuracy, Dataset: data.Digest, Split: use.Split, Step: c.Parameters.Step, Correct: new(use.Examples * 9 / 10), Total: use.Examples,
			}}
		}
	}
	return c
}

func (z *Zoo) dataOf(s *schema.Specification) *Dataset {
	if len(s.Model.Input.Shape) == 1 {
		return z.Table
	}
	return z.Glyphs
}

// partsOf compiles a sample once.
func (z *Zoo) partsOf(sample Sample) (*parts, error) {
	name := sample.Specification
	if name == "" {
		name = "mlp"
	}
	key := fmt.Sprint(name, sample.Rate)
	z.mu.Lock()
	defer z.mu.Unlock()
	if p, ok := z.parts[key]; ok {
		return p, nil
	}
	s, err := schema.ReadSpecification(name+".yaml", fixtures.Specification(name))
	if err != nil {
		return nil, err
	}
	s.Algorithm.Epochs, s.Algorithm.Steps = nil, 60
	s.Algorithm.MicrobatchSize, s.Algorithm.BatchSize = 8, 32
	if sample.Rate != 0 {
		s.Algorithm.Optimizer.Attributes["learningRate"] = sample.Rate
	}
	data := z.dataOf(s).Document
	p := &parts{specification: s}
	if p.resolved, err = wasm.Resolve(s, map[string]*schema.Dataset{schema.RoleTrain: data, schema.RoleTest: data}); err != nil {
		return nil, err
	}
	if err := p.fill(); err != nil {
		return nil, err
	}
	z.parts[key] = p
	return p, nil
}

// fill makes the files that do not depend on a closure's texts.
func (p *parts) fill() error {
	module, err := wasm.Compile(p.resolved, wasm.Options{})
	if err != nil {
		return err
	}
	e, err := engine.Parse(module)
	if err != nil {
		return err
	}
	p.engine = schema.DigestOf(module)
	parameters, state := tensors(e.Section.Parameters), tensors(e.Section.State)
	if p.parameters, err = closure.ContentDigest(parameters); err != nil {
		return err
	}
	if p.run, err = closure.ContentDigest(parameters, state); err != nil {
		return err
	}
	p.contents = []closure.Content{
		closure.Bytes(schema.PathEngine, module), closure.Safetensors(schema.PathParameters, parameters), closure.Safetensors(schema.PathState, state),
	}
	return nil
}

// tensors are zeros of the shapes that an engine has.
func tensors(table []schema.Tensor) []closure.Tensor {
	list := make([]closure.Tensor, len(table))
	for i, t := range table {
		list[i] = closure.Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape, Data: make([]byte, t.Bytes())}
	}
	return list
}
