package main

import (
	"bytes"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
)

func TestPredict(t *testing.T) {
	d := withData(t)
	d.published()
	rows := *report[[]schema.PredictReport](d, schema.KindPredictReport, exitDone, "predict", "small", d.path(fixtures.TestImages))
	if len(rows) != 80 || len(rows[0].Probabilities) != 10 {
		t.Fatalf("%d predictions", len(rows))
	}
	sum := 0.0
	for _, p := range rows[0].Probabilities {
		sum += p
	}
	if math.Abs(sum-1) > 1e-3 {
		t.Errorf("probabilities sum to %v", sum)
	}
	// The first of these letters as an image gives the same prediction.
	pixels := []byte(d.read(fixtures.TestImages))[16:][:28*28]
	letter := &image.Gray{Pix: pixels, Stride: 28, Rect: image.Rect(0, 0, 28, 28)}
	var b bytes.Buffer
	if err := png.Encode(&b, letter); err != nil {
		t.Fatal(err)
	}
	one := *report[[]schema.PredictReport](d, schema.KindPredictReport, exitDone, "predict", "small", d.write("letter.png", b.String()))
	if diff := cmp.Diff(rows[0].Probabilities, one[0].Probabilities); diff != "" || one[0].Class != rows[0].Class {
		t.Error(diff)
	}
	negative := &image.Gray{Pix: bytes.Clone(pixels), Stride: 28, Rect: letter.Rect}
	for i := range negative.Pix {
		negative.Pix[i] ^= 0xff
	}
	b.Reset()
	if err := png.Encode(&b, negative); err != nil {
		t.Fatal(err)
	}
	inverted := *report[[]schema.PredictReport](d, schema.KindPredictReport, exitDone, "predict", d.path("closure"), d.write("negative.png", b.String()), "--invert")
	if diff := cmp.Diff(one[0].Probabilities, inverted[0].Probabilities); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := jpeg.Encode(&b, letter, nil); err != nil {
		t.Fatal(err)
	}
	d.write("letter.jpg", b.String())
	b.Reset()
	if err := gif.Encode(&b, letter, nil); err != nil {
		t.Fatal(err)
	}
	o := d.done("predict", "small", d.path("letter.jpg"), d.write("letter.gif", b.String()), "--top", "2")
	if strings.Count(o.stdout, "\n") != 2 || !strings.Contains(o.stdout, "letter.gif") {
		t.Errorf("%s", o.stdout)
	}
	t.Run("classes of a dataset that is not there", func(t *testing.T) {
		// The closure does not need its data to predict.
		d := &desk{t, d.dir}
		alone := report[[]schema.PredictReport](d, schema.KindPredictReport, exitDone, "predict", d.path("closure"), d.path("letter.png"), "--store", d.path("nowhere"))
		if diff := cmp.Diff(one[0].Probabilities, (*alone)[0].Probabilities); diff != "" {
			t.Error(diff)
		}
	})
	for name, c := range map[string]struct {
		file string
		want string
	}{
		"empty":              {d.write("empty", ""), "the file is empty"},
		"text":               {d.write("rows.csv", "1,2,3\n"), "the model takes images"},
		"broken image":       {d.write("broken.png", "\x89PNG\r\n\x1a\n"), "the PNG image is truncated"},
		"broken gzip":        {d.write("broken.gz", "\x1f\x8b"), "gzip data is broken"},
		"labels":             {d.path(fixtures.TestLabels), "neither an image, nor an IDX file of images"},
		"truncated IDX":      {d.write("short", d.read(fixtures.TestImages)[:1000]), "says that it holds 80 images"},
		"IDX of other shape": {d.write("other", "\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01x"), "the model takes u8 28×28×1"},
		"missing":            {d.path("missing.png"), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{t, d.dir}
			d.refused(exitInvalid, []string{c.want}, "predict", "small", c.file)
		})
	}
	d.refused(exitFailed, []string{"not found"}, "predict", "nothing", d.path("letter.png"))
}

func TestPredictTable(t *testing.T) {
	d := newDesk(t)
	var table bytes.Buffer
	if err := fixtures.WriteTable(&table, 1, 200); err != nil {
		t.Fatal(err)
	}
	file := d.write("table.csv", table.String())
	d.done("dataset", "import", "csv", file, "--header", "--test-fraction", "0.3", "--name", "table:1.0.0")
	d.write("closure.yaml", strings.NewReplacer("name: table-mlp\n", "name: points\n", "epochs: 20", "steps: 10").Replace(string(fixtures.Specification("table"))))
	d.published()
	heading, _, _ := strings.Cut(table.String(), "\n")
	label := heading[strings.LastIndex(heading, ",")+1:]
	rows := *report[[]schema.PredictReport](d, schema.KindPredictReport, exitDone, "predict", "points", file, "--header", "--label", label)
	if len(rows) != 200 || rows[0].Input != file+":2" || len(rows[0].Probabilities) != 3 {
		t.Errorf("%d rows, first %+v", len(rows), rows[0])
	}
	d.done("predict", "points", d.write("row.csv", "1,2,3,4,5,6\n"))
	d.done("predict", "points", d.write("labelled.csv", "1,2,3,4,5,6,core\n"), "--label", "6")
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"label not named", []string{file, "--header"}, []string{"line 2", "7 columns", "--label"}},
		{"header not told", []string{file, "--label", "6"}, []string{"line 1", "is not a number", "--header"}},
		{"unknown column", []string{file, "--header", "--label", "no"}, []string{`there is no column "no"`}},
		{"name without header", []string{file, "--label", "class"}, []string{"without --header"}},
		{"columns", []string{d.write("few.csv", "1,2\n")}, []string{"2 columns", "6 features"}},
		{"no row", []string{d.write("none.csv", heading+"\n"), "--header"}, []string{"there is no row"}},
		{"quotes", []string{d.write("quotes.csv", "\"a\n")}, []string{"quotes.csv"}},
		{"infinity", []string{d.write("inf.csv", "1,2,3,4,5,Inf\n")}, []string{"column 5", "is not a number"}},
		{"image", []string{d.write("x.png", "\x89PNG")}, []string{"is an image; the model takes f32 6"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{t, d.dir}
			d.refused(exitInvalid, c.want, append([]string{"predict", "points"}, c.args...)...)
		})
	}
}
