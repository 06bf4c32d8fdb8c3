package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/bundle"
)

func exportCommand(a *app) *cobra.Command {
	var output, format string
	var all bool
	c := &cobra.Command{
		Use:   "export REF... -o FILE.tar",
		Short: "Pack closures and datasets into one file, or a closure into a folder for Hugging Face",
		Long: long(`
Writes closures and datasets as a bundle: a tar archive with everything that belongs to them, also the datasets of
closures and the records about them. It is an OCI layout, which oras, crane and skopeo read, and unpacked it is a
store. reprise import puts it into another store; --store FILE.tar reads it as it is. The same objects give the same
bytes.

With --format huggingface the one closure that is named becomes a folder in the form of huggingface.co: a model card with
its metadata and claims (README.md), model.safetensors, config.json (the resolved specification) and closure.json.`, exitDamaged),
		Example: `  reprise export mnist-cnn:1.0.0 -o mnist-cnn.tar
  reprise export --all -o zoo.tar
  reprise export mnist-cnn --format huggingface -o mnist-cnn-model`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case format == formatHuggingFace && output == "":
				return usagef("name the directory to write", "-o DIR is missing")
			case format == formatHuggingFace && (all || len(args) != 1):
				return usagef("name one closure", "--format %s takes one reference", format)
			case format == formatHuggingFace:
				return a.exportHuggingFace(c.Context(), args[0], output)
			case format != "":
				return usagef("leave it out for a bundle, or give "+formatHuggingFace, "--format %q is not known", format)
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
	c.Flags().StringVarP(&output, "output", "o", "", "the file, or with --format the folder, to write")
	c.Flags().StringVar(&format, "format", "", "write a folder in another form: "+formatHuggingFace)
	c.Flags().BoolVar(&all, "all", false, "export every version and tag")
	return c
}

func (a *app) export(ctx context.Context, references []string, output string) error {
	if info, err := os.Stat(output); err == nil && !info.Mode().IsRegular() {
		return usagef("name a file with -o", "%s is not a file", output)
	}
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
	err = writeOutput(output, func(w io.Writer) error {
		d := &digesting{w: w, hash: sha256.New()}
		err := bundle.Write(ctx, d, selected, bundle.WriteOptions{Progress: shown.step})
		report.Size, report.Digest = d.size, schema.DigestFromSum([sha256.Size]byte(d.hash.Sum(nil)))
		return err
	})
	shown.clear()
	if err != nil {
		return err
	}
	return a.answer(report, func(w io.Writer) {
		for _, r := range report.Exported {
			fmt.Fprintf(w, "%s %s:%s%s\n", a.style(styleBold, "exported"), r.Name, r.Version, r.Tag)
		}
		fmt.Fprintf(w, "%s, %s\n  %s\n", output, byteCount(report.Size), report.Digest)
	})
}

// digesting hashes and counts what is written through it.
type digesting struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

func (d *digesting) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	d.hash.Write(b[:n])
	d.size += int64(n)
	return n, err
}
