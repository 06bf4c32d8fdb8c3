package closure

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// The safetensors format: u64 little-endian header length, JSON header, data.
// See https://github.com/huggingface/safetensors#format.
const (
	metadataKey = "__metadata__"

	// maxSafetensorsHeader is the format's own bound.
	maxSafetensorsHeader = 100_000_000
	// MaxSafetensors bounds a file, because tensors are read into memory and engines address 32 bits.
	MaxSafetensors = 1 << 32
)

// WriteSafetensors writes tensors, in any order, to the one file that they have: by descending dtype in the order of the
// format's list, then by name; metadata sorted; header padded with spaces to a multiple of 8. Impossible tensors and
// names that occur twice are errors.
func WriteSafetensors(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	sorted := slices.Clone(tensors)
	slices.SortStableFunc(sorted, func(a, b Tensor) int {
		_, i := fileDType(a.DType)
		_, j := fileDType(b.DType)
		return cmp.Or(cmp.Compare(j, i), strings.Compare(a.Name, b.Name))
	})
	header, err := safetensorsHeader(sorted, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range sorted {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

func safetensorsHeader(sorted []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(metadata) > 0 {
		b.WriteString(`"` + metadataKey + `":{`)
		for i, k := range slices.Sorted(maps.Keys(metadata)) {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(jsonString(k))
			b.WriteByte(':')
			b.Write(jsonString(metadata[k]))
		}
		b.WriteByte('}')
	}
	names := map[string]bool{}
	begin := int64(0)
	for _, t := range sorted {
		if err := t.check(); err != nil {
			return nil, err
		}
		if names[t.Name] {
			return nil, fmt.Errorf("tensor %s is there twice", t.Name)
		}
		names[t.Name] = true
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		dims := make([]string, len(t.Shape))
		for i, d := range t.Shape {
			dims[i] = strconv.Itoa(d)
		}
		dtype, _ := fileDType(t.DType)
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}`,
			jsonString(t.Name), dtype, strings.Join(dims, ","), begin, begin+int64(len(t.Data)))
		begin += int64(len(t.Data))
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxSafetensorsHeader || begin > MaxSafetensors-int64(b.Len())-8 {
		return nil, fmt.Errorf("the tensors take more than %d bytes", int64(MaxSafetensors))
	}
	return b.Bytes(), nil
}

func jsonString(s string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic("a string encodes: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// ReadSafetensors reads a file of size bytes, which errors call name. It is strict: beyond the format's own rules it
// refuses duplicate or unknown keys, numbers that are not plain integers, overlapping or unused bytes, trailing bytes and
// dtypes that no engine uses. Sizes are checked against size before memory is allocated. Tensors come in the order of
// their data. A file that is not acceptable gives *schema.Invalid; errors of r, such as *schema.Damaged, pass through.
func ReadSafetensors(r io.Reader, size int64, name string) ([]Tensor, map[string]string, error) {
	refuse := func(place, format string, args ...any) ([]Tensor, map[string]string, error) {
		return nil, nil, schema.Invalidf(name, place, format, args...)
	}
	if size > MaxSafetensors {
		return refuse("", "%d bytes; at most %d are read", size, int64(MaxSafetensors))
	}
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, nil, shortRead(err, name, "the length of the header")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxSafetensorsHeader || int64(n) > size-8 {
		return refuse("header", "its length is %d, in a file of %d bytes: not a safetensors file", n, size)
	}
	header, err := readGrowing(r, int64(n))
	if err != nil {
		return nil, nil, shortRead(err, name, "the header")
	}
	tensors, metadata, problem := parseSafetensorsHeader(header, size-8-int64(n))
	if problem != nil {
		return refuse(problem.Path, "%s", problem.Message)
	}
	for i := range tensors {
		t := &tensors[i].Tensor
		if t.Data, err = readGrowing(r, tensors[i].bytes()); err != nil {
			return nil, nil, shortRead(err, name, "tensor "+t.Name)
		}
	}
	// This also lets a verifying reader give its verdict.
	if extra, err := io.CopyN(io.Discard, r, 1); extra > 0 {
		return refuse("", "there are bytes after the last tensor")
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	result := make([]Tensor, len(tensors))
	for i, t := range tensors {
		result[i] = t.Tensor
	}
	return result, metadata, nil
}

// shortRead makes an early end an *schema.Invalid; other errors pass.
func shortRead(err error, name, what string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return schema.Invalidf(name, "", "the file ends within %s", what)
	}
	return err
}

// readGrowing reads n bytes. Memory grows with what arrives, so that a wrong size cannot claim it all.
func readGrowing(r io.Reader, n int64) ([]byte, error) {
	const step = 16 << 20
	b := make([]byte, 0, min(n, step))
	for int64(len(b)) < n {
		have := len(b)
		b = slices.Grow(b, int(min(n-int64(have), max(step, int64(have)))))
		b = b[:min(int64(cap(b)), n)]
		m, err := io.ReadFull(r, b[have:])
		if err != nil {
			return b[:have+m], err
		}
	}
	return b, nil
}
