package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func copyCommand(a *app) *cobra.Command {
	var to string
	var all bool
	var jobs int
	c := &cobra.Command{
		Use:   "copy REF... --to STORE",
		Short: "Copy closures and datasets to another store, with all that belongs to them",
		Long: long(`
Copies closures and datasets to another store of any kind, with the datasets that closures refer to and with the
records, signatures and withdrawals about them. Digests stay the same. Only what is missing there is sent, so an
interrupted copy goes on where it stopped, and a mirror is kept by copying again. With --all, everything that has a
version or a tag is copied.`, exitDamaged),
		Example: `  reprise copy mnist-cnn:1.0.0 --to ./mirror
  reprise copy --all --to ./mirror`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case to == "":
				return usagef("name the other store, such as --to ./mirror", "--to STORE is missing")
			case all && len(args) > 0:
				return usagef("leave out one of them", "--all takes no references")
			case !all && len(args) == 0:
				return usagef("name what to copy, or say --all", "REF is missing")
			}
			return a.copy(c.Context(), args, to, jobs)
		},
	}
	c.Flags().StringVar(&to, "to", "", "the other store; made if there is none")
	c.Flags().BoolVar(&all, "all", false, "copy every version and tag")
	c.Flags().IntVar(&jobs, "jobs", 0, "files sent at a time (default 4)")
	return c
}

// copy copies what references mean, or everything if there are none.
func (a *app) copy(ctx context.Context, references []string, to string, jobs int) error {
	from, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	selected, err := gather(ctx, from, references)
	if err != nil {
		return err
	}
	target, err := a.openPlace(ctx, to, true)
	if err != nil {
		return err
	}
	shown := a.newTransfer("copying")
	done, err := zoo.Copy(ctx, selected, target, zoo.CopyOptions{Jobs: jobs, Progress: shown.step})
	shown.clear()
	if err != nil {
		return err
	}
	return a.answerCopied("copied", done)
}

// gather selects what references mean, or everything if there are none.
func gather(ctx context.Context, s zoo.Store, references []string) (*zoo.Selection, error) {
	if len(references) == 0 {
		return zoo.SelectAll(ctx, s)
	}
	selected, err := zoo.Select(ctx, s, references)
	if err != nil {
		return nil, err
	}
	return selected, nil
}

// answerCopied tells what came to another store.
func (a *app) answerCopied(verb string, done zoo.Copied) error {
	report := schema.CopyReport{
		Copied: []schema.CopiedReference{}, Files: done.Blobs, Bytes: done.Bytes,
		PresentFiles: done.PresentBlobs, PresentBytes: done.PresentBytes,
	}
	for _, r := range done.Refs {
		c := copiedReference(r.Name, r.Ref)
		c.Present = r.Present
		report.Copied = append(report.Copied, c)
	}
	return a.answer(report, func(w io.Writer) {
		for _, r := range report.Copied {
			word := verb
			if r.Present {
				word = "already there:"
			}
			fmt.Fprintf(w, "%s %s:%s%s\n", a.style(styleBold, word), r.Name, r.Version, r.Tag)
		}
		fmt.Fprintf(w, "%s sent; %s were there\n", filesText(report.Files, report.Bytes), filesText(report.PresentFiles, report.PresentBytes))
	})
}

func copiedReference(name string, r zoo.Ref) schema.CopiedReference {
	return schema.CopiedReference{Name: name, Version: r.Version, Tag: r.Tag, Digest: r.Entry.Digest, Kind: zoo.Kind(r.Entry.ArtifactType)}
}
