package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
)

// cifarClasses is the file with which CIFAR-10 names its classes.
const cifarClasses = "batches.meta.txt"

func importCIFAR10Command(a *app) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "cifar10 [FILE… | FOLDER] --name NAME:VERSION",
		Short: "Import images in the binary version of CIFAR-10",
		Long: long(`
Makes a dataset of files in the binary version of CIFAR-10, plain or gzipped. Several files are the split train;
of a folder, the files *.bin and *.bin.gz are taken, those with "test" in their names as the split test, and
batches.meta.txt, which names the classes. --classes takes that file as well, or ten names.
The same files always give the same dataset.`),
		Example: `  reprise dataset import cifar10 ./cifar-10-batches-bin --name cifar10:1.0.0
  reprise dataset import cifar10 --split train=data_batch_1.bin,data_batch_2.bin \
      --split test=test_batch.bin --classes batches.meta.txt --name cifar10:1.0.0`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && len(f.splits) == 0 {
				if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
					if err := f.findCIFAR10(args[0]); err != nil {
						return err
					}
					args = nil
				}
			}
			if err := f.readClasses(); err != nil {
				return err
			}
			return a.importDataset(c.Context(), closure.ImportCIFAR10, f, args)
		},
	}
	f.add(c, "train=FILE,FILE")
	return c
}

// findCIFAR10 finds the files of the splits, and the names of the classes, in a folder.
func (f *importFlags) findCIFAR10(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fileError(folder, err)
	}
	found := map[string][]string{}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		switch {
		case name == cifarClasses && len(f.options.Classes) == 0:
			f.options.Classes = []string{filepath.Join(folder, e.Name())}
		case !strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ".bin"):
		case strings.Contains(name, closure.SplitTest):
			found[closure.SplitTest] = append(found[closure.SplitTest], filepath.Join(folder, e.Name()))
		default:
			found[closure.SplitTrain] = append(found[closure.SplitTrain], filepath.Join(folder, e.Name()))
		}
	}
	if len(found) == 0 {
		return usagef("name the files with --split train=FILE,FILE", "%s: there is no file *.bin or *.bin.gz", folder)
	}
	for _, split := range []string{closure.SplitTrain, closure.SplitTest} {
		if len(found[split]) > 0 {
			f.splits = append(f.splits, split+"="+strings.Join(found[split], ","))
		}
	}
	return nil
}

// readClasses reads the names of classes, one on each line, where a file is given in their place.
func (f *importFlags) readClasses() error {
	if len(f.options.Classes) != 1 {
		return nil
	}
	const limit = 1 << 20
	b, err := readFile(f.options.Classes[0], limit)
	if err != nil {
		return err
	}
	f.options.Classes = nil
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			f.options.Classes = append(f.options.Classes, line)
		}
	}
	return nil
}
