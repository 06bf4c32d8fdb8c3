package closure_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// someTensors has every dtype that matters, a scalar and an empty tensor, in no particular order.
func someTensors() []closure.Tensor {
	return []closure.Tensor{
		{Name: "b", DType: "f32", Shape: []int{2, 1}, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{Name: "bytes", DType: "u8", Shape: []int{3}, Data: []byte{7, 8, 9}},
		{Name: "seed", DType: "i64", Shape: []int{}, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0}},
		{Name: "a", DType: "f32", Shape: []int{0, 5}, Data: []byte{}},
		{Name: "exponents <é>", DType: "i32", Shape: []int{1}, Data: []byte{9, 9, 9, 9}},
	}
}

const someHeader = `{"__metadata__":{"a":"1","b":"<2>"},` +
	`"seed":{"dtype":"I64","shape":[],"data_offsets":[0,8]},` +
	`"a":{"dtype":"F32","shape":[0,5],"data_offsets":[8,8]},` +
	`"b":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},` +
	`"exponents <é>":{"dtype":"I32","shape":[1],"data_offsets":[16,20]},` +
	`"bytes":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}}`

// file makes a safetensors file of a header and so many bytes of data.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestWriteSafetensors(t *testing.T) {
	var b bytes.Buffer
	if err := closure.WriteSafetensors(&b, someTensors(), map[string]string{"b": "<2>", "a": "1"}); err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b.Bytes())
	header := string(b.Bytes()[8 : 8+n])
	if n%8 != 0 || strings.TrimRight(header, " ") != someHeader {
		t.Errorf("got  %s\nwant %s", header, someHeader)
	}
	wantData := []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 7, 8, 9}
	if diff := cmp.Diff(wantData, b.Bytes()[8+n:]); diff != "" {
		t.Error(diff)
	}
	tensors, metadata, err := closure.ReadSafetensors(iotest.OneByteReader(bytes.NewReader(b.Bytes())), int64(b.Len()), "model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "<2>"}, metadata); diff != "" {
		t.Error(diff)
	}
	if got, want := must(closure.ContentDigest(tensors))(t), must(closure.ContentDigest(someTensors()))(t); got != want {
		t.Errorf("content digest %s became %s", want, got)
	}
}

func TestWriteSafetensorsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tensor closure.Tensor
		want   string
	}{
		{"duplicate", closure.Tensor{Name: "b", DType: "f32", Shape: []int{}, Data: make([]byte, 4)}, "tensor b is there twice"},
		{"bytes", closure.Tensor{Name: "x", DType: "f32", Shape: []int{2}, Data: make([]byte, 4)}, "4 bytes are not f32 of shape [2]"},
		{"negative", closure.Tensor{Name: "x", DType: "f32", Shape: []int{-1}}, "of shape [-1]"},
		{"overflow", closure.Tensor{Name: "x", DType: "f32", Shape: []int{1 << 40, 1 << 40}}, "0 bytes are not"},
		{"dtype", closure.Tensor{Name: "x", DType: "F32", Shape: []int{1}, Data: make([]byte, 4)}, `unknown dtype "F32"`},
		{"no name", closure.Tensor{DType: "f32", Shape: []int{1}, Data: make([]byte, 4)}, `"" cannot name a tensor`},
		{"tab in the name", closure.Tensor{Name: "a\tb", DType: "f32", Shape: []int{1}, Data: make([]byte, 4)}, "cannot name a tensor"},
		{"reserved name", closure.Tensor{Name: "__metadata__", DType: "f32", Shape: []int{1}, Data: make([]byte, 4)}, "cannot name a tensor"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tensors := append(someTensors(), tc.tensor)
			if err := closure.WriteSafetensors(new(bytes.Buffer), tensors, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("write: got %v, want %s", err, tc.want)
			}
			if _, err := closure.ContentDigest(tensors); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("digest: got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestReadSafetensorsAccepts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		file   []byte
		tensor int
	}{
		{"nothing", file(`{}`, 0), 0},
		{"any order", file(`{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8), 2},
		{"any order of keys, spaces", file(`{ "b" : {"data_offsets":[0, 4],"shape":[ ],"dtype":"F32"} }   `, 4), 1},
		{"unaligned", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}}`, 9), 2},
		{"several empty tensors", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), 2},
		{"a large dimension of an empty tensor", file(`{"a":{"dtype":"U8","shape":[0,281474976710656],"data_offsets":[0,0]}}`, 0), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tensors, _, err := closure.ReadSafetensors(bytes.NewReader(tc.file), int64(len(tc.file)), "f")
			if err != nil || len(tensors) != tc.tensor {
				t.Fatalf("got %v, %v", tensors, err)
			}
		})
	}
}

