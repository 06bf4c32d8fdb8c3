package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// importer makes a dataset of files and writes its blobs.
type importer func(context.Context, closure.Import, closure.BlobSink) (*schema.Dataset, *closure.Manifest, error)

// importFlags are those of all importers.
type importFlags struct {
	options closure.Import
	name    string
	splits  []string
}

func datasetImportCommand(a *app) *cobra.Command {
	return group("import", "Make a dataset of files, in the store",
		"  reprise dataset import idx --split train=IMAGES,LABELS --name mnist:1.0.0", importIDXCommand(a), importCSVCommand(a),
		importCIFAR10Command(a), importImagesCommand(a), importTextCommand(a))
}

func importIDXCommand(a *app) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "idx [IMAGES LABELS | FOLDER] --name NAME:VERSION",
		Short: "Import images in the IDX format, that of MNIST",
		Long: long(`
Makes a dataset of files in the format of MNIST, plain or gzipped. Each split has a file of images and a
file of labels. Two files are the split train; of a folder, the files with MNIST's usual names are taken.
The same files always give the same dataset.`),
		Example: `  reprise dataset import idx ./mnist --name mnist:1.0.0
  reprise dataset import idx --name mnist:1.0.0 \
      --split train=train-images-idx3-ubyte.gz,train-labels-idx1-ubyte.gz \
      --split test=t10k-images-idx3-ubyte.gz,t10k-labels-idx1-ubyte.gz`,
		Args: between(0, 2, "IMAGES", "LABELS"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.importFolder(c.Context(), f, args[0])
			}
			return a.importDataset(c.Context(), closure.ImportIDX, f, args)
		},
	}
	f.add(c, "train=IMAGES,LABELS")
	return c
}

func importCSVCommand(a *app) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "csv [FILE] --name NAME:VERSION",
		Short: "Import a table in CSV",
		Long: long(`
Makes a dataset of tables in CSV, plain or gzipped: one file is the split train. One column is the label, the
last one unless --label says otherwise; all others are features, which must be numbers. The classes are the
label texts, sorted. The same files always give the same dataset.`),
		Example: `  reprise dataset import csv iris.csv --header --test-fraction 0.3 --name iris:1.0.0
  reprise dataset import csv --split train=a.csv --split test=b.csv --label 0 --name table:1.0.0`,
		Args: between(0, 1, "FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.importDataset(c.Context(), closure.ImportCSV, f, args)
		},
	}
	f.add(c, "train=FILE")
	c.Flags().StringVar(&f.options.Label, "label", "", "the label's column: its name, or its number from 0 (default the last)")
	c.Flags().BoolVar(&f.options.Header, "header", false, "the first line names the columns")
	c.Flags().BoolVar(&f.options.Regression, "regression", false, "the label is a number to be predicted, not a class")
	return c
}

func (f *importFlags) add(c *cobra.Command, split string) {
	flags := c.Flags()
	flags.StringVar(&f.name, "name", "", "name and version of the dataset, such as mnist:1.0.0")
	flags.StringArrayVar(&f.splits, "split", nil, "a split and its files, such as "+split+"; may be repeated")
	flags.Float64Var(&f.options.TestFraction, "test-fraction", 0, "hold out this part of every class as the split test")
	flags.StringSliceVar(&f.options.Classes, "classes", nil, "names of the classes, in order")
	flags.StringVar(&f.options.Title, "title", "", "a title")
	flags.StringVar(&f.options.Description, "description", "", "what the data are")
	flags.StringVar(&f.options.License, "license", "", "an SPDX expression, such as CC-BY-4.0")
	flags.StringVar(&f.options.Citation, "citation", "", "how to cite the data")
	flags.Uint64Var(&f.options.Seed, "seed", 0, "seed of the order of the records")
}

