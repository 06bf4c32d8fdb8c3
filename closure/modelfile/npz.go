package modelfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// readNPZ reads the archive that numpy.savez writes: a .npy file for each array
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
func readNPZ(name string, data []byte) (*Model, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, schema.Invalidf(name, "", "is no zip archive: %v", err)
	}
	m := &Model{Format: NPZ, Layout: LayoutReprise}
	left := int64(MaxSize)
	for _, f := range archive.File {
		array, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			return nil, schema.Invalidf(name, f.Name, "is no array: only .npy files are read")
		}
		if f.UncompressedSize64 > uint64(left) {
			return nil, schema.Invalidf(name, f.Name, "unpacked, the arrays have more than %d bytes", MaxSize)
		}
		left -= int64(f.UncompressedSize64)
		r, err := f.Open()
		if err != nil {
			return nil, schema.Invalidf(name, f.Name, "%v", err)
		}
		// Memory grows with what is unpacked; a size that lies is found by the archive's own check, or here.
		b, err := io.ReadAll(io.LimitReader(r, int64(f.UncompressedSize64)+1))
		r.Close()
		if err != nil {
			return nil, schema.Invalidf(name, f.Name, "%v", err)
		}
		t, problem := readNPY(array, b)
		if problem != "" {
			return nil, schema.Invalidf(name, f.Name, "%s", problem)
		}
		m.Tensors = append(m.Tensors, t)
	}
	return m, nil
}

var (
	npyDescr   = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// npyDTypes are the element types that are read, little endian.
var npyDTypes = map[string]string{"<f4": "f32", "<f8": "f64", "<i4": "i32", "<i8": "i64", "|u1": "u8", "|i1": "i8"}

// readNPY reads one array; the text says what is wrong, or is empty.
func readNPY(name string, b []byte) (t closure.Tensor, problem string) {
	if len(b) < 12 || !bytes.HasPrefix(b, []byte("\x93NUMPY")) {
		return t, "is not in NumPy's format"
	}
	header, at := 0, 10
	switch b[6] {
	case 1:
		header = int(binary.LittleEndian.Uint16(b[8:]))
	case 2, 3:
		header, at = int(binary.LittleEndian.Uint32(b[8:])), 12
	default:
		return t, "is in a later version of NumPy's format"
	}
	if header > len(b)-at {
		return t, "ends within its header"
	}
	text, content := string(b[at:at+header]), b[at+header:]
	descr, fortran, shape := npyDescr.FindStringSubmatch(text), npyFortran.FindStringSubmatch(text), npyShape.FindStringSubmatch(text)
	if descr == nil || fortran == nil || shape == nil {
		return t, "has no descr, fortran_order and shape in its header"
	}
	dtype, ok := npyDTypes[descr[1]]
	if !ok {
		return t, "has elements of type " + strconv.Quote(descr[1]) + "; float32 and float64 are read"
	}
	var dims []int64
	for _, d := range strings.FieldsFunc(shape[1], func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.ParseInt(d, 10, 32)
		if err != nil {
			return t, "has an impossible shape"
		}
		dims = append(dims, n)
	}
	if fortran[1] == "True" && len(dims) > 1 {
		return t, "is stored by columns (fortran_order); save numpy.ascontiguousarray of it"
	}
	n, ok := elements(dims)
	if !ok || n*schema.DTypeSize(dtype) != len(content) {
		return t, "has " + strconv.Itoa(len(content)) + " bytes, which are not those of its shape"
	}
	return closure.Tensor{Name: name, DType: dtype, Shape: ints(dims), Data: content}, ""
}