func TestReadSafetensorsRefuses(t *testing.T) {
	one := func(body string) []byte { return file(`{"a":`+body+`}`, 8) }
	for _, tc := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "ends within the length of the header"},
		{"seven bytes", make([]byte, 7), "ends within the length of the header"},
		{"header longer than the file", []byte{9, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, "not a safetensors file"},
		{"header length overflows", append(bytes.Repeat([]byte{0xff}, 8), "{}"...), "not a safetensors file"},
		{"header over the limit", append(binary.LittleEndian.AppendUint64(nil, 100_000_001), make([]byte, 64)...), "not a safetensors file"},
		{"no header", make([]byte, 8), "does not begin with {"},
		{"leading space", file(` {}`, 0), "does not begin with {"},
		{"a list", file(`[]`, 0), "does not begin with {"},
		{"not JSON", file(`{"a"`, 0), "not JSON"},
		{"trailing comma", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},}`, 0), "not JSON"},
		{"after the brace", file(`{}x`, 0), "only spaces may follow"},
		{"newline after the brace", file("{}\n", 0), "only spaces may follow"},
		{"two objects", file(`{}{}`, 0), "only spaces may follow"},
		{"not UTF-8", file("{\"\xff\":{}}", 0), "UTF-8"},
		{"duplicate tensor", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), `"a" is there twice`},
		{"duplicate by escape", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), `"a" is there twice`},
		{"duplicate key", one(`{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}`), `"dtype" is there twice`},
		{"duplicate metadata", file(`{"__metadata__":{"x":"1","x":"2"}}`, 0), `"x" is there twice`},
		{"metadata number", file(`{"__metadata__":{"x":1}}`, 0), "__metadata__.x: a string is needed"},
		{"metadata list", file(`{"__metadata__":[]}`, 0), "__metadata__: an object is needed"},
		{"unknown key", one(`{"dtype":"U8","shape":[8],"data_offsets":[0,8],"extra":1}`), "a.extra: unknown key"},
		{"key in capitals", one(`{"DType":"U8","shape":[8],"data_offsets":[0,8]}`), "a.DType: unknown key"},
		{"tensor is a number", one(`1`), "a: an object is needed"},
		{"missing dtype", one(`{"shape":[8],"data_offsets":[0,8]}`), `"" is not a dtype`},
		{"missing shape", one(`{"dtype":"U8","data_offsets":[0,8]}`), "a shape and two ascending data_offsets"},
		{"missing offsets", one(`{"dtype":"U8","shape":[8]}`), "two ascending data_offsets"},
		{"three offsets", one(`{"dtype":"U8","shape":[8],"data_offsets":[0,4,8]}`), "two ascending data_offsets"},
		{"descending offsets", one(`{"dtype":"U8","shape":[8],"data_offsets":[8,0]}`), "two ascending data_offsets"},
		{"half precision", one(`{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}`), `"BF16" is not a dtype that engines use`},
		{"null shape", one(`{"dtype":"U8","shape":null,"data_offsets":[0,8]}`), "a list is needed"},
		{"fraction", one(`{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]}`), `"8.0" is not an integer`},
		{"exponent", one(`{"dtype":"U8","shape":[8e0],"data_offsets":[0,8]}`), `"8e0" is not an integer`},
		{"negative", one(`{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}`), `"-8" is not an integer`},
		{"minus zero", one(`{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}`), `"-0" is not an integer`},
		{"above 2^48", one(`{"dtype":"U8","shape":[281474976710657],"data_offsets":[0,8]}`), "is not an integer"},
		{"string dimension", one(`{"dtype":"U8","shape":["8"],"data_offsets":[0,8]}`), "is not an integer"},
		{"product overflows to 0", one(`{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}`), "are not U8 of shape"},
		{"product times size overflows", one(`{"dtype":"I64","shape":[281474976710656,281474976710656],"data_offsets":[0,8]}`), "are not I64 of shape"},
		{"product overflows beside a zero", one(`{"dtype":"U8","shape":[0,281474976710656,281474976710656],"data_offsets":[0,0]}`), "are not U8 of shape"},
		{"shape and offsets differ", one(`{"dtype":"F32","shape":[3],"data_offsets":[0,8]}`), "8 bytes are not F32 of shape [3]"},
		{"begins late", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "begins at 1"},
		{"hole", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3), "b.data_offsets: it begins at 2"},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "b.data_offsets: it begins at 1"},
		{"truncated data", file(`{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}`, 8), "the tensors take 9 bytes of data, the file holds 8"},
		{"trailing data", file(`{"a":{"dtype":"U8","shape":[7],"data_offsets":[0,7]}}`, 8), "the tensors take 7 bytes of data, the file holds 8"},
		{"deep nesting", one(strings.Repeat("[", 100000)), "an object is needed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := closure.ReadSafetensors(bytes.NewReader(tc.file), int64(len(tc.file)), "model.safetensors")
			wantInvalid(t, err, tc.want)
			if !strings.HasPrefix(err.Error(), "model.safetensors: ") {
				t.Errorf("%v does not name the file", err)
			}
		})
	}
}

// The stated size may be wrong, and then decides nothing but the refusal.
func TestReadSafetensorsChecksSize(t *testing.T) {
	var b bytes.Buffer
	if err := closure.WriteSafetensors(&b, someTensors(), nil); err != nil {
		t.Fatal(err)
	}
	read := func(file []byte, size int64) error {
		_, _, err := closure.ReadSafetensors(bytes.NewReader(file), size, "f")
		return err
	}
	size := int64(b.Len())
	wantInvalid(t, read(b.Bytes(), size+1), "the file holds")
	wantInvalid(t, read(b.Bytes()[:size-1], size), "the file ends within tensor bytes")
	wantInvalid(t, read(append(b.Bytes(), 0), size), "there are bytes after the last tensor")
	wantInvalid(t, read(b.Bytes(), closure.MaxSafetensors+1), "at most 4294967296 are read")
	huge := file(`{"a":{"dtype":"U8","shape":[4294967000],"data_offsets":[0,4294967000]}}`, 3)
	wantInvalid(t, read(huge, int64(len(huge))-3+4294967000), "the file ends within tensor a")
}

func TestReadSafetensorsPassesDamage(t *testing.T) {
	var b bytes.Buffer
	if err := closure.WriteSafetensors(&b, someTensors(), nil); err != nil {
		t.Fatal(err)
	}
	digest := schema.DigestOf(b.Bytes())
	b.Bytes()[b.Len()-1] ^= 1
	_, _, err := closure.ReadSafetensors(closure.VerifyReader(bytes.NewReader(b.Bytes()), "f", digest, int64(b.Len())), int64(b.Len()), "f")
	wantDamaged(t, err, "f")
}

func TestContentDigest(t *testing.T) {
	parameters := []closure.Tensor{
		{Name: "w", DType: "f32", Shape: []int{1, 2}, Data: []byte{0, 0, 128, 63, 0, 0, 0, 64}},
		{Name: "b", DType: "f32", Shape: []int{0}, Data: nil},
	}
	state := []closure.Tensor{{Name: "seed", DType: "i64", Shape: nil, Data: []byte{42, 0, 0, 0, 0, 0, 0, 0}}}
	both := must(closure.ContentDigest(parameters, state))(t)
	if both != must(closure.ContentDigest(state, parameters))(t) {
		t.Error("the order of groups matters")
	}
	if both == must(closure.ContentDigest(parameters))(t) {
		t.Error("the state does not matter")
	}
	want := schema.DigestOf([]byte(
		"b\tF32\t0\t" + schema.DigestOf(nil).Hex() + "\n" +
			"seed\tI64\t\t" + schema.DigestOf(state[0].Data).Hex() + "\n" +
			"w\tF32\t1,2\t" + schema.DigestOf(parameters[0].Data).Hex() + "\n"))
	if both != want {
		t.Errorf("got %s, want %s", both, want)
	}
	if _, err := closure.ContentDigest(parameters, parameters); err == nil {
		t.Error("equal names in two groups are accepted")
	}
}

func FuzzSafetensors(f *testing.F) {
	var b bytes.Buffer
	if err := closure.WriteSafetensors(&b, someTensors(), map[string]string{"k": "v"}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(file(`{"a":{"dtype":"U8","shape":[0,281474976710656],"data_offsets":[0,0]}}`, 0))
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8))
	f.Add(file(`{}   `, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		tensors, metadata, err := closure.ReadSafetensors(bytes.NewReader(b), int64(len(b)), "f")
		if err != nil {
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Fatalf("%v is no *schema.Invalid", err)
			}
			return
		}
		// What is read can be written, and is then a fixed point, unless a name cannot be one of ours.
		var once, twice bytes.Buffer
		if closure.WriteSafetensors(&once, tensors, metadata) != nil {
			return
		}
		again, metadata, err := closure.ReadSafetensors(bytes.NewReader(once.Bytes()), int64(once.Len()), "f")
		if err != nil {
			t.Fatal(err)
		}
		if err := closure.WriteSafetensors(&twice, again, metadata); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("not a fixed point: %v", err)
		}
	})
}
