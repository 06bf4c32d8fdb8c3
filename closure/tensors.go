package closure

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Tensor is a named array: little endian, C order.
type Tensor struct {
	Name  string
	DType string // as in schema: f32, i32, i64, …
	Shape []int  // empty for a scalar
	Data  []byte
}

// dtypes pairs the names of schema with those of safetensors, in the order of the format's own list.
var dtypes = [...]struct{ schema, file string }{
	{"u8", "U8"},
	{"i8", "I8"},
	{"i16", "I16"},
	{"u16", "U16"},
	{"i32", "I32"},
	{"u32", "U32"},
	{"f32", "F32"},
	{"f64", "F64"},
	{"i64", "I64"},
}

// fileDType is the safetensors name of a schema dtype and its place in the order, or -1.
func fileDType(dtype string) (string, int) {
	for i, d := range dtypes {
		if d.schema == dtype {
			return d.file, i
		}
	}
	return "", -1
}

// check says what makes a tensor impossible.
func (t Tensor) check() error {
	if t.Name == "" || t.Name == metadataKey || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' || r == '\x7f' || r == '\uFFFD' }) {
		return fmt.Errorf("%q cannot name a tensor", t.Name)
	}
	if _, i := fileDType(t.DType); i < 0 {
		return fmt.Errorf("tensor %s: unknown dtype %q", t.Name, t.DType)
	}
	size, ok := tensorBytes(t.Shape, schema.DTypeSize(t.DType))
	if !ok || size != int64(len(t.Data)) {
		return fmt.Errorf("tensor %s: %d bytes are not %s of shape %v", t.Name, len(t.Data), t.DType, t.Shape)
	}
	return nil
}

// maxTensor bounds sizes, so that sums of a few cannot overflow.
const maxTensor = 1 << 48

// tensorBytes multiplies a shape out; false where a dimension is negative or the product passes maxTensor.
func tensorBytes(shape []int, size int) (int64, bool) {
	n := int64(size)
	zero := false
	for _, d := range shape {
		switch {
		case d < 0 || int64(d) > maxTensor:
			return 0, false
		case d == 0:
			zero = true
		case n > maxTensor/int64(d):
			return 0, false
		default:
			n *= int64(d)
		}
	}
	if zero {
		return 0, true
	}
	return n, true
}

// ContentDigest identifies tensors whatever the file that holds them: sha256 over one line for each of them, sorted by
// name over all groups:
//
//	name TAB dtype TAB d0,d1,… TAB sha256-of-bytes LF
//
// with dtypes as safetensors writes them and hashes in bare hex. The run digest is that of parameters and state together.
// A name that occurs twice, or a tensor whose bytes do not fit its shape, is an error.
func ContentDigest(groups ...[]Tensor) (schema.Digest, error) {
	all := slices.Concat(groups...)
	slices.SortStableFunc(all, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	for i, t := range all {
		if err := t.check(); err != nil {
			return schema.Digest{}, err
		}
		if i > 0 && all[i-1].Name == t.Name {
			return schema.Digest{}, fmt.Errorf("tensor %s is there twice", t.Name)
		}
		dtype, _ := fileDType(t.DType)
		dims := make([]string, len(t.Shape))
		for j, d := range t.Shape {
			dims[j] = strconv.Itoa(d)
		}
		sum := sha256.Sum256(t.Data)
		fmt.Fprintf(h, "%s\t%s\t%s\t%s\n", t.Name, dtype, strings.Join(dims, ","), hex.EncodeToString(sum[:]))
	}
	return schema.DigestFromSum([sha256.Size]byte(h.Sum(nil))), nil
}
