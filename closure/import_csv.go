package closure

import (
	"context"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// csvUsage says which files the importer wants.
const csvUsage = "a CSV split is one file"

// ImportCSV makes a dataset of tables in CSV, plain or gzipped, a file for each split. One column is the label, all others
// are features in f32. The classes are the label texts, sorted: numerically where all are numbers ("0.0" is "0"), else by
// their bytes; the target is u8, or u16 beyond 256 classes. For a regression the target is f32.
func ImportCSV(ctx context.Context, options Import, sink BlobSink) (*schema.Dataset, *Manifest, error) {
	splits, err := options.splits(1, csvUsage)
	if err != nil {
		return nil, nil, err
	}
	if err := options.only(tableFiles, "a table"); err != nil {
		return nil, nil, err
	}
	if options.Regression && len(options.Classes) > 0 {
		return nil, nil, schema.Invalidf(options.Name, "classes", "a regression has none")
	}
	im := csvImport{options: options, ids: map[string]uint32{}}
	for _, s := range splits {
		if err := im.split(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	builder, err := im.build(splits)
	if err != nil {
		return nil, nil, err
	}
	if err := options.holdOut(builder, splits); err != nil {
		return nil, nil, err
	}
	return builder.Finish(ctx, sink)
}

// csvImport is the state of an import. Rows are kept until the last file was read, because only then the classes, and so
// the width of a label, are known.
type csvImport struct {
	options Import
	columns []string // names, or nil without a header
	width   int      // columns, 0 before the first row
	label   int      // index of the label's column
	ids     map[string]uint32
	texts   []string // label texts by id
	sources []schema.Source
	tables  []csvTable
	records int64
	used    int64
}

// csvTable holds the rows of a split: their features in f32, then the id of the label's text or, for a regression, the
// target in f32.
type csvTable struct {
	file string
	rows *arena
}

func (im *csvImport) split(ctx context.Context, s SplitFiles) error {
	f, err := openSource(s.Files[0], im.options.MaxBytes)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := skipByteOrderMark(f); err != nil {
		return err
	}
	r := csv.NewReader(&lineLimit{name: f.name, r: f.text})
	r.FieldsPerRecord = -1 // checked here, to name line and column
	r.ReuseRecord = true
	table := csvTable{file: f.name}
	var row []byte
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return csvError(f.name, err)
		}
		line, _ := r.FieldPos(0)
		if first {
			if err := im.firstRow(f.name, fields); err != nil {
				return err
			}
			row = make([]byte, 4*im.width)
			table.rows = newArena(len(row))
			if im.options.Header {
				continue
			}
		}
		if len(fields) != im.width {
			return schema.Invalidf(f.name, fmt.Sprintf("line %d", line), "%d columns where the first line has %d", len(fields), im.width)
		}
		if err := im.row(f.name, r, fields, row); err != nil {
			return err
		}
		if im.used += int64(len(row)); im.used > orDefault(im.options.Memory, DefaultMemory) {
			return schema.Invalidf(f.name, fmt.Sprintf("line %d", line), "the records take more than %d bytes, which is all that is held in memory",
				orDefault(im.options.Memory, DefaultMemory))
		}
		table.rows.add(row)
		if im.records++; im.records%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			im.options.report(f, im.records)
		}
	}
	if table.rows == nil {
		return schema.Invalidf(f.name, "", "there is no line in it")
	}
	if table.rows.n == 0 {
		return schema.Invalidf(f.name, "", "there is no line after the header")
	}
	im.options.report(f, im.records)
	im.sources = append(im.sources, f.source())
	im.tables = append(im.tables, table)
	return nil
}

