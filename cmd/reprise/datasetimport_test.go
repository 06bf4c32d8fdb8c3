package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
)

func TestImportIDX(t *testing.T) {
	d := newDesk(t)
	if err := fixtures.WriteIDX(d.dir, 1, 60, 20); err != nil {
		t.Fatal(err)
	}
	train := "train=" + d.path(fixtures.TrainImages) + "," + d.path(fixtures.TrainLabels)
	test := "test=" + d.path(fixtures.TestImages) + "," + d.path(fixtures.TestLabels)
	r := report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, "dataset", "import", "idx", "--split", train, "--split", test, "--name", "glyphs:1.0.0")
	if diff := cmp.Diff(map[string]int64{"train": 60, "test": 20}, r.Splits); diff != "" || len(r.Classes) != 10 || r.Record.Size != 785 {
		t.Errorf("%+v %s", r, diff)
	}
	for name, args := range map[string][]string{
		"again":          {"--split", train, "--split", test},
		"from a folder":  {d.dir},
		"other order":    {"--split", test, "--split", train},
		"quiet, verbose": {d.dir, "-q", "-v"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{t, d.dir}
			again := report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, append([]string{"dataset", "import", "idx", "--name", "glyphs:1.0.0"}, args...)...)
			if again.Digest != r.Digest {
				t.Errorf("the digest is %s, was %s", again.Digest, r.Digest)
			}
		})
	}
	if o := d.done("dataset", "import", "idx", d.dir, "--name", "glyphs:1.0.0"); !strings.Contains(o.stdout, "already in the store") {
		t.Errorf("%s", o.stdout)
	}
	pair := report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, "dataset", "import", "idx", d.path(fixtures.TrainImages), d.path(fixtures.TrainLabels), "--name", "pair:1.0.0", "--test-fraction", "0.2")
	if pair.Splits["train"]+pair.Splits["test"] != 60 || pair.Splits["test"] == 0 {
		t.Errorf("%+v", pair)
	}
}

func TestImportCSV(t *testing.T) {
	d := newDesk(t)
	var table bytes.Buffer
	if err := fixtures.WriteTable(&table, 1, 90); err != nil {
		t.Fatal(err)
	}
	file := d.write("table.csv", table.String())
	args := []string{"dataset", "import", "csv", "--header", "--test-fraction", "0.3", "--name", "table:1.0.0"}
	r := report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, append(args, file)...)
	if diff := cmp.Diff(fixtures.TableClasses(), r.Classes); diff != "" || r.Record.Input.Shape[0] != 6 || r.Splits["test"] < 25 {
		t.Errorf("%+v %s", r, diff)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(table.Bytes())
	z.Close()
	args[len(args)-1] = "table:1.0.1"
	if g := report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, append(args, d.write("table.csv.gz", zipped.String()))...); g.Splits["test"] != r.Splits["test"] {
		t.Errorf("%+v", g)
	}
	numbers := report[schema.DatasetReport](d, schema.KindDatasetReport, exitDone, "dataset", "import", "csv", d.write("n.csv", "1,2\n3,4\n"), "--regression", "--label", "0", "--name", "numbers:1.0.0")
	if len(numbers.Classes) != 0 || numbers.Record.Target.DType != "f32" {
		t.Errorf("%+v", numbers)
	}
	t.Run("a version that is there", func(t *testing.T) {
		d := &desk{t, d.dir}
		d.refused(exitFailed, []string{"table:1.0.0", "already published"}, "dataset", "import", "csv", d.path("n.csv"), "--name", "table:1.0.0")
	})
}

func TestImportRefuses(t *testing.T) {
	d := newDesk(t)
	if err := fixtures.WriteIDX(d.dir, 1, 60, 20); err != nil {
		t.Fatal(err)
	}
	images, labels := d.path(fixtures.TrainImages), d.path(fixtures.TrainLabels)
	short := d.write("short", d.read(fixtures.TrainImages)[:5000])
	table := d.write("table.csv", "a,b\n1,x\n2,y\n")
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"no name", []string{"idx", images, labels}, []string{"--name is missing"}},
		{"name without version", []string{"idx", images, labels, "--name", "mnist"}, []string{"is not NAME:VERSION"}},
		{"bad name", []string{"idx", images, labels, "--name", "MNIST:1.0.0"}, []string{"is not NAME:VERSION"}},
		{"no files", []string{"idx", "--name", "a:1.0.0"}, []string{"no file to import"}},
		{"one file", []string{"idx", images, "--name", "a:1.0.0"}, []string{"LABELS is missing"}},
		{"files twice", []string{"idx", images, labels, "--split", "train=a,b", "--name", "a:1.0.0"}, []string{"both as arguments and with --split"}},
		{"no split", []string{"idx", "--split", images, "--name", "a:1.0.0"}, []string{"is not SPLIT=FILES"}},
		{"missing file", []string{"idx", d.path("no"), labels, "--name", "a:1.0.0"}, []string{"no: there is no such file"}},
		{"missing folder", []string{"idx", d.path("nowhere"), "--name", "a:1.0.0"}, []string{"no such file"}},
		{"folder without data", []string{"idx", filepath.Join(d.dir, "empty"), "--name", "a:1.0.0"}, []string{"there is no train-images-idx3-ubyte"}},
		{"truncated file", []string{"idx", short, labels, "--name", "a:1.0.0"}, []string{"short"}},
		{"labels as images", []string{"idx", labels, images, "--name", "a:1.0.0"}, []string{fixtures.TrainLabels}},
		{"table without header", []string{"csv", table, "--name", "a:1.0.0"}, []string{"table.csv: line 1", "is not a number", "header"}},
		{"unknown label", []string{"csv", table, "--header", "--label", "c", "--name", "a:1.0.0"}, []string{"c"}},
		{"fraction", []string{"csv", table, "--header", "--test-fraction", "2", "--name", "a:1.0.0"}, []string{"is not between 0 and 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{t, d.dir}
			if err := os.MkdirAll(d.path("empty"), 0o777); err != nil {
				t.Fatal(err)
			}
			d.refused(exitInvalid, c.want, append([]string{"dataset", "import"}, c.args...)...)
		})
	}
}
