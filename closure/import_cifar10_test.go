package closure_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// cifar makes n records: labels from first on, and planes that say which record, colour and pixel they are of.
func cifar(n, first int) []byte {
	var b []byte
	for i := range n {
		b = append(b, byte((first+i)%10))
		for c := range 3 {
			for p := range 1024 {
				b = append(b, byte((first+i)*5+c*100+p))
			}
		}
	}
	return b
}

// importCIFAR10 writes the files of the split train and imports them.
func importCIFAR10(t *testing.T, change func(*closure.Import), files ...[]byte) (*closuretest.Memory, *schema.Dataset, error) {
	t.Helper()
	dir := t.TempDir()
	o := closure.Import{Name: "pictures", Version: "1.0.0", Splits: []closure.SplitFiles{{}}}
	for i, b := range files {
		o.Splits[0].Files = append(o.Splits[0].Files, writeFile(t, dir, "batch"+string(rune('1'+i)), b))
	}
	if change != nil {
		change(&o)
	}
	store := new(closuretest.Memory)
	d, _, err := closure.ImportCIFAR10(t.Context(), o, store)
	return store, d, err
}

func TestImportCIFAR10(t *testing.T) {
	store, d, err := importCIFAR10(t, nil, cifar(30, 0), gzipped(cifar(20, 30)))
	if err != nil {
		t.Fatal(err)
	}
	want := schema.RecordLayout{
		Size: 3073, Input: schema.Field{DType: "u8", Shape: []int{32, 32, 3}}, Target: schema.Field{Offset: 3072, DType: "u8", Shape: []int{}},
	}
	if diff := cmp.Diff(want, d.Record); diff != "" {
		t.Error(diff)
	}
	if strings.Join(d.Classes, "") != "0123456789" || len(d.Sources) != 2 || d.Splits[0].Records != 50 {
		t.Errorf("got %+v", d)
	}
	all, seen := stored(store, d.Splits[0]), map[int]bool{}
	for i := range 50 {
		r := all[i*3073:][:3073]
		n := int(r[0]) * 205 % 256 // 205 is the inverse of 5
		seen[n] = true
		for e := range 3072 {
			if r[e] != byte(n*5+e%3*100+e/3) {
				t.Fatalf("record %d, byte %d: got %d", n, e, r[e])
			}
		}
		if int(r[3072]) != n%10 {
			t.Errorf("record %d has the label %d", n, r[3072])
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d different records", len(seen))
	}
	t.Run("class names and a test split", func(t *testing.T) {
		names := strings.Fields("airplane automobile bird cat deer dog frog horse ship truck")
		_, d, err := importCIFAR10(t, func(o *closure.Import) { o.Classes, o.TestFraction = names, 0.2 }, cifar(50, 0))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(names, d.Classes); diff != "" || len(d.Splits) != 2 || d.Splits[0].Records != 10 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestImportCIFAR10Refuses(t *testing.T) {
	good := cifar(3, 0)
	wrong := bytes.Clone(good)
	wrong[2*3073] = 10
	for _, tc := range []struct {
		name   string
		file   []byte
		change func(*closure.Import)
		want   string
	}{
		{"empty", nil, nil, "batch1: the file is empty"},
		{"empty inside gzip", gzipped(nil), nil, "batch1: record 0: the file is truncated: it ends after 0 of the 3073 bytes"},
		{"cut", good[:len(good)-1], nil, "batch1: record 2: the file is truncated: it ends after 3072 of the 3073 bytes of a record"},
		{"one byte more", append(bytes.Clone(good), 0), nil, "batch1: record 3: the file is truncated: it ends after 1 of"},
		{"gzip cut", gzipped(good)[:200], nil, "batch1: its gzip data is truncated"},
		{"label", wrong, nil, "batch1: record 2: the label, byte 6146 of the file, is 10; labels are 0 to 9"},
		{"another file", []byte("\x89PNG\r\n\x1a\n"), nil, "batch1: record 0: the label is 137, not 0 to 9: not a CIFAR-10 file, but a PNG image"},
		{"text", []byte("airplane\n"), nil, "not a CIFAR-10 file, but text"},
		{"nine classes", good, func(o *closure.Import) { o.Classes = strings.Split("abcdefghi", "") }, "classes: 9 are named; CIFAR-10 has 10"},
		{"no file", good, func(o *closure.Import) { o.Splits[0].Files = nil }, "splits.train: no file to import: a CIFAR-10 split is one or more files"},
		{"memory", good, func(o *closure.Import) { o.Memory = 4000 }, "more than 4000 bytes"},
		{"header", good, func(o *closure.Import) { o.Header = true }, "a CIFAR-10 file has no columns"},
		{"resize", good, func(o *closure.Import) { o.Resize = [2]int{8, 8} }, "resize and channels are options of folders of images: a CIFAR-10 file is taken as it is"},
		{"tokens", good, func(o *closure.Import) { o.Tokens = "bytes" }, "tokens is an option of text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := importCIFAR10(t, tc.change, tc.file)
			wantInvalid(t, err, tc.want)
		})
	}
}

func FuzzCIFAR10(f *testing.F) {
	f.Add(cifar(2, 0))
	f.Add(gzipped(cifar(1, 9)))
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, file []byte) {
		store, d, err := importCIFAR10(t, func(o *closure.Import) { o.MaxBytes, o.Memory = 1<<20, 1<<20 }, file)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
			t.Error(err)
		}
	})
}
