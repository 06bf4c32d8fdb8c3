package apitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// blobs in memory.
type blobs map[schema.Digest][]byte

// Open implements closure.Blobs.
func (b blobs) Open(_ context.Context, d schema.Digest) (io.ReadCloser, error) {
	data, ok := b[d]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d, closure.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func sortFiles(files []schema.File) {
	slices.SortFunc(files, func(a, b schema.File) int { return strings.Compare(a.Path, b.Path) })
}

// Journal draws a training that goes well, with noise.
func Journal(seed uint64, steps int) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	line := func(l schema.JournalLine) {
		text, err := schema.Canonical(l)
		if err != nil {
			panic(err) // digests and small integers are canonical JSON
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	engine := schema.DigestOf([]byte("engine"))
	line(schema.JournalLine{Type: schema.LineHeader, Specification: engine, Engine: engine, Seed: new(int64(42))})
	const examples = 32
	end := 0.05 + 0.4*random.Float64()
	for step := 1; step <= steps; step++ {
		done := float64(step) / float64(steps)
		loss := end + (2.3-end)*math.Exp(-5*done) + 0.05*random.NormFloat64()
		correct := int64(examples * (1 - 0.9*math.Exp(-5*done)))
		line(schema.JournalLine{
			Type: schema.LineStep, Step: int64(step), Microbatches: [][2]int64{{0, 4}}, Examples: new(int64(examples)),
			Loss: new(int64(math.Max(0, loss) * examples * (1 << 20))), Correct: &correct, Clipped: new(int64(0)),
		})
		if step%20 == 0 || step == steps {
			line(schema.JournalLine{
				Type: schema.LineEvaluation, Step: int64(step), Split: "test", Correct: new(int64(80 - 70*math.Exp(-5*done))), Examples: new(int64(80)),
			})
		}
	}
	return b.Bytes()
}

// What synthetic closures are about.
var (
	adjectives = []string{"small", "deep", "wide", "patient", "frugal", "quick", "steady", "sparse", "robust", "plain"}
	nouns      = []string{"letters", "digits", "shapes", "galaxies", "leaves", "voices", "currents", "tissues", "crystals", "birds"}
	methods    = []string{"a convolutional network", "a dense network", "two hidden layers", "a tuned baseline", "weight decay", "a short schedule"}
	tasks      = []string{"image-classification", "tabular-classification"}
	licenses   = []string{"Apache-2.0", "MIT", "CC-BY-4.0"}
	owners     = []string{"ada", "grace", "emmy", "alan"}
)

// Fill publishes n closures, the same for the same n: of two datasets, some architectures, and every kind of age and accuracy. Each
// tenth was resumed from the one before.
func (z *Zoo) Fill(ctx context.Context, n int) error {
	journals := make([][]byte, 24)
	for i := range journals {
		journals[i] = Journal(uint64(i), 60)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for first := 0; first < n; first += 10 {
		group.Go(func() error {
			var parent schema.Digest
			for i := first; i < min(first+10, n); i++ {
				e, err := z.Publish(ctx, syntheticName(i), "1.0.0", synthetic(i, journals[i%len(journals)], parent))
				if err != nil {
					return fmt.Errorf("closure %d: %w", i, err)
				}
				parent = e.Digest
			}
			return nil
		})
	}
	return group.Wait()
}

func syntheticName(i int) string {
	return fmt.Sprintf("%s/%s-%s-%d", owners[i%len(owners)], adjectives[i%10], nouns[i/10%10], i)
}

// synthetic is the i-th closure.
func synthetic(i int, journal []byte, parent schema.Digest) Sample {
	random := rand.New(rand.NewPCG(uint64(i), 3))
	sample := Sample{Specification: []string{"mlp", "mnist-cnn", "table", "mlp"}[i%4], Rate: []float64{0.01, 0.02, 0.05}[i%3], Journal: journal}
	sample.Change = func(c *schema.Closure) {
		noun := nouns[i/10%10]
		c.Title = fmt.Sprintf("A %s model of %s", adjectives[i%10], noun)
		c.Description = fmt.Sprintf("Tells %s apart with %s. Run %d of a series on how little is enough.", noun, methods[i%len(methods)], i)
		c.Keywords = []string{noun, adjectives[i%10], "series-" + fmt.Sprint(i/100)}
		c.License = licenses[i%len(licenses)]
		if c.Task == "" {
			c.Task = tasks[i%len(tasks)]
		}
		c.Created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 7 * time.Hour).Format(time.RFC3339)
		for k := range c.Results {
			c.Results[k].Correct = new(c.Results[k].Total * (60 + random.Int64N(40)) / 100)
		}
		if i%10 == 9 && !parent.IsZero() {
			c.Parents = []schema.Parent{{Digest: parent, Relation: schema.RelationResumed}}
		}
	}
	return sample
}
