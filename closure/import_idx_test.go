package closure_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// idx makes an IDX file.
func idx(dtype byte, data []byte, dims ...int) []byte {
	b := []byte{0, 0, dtype, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, data...)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// idxPixels are n images of 28×28 and their labels; the first two pixels say which image it is.
func idxPixels(n int) (images, labels []byte) {
	for i := range n {
		image := make([]byte, 28*28)
		image[0], image[1], image[783] = byte(i), byte(i>>8), 255
		images = append(images, image...)
		labels = append(labels, byte(i%10))
	}
	return images, labels
}

// importIDX writes the files of one split and imports them.
func importIDX(t *testing.T, images, labels []byte, change func(*closure.Import)) (*closuretest.Memory, *schema.Dataset, error) {
	t.Helper()
	dir := t.TempDir()
	o := closure.Import{Name: "digits", Version: "1.0.0", Splits: []closure.SplitFiles{
		{Files: []string{writeFile(t, dir, "images", images), writeFile(t, dir, "labels", labels)}},
	}}
	if change != nil {
		change(&o)
	}
	store := new(closuretest.Memory)
	d, _, err := closure.ImportIDX(t.Context(), o, store)
	return store, d, err
}

func TestImportIDX(t *testing.T) {
	pixels, classes := idxPixels(1500)
	images, labels := idx(8, pixels, 1500, 28, 28), idx(8, classes, 1500)
	var progress []closure.Progress
	store, d, err := importIDX(t, gzipped(images), labels, func(o *closure.Import) {
		o.License, o.Seed = "MIT", 3
		o.Progress = func(p closure.Progress) { progress = append(progress, p) }
	})
	if err != nil {
		t.Fatal(err)
	}
	want := schema.RecordLayout{
		Size: 785, Input: schema.Field{DType: "u8", Shape: []int{28, 28, 1}}, Target: schema.Field{Offset: 784, DType: "u8", Shape: []int{}},
	}
	if diff := cmp.Diff(want, d.Record); diff != "" {
		t.Error(diff)
	}
	if strings.Join(d.Classes, "") != "0123456789" || len(d.Splits) != 1 || d.Splits[0].Name != "train" || d.Splits[0].Records != 1500 {
		t.Errorf("got classes %q, splits %+v", d.Classes, d.Splits)
	}
	wantSources := []schema.Source{
		{Name: "images", Size: int64(len(gzipped(images))), Digest: schema.DigestOf(gzipped(images))},
		{Name: "labels", Size: int64(len(labels)), Digest: schema.DigestOf(labels)},
	}
	if diff := cmp.Diff(wantSources, d.Sources, cmp.Comparer(func(a, b schema.Digest) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	all := stored(store, d.Splits[0])
	for i := range 1500 {
		r := all[i*785:][:785]
		n := int(r[0]) | int(r[1])<<8
		if int(r[784]) != n%10 || !bytes.Equal(r[:784], pixels[n*784:][:784]) {
			t.Fatalf("record %d, which was image %d, is torn", i, n)
		}
	}
	last := progress[len(progress)-1]
	if len(progress) < 2 || last.Records != 1500 || last.Read != last.Size || last.File != "labels" {
		t.Errorf("got progress %+v", progress)
	}

	// Compression is not part of a dataset, only of its sources.
	_, plain, err := importIDX(t, images, gzipped(labels), func(o *closure.Import) { o.License, o.Seed = "MIT", 3 })
	if err != nil || plain.Content != d.Content {
		t.Errorf("got %v, %v", plain, err)
	}
}

func TestImportIDXOptions(t *testing.T) {
	pixels, classes := idxPixels(100)
	images, labels := idx(8, pixels, 100, 28, 28), idx(8, classes, 100)
	t.Run("held out", func(t *testing.T) {
		_, d, err := importIDX(t, images, labels, func(o *closure.Import) { o.TestFraction = 0.2 })
		if err != nil || len(d.Splits) != 2 || d.Splits[0].Records != 20 || d.Splits[1].Records != 80 {
			t.Fatalf("got %+v, %v", d, err)
		}
	})
	t.Run("two splits", func(t *testing.T) {
		_, d, err := importIDX(t, images, labels, func(o *closure.Import) {
			o.Splits = append(o.Splits, o.Splits[0])
			o.Splits[0].Name, o.Splits[1].Name = "train", "test"
		})
		if err != nil || len(d.Splits) != 2 || len(d.Sources) != 4 {
			t.Fatalf("got %+v, %v", d, err)
		}
	})
	t.Run("class names", func(t *testing.T) {
		names := strings.Split("zero one two three four five six seven eight nine ten", " ")
		_, d, err := importIDX(t, images, labels, func(o *closure.Import) { o.Classes = names })
		if err != nil || len(d.Classes) != 11 || d.Classes[2] != "two" {
			t.Fatalf("got %+v, %v", d, err)
		}
	})
	t.Run("colours", func(t *testing.T) {
		_, d, err := importIDX(t, idx(8, pixels, 100, 14, 14, 4), labels, nil)
		if err != nil || !cmp.Equal(d.Record.Input.Shape, []int{14, 14, 4}) || len(d.Statistics.Mean) != 4 {
			t.Fatalf("got %+v, %v", d, err)
		}
	})
}

func TestImportIDXRefuses(t *testing.T) {
	pixels, classes := idxPixels(10)
	images, labels := idx(8, pixels, 10, 28, 28), idx(8, classes, 10)
	flipped := gzipped(images)
	flipped[len(flipped)-5] ^= 1 // in the checksum
	for _, tc := range []struct {
		name           string
		images, labels []byte
		change         func(*closure.Import)
		want           string
	}{
		{"empty", nil, labels, nil, "images: the file is empty"},
		{"three bytes", images[:3], labels, nil, "images: it has 3 bytes"},
		{"header cut", images[:9], labels, nil, "images: the file is truncated: it ends within its header"},
		{"data cut", images[:len(images)-1], labels, nil, "images: the file is truncated: it ends within record 9; its header promises 10"},
		{"data cut at a record", images[:len(images)-784], labels, nil, "images: the file is truncated: it ends within record 9"},
		{"labels cut", images, labels[:len(labels)-2], nil, "labels: the file is truncated: it ends within record 8"},
		{"trailing bytes", append(bytes.Clone(images), 0), labels, nil, "images: there are bytes after the 10 records"},
		{"trailing labels", images, append(bytes.Clone(labels), 0), nil, "labels: there are bytes after the 10 records"},
		{"gzip cut", gzipped(images)[:100], labels, nil, "images: its gzip data is truncated"},
		{"gzip checksum", flipped, labels, nil, "images: its gzip checksum is wrong"},
		{"gzip header", []byte{0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, labels, nil, "images: its gzip header is broken"},
		{"after gzip", append(gzipped(images), "garbage of more than ten bytes"...), labels, nil, "images: there are other bytes after its gzip data"},
		{"gzip twice", gzipped(gzipped(images)), labels, nil, "not an IDX file, but gzip data inside gzip data"},
		{"a PNG", []byte("\x89PNG\r\n\x1a\n"), labels, nil, "not an IDX file, but a PNG image"},
		{"a ZIP", []byte("PK\x03\x04...."), labels, nil, "not an IDX file, but a ZIP archive: unpack it first"},
		{"text", []byte("5.1,3.5"), labels, nil, "not an IDX file, but text"},
		{"binary", []byte{1, 2, 3, 4, 5}, labels, nil, "not an IDX file, but a file that begins with 01 02 03 04"},
		{"floats", idx(0x0d, nil, 10, 28, 28), labels, nil, "an IDX file of 32-bit floats; only unsigned bytes are read"},
		{"unknown type", idx(0x07, nil, 10, 28, 28), labels, nil, "not an IDX file"},
		{"swapped", labels, images, nil, "images: it holds labels and labels images: give the images first"},
		{"labels twice", labels, labels, nil, "images have three"},
		{"images twice", images, images, nil, "labels: dimensions: [10 28 28]; labels have one"},
		{"five dimensions", idx(8, pixels, 10, 28, 7, 2, 2), labels, nil, "there are 5; at most 4"},
		{"counts", images, idx(8, classes[:9], 9), nil, "labels: dimensions: 9 labels, but images holds 10 images"},
		{"no records", idx(8, nil, 0, 28, 28), idx(8, nil, 0), nil, "there is no image"},
		{"no pixels", idx(8, nil, 10, 0, 28), labels, nil, "an image has 1 to"},
		{"huge image", idx(8, nil, 10, 1<<31, 1<<31), labels, nil, "an image has 1 to"},
		{"promises too much", idx(8, pixels, 1<<31, 28, 28), idx(8, classes, 1<<31), nil, "the file is truncated"},
		{"label without class", images, labels, func(o *closure.Import) { o.Classes = []string{"a", "b"} }, "labels: record 2: the label 2 has no class: 2 are named"},
		{"decompressed size", gzipped(images), labels, func(o *closure.Import) { o.MaxBytes = 1000 }, "images: it holds more than 1000 bytes when decompressed"},
		{"memory", images, labels, func(o *closure.Import) { o.Memory = 1000 }, "more than 1000 bytes, which is all that is held in memory"},
		{"no files", images, labels, func(o *closure.Import) { o.Splits = nil }, "an IDX split is IMAGES,LABELS"},
		{"one file", images, labels, func(o *closure.Import) { o.Splits[0].Files = o.Splits[0].Files[:1] }, "1 files where 2 are needed: an IDX split is IMAGES,LABELS"},
		{"missing file", images, labels, func(o *closure.Import) { o.Splits[0].Files[0] += "x" }, "imagesx: it cannot be opened: no such file"},
		{"a folder", images, labels, func(o *closure.Import) { o.Splits[0].Files[0] = filepath.Dir(o.Splits[0].Files[0]) }, "not a regular file"},
		{"split twice", images, labels, func(o *closure.Import) {
			o.Splits = append(o.Splits, o.Splits[0])
			o.Splits[0].Name, o.Splits[1].Name = "a", "a"
		}, "splits.a: the split is given twice"},
		{"split name", images, labels, func(o *closure.Import) { o.Splits[0].Name = "Train" }, `"Train" cannot name a split`},
		{"name", images, labels, func(o *closure.Import) { o.Name = "Digits" }, "dataset.json: name"},
		{"version", images, labels, func(o *closure.Import) { o.Version = "1" }, "dataset.json: version"},
		{"fraction", images, labels, func(o *closure.Import) { o.TestFraction = 1.5 }, "1.5 is not between 0 and 1"},
		{"fraction and splits", images, labels, func(o *closure.Import) {
			o.Splits = append(o.Splits, o.Splits[0])
			o.Splits[0].Name, o.Splits[1].Name, o.TestFraction = "a", "b", 0.5
		}, "there are several splits already"},
		{"column options", images, labels, func(o *closure.Import) { o.Label = "x" }, "an IDX file has no columns"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := importIDX(t, tc.images, tc.labels, tc.change)
			wantInvalid(t, err, tc.want)
			if strings.Contains(err.Error(), os.TempDir()) {
				t.Errorf("%v names a path of this machine", err)
			}
		})
	}
	t.Run("splits of two shapes", func(t *testing.T) {
		dir := t.TempDir()
		other := writeFile(t, dir, "other", idx(8, pixels, 10, 14, 56))
		_, _, err := importIDX(t, images, labels, func(o *closure.Import) {
			o.Splits = append(o.Splits, closure.SplitFiles{Name: "test", Files: []string{other, o.Splits[0].Files[1]}})
			o.Splits[0].Name = "train"
		})
		wantInvalid(t, err, "other: dimensions: its images have the shape [14 56 1], those of the split before [28 28 1]")
	})
}

func TestImportIDXCancelled(t *testing.T) {
	pixels, classes := idxPixels(10)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := closure.ImportIDX(ctx, closure.Import{Name: "x", Version: "1.0.0", Splits: []closure.SplitFiles{
		{Files: []string{writeFile(t, dir, "i", idx(8, pixels, 10, 28, 28)), writeFile(t, dir, "l", idx(8, classes, 10))}},
	}}, new(closuretest.Memory))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idx(8, make([]byte, 12), 3, 2, 2), idx(8, []byte{0, 1, 2}, 3))
	f.Add(gzipped(idx(8, make([]byte, 12), 1, 2, 2, 3)), gzipped(idx(8, []byte{9}, 1)))
	f.Add(idx(8, nil, 1<<31, 1<<31, 1<<31), idx(8, nil, 1<<31))
	f.Add([]byte{0, 0, 8, 3, 0}, []byte{})
	f.Fuzz(func(t *testing.T, images, labels []byte) {
		store, d, err := importIDX(t, images, labels, func(o *closure.Import) { o.MaxBytes, o.Memory = 1<<20, 1<<20 })
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
			t.Error(err)
		}
		for i, label := range stored(store, d.Splits[0]) {
			if i%d.Record.Size == d.Record.Target.Offset && int(label) >= len(d.Classes) {
				t.Errorf("label %d of %d classes", label, len(d.Classes))
			}
		}
	})
}