// row encodes the fields of a line.
func (im *csvImport) row(name string, r *csv.Reader, fields []string, row []byte) error {
	at := 0
	for i, field := range fields {
		if i == im.label {
			continue
		}
		v, problem := parseNumber(field)
		if problem != "" {
			return im.refuse(name, r, i, problem)
		}
		binary.LittleEndian.PutUint32(row[at:], math.Float32bits(v))
		at += 4
	}
	text := strings.TrimSpace(fields[im.label])
	if im.options.Regression {
		v, problem := parseNumber(text)
		if problem != "" {
			return im.refuse(name, r, im.label, problem)
		}
		binary.LittleEndian.PutUint32(row[at:], math.Float32bits(v))
		return nil
	}
	if text == "" {
		return im.refuse(name, r, im.label, "the label is empty")
	}
	id, ok := im.ids[text]
	if !ok {
		if len(im.texts) >= 4*maxClasses { // several texts may mean one number
			return im.refuse(name, r, im.label, tooManyClasses)
		}
		id = uint32(len(im.texts))
		text = strings.Clone(text)
		im.texts = append(im.texts, text)
		im.ids[text] = id
	}
	binary.LittleEndian.PutUint32(row[at:], id)
	return nil
}

// refuse names line and column of what is wrong.
func (im *csvImport) refuse(name string, r *csv.Reader, column int, problem string) error {
	line, _ := r.FieldPos(column)
	place := strconv.Itoa(column)
	if im.columns != nil {
		place = im.columns[column]
	}
	e := schema.Invalidf(name, fmt.Sprintf("line %d, column %s", line, place), "%s", problem)
	if line == 1 && !im.options.Header {
		e.Problems[0].Hint = "if the first line names the columns, say that there is a header"
	} else if im.columns == nil {
		e.Problems[0].Hint = "columns count from 0"
	}
	return e
}

// build makes records of the rows.
func (im *csvImport) build(splits []SplitFiles) (*Builder, error) {
	features := im.width - 1
	target := schema.Field{Offset: 4 * features, DType: "f32", Shape: []int{}}
	var classes []string
	var ranks []int // of label ids
	if !im.options.Regression {
		classes, ranks = sortClasses(im.texts)
		if len(im.options.Classes) > 0 {
			if err := im.useClasses(classes, ranks); err != nil {
				return nil, err
			}
			classes = im.options.Classes
		}
		if target.DType = "u8"; len(classes) > 256 {
			target.DType = "u16"
		}
		if len(classes) > maxClasses {
			return nil, schema.Invalidf(im.options.Name, "label", "%s", tooManyClasses)
		}
	}
	record := schema.RecordLayout{
		Size:   target.Offset + target.Bytes(),
		Input:  schema.Field{Offset: 0, DType: "f32", Shape: []int{features}},
		Target: target,
	}
	document := im.options.document(record)
	document.Classes = classes
	document.Sources = im.sources
	if im.columns != nil {
		document.Features = slices.Delete(slices.Clone(im.columns), im.label, im.label+1)
	}
	b, err := NewBuilder(document, BuilderOptions{Seed: im.options.Seed, Memory: im.options.Memory})
	if err != nil {
		return nil, err
	}
	buffer := make([]byte, record.Size+4)
	for i, table := range im.tables {
		for j := range table.rows.n {
			copy(buffer, table.rows.at(j))
			if classes != nil {
				id := binary.LittleEndian.Uint32(buffer[target.Offset:])
				binary.LittleEndian.PutUint32(buffer[target.Offset:], uint32(ranks[id]))
			}
			if err := b.Add(splits[i].Name, buffer[:record.Size]); err != nil {
				return nil, err
			}
		}
		im.tables[i].rows = nil
	}
	return b, nil
}

// useClasses maps ranks to the classes that the options name, in their order.
func (im *csvImport) useClasses(found []string, ranks []int) error {
	for id, rank := range ranks {
		k := slices.Index(im.options.Classes, found[rank])
		if k < 0 {
			return schema.Invalidf(im.options.Name, "classes", "the label %q has no class among %q", shorten(im.texts[id]), im.options.Classes)
		}
		ranks[id] = k
	}
	return nil
}
