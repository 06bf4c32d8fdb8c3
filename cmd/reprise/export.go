package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/bundle"
)

func exportCommand(a *app) *cobra.Command {
	var output string
	var all bool
	c := &cobra.Command{
		Use:   "export REF... -o FILE.tar",
		Short: "Pack closures and datasets into one file, for where there is no network",
		Long: long(`
Writes closures and datasets as a bundle: a tar archive with everything that belongs to them, also the datasets of
closures and the records about them. It is an OCI layout, which oras, crane and skopeo read, and unpacked it is a
store. reprise import puts it into another store; --store FILE.tar reads it as it is. The same objects give the same
bytes.`, exitDamaged),
		Example: `  reprise export mnist-cnn:1.0.0 -o mnist-cnn.tar
  reprise export --all -o zoo.tar`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case output == "":
				return usagef("name the file to write", "-o FILE.tar is missing")
			case all && len(args) > 0:
				return usagef("leave out one of them", "--all takes no references")
			case !all && len(args) == 0:
				return usagef("name what to export, or say --all", "REF is missing")
			}
			return a.export(c.Context(), args, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the file to write")
	c.Flags().BoolVar(&all, "all", false, "export every version and tag")
	return c
}

func (a *app) export(ctx context.Context, references []string, output string) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	selected, err := gather(ctx, s, references)
	if err != nil {
		return err
	}
	report := schema.ExportReport{Exported: []schema.CopiedReference{}, File: output}
	for _, o := range selected.Objects {
		for _, r := range o.Refs {
			report.Exported = append(report.Exported, copiedReference(o.Name, r))
		}
	}
	shown := a.newTransfer("exporting")
	hash := sha256.New()
	report.Size, err = writeWhole(output, func(w io.Writer) error {
		return bundle.Write(ctx, io.MultiWriter(w, hash), selected, bundle.WriteOptions{Progress: shown.step})
	})
	shown.clear()
	if err != nil {
		return err
	}
	report.Digest = schema.DigestFromSum([sha256.Size]byte(hash.Sum(nil)))
	return a.answer(report, func(w io.Writer) {
		for _, r := range report.Exported {
			fmt.Fprintf(w, "%s %s:%s%s\n", a.style(styleBold, "exported"), r.Name, r.Version, r.Tag)
		}
		fmt.Fprintf(w, "%s, %s\n  %s\n", output, byteCount(report.Size), report.Digest)
	})
}

// writeWhole writes a file that appears whole or not at all, and returns its size.
func writeWhole(name string, write func(w io.Writer) error) (int64, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return 0, usagef("name a file with -o", "%s is not a file", name)
	}
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return 0, fileError(name, err)
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	err = write(buffered)
	if err == nil {
		err = errors.Join(buffered.Flush(), f.Sync())
	}
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		_ = os.Remove(temp) // its error would say no more
		return 0, err
	}
	return info.Size(), nil
}
