package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

// tree writes files, with their folders.
func (d *desk) tree(files map[string]string) string {
	d.Helper()
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(d.path(name)), 0o777); err != nil {
			d.Fatal(err)
		}
		d.write(name, content)
	}
	return d.dir
}

// imported is what an import reports.
func (d *desk) imported(args ...string) *schema.DatasetReport {
	d.Helper()
	return report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, append([]string{"dataset", "import"}, args...)...)
}

func plainPNG(width, height int, c color.Color) string {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		m.Set(i%width, i/width, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.String()
}

func TestImportImages(t *testing.T) {
	d := newDesk(t)
	blue := color.NRGBA{B: 200, A: 255}
	d.tree(map[string]string{
		"pets/cat/1.png": plainPNG(4, 6, blue), "pets/cat/2.png": plainPNG(5, 5, blue), "pets/dog/1.png": plainPNG(9, 3, color.White),
		"pets/dog/2.png": plainPNG(9, 3, color.White), "pets/.DS_Store": "x", "pets/notes.txt": "x",
	})
	o := d.done("dataset", "import", "images", d.path("pets"), "--resize", "3x2", "--test-fraction", "0.5", "--name", "pets:1.0.0")
	for _, want := range []string{"u8 3×2×3 → u8 scalar, 19 bytes", "cat, dog", "pets.sha256", "skipped    2 files that are no images"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is missing in %s", want, o.stdout)
		}
	}
	grey := d.imported("images", "--split", "train="+d.path("pets"), "--resize", "3X2", "--channels", "1", "--name", "grey:1.0.0")
	if diff := cmp.Diff([]int{3, 2, 1}, grey.Record.Input.Shape); diff != "" || grey.Splits["train"] != 4 {
		t.Errorf("%+v %s", grey, diff)
	}
	if o := d.done("dataset", "show", "pets:1.0.0", "--sheet", d.path("sheet.png")); !strings.Contains(o.stdout, "sheet.png") {
		t.Error(o.stdout)
	}
}

func TestImportCIFAR10(t *testing.T) {
	d := newDesk(t)
	batch := strings.Repeat("\x03"+strings.Repeat("x", 3072), 4)
	names := "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"
	d.tree(map[string]string{
		"cifar/data_batch_1.bin": batch, "cifar/data_batch_2.bin": batch, "cifar/test_batch.bin": batch, "cifar/batches.meta.txt": names,
		"cifar/readme.html": "<html>",
	})
	folder := d.imported("cifar10", d.path("cifar"), "--name", "cifar10:1.0.0")
	if diff := cmp.Diff(map[string]int64{"train": 8, "test": 4}, folder.Splits); diff != "" || folder.Classes[3] != "cat" || len(folder.Classes) != 10 {
		t.Errorf("%+v %s", folder, diff)
	}
	files := d.imported("cifar10", "--split", "test="+d.path("cifar/test_batch.bin"), "--classes", d.path("cifar/batches.meta.txt"),
		"--split", "train="+d.path("cifar/data_batch_1.bin")+","+d.path("cifar/data_batch_2.bin"), "--name", "cifar10:1.0.0")
	if files.Digest != folder.Digest {
		t.Errorf("the digest is %s, from the folder %s", files.Digest, folder.Digest)
	}
	numbers := d.imported("cifar10", d.path("cifar/data_batch_1.bin"), d.path("cifar/data_batch_2.bin"), "--name", "numbers:1.0.0")
	if numbers.Splits["train"] != 8 || numbers.Classes[3] != "3" {
		t.Errorf("%+v", numbers)
	}
}

func TestImportText(t *testing.T) {
	d := newDesk(t)
	play := d.write("play.txt", "tö be\n")
	r := d.imported("text", play, "--test-fraction", "0.34", "--name", "play:1.0.0")
	if diff := cmp.Diff([]string{"\n", " ", "b", "e", "t", "ö"}, r.Classes); diff != "" || r.Splits["train"] != 4 || r.Splits["test"] != 2 {
		t.Errorf("%+v %s", r, diff)
	}
	if b := d.imported("text", play, "--tokens", "bytes", "--name", "bytes:1.0.0"); !slices.Contains(b.Classes, `\xc3`) || b.Splits["train"] != 7 {
		t.Errorf("%+v", b)
	}
	if o := d.done("dataset", "show", "play:1.0.0"); !strings.Contains(o.stdout, `"\n", " ", b, e, t, ö`) {
		t.Error(o.stdout)
	}
}

func TestImportFilesRefuses(t *testing.T) {
	d := newDesk(t)
	d.tree(map[string]string{
		"pets/cat/1.png": plainPNG(4, 6, color.White), "pets/dog/1.png": plainPNG(4, 5, color.White), "empty/x": "x",
		"latin.txt": "caf\xe9", "short.bin": "\x01short", "nine.txt": "a\nb\n",
	})
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"no folder", []string{"images"}, []string{"no file to import"}},
		{"two folders", []string{"images", d.path("pets"), d.path("empty")}, []string{"unexpected argument"}},
		{"not there", []string{"images", d.path("nowhere")}, []string{"nowhere: there is no such file"}},
		{"two sizes", []string{"images", d.path("pets")}, []string{"dog/1.png: it has 5×4 pixels", "give a size"}},
		{"size", []string{"images", d.path("pets"), "--resize", "32"}, []string{`--resize "32" is not HxW`, "--resize 32x32"}},
		{"size of nothing", []string{"images", d.path("pets"), "--resize", "0x4"}, []string{"is not HxW"}},
		{"no images", []string{"images", d.path("empty")}, []string{"there is no JPEG, PNG or GIF image in it"}},
		{"folder without batches", []string{"cifar10", d.path("pets")}, []string{"there is no file *.bin", "--split train=FILE,FILE"}},
		{"cut batch", []string{"cifar10", d.path("short.bin")}, []string{"short.bin: record 0: the file is truncated"}},
		{"two classes", []string{"cifar10", d.path("short.bin"), "--classes", d.path("nine.txt")}, []string{"2 are named; CIFAR-10 has 10"}},
		{"no such classes", []string{"cifar10", d.path("short.bin"), "--classes", d.path("no.txt")}, []string{"no.txt: there is no such file"}},
		{"not UTF-8", []string{"text", d.path("latin.txt")}, []string{"latin.txt: line 1: the byte 0xe9", "take bytes as tokens"}},
		{"tokens", []string{"text", d.path("latin.txt"), "--tokens", "words"}, []string{`"words"; there are characters and bytes`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{t, d.dir}
			d.refused(exitInvalid, c.want, append([]string{"dataset", "import", "--name", "a:1.0.0"}, c.args...)...)
		})
	}
}
