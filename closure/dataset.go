package closure

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Sizes of shards. A participant fetches whole shards, so they are cut to about shardTarget bytes, all but the last of a
// split with equally many records.
const (
	shardTarget = 2 << 20
	maxShard    = 64 << 20 // one record may be this large
)

// DefaultMemory is the number of record bytes that a Builder holds unless told otherwise.
const DefaultMemory = 4 << 30

// Builder makes a dataset of records, which it holds in memory until Finish has put them in their random order. It is not
// safe for concurrent use.
type Builder struct {
	document schema.Dataset
	seed     uint64
	ordered  bool
	memory   int64
	used     int64
	splits   map[string]*pending
}

// pending is a split that is being collected: all records of the arena, or those that order lists.
type pending struct {
	records *arena
	order   []uint32
	held    bool // order is set
}

// BuilderOptions says how a Builder works.
type BuilderOptions struct {
	// Seed of the order of the records.
	Seed uint64
	// Ordered keeps the records in the order in which they were added: those of a text are read in sequence.
	Ordered bool
	// Memory bounds the bytes of records; 0 means DefaultMemory.
	Memory int64
}

// NewBuilder starts a dataset. Of document, the names, texts, classes, features, sources and the record layout are used;
// the rest is filled in by Finish.
func NewBuilder(document schema.Dataset, options BuilderOptions) (*Builder, error) {
	if err := checkLayout(document.Record); err != nil {
		return nil, err
	}
	document.SchemaVersion = 1
	document.Splits, document.Statistics, document.Content = nil, nil, schema.Digest{}
	return &Builder{
		document: document, seed: options.Seed, ordered: options.Ordered,
		memory: orDefault(options.Memory, DefaultMemory), splits: map[string]*pending{},
	}, nil
}

// Add copies a record (input and target fields, laid out as the document says) to a split.
func (b *Builder) Add(split string, record []byte) error {
	if len(record) != b.document.Record.Size {
		return fmt.Errorf("a record of %d bytes where the layout has %d", len(record), b.document.Record.Size)
	}
	p := b.splits[split]
	if p == nil {
		if err := checkSplitName(split); err != nil {
			return err
		}
		p = &pending{records: newArena(len(record))}
		b.splits[split] = p
	}
	if p.held {
		return fmt.Errorf("split %s is closed: records were held out of it", split)
	}
	if b.used += int64(len(record)); b.used > b.memory {
		return schema.Invalidf(b.document.Name, "splits."+split, "the records take more than %d bytes, which is all that is held in memory", b.memory)
	}
	if int64(p.records.n) == math.MaxUint32 {
		return schema.Invalidf(b.document.Name, "splits."+split, "more than %d records", uint32(math.MaxUint32))
	}
	p.records.add(record)
	return nil
}

// AddSource records a file that the records come from.
func (b *Builder) AddSource(s schema.Source) { b.document.Sources = append(b.document.Sources, s) }

// SetClasses sets the label texts, which an importer may know only after the last record.
func (b *Builder) SetClasses(classes []string) { b.document.Classes = classes }

// Records is the number of records in a split so far.
func (b *Builder) Records(split string) int64 {
	if p := b.splits[split]; p != nil {
		return int64(p.len())
	}
	return 0
}

func (p *pending) len() int {
	if p.held {
		return len(p.order)
	}
	return p.records.n
}

func (p *pending) at(i int) []byte { return p.records.at(int(p.order[i])) }

// list makes the order explicit.
func (p *pending) list() {
	if p.held {
		return
	}
	p.order = make([]uint32, p.records.n)
	for i := range p.order {
		p.order[i] = uint32(i)
	}
	p.held = true
}

// Finish puts the records of every split in their random order, unless that is to be kept, writes the shards and dataset.json to sink, and returns
// the document and its manifest. The manifest itself is not written: publishing it is up to the store.
func (b *Builder) Finish(ctx context.Context, sink BlobSink) (*schema.Dataset, *Manifest, error) {
	d := b.document
	if len(b.splits) == 0 {
		return nil, nil, schema.Invalidf(d.Name, "splits", "there are no records")
	}
	names := make([]string, 0, len(b.splits))
	for name, p := range b.splits {
		names = append(names, name)
		p.list()
		if !b.ordered {
			newGenerator(b.seed, "order of "+name).shuffle(p.order)
		}
	}
	slices.Sort(names)
	slices.SortFunc(d.Sources, func(x, y schema.Source) int {
		return strings.Compare(x.Name+"\x00"+x.Digest.String(), y.Name+"\x00"+y.Digest.String())
	})
	content, err := newContentHash(&d)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		p := b.splits[name]
		fmt.Fprintf(content, "split %s %d\n", name, p.len())
		s, err := b.writeShards(ctx, sink, name, p, content)
		if err != nil {
			return nil, nil, err
		}
		d.Splits = append(d.Splits, s)
		if name == "train" || len(names) == 1 {
			d.Statistics = statistics(d.Record.Input, p.len(), p.at)
		}
	}
	d.Content = schema.DigestFromSum([sha256.Size]byte(content.Sum(nil)))
	m, config, err := DatasetManifest(&d)
	if err != nil {
		return nil, nil, err
	}
	if err := sink.Put(ctx, m.Config.Digest, m.Config.Size, bytes.NewReader(config)); err != nil {
		return nil, nil, err
	}
	return &d, m, nil
}

func (b *Builder) writeShards(ctx context.Context, sink BlobSink, name string, p *pending, content hash.Hash) (schema.Split, error) {
	s := schema.Split{Name: name, Records: int64(p.len())}
	per := shardRecords(p.len(), b.document.Record.Size)
	buffer := make([]byte, 0, per*b.document.Record.Size)
	for first := 0; first < p.len(); first += per {
		buffer = buffer[:0]
		for i := first; i < min(first+per, p.len()); i++ {
			buffer = append(buffer, p.at(i)...)
		}
		content.Write(buffer)
		shard := schema.Shard{
			Path:    fmt.Sprintf("%s/%05d.records", name, len(s.Shards)),
			Records: int64(len(buffer) / b.document.Record.Size),
			Size:    int64(len(buffer)),
			Digest:  schema.DigestOf(buffer),
		}
		if err := sink.Put(ctx, shard.Digest, shard.Size, bytes.NewReader(buffer)); err != nil {
			return s, fmt.Errorf("%s: %w", shard.Path, err)
		}
		s.Shards = append(s.Shards, shard)
	}
	return s, nil
}

// shardRecords is the number of records in each shard but the last: as many shards as come closest to shardTarget bytes.
func shardRecords(records, size int) int {
	total := int64(records) * int64(size)
	shards := max(1, (total+shardTarget/2)/shardTarget)
	return int(max(1, (int64(records)+shards-1)/shards))
}