// importFolder imports a folder with MNIST's usual file names.
func (a *app) importFolder(ctx context.Context, f importFlags, folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return fileError(folder, err)
	}
	if !info.IsDir() {
		return usagef("give IMAGES LABELS, or a folder", "LABELS is missing")
	}
	for _, s := range []struct{ split, prefix string }{{closure.SplitTrain, "train"}, {closure.SplitTest, "t10k"}} {
		images, labels := findIDX(folder, s.prefix+"-images-idx3-ubyte"), findIDX(folder, s.prefix+"-labels-idx1-ubyte")
		if images != "" && labels != "" {
			f.splits = append(f.splits, fmt.Sprintf("%s=%s,%s", s.split, images, labels))
		}
	}
	if len(f.splits) == 0 {
		return usagef("name the files with --split train=IMAGES,LABELS", "%s: there is no train-images-idx3-ubyte with its labels, gzipped or not", folder)
	}
	return a.importDataset(ctx, closure.ImportIDX, f, nil)
}

func findIDX(folder, name string) string {
	for _, suffix := range []string{"", ".gz"} {
		path := filepath.Join(folder, name+suffix)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// importOptions reads the flags.
func (f *importFlags) importOptions(args []string) (closure.Import, error) {
	o := f.options
	if f.name == "" {
		return o, usagef("give a name and a version, such as --name mnist:1.0.0", "--name is missing")
	}
	ref, err := schema.ParseReference(f.name)
	if err != nil || !ref.IsVersion() {
		return o, usagef("give a name and a version, such as --name mnist:1.0.0", "--name %q is not NAME:VERSION", f.name)
	}
	o.Name, o.Version = ref.Name, ref.Label
	// Without SOURCE_DATE_EPOCH a dataset has no date, so that importing the same files again gives the same dataset.
	if os.Getenv("SOURCE_DATE_EPOCH") != "" {
		if o.Created, err = createdNow(); err != nil {
			return o, err
		}
	}
	if len(f.splits) > 0 && len(args) > 0 {
		return o, usagef("name all files with --split, or none", "files are given both as arguments and with --split")
	}
	if len(args) > 0 {
		o.Splits = []closure.SplitFiles{{Files: args}}
	}
	for _, s := range f.splits {
		name, files, ok := strings.Cut(s, "=")
		if !ok || name == "" || files == "" {
			return o, usagef("write it as train=FILE, with a comma between files", "--split %q is not SPLIT=FILES", s)
		}
		o.Splits = append(o.Splits, closure.SplitFiles{Name: name, Files: strings.Split(files, ",")})
	}
	if len(o.Splits) == 0 {
		return o, usagef("name the files as arguments or with --split", "there is no file to import")
	}
	for _, s := range o.Splits {
		for _, file := range s.Files {
			if _, err := os.Stat(file); err != nil {
				return o, fileError(file, err)
			}
		}
	}
	return o, nil
}

func (a *app) importDataset(ctx context.Context, run importer, f importFlags, args []string) error {
	options, err := f.importOptions(args)
	if err != nil {
		return err
	}
	s, err := a.createStore(ctx)
	if err != nil {
		return err
	}
	shown := a.newProgress()
	var skipped int64
	options.Progress = func(p closure.Progress) {
		skipped = p.Skipped
		if shown.due() {
			shown.show(fmt.Sprintf("%s %s %d records", p.File, bar(float64(p.Read)/float64(max(p.Size, 1)), 24), p.Records))
		}
	}
	blobs := zoo.BlobsOf(s, options.Name)
	d, m, err := run(ctx, options, blobs)
	shown.clear()
	if err != nil {
		return err
	}
	_, err = s.Version(ctx, d.Name, d.Version)
	again := err == nil
	e, err := zoo.Publish(ctx, s, zoo.Object{Name: d.Name, Version: d.Version, Manifest: m, Blobs: blobs}, zoo.PublishOptions{})
	if err != nil {
		return err
	}
	return a.answer(datasetReport(d, e.Digest), func(w io.Writer) {
		if again {
			fmt.Fprintln(w, "already in the store, byte for byte")
		}
		a.printDataset(w, d, e.Digest)
		if skipped > 0 {
			fmt.Fprintf(w, "  skipped    %d files that are no images\n", skipped)
		}
	})
}
