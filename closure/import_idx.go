package closure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/reprise-ml/reprise/schema"
)

// idxUsage says which files the importer wants.
const idxUsage = "an IDX split is IMAGES,LABELS"

// idxTypes names the types of elements in the magic number of an IDX file.
var idxTypes = map[byte]string{
	0x08: "unsigned bytes", 0x09: "signed bytes", 0x0b: "16-bit integers", 0x0c: "32-bit integers",
	0x0d: "32-bit floats", 0x0e: "64-bit floats",
}

// maxElements bounds one image.
const maxElements = 1 << 24

// ImportIDX makes a dataset of files in the format of MNIST. A split has two files, images and labels, both of unsigned
// bytes, each plain or gzipped. Images of n×h×w become records of shape [h, w, 1], those of n×h×w×c of shape [h, w, c]. The
// classes are the labels from 0 to the largest, unless options name them.
func ImportIDX(ctx context.Context, options Import, sink BlobSink) (*schema.Dataset, *Manifest, error) {
	splits, err := options.splits(2, idxUsage)
	if err != nil {
		return nil, nil, err
	}
	if err := options.only(recordFiles, "an IDX file"); err != nil {
		return nil, nil, err
	}
	im := idxImport{options: options}
	for _, s := range splits {
		if err := im.split(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	if len(options.Classes) == 0 {
		im.builder.SetClasses(numberedClasses(im.largest + 1))
	}
	if err := options.holdOut(im.builder, splits); err != nil {
		return nil, nil, err
	}
	return im.builder.Finish(ctx, sink)
}

// numberedClasses are the n labels themselves.
func numberedClasses(n int) []string {
	classes := make([]string, n)
	for i := range classes {
		classes[i] = strconv.Itoa(i)
	}
	return classes
}

// idxImport is the state of an import: what the files so far have in common.
type idxImport struct {
	options Import
	builder *Builder
	shape   []int
	largest int // label
	records int64
}

func (im *idxImport) split(ctx context.Context, s SplitFiles) error {
	images, err := openIDX(s.Files[0], im.options.MaxBytes)
	if err != nil {
		return err
	}
	defer images.Close()
	labels, err := openIDX(s.Files[1], im.options.MaxBytes)
	if err != nil {
		return err
	}
	defer labels.Close()
	if err := im.agree(images, labels); err != nil {
		return err
	}

	size := schema.Elements(im.shape)
	record := make([]byte, size+1)
	for i := range images.count() {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			im.options.report(images.sourceFile, im.records)
		}
		if err := images.next(record[:size], i); err != nil {
			return err
		}
		if err := labels.next(record[size:], i); err != nil {
			return err
		}
		label := int(record[size])
		if n := len(im.options.Classes); n > 0 && label >= n {
			return schema.Invalidf(labels.name, fmt.Sprintf("record %d", i), "the label %d has no class: %d are named, from 0", label, n)
		}
		im.largest = max(im.largest, label)
		if err := im.builder.Add(s.Name, record); err != nil {
			return err
		}
		im.records++
	}
	for _, f := range []*idxFile{images, labels} {
		if err := f.end(); err != nil {
			return err
		}
		im.builder.AddSource(f.source())
		im.options.report(f.sourceFile, im.records)
	}
	return nil
}

// agree checks the headers of a split's two files against each other and against the splits before.
func (im *idxImport) agree(images, labels *idxFile) error {
	if len(images.dims) == 1 && len(labels.dims) > 1 {
		return schema.Invalidf(images.name, "", "it holds labels and %s images: give the images first", labels.name)
	}
	if len(images.dims) < 3 || len(images.dims) > 4 {
		return schema.Invalidf(images.name, "dimensions", "%v; images have three (count, height, width) or four (and channels)", images.dims)
	}
	if len(labels.dims) != 1 {
		return schema.Invalidf(labels.name, "dimensions", "%v; labels have one (count)", labels.dims)
	}
	if images.count() != labels.count() {
		return schema.Invalidf(labels.name, "dimensions", "%d labels, but %s holds %d images", labels.count(), images.name, images.count())
	}
	if images.count() == 0 {
		return schema.Invalidf(images.name, "dimensions", "%v: there is no image", images.dims)
	}
	shape := slices.Clone(images.dims[1:])
	if len(shape) == 2 {
		shape = append(shape, 1)
	}
	if im.shape != nil && !slices.Equal(shape, im.shape) {
		return schema.Invalidf(images.name, "dimensions", "its images have the shape %v, those of the split before %v", shape, im.shape)
	}
	if im.builder != nil {
		return nil
	}
	im.shape = shape
	size := schema.Elements(shape)
	var err error
	im.builder, err = NewBuilder(im.options.document(schema.RecordLayout{
		Size:   size + 1,
		Input:  schema.Field{Offset: 0, DType: "u8", Shape: shape},
		Target: schema.Field{Offset: size, DType: "u8", Shape: []int{}},
	}), BuilderOptions{Seed: im.options.Seed, Memory: im.options.Memory})
	return err
}

// idxFile reads an IDX file: magic 00 00 TYPE RANK, one big-endian uint32 for each dimension, then the elements.
type idxFile struct {
	*sourceFile
	dims []int
}

func (f *idxFile) count() int { return f.dims[0] }

// openIDX reads the header and checks the size of the file against it, where the size is known.
func openIDX(path string, limit int64) (*idxFile, error) {
	s, err := openSource(path, limit)
	if err != nil {
		return nil, err
	}
	f := &idxFile{sourceFile: s}
	if err := f.header(); err != nil {
		s.Close()
		return nil, err
	}
	return f, nil
}

func (f *idxFile) header() error {
	magic, err := f.text.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(magic) < 4 {
		return schema.Invalidf(f.name, "", "it has %d bytes: too few for an IDX file", len(magic))
	}
	if magic[0] != 0 || magic[1] != 0 || idxTypes[magic[2]] == "" || magic[3] == 0 {
		return schema.Invalidf(f.name, "", "not an IDX file, but %s", whatItIs(magic))
	}
	if magic[2] != 0x08 {
		return schema.Invalidf(f.name, "", "an IDX file of %s; only unsigned bytes are read", idxTypes[magic[2]])
	}
	if magic[3] > 4 {
		return schema.Invalidf(f.name, "dimensions", "there are %d; at most 4 are read", magic[3])
	}
	head := make([]byte, 4+4*int(magic[3]))
	if _, err := io.ReadFull(f.text, head); err != nil {
		return f.short(err, "within its header")
	}
	elements := int64(1)
	for i := 4; i < len(head); i += 4 {
		n := int64(binary.BigEndian.Uint32(head[i:]))
		f.dims = append(f.dims, int(n))
		if i > 4 {
			if elements *= n; n == 0 || elements > maxElements {
				return schema.Invalidf(f.name, "dimensions", "%v; an image has 1 to %d elements", f.dims, maxElements)
			}
		}
	}
	return nil
}

// next reads record i into b.
func (f *idxFile) next(b []byte, i int) error {
	if _, err := io.ReadFull(f.text, b); err != nil {
		return f.short(err, fmt.Sprintf("within record %d; its header promises %d", i, f.count()))
	}
	return nil
}

func (f *idxFile) short(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return schema.Invalidf(f.name, "", "the file is truncated: it ends %s", where)
	}
	return err
}

// end checks that nothing follows.
func (f *idxFile) end() error {
	switch _, err := f.text.ReadByte(); {
	case err == nil:
		return schema.Invalidf(f.name, "", "there are bytes after the %d records that its header promises", f.count())
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}
