package main

import (
	"bytes"
	"compress/gzip"
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

// inputOptions say how files become inputs of a model.
type inputOptions struct {
	invert bool   // images
	header bool   // CSV
	label  string // CSV
}

// inputReader reads files as inputs of one layout.
type inputReader struct {
	inputOptions
	field schema.Field
}

// input is one input of the model, with the name that its prediction is printed under.
type input struct {
	label string
	bytes []byte
}

// maxInput bounds a file of inputs.
const maxInput = 1 << 30

// read makes inputs of a file, whose kind its first bytes tell.
func (r inputReader) read(path string) ([]input, error) {
	b, err := readFile(path, maxInput)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		if b, err = decompress(path, b); err != nil {
			return nil, err
		}
	}
	switch {
	case len(b) == 0:
		return nil, schema.Invalidf(path, "", "the file is empty")
	case isImage(b):
		pixels, err := r.image(path, b)
		if err != nil {
			return nil, err
		}
		return []input{{path, pixels}}, nil
	case bytes.HasPrefix(b, []byte{0, 0}):
		return r.idx(path, b)
	}
	return r.csv(path, b)
}

func decompress(path string, b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(z, maxInput+1))
	}
	if err != nil {
		return nil, schema.Invalidf(path, "", "its gzip data is broken: %v", err)
	}
	if len(b) > maxInput {
		return nil, schema.Invalidf(path, "", "has more than %d bytes when decompressed", maxInput)
	}
	return b, nil
}

// idx reads a file of images as the importer does (http://yann.lecun.com/exdb/mnist): two zero bytes, the type of an
// element, the number of dimensions, the dimensions, the elements.
func (r inputReader) idx(path string, b []byte) ([]input, error) {
	const unsignedByte = 8
	refuse := func(format string, args ...any) ([]input, error) {
		return nil, schema.Invalidf(path, "", format, args...)
	}
	if len(b) < 8 || b[2] != unsignedByte || b[3] < 2 || len(b) < 4+4*int(b[3]) {
		return refuse("is neither an image, nor an IDX file of images in unsigned bytes, nor CSV")
	}
	dims := make([]int, b[3])
	for i := range dims {
		dims[i] = int(binary.BigEndian.Uint32(b[4+4*i:]))
	}
	shape := dims[1:]
	if len(shape) == 2 {
		shape = append(slices.Clone(shape), 1)
	}
	if r.field.DType != "u8" || !slices.Equal(shape, r.field.Shape) {
		return refuse("holds images of u8 %s; the model takes %s %s", shapeText(shape), r.field.DType, shapeText(r.field.Shape))
	}
	body, size := b[4+4*len(dims):], r.field.Bytes()
	// Compared by division: a count of 2³² images would overflow a product.
	if len(body)%size != 0 || len(body)/size != dims[0] {
		return refuse("says that it holds %d images of %d bytes, and has %d bytes", dims[0], size, len(body))
	}
	inputs := make([]input, dims[0])
	for i := range inputs {
		inputs[i] = input{fmt.Sprintf("%s[%d]", path, i), body[i*size : (i+1)*size]}
	}
	return inputs, nil
}

// csv reads rows of features, which become f32.
func (r inputReader) csv(path string, b []byte) ([]input, error) {
	if r.field.DType != "f32" {
		return nil, schema.Invalidf(path, "", "is no image, and the model takes images: %s %s", r.field.DType, shapeText(r.field.Shape))
	}
	rows := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	rows.FieldsPerRecord = -1 // checked here, to name the line
	rows.ReuseRecord = true
	skip, err := r.labelColumn(path)
	if err != nil {
		return nil, err
	}
	var inputs []input
	for first := true; ; first = false {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, schema.Invalidf(path, "", "%v", err)
		}
		line, _ := rows.FieldPos(0)
		if first && r.header {
			if skip < 0 && r.label != "" {
				if skip = slices.Index(fields, r.label); skip < 0 {
					return nil, schema.Invalidf(path, "", "there is no column %q", r.label)
				}
			}
			continue
		}
		features, err := r.features(path, line, fields, skip)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, input{fmt.Sprintf("%s:%d", path, line), features})
	}
	if len(inputs) == 0 {
		return nil, schema.Invalidf(path, "", "there is no row in it")
	}
	return inputs, nil
}

// labelColumn is the number of the column to leave out, or −1 where there is none or the header has to tell.
func (r inputReader) labelColumn(path string) (int, error) {
	n, err := strconv.Atoi(r.label)
	switch {
	case err == nil && n >= 0:
		return n, nil
	case r.label != "" && !r.header:
		return 0, usagef("give the column's number, or --header", "%s: without --header, columns have no names such as %q", path, r.label)
	}
	return -1, nil
}

func (r inputReader) features(path string, line int, fields []string, skip int) ([]byte, error) {
	where, want := fmt.Sprintf("line %d", line), schema.Elements(r.field.Shape)
	if skip >= 0 && skip < len(fields) {
		fields = slices.Delete(slices.Clone(fields), skip, skip+1)
	}
	if len(fields) != want {
		e := schema.Invalidf(path, where, "%d columns; the model takes %d features", len(fields), want)
		if len(fields) == want+1 {
			e.Problems[0].Hint = "if one is the label, name it with --label"
		}
		return nil, e
	}
	out := make([]byte, 0, 4*want)
	for i, text := range fields {
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			e := schema.Invalidf(path, fmt.Sprintf("%s, column %d", where, i), "%q is not a number", text)
			if line == 1 && !r.header {
				e.Problems[0].Hint = "if the first line names the columns, say so with --header"
			}
			return nil, e
		}
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
	}
	return out, nil
}
