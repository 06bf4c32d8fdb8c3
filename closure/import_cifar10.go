package closure

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/reprise-ml/reprise/schema"
)

// cifarUsage says which files the importer wants.
const cifarUsage = "a CIFAR-10 split is one or more files of records, such as data_batch_1.bin"

// A record of the CIFAR-10 binary version: the label, then the planes of red, green and blue, each row by row.
const (
	cifarSide    = 32 // pixels
	cifarPlane   = cifarSide * cifarSide
	cifarRecord  = 1 + 3*cifarPlane
	cifarClasses = 10
)

// ImportCIFAR10 makes a dataset of files in the binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html), any
// number for each split, each plain or gzipped. Records become images of shape [32, 32, 3], their three planes interleaved,
// and a label. The classes are "0" to "9" unless options name ten.
func ImportCIFAR10(ctx context.Context, options Import, sink BlobSink) (*schema.Dataset, *Manifest, error) {
	splits, err := options.splits(0, cifarUsage)
	if err != nil {
		return nil, nil, err
	}
	if err := options.only(recordFiles, "a CIFAR-10 file"); err != nil {
		return nil, nil, err
	}
	if n := len(options.Classes); n != 0 && n != cifarClasses {
		return nil, nil, schema.Invalidf(options.Name, "classes", "%d are named; CIFAR-10 has %d", n, cifarClasses)
	}
	im := cifarImport{options: options}
	im.builder, err = NewBuilder(options.document(schema.RecordLayout{
		Size:   cifarRecord,
		Input:  schema.Field{Offset: 0, DType: "u8", Shape: []int{cifarSide, cifarSide, 3}},
		Target: schema.Field{Offset: cifarRecord - 1, DType: "u8", Shape: []int{}},
	}), BuilderOptions{Seed: options.Seed, Memory: options.Memory})
	if err != nil {
		return nil, nil, err
	}
	if len(options.Classes) == 0 {
		im.builder.SetClasses(numberedClasses(cifarClasses))
	}
	for _, s := range splits {
		for _, path := range s.Files {
			if err := im.file(ctx, s.Name, path); err != nil {
				return nil, nil, err
			}
		}
	}
	if err := options.holdOut(im.builder, splits); err != nil {
		return nil, nil, err
	}
	return im.builder.Finish(ctx, sink)
}

type cifarImport struct {
	options Import
	builder *Builder
	records int64
}

func (im *cifarImport) file(ctx context.Context, split, path string) error {
	f, err := openSource(path, im.options.MaxBytes)
	if err != nil {
		return err
	}
	defer f.Close()
	planar, record := make([]byte, cifarRecord), make([]byte, cifarRecord)
	for i := 0; ; i++ {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			im.options.report(f, im.records)
		}
		n, err := io.ReadFull(f.text, planar)
		if errors.Is(err, io.EOF) && i > 0 {
			break
		}
		// The label is looked at first: a file of another kind is better told by it than by its length.
		if label := planar[0]; n > 0 && label >= cifarClasses {
			if i == 0 {
				return schema.Invalidf(f.name, "record 0", "the label is %d, not 0 to 9: not a CIFAR-10 file, but %s", label, whatItIs(planar[:n]))
			}
			return schema.Invalidf(f.name, fmt.Sprintf("record %d", i), "the label, byte %d of the file, is %d; labels are 0 to 9", i*cifarRecord, label)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return schema.Invalidf(f.name, fmt.Sprintf("record %d", i), "the file is truncated: it ends after %d of the %d bytes of a record", n, cifarRecord)
		}
		if err != nil {
			return err
		}
		interleave(record, planar)
		if err := im.builder.Add(split, record); err != nil {
			return err
		}
		im.records++
	}
	im.builder.AddSource(f.source())
	im.options.report(f, im.records)
	return nil
}

// interleave makes a record with the label last of one with the label first and the colours in planes.
func interleave(record, planar []byte) {
	red, green, blue := planar[1:], planar[1+cifarPlane:], planar[1+2*cifarPlane:]
	for p := range cifarPlane {
		record[3*p], record[3*p+1], record[3*p+2] = red[p], green[p], blue[p]
	}
	record[cifarRecord-1] = planar[0]
}
